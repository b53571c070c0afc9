//! The filters of Jinja that change texts.

use std::sync::OnceLock;

use fancy_regex::Regex;
use minijinja::{Error, Value};

use super::filters::unfit;
use super::values::{Args, Type, entries, int, invalid, items, length as length_of, string};
use super::{Budget, numbers, text, unicode, write};

/// Applies a filter of texts to the first argument.
pub(super) fn apply(name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    match name {
        "capitalize" | "lower" | "upper" | "title" => {
            let [value] = args.bind(name, ["s"], 1)?;
            let value = text::soft(&value.unwrap_or_default(), budget)?;
            let text = value.as_str().unwrap_or_default();
            let changed = match name {
                "capitalize" => text::capitalized(text),
                "lower" => text.to_lowercase(),
                "upper" => text.to_uppercase(),
                _ => titled(text),
            };
            // The words of a title are joined to a new text.
            Ok(if name == "title" { Value::from(changed) } else { text::like(&value, changed) })
        }
        "center" => {
            let [value, width] = args.bind(name, ["value", "width"], 1)?;
            let width = width.map_or(Ok(80), |width| int(&width, "center: width"))?;
            let value = text::soft(&value.unwrap_or_default(), budget)?;
            Ok(text::like(&value, text::padded(value.as_str().unwrap_or_default(), name, width, " ", budget)?))
        }
        "e" | "escape" | "forceescape" => {
            let [value] = args.bind(name, [if name == "forceescape" { "value" } else { "" }], 1)?;
            let value = value.unwrap_or_default();
            let value = if name == "forceescape" { Value::from(write::text(&value, budget)?) } else { value };
            Ok(Value::from_safe_string(text::escaped(&value, budget)?))
        }
        "safe" => {
            let [value] = args.bind(name, ["value"], 1)?;
            Ok(Value::from_safe_string(write::text(&value.unwrap_or_default(), budget)?))
        }
        "filesizeformat" => file_size(args),
        "indent" => indent(args, budget),
        "pprint" => pretty(args, budget),
        "replace" => {
            let [value, old, new, count] = args.bind(name, ["s", "old", "new", "count"], 3)?;
            let [value, old, new] = [value, old, new].map(|value| write::text(&value.unwrap_or_default(), budget));
            let count = count.filter(|v| !v.is_none()).map_or(Ok(-1), |count| int(&count, "replace: count"))?;
            text::replaced(&value?, &old?, &new?, count, budget).map(Value::from)
        }
        "striptags" => {
            let [value] = args.bind(name, ["value"], 1)?;
            let plain = without_tags(&write::text(&value.unwrap_or_default(), budget)?);
            unescaped(&text::words(&plain, usize::MAX, false).join(" ")).map(Value::from)
        }
        "trim" => {
            let [value, letters] = args.bind(name, ["value", "chars"], 1)?;
            let value = text::soft(&value.unwrap_or_default(), budget)?;
            text::call(&value, "strip", Args { positional: letters.into_iter().collect(), named: Vec::new() }, budget)
        }
        "truncate" => truncated(args, budget),
        "urlencode" => {
            let [value] = args.bind(name, ["value"], 1)?;
            let value = value.unwrap_or_default();
            let pairs = match Type::of(&value) {
                Type::Dict => entries(&value, budget)?,
                Type::List | Type::Tuple | Type::View | Type::Stream | Type::Range | Type::Undefined => {
                    let pair = |item: Value| match items(&item, budget)?.as_slice() {
                        [key, value] => Ok((key.clone(), value.clone())),
                        _ => Err(invalid("urlencode: each item must be a pair")),
                    };
                    items(&value, budget)?.into_iter().map(pair).collect::<Result<_, Error>>()?
                }
                _ => return quoted(&write::text(&value, budget)?, true, budget).map(Value::from),
            };
            let part = |value: &Value| Ok::<_, Error>(quoted(&write::text(value, budget)?, false, budget)?.replace("%20", "+"));
            let pairs =
                pairs.iter().map(|(key, value)| Ok(format!("{}={}", part(key)?, part(value)?))).collect::<Result<Vec<_>, Error>>()?;
            Ok(Value::from(pairs.join("&")))
        }
        "urlize" => Err(invalid("the filter urlize is not supported")),
        "wordcount" => {
            let [value] = args.bind(name, ["s"], 1)?;
            let text = write::text(&value.unwrap_or_default(), budget)?;
            let words = text.split(|c| !(unicode::is_alnum(c) || c == '_'));
            Ok(Value::from(words.filter(|word| !word.is_empty()).count()))
        }
        "wordwrap" => wrapped(args, budget),
        "xmlattr" => {
            let [value, space] = args.bind(name, ["d", "autospace"], 1)?;
            let value = value.unwrap_or_default();
            let mut parts = Vec::new();
            for (key, inner) in entries(&value, budget).map_err(|_| unfit(name, &value))? {
                if inner.is_none() || inner.is_undefined() {
                    continue;
                }
                let wrong = string(&key, "a name of xmlattr")?.contains([' ', '\t', '\n', '\r', '\u{b}', '\u{c}', '/', '>', '=']);
                if wrong {
                    return Err(invalid(format!("xmlattr: {key:?} is not the name of an attribute")));
                }
                parts.push(format!("{}=\"{}\"", text::escaped(&key, budget)?, text::escaped(&inner, budget)?));
            }
            let space = space.is_none_or(|space| space.is_true()) && !parts.is_empty();
            Ok(Value::from(format!("{}{}", if space { " " } else { "" }, parts.join(" "))))
        }
        _ => Err(invalid(format!("there is no filter {name}"))),
    }
}

/// Words begin after blanks, hyphens and opening brackets.
fn titled(text: &str) -> String {
    let (mut out, mut word) = (String::with_capacity(text.len()), String::new());
    let close = |word: &mut String, out: &mut String| {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            out.extend(first.to_uppercase());
            out.push_str(&letters.as_str().to_lowercase());
        }
        word.clear();
    };
    for c in text.chars() {
        if unicode::is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<') {
            close(&mut word, &mut out);
            out.push(c);
        } else {
            word.push(c);
        }
    }
    close(&mut word, &mut out);
    out
}

fn file_size(args: Args) -> Result<Value, Error> {
    let [value, binary] = args.bind("filesizeformat", ["value", "binary"], 1)?;
    let value = value.unwrap_or_default();
    // Unlike the filter float, Python's own float refuses what is no number.
    let read = numbers::to_float(Args { positional: vec![value.clone(), Value::from("")], named: Vec::new() })?;
    let bytes = f64::try_from(read).map_err(|_| unfit("filesizeformat", &value))?;
    let (base, names) = match binary.is_some_and(|binary| binary.is_true()) {
        true => (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]),
        false => (1000.0f64, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]),
    };
    if bytes == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::from(format!("{} Bytes", bytes.trunc() as i128)));
    }
    if !bytes.is_finite() {
        return Err(unfit("filesizeformat", &value));
    }
    let mut unit = base;
    let mut shown = names[0];
    for name in names {
        (unit, shown) = (unit * base, name);
        if bytes < unit {
            break;
        }
    }
    Ok(Value::from(format!("{:.1} {shown}", base * bytes / unit)))
}

fn indent(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, width, first, blank] = args.bind("indent", ["s", "width", "first", "blank"], 1)?;
    let value = value.unwrap_or_default();
    let text = text::needed(&value, "indent")?;
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (flag(first), flag(blank));
    let indention = match width {
        None => "    ".into(),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => match int(&width, "indent: width")? {
                width if width > 1000 => return Err(invalid("indent: the width is at most 1000")),
                width => " ".repeat(width.max(0) as usize),
            },
        },
    };
    let ended = [text, "\n"].concat();
    let mut out = String::new();
    for (i, line) in text::lines(&ended, false).into_iter().enumerate() {
        budget.spend(line.len() + indention.len() + 1)?;
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(text::like(&value, out))
}

/// `pprint`, as far as it is one line.
fn pretty(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value] = args.bind("pprint", ["value"], 1)?;
    let value = sorted(&value.unwrap_or_default(), 0, budget)?;
    let text = write::repr(&value, budget)?;
    match text.chars().count() > 79 && !matches!(Type::of(&value), Type::Int | Type::Float) {
        true => Err(invalid("pprint of a value that takes more than a line is not supported")),
        false => Ok(Value::from(text)),
    }
}

/// The value with its mappings sorted by key.
fn sorted(value: &Value, depth: usize, budget: &Budget) -> Result<Value, Error> {
    if depth > write::DEPTH {
        return Err(invalid("a value is nested too deeply to be written"));
    }
    let inner = |items: Vec<Value>| items.iter().map(|item| sorted(item, depth + 1, budget)).collect::<Result<Vec<_>, _>>();
    match Type::of(value) {
        Type::List => Ok(super::values::list(inner(items(value, budget)?)?)),
        Type::Tuple => Ok(super::values::tuple(inner(items(value, budget)?)?)),
        Type::Dict => {
            let mut pairs = entries(value, budget)?;
            super::compare::sort(&mut pairs, |pair| pair.0.clone(), false, budget)?;
            let pairs = pairs.into_iter().map(|(key, value)| Ok((key, sorted(&value, depth + 1, budget)?)));
            Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
        }
        _ => Ok(value.clone()),
    }
}

/// The text without comments and tags. What is not closed stays.
fn without_tags(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find('<') {
        let end = match rest[start..].strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|at| start + 4 + at + 3),
            None => rest[start..].find('>').map(|at| start + at + 1),
        };
        let Some(end) = end else { break };
        out.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    out + rest
}

/// The text with HTML's references resolved. Only the usual ones are known.
fn unescaped(text: &str) -> Result<String, Error> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\''), ("&nbsp;", '\u{a0}')];
        if let Some((name, c)) = named.iter().find(|(name, _)| rest.starts_with(name)) {
            out.push(*c);
            rest = &rest[name.len()..];
            continue;
        }
        let number = rest.strip_prefix("&#").and_then(|inner| inner.split_once(';')).and_then(|(digits, after)| {
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            // HTML has other characters in the place of the controls.
            let c = char::from_u32(code).filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))?;
            Some((c, after))
        });
        match number {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None if rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '#') => {
                return Err(invalid("striptags: this reference of HTML is not supported"));
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    Ok(out + rest)
}

fn truncated(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, length, kill, end, leeway] = args.bind("truncate", ["s", "length", "killwords", "end", "leeway"], 1)?;
    let value = value.unwrap_or_default();
    let length = length.map_or(Ok(255), |length| int(&length, "truncate: length"))?;
    let end = end.unwrap_or_else(|| Value::from("..."));
    let ending = string(&end, "truncate: end")?;
    let leeway = leeway.filter(|v| !v.is_none()).map_or(Ok(5), |leeway| int(&leeway, "truncate: leeway"))?;
    let ends = ending.chars().count() as i64;
    if length < ends || leeway < 0 {
        return Err(invalid("truncate: the length must have room for the end, and the leeway must not be negative"));
    }
    if length_of(&value)? as i64 <= length.saturating_add(leeway) {
        return Ok(value);
    }
    let text = text::needed(&value, "truncate")?;
    budget.spend(text.len())?;
    let head: String = text.chars().take((length - ends) as usize).collect();
    let head =
        if kill.is_some_and(|kill| kill.is_true()) { head.as_str() } else { head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head) };
    let ending = if value.is_safe() { text::escaped(&end, budget)? } else { ending.to_owned() };
    Ok(text::like(&value, [head, &ending].concat()))
}

/// A text as a part of an address.
fn quoted(text: &str, slashes: bool, budget: &Budget) -> Result<String, Error> {
    budget.spend(3 * text.len())?;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~') || slashes && byte == b'/' {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

/// The pieces that Python's textwrap breaks lines between.
fn pieces(line: &str, hyphens: bool) -> Result<Vec<&str>, Error> {
    static WITH: OnceLock<Option<Regex>> = OnceLock::new();
    static WITHOUT: OnceLock<Option<Regex>> = OnceLock::new();
    let (kept, source) = if hyphens {
        let word = r#"[\w!"'&.,?]"#;
        let letter = r"[^\d\W]";
        let ws = r"[\t\n\x0b\x0c\r ]";
        let end = format!(r"(?={ws}|\z)|(?<={word})(?=-{{2,}}\w)");
        let joined = format!(r"-(?:(?<={letter}{letter}-)|(?<={letter}-{letter}-))(?={letter}-?{letter})");
        (&WITH, format!(r"{ws}+|(?<={word})-{{2,}}(?=\w)|[^\t\n\x0b\x0c\r ]+?(?:{joined}|{end})"))
    } else {
        (&WITHOUT, r"[\t\n\x0b\x0c\r ]+".into())
    };
    let regex = kept.get_or_init(|| Regex::new(&source).ok()).as_ref().ok_or_else(|| invalid("wordwrap is broken"))?;
    let (mut parts, mut done) = (Vec::new(), 0);
    for found in regex.find_iter(line) {
        let found = found.map_err(|_| invalid("wordwrap: the line is too long"))?;
        if found.start() > done {
            parts.push(&line[done..found.start()]);
        }
        if !found.as_str().is_empty() {
            parts.push(found.as_str());
        }
        done = found.end();
    }
    if done < line.len() {
        parts.push(&line[done..]);
    }
    Ok(parts)
}

fn wrapped(args: Args, budget: &Budget) -> Result<Value, Error> {
    let names = ["s", "width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let [value, width, long, between, hyphens] = args.bind("wordwrap", names, 1)?;
    let value = value.unwrap_or_default();
    let text = text::needed(&value, "wordwrap")?;
    let width = width.map_or(Ok(79), |width| int(&width, "wordwrap: width"))?;
    let width = usize::try_from(width).ok().filter(|n| *n > 0).ok_or_else(|| invalid("wordwrap: the width must be positive"))?;
    let between = between.filter(|v| !v.is_none()).unwrap_or_else(|| Value::from("\n"));
    let between = string(&between, "wordwrap: wrapstring")?;
    let (long, hyphens) = (long.is_none_or(|v| v.is_true()), hyphens.is_none_or(|v| v.is_true()));
    let mut paragraphs = Vec::new();
    for line in text::lines(text, false) {
        let mut lines = Vec::new();
        wrap(line, width, long, hyphens, &mut lines, budget)?;
        paragraphs.push(lines.join(between));
    }
    let parts: Vec<&str> = paragraphs.iter().map(String::as_str).collect();
    text::joined(&parts, between, budget)
}

/// `textwrap.wrap` of one paragraph.
fn wrap(line: &str, width: usize, long: bool, hyphens: bool, lines: &mut Vec<String>, budget: &Budget) -> Result<(), Error> {
    let blank = |text: &str| text.chars().all(unicode::is_space);
    let mut chunks: Vec<String> = pieces(line, hyphens)?.into_iter().rev().map(str::to_owned).collect();
    while !chunks.is_empty() {
        budget.spend(size_of::<String>())?;
        let (mut row, mut used) = (Vec::new(), 0);
        if !lines.is_empty() && chunks.last().is_some_and(|chunk| blank(chunk)) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.last() {
            let size = chunk.chars().count();
            if used + size > width {
                break;
            }
            used += size;
            row.extend(chunks.pop());
        }
        if let Some(chunk) = chunks.last().filter(|chunk| chunk.chars().count() > width) {
            let room = width - used;
            if long {
                let letters: Vec<char> = chunk.chars().collect();
                let mut end = room;
                if hyphens && letters.len() > room {
                    // A hyphen that has something else than hyphens before it is a better place.
                    let hyphen =
                        letters[..room].iter().rposition(|c| *c == '-').filter(|at| *at > 0 && letters[..*at].iter().any(|c| *c != '-'));
                    end = hyphen.map_or(end, |at| at + 1);
                }
                row.push(letters[..end].iter().collect());
                let rest: String = letters[end..].iter().collect();
                chunks.pop();
                chunks.push(rest);
            } else if row.is_empty() {
                row.extend(chunks.pop());
            }
        }
        if row.last().is_some_and(|chunk| blank(chunk)) {
            row.pop();
        }
        if !row.is_empty() {
            lines.push(row.concat());
        }
    }
    Ok(())
}
