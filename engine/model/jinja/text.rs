//! The methods of texts.

use minijinja::{Error, Value};

use super::values::{Args, Type, entries, int, invalid, items, list, named, string, tuple, whole};
use super::{Budget, format, unicode, write};

/// A text that is marked as escaped if the other one is.
pub(super) fn like(other: &Value, text: String) -> Value {
    if other.is_safe() { Value::from_safe_string(text) } else { Value::from(text) }
}

/// `escape(value)`: what is escaped already stays.
pub(super) fn escaped(value: &Value, budget: &Budget) -> Result<String, Error> {
    let text = write::text(value, budget)?;
    if value.is_safe() {
        return Ok(text);
    }
    budget.spend(text.len() * 6)?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;"))
}

/// Calls a method of a text.
pub(super) fn call(value: &Value, name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    // Methods of escaped text escape what they are given.
    let special = |value: &Value| value.as_str().is_some_and(|text| text.contains(['&', '<', '>', '\'', '"']));
    if value.is_safe() {
        let given = args.positional.iter().chain(args.named.iter().map(|(_, value)| value));
        if matches!(name, "join" | "format" | "format_map" | "translate") || given.into_iter().any(special) {
            return Err(invalid(format!("{name} of a text that is marked as escaped is not supported")));
        }
    }
    let result = method(value.as_str().unwrap_or_default(), name, args, budget)?;
    Ok(match Type::of(&result) {
        Type::Str => like(value, result.as_str().unwrap_or_default().to_owned()),
        kind @ (Type::List | Type::Tuple) if value.is_safe() => {
            let parts = items(&result, budget)?.iter().map(|part| like(value, part.as_str().unwrap_or_default().to_owned())).collect();
            if kind == Type::Tuple { tuple(parts) } else { list(parts) }
        }
        _ => result,
    })
}

fn method(text: &str, name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let none = |args: Args| args.bind::<0>(name, [], 0).map(|_| ());
    let all = |test: fn(char) -> bool| Ok(Value::from(!text.is_empty() && text.chars().all(test)));
    match name {
        "capitalize" | "casefold" | "lower" | "swapcase" | "title" | "upper" | "isalnum" | "isalpha" | "isascii" | "isdecimal"
        | "isdigit" | "isidentifier" | "islower" | "isnumeric" | "isprintable" | "isspace" | "istitle" | "isupper" => none(args)?,
        _ => return with_arguments(text, name, args, budget),
    }
    budget.spend(text.len())?;
    match name {
        "capitalize" => Ok(Value::from(capitalized(text))),
        "casefold" => Ok(Value::from(unicode::casefold(text))),
        "lower" => Ok(Value::from(text.to_lowercase())),
        "upper" => Ok(Value::from(text.to_uppercase())),
        "swapcase" => Ok(Value::from(recased(
            text,
            |c, _| !c.is_uppercase(),
            |c| {
                if c.is_lowercase() { c.to_uppercase().collect() } else { c.into() }
            },
        ))),
        "title" => Ok(Value::from(recased(text, |_, after_cased| !after_cased, unicode::title))),
        "isalnum" => all(unicode::is_alnum),
        "isalpha" => all(unicode::is_alpha),
        "isascii" => Ok(Value::from(text.is_ascii())),
        "isdecimal" => all(unicode::is_decimal),
        "isdigit" => all(unicode::is_digit),
        "isnumeric" => all(unicode::is_numeric),
        "isspace" => all(unicode::is_space),
        "isprintable" => Ok(Value::from(text.chars().all(unicode::is_printable))),
        "isidentifier" => Ok(Value::from(!text.is_empty() && text.chars().enumerate().all(|(i, c)| unicode::is_identifier(c, i == 0)))),
        "islower" => Ok(Value::from(is_lower(text))),
        "isupper" => Ok(Value::from(is_upper(text))),
        _ => Ok(Value::from(is_title(text))),
    }
}

pub(super) fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(|c| c.is_uppercase() || unicode::is_title(c))
}

pub(super) fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(|c| c.is_lowercase() || unicode::is_title(c))
}

fn is_title(text: &str) -> bool {
    let (mut found, mut after) = (false, false);
    for c in text.chars() {
        let upper = c.is_uppercase() || unicode::is_title(c);
        if upper && after || c.is_lowercase() && !after {
            return false;
        }
        after = unicode::is_cased(c);
        found |= after;
    }
    found
}

pub(super) fn capitalized(text: &str) -> String {
    match text.chars().next() {
        Some(first) => unicode::title(first) + &lowered(text)[1..].concat(),
        None => String::new(),
    }
}

/// Each character in lower case, with the sigma that its place in the word asks for.
fn lowered(text: &str) -> Vec<String> {
    let whole = text.to_lowercase();
    let mut rest = whole.chars();
    text.chars().map(|c| rest.by_ref().take(c.to_lowercase().count()).collect()).collect()
}

/// Raises the characters that `raise` chooses, which is told whether the character before has case, and lowers the others.
fn recased(text: &str, raise: impl Fn(char, bool) -> bool, raised: impl Fn(char) -> String) -> String {
    let (lower, mut after) = (lowered(text), false);
    let mut out = String::with_capacity(text.len());
    for (c, low) in text.chars().zip(lower) {
        out.push_str(&if raise(c, after) { raised(c) } else { low });
        after = unicode::is_cased(c);
    }
    out
}

fn with_arguments(text: &str, name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let what = name;
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let [letters] = args.bind(what, [""], 0)?;
            let letters = letters.filter(|v| !v.is_none());
            let letters: Option<Vec<char>> = letters.map(|v| string(&v, what).map(|text| text.chars().collect())).transpose()?;
            let drop = |c: char| letters.as_ref().map_or_else(|| unicode::is_space(c), |letters| letters.contains(&c));
            let text = if name == "rstrip" { text } else { text.trim_start_matches(drop) };
            Ok(Value::from(if name == "lstrip" { text } else { text.trim_end_matches(drop) }))
        }
        "split" | "rsplit" => {
            let [by, most] = args.bind(what, ["sep", "maxsplit"], 0)?;
            let most = most.map_or(Ok(-1), |most| int(&most, "maxsplit"))?;
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let by = by.filter(|v| !v.is_none());
            let parts = match by.as_ref().map(|by| string(by, "sep")).transpose()? {
                Some("") => return Err(invalid("split: the separator is empty")),
                Some(by) if name == "split" => text.splitn(most.saturating_add(1), by).collect(),
                Some(by) => {
                    let mut parts: Vec<&str> = text.rsplitn(most.saturating_add(1), by).collect();
                    parts.reverse();
                    parts
                }
                None => words(text, most, name == "rsplit"),
            };
            budget.spend(parts.len() * size_of::<Value>())?;
            Ok(list(parts.into_iter().map(Value::from).collect()))
        }
        "splitlines" => {
            let [keep] = args.bind(what, ["keepends"], 0)?;
            Ok(list(lines(text, keep.is_some_and(|keep| keep.is_true())).into_iter().map(Value::from).collect()))
        }
        "join" => {
            let [given] = args.bind(what, [""], 1)?;
            let given = items(&given.unwrap_or_default(), budget)?;
            let parts = given.iter().map(|item| string(item, "an item of join")).collect::<Result<Vec<_>, _>>()?;
            joined(&parts, text, budget)
        }
        "replace" => {
            let [old, new, most] = args.bind(what, ["", "", "count"], 2)?;
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            let most = most.map_or(Ok(-1), |most| int(&most, "replace: count"))?;
            replaced(text, string(&old, what)?, string(&new, what)?, most, budget).map(Value::from)
        }
        "removeprefix" | "removesuffix" => {
            let [affix] = args.bind(what, [""], 1)?;
            let affix = affix.unwrap_or_default();
            let affix = string(&affix, what)?;
            let cut = if name == "removeprefix" { text.strip_prefix(affix) } else { text.strip_suffix(affix) };
            Ok(Value::from(cut.unwrap_or(text)))
        }
        "startswith" | "endswith" => {
            let [affix, start, stop] = args.bind(what, ["", "", ""], 1)?;
            let affix = affix.unwrap_or_default();
            let affixes = if Type::of(&affix) == Type::Tuple { items(&affix, budget)? } else { vec![affix] };
            let Some(part) = within(text, start, stop)? else {
                affixes.iter().try_for_each(|affix| string(affix, what).map(|_| ()))?;
                return Ok(false.into());
            };
            let has = |affix: &Value| -> Result<bool, Error> {
                let affix = string(affix, what)?;
                Ok(if name == "startswith" { part.1.starts_with(affix) } else { part.1.ends_with(affix) })
            };
            affixes.iter().try_fold(false, |found, affix| Ok(found | has(affix)?)).map(Value::from)
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let [wanted, start, stop] = args.bind(what, ["", "", ""], 1)?;
            let wanted = wanted.unwrap_or_default();
            let wanted = string(&wanted, what)?;
            let part = within(text, start, stop)?;
            if name == "count" {
                return Ok(Value::from(part.map_or(0, |(_, part)| part.matches(wanted).count())));
            }
            let at = part.and_then(|(before, part)| {
                let at = if name.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
                at.map(|at| before + part[..at].chars().count())
            });
            match at {
                Some(at) => Ok(Value::from(at)),
                None if name.ends_with("index") => Err(invalid(format!("{name}: the text is not found"))),
                None => Ok(Value::from(-1)),
            }
        }
        "partition" | "rpartition" => {
            let [by] = args.bind(what, [""], 1)?;
            let by = by.unwrap_or_default();
            let by = string(&by, what)?;
            if by.is_empty() {
                return Err(invalid(format!("{name}: the separator is empty")));
            }
            let parts = match if name == "partition" { text.split_once(by) } else { text.rsplit_once(by) } {
                Some((head, tail)) => [head, by, tail],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Ok(tuple(parts.map(Value::from).to_vec()))
        }
        "center" | "ljust" | "rjust" => {
            let [width, fill] = args.bind(what, ["", ""], 1)?;
            let fill = fill.unwrap_or_else(|| Value::from(" "));
            let width = int(&width.unwrap_or_default(), "a width")?;
            padded(text, name, width, string(&fill, "the fill")?, budget).map(Value::from)
        }
        "zfill" => {
            let [width] = args.bind(what, [""], 1)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let width = int(&width.unwrap_or_default(), "a width")?.saturating_sub(sign.len() as i64);
            Ok(Value::from(sign.to_owned() + &padded(digits, "rjust", width, "0", budget)?))
        }
        "expandtabs" => {
            let [size] = args.bind(what, ["tabsize"], 0)?;
            let size = size.map_or(Ok(8), |size| int(&size, "tabsize"))?;
            expanded(text, usize::try_from(size).unwrap_or(0), budget)
        }
        "format" => format::braces(text, args, budget),
        "format_map" => {
            let [given] = args.bind(what, [""], 1)?;
            let named = entries(&given.unwrap_or_default(), budget)?.into_iter().map(|(name, value)| (name.to_string(), value));
            format::braces(text, Args { positional: Vec::new(), named: named.collect() }, budget)
        }
        "translate" => {
            let [table] = args.bind(what, [""], 1)?;
            let table = table.unwrap_or_default();
            let mut out = String::new();
            for c in text.chars() {
                budget.fits(out.len())?;
                let found = if Type::of(&table) == Type::Dict {
                    table.get_item(&Value::from(u32::from(c)))?
                } else {
                    return Err(invalid("translate needs a mapping"));
                };
                match (Type::of(&found), whole(&found)) {
                    (Type::Undefined, _) => out.push(c),
                    (Type::None, _) => {}
                    (Type::Str, _) => out.push_str(found.as_str().unwrap_or_default()),
                    (_, Some(code)) => {
                        out.push(u32::try_from(code).ok().and_then(char::from_u32).ok_or_else(|| invalid("translate: no character"))?)
                    }
                    _ => return Err(invalid("translate: a character becomes a number, a text or none")),
                }
            }
            Ok(Value::from(out))
        }
        "maketrans" => maketrans(args, budget),
        _ => Err(invalid(format!("the method {name} of a text is not supported"))),
    }
}

fn maketrans(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [from, to, without] = args.bind("maketrans", ["", "", ""], 1)?;
    let from = from.unwrap_or_default();
    let code = |c: char| Value::from(u32::from(c));
    let Some(to) = to else {
        let pairs =
            entries(&from, budget)?.into_iter().map(|(name, value)| match name.as_str().map(|text| text.chars().collect::<Vec<_>>()) {
                Some(letters) if letters.len() == 1 => Ok((code(letters[0]), value)),
                None if whole(&name).is_some() => Ok((name, value)),
                _ => Err(invalid("maketrans: a key must be one character or a number")),
            });
        return Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, _>>()?));
    };
    let (from, to): (Vec<char>, Vec<char>) = (string(&from, "maketrans")?.chars().collect(), string(&to, "maketrans")?.chars().collect());
    if from.len() != to.len() {
        return Err(invalid("maketrans: the texts must be of the same length"));
    }
    let mut pairs: Vec<(Value, Value)> = from.into_iter().zip(to).map(|(a, b)| (code(a), code(b))).collect();
    if let Some(without) = without {
        pairs.extend(string(&without, "maketrans")?.chars().map(|c| (code(c), Value::from(()))));
    }
    Ok(Value::from_pairs(pairs))
}

/// The part between two places, counted in characters, and how many are before it; `None` if it begins after the end.
fn within(text: &str, start: Option<Value>, stop: Option<Value>) -> Result<Option<(usize, &str)>, Error> {
    let length = text.chars().count() as i64;
    let place = |bound: Option<Value>, other: i64| -> Result<i64, Error> {
        let bound = bound.filter(|bound| !bound.is_none()).map_or(Ok(other), |bound| int(&bound, "a place"))?;
        Ok(if bound < 0 { (bound + length).max(0) } else { bound })
    };
    let (start, stop) = (place(start, 0)?, place(stop, length)?.min(length));
    if start > stop {
        return Ok(None);
    }
    let byte = |at: i64| text.char_indices().nth(at as usize).map_or(text.len(), |(at, _)| at);
    Ok(Some((start as usize, &text[byte(start)..byte(stop)])))
}

/// The words between blanks. After `most` cuts the rest is one part.
pub(super) fn words(text: &str, most: usize, from_end: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    if from_end {
        let mut rest = text.trim_end_matches(unicode::is_space);
        while !rest.trim_start_matches(unicode::is_space).is_empty() {
            let Some((at, blank)) = rest.char_indices().rev().find(|(_, c)| unicode::is_space(*c)).filter(|_| parts.len() < most) else {
                break;
            };
            parts.push(&rest[at + blank.len_utf8()..]);
            rest = rest[..at].trim_end_matches(unicode::is_space);
        }
        if !rest.is_empty() {
            parts.push(if parts.len() < most { rest.trim_start_matches(unicode::is_space) } else { rest });
        }
        parts.retain(|part| !part.is_empty());
        parts.reverse();
        return parts;
    }
    let mut rest = text.trim_start_matches(unicode::is_space);
    while let Some(at) = rest.find(unicode::is_space).filter(|_| parts.len() < most) {
        parts.push(&rest[..at]);
        rest = rest[at..].trim_start_matches(unicode::is_space);
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// `splitlines`.
pub(super) fn lines(text: &str, keep: bool) -> Vec<&str> {
    const ENDS: [char; 10] = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(ENDS) {
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        parts.push(&rest[..if keep { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

pub(super) fn joined(parts: &[&str], between: &str, budget: &Budget) -> Result<Value, Error> {
    let sum: usize = parts.iter().map(|part| part.len()).sum();
    budget.spend(sum.saturating_add(between.len().saturating_mul(parts.len().saturating_sub(1))))?;
    Ok(Value::from(parts.join(between)))
}

/// `text.replace(old, new, count)`; all of them if `count` is negative.
pub(super) fn replaced(text: &str, old: &str, new: &str, count: i64, budget: &Budget) -> Result<String, Error> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    budget.spend(text.len().saturating_add(text.matches(old).count().min(most).saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, most))
}

/// The text filled up to a width, on the side that the method's name says.
pub(super) fn padded(text: &str, name: &str, width: i64, fill: &str, budget: &Budget) -> Result<String, Error> {
    if fill.chars().count() != 1 {
        return Err(invalid("the fill must be one character"));
    }
    let length = text.chars().count() as i64;
    let missing = width.saturating_sub(length).max(0);
    budget.spend((missing as usize).saturating_mul(fill.len()).saturating_add(text.len()))?;
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        // What is odd goes as CPython puts it.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok([&fill.repeat(left as usize), text, &fill.repeat((missing - left) as usize)].concat())
}

fn expanded(text: &str, size: usize, budget: &Budget) -> Result<Value, Error> {
    let (mut out, mut column) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\t' => {
                let blanks = if size == 0 { 0 } else { size - column % size };
                budget.fits(out.len().saturating_add(blanks))?;
                out.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    Ok(Value::from(out))
}

/// `soft_str(value)`: a text as it is, anything else as `str` writes it.
pub(super) fn soft(value: &Value, budget: &Budget) -> Result<Value, Error> {
    if value.as_str().is_some() { Ok(value.clone()) } else { write::text(value, budget).map(Value::from) }
}

/// A text that a filter needs; Python's own error for anything else.
pub(super) fn needed<'a>(value: &'a Value, what: &str) -> Result<&'a str, Error> {
    value.as_str().ok_or_else(|| invalid(format!("{what} needs a text, not {}", named(value))))
}
