//! Formatting: `str.format`, and how numbers and texts are laid out.

use minijinja::{Error, Value};

use super::values::{Args, Type, invalid, named, whole};
use super::{Budget, methods, numbers, write};

/// How a number or a text is laid out.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

/// Fills up to the width. Without an alignment, numbers go to the right and texts to the left; `=` puts the fill after the sign.
pub(super) fn laid_out(sign: &str, body: &str, spec: &Spec, other: char, budget: &Budget) -> Result<String, Error> {
    let length = sign.chars().count() + body.chars().count();
    let missing = spec.width.saturating_sub(length);
    let fill = spec.fill.unwrap_or(' ');
    budget.spend(missing.saturating_mul(fill.len_utf8()).saturating_add(sign.len() + body.len()))?;
    let pad = |count: usize| fill.to_string().repeat(count);
    Ok(match spec.align.unwrap_or(other) {
        '<' => format!("{sign}{body}{}", pad(missing)),
        '^' => format!("{}{sign}{body}{}", pad(missing / 2), pad(missing - missing / 2)),
        '=' => format!("{sign}{}{body}", pad(missing)),
        _ => format!("{}{sign}{body}", pad(missing)),
    })
}

/// The sign that is written before a number.
pub(super) fn sign(negative: bool, wanted: Option<char>) -> String {
    match wanted {
        _ if negative => "-".into(),
        Some(c @ ('+' | ' ')) => c.into(),
        _ => String::new(),
    }
}

/// The digits of a float without its sign, in one of the forms e, f, g and %, or as `repr` if there is no form.
pub(super) fn float(x: f64, kind: Option<char>, precision: Option<usize>, alternate: bool) -> String {
    let upper = matches!(kind, Some('E' | 'F' | 'G'));
    let x = x.abs();
    let text = if !x.is_finite() {
        format!("{}{}", if x.is_nan() { "nan" } else { "inf" }, if kind == Some('%') { "%" } else { "" })
    } else {
        match (kind.map(|c| c.to_ascii_lowercase()), precision) {
            (Some('f'), _) => fixed(x, precision.unwrap_or(6), alternate),
            (Some('%'), _) => fixed(x * 100.0, precision.unwrap_or(6), alternate) + "%",
            (Some('e'), _) => exponent(x, precision.unwrap_or(6), alternate),
            (Some(_), _) => general(x, precision.unwrap_or(6).max(1), alternate, false),
            (None, Some(precision)) => general(x, precision.max(1), alternate, true),
            (None, None) => write::number(&Value::from(x), false),
        }
    };
    if upper { text.to_uppercase() } else { text }
}

fn fixed(x: f64, precision: usize, alternate: bool) -> String {
    format!("{x:.precision$}{}", if alternate && precision == 0 { "." } else { "" })
}

fn exponent(x: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{x:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}{}e{sign}{power:0>2}", if alternate && precision == 0 { "." } else { "" })
}

/// `%g`: as few digits as say it. Without a form, a float keeps one digit after the point.
fn general(x: f64, precision: usize, alternate: bool, formless: bool) -> String {
    let scientific = format!("{x:.*e}", precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let highest = precision as i32 - i32::from(formless);
    if power < -4 || power >= highest.max(if formless && precision == 1 { 0 } else { 1 }) {
        let text = exponent(x, precision - 1, alternate);
        let (digits, power) = text.split_once('e').unwrap_or((&text, ""));
        let digits = if alternate || !digits.contains('.') { digits } else { digits.trim_end_matches('0').trim_end_matches('.') };
        return format!("{digits}e{power}");
    }
    let text = fixed(x, usize::try_from(precision as i32 - 1 - power).unwrap_or(0), alternate);
    if alternate || !text.contains('.') {
        return if formless && !text.contains('.') { text + ".0" } else { text };
    }
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if formless && !short.contains('.') { format!("{short}.0") } else { short.into() }
}

/// The digits before the point, with a sign between groups, filled with zeros to a width.
fn grouped(digits: &str, mark: char, size: usize, width: usize) -> String {
    let (whole, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(digits.len()));
    let (whole, rest) = match whole.find('e').filter(|_| size == 3) {
        Some(at) => (&whole[..at], [&whole[at..], rest].concat()),
        None => (whole, rest.to_owned()),
    };
    let mut whole = whole.to_owned();
    loop {
        let letters: Vec<char> = whole.chars().collect();
        let mut out = String::new();
        for (i, c) in letters.iter().enumerate() {
            if i > 0 && (letters.len() - i).is_multiple_of(size) {
                out.push(mark);
            }
            out.push(*c);
        }
        if out.len() + rest.len() >= width || letters.is_empty() {
            return out + &rest;
        }
        whole.insert(0, '0');
    }
}

/// An integer in a base, without its sign.
pub(super) fn in_base(n: i128, kind: char) -> (String, &'static str, usize) {
    let n = n.unsigned_abs();
    match kind {
        'b' => (format!("{n:b}"), "0b", 4),
        'o' => (format!("{n:o}"), "0o", 4),
        'x' => (format!("{n:x}"), "0x", 4),
        'X' => (format!("{n:X}"), "0X", 4),
        _ => (n.to_string(), "", 3),
    }
}

/// `format(value, spec)`.
fn formatted(value: &Value, text: &str, budget: &Budget) -> Result<String, Error> {
    if text.is_empty() {
        return write::text(value, budget);
    }
    let kind = Type::of(value);
    let mut spec = read_spec(text, value)?;
    let wrong = |form: char| invalid(format!("the format code {form:?} does not fit a {}", named(value)));
    match (kind, spec.kind) {
        (Type::Str, None | Some('s')) => {
            if spec.sign.is_some() || spec.alternate || spec.grouping.is_some() || spec.align == Some('=') {
                return Err(invalid(format!("the format {text:?} is for numbers, not for texts")));
            }
            let body: String = value.as_str().unwrap_or_default().chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            laid_out("", &body, &spec, '<', budget)
        }
        (Type::Bool | Type::Int, None | Some('b' | 'c' | 'd' | 'o' | 'x' | 'X' | 'n')) => {
            let n = whole(value).ok_or_else(|| wrong('d'))?;
            if spec.precision.is_some() {
                return Err(invalid("a precision is not allowed in the format of an integer"));
            }
            if spec.kind == Some('c') {
                if spec.sign.is_some() || spec.alternate {
                    return Err(invalid("a sign is not allowed in the format code 'c'"));
                }
                let c = u32::try_from(n).ok().and_then(char::from_u32).ok_or_else(|| invalid("the format code 'c': no character"))?;
                return laid_out("", &c.to_string(), &spec, '<', budget);
            }
            let (mut digits, prefix, size) = in_base(n, spec.kind.unwrap_or('d'));
            let head = sign(n < 0, spec.sign) + if spec.alternate { prefix } else { "" };
            if let Some(mark) = spec.grouping {
                if mark == ',' && size == 4 {
                    return Err(invalid("a comma is not allowed between binary, octal or hexadecimal digits"));
                }
                digits = grouped(&digits, mark, size, zeros(&spec, &head));
            }
            laid_out(&head, &digits, &spec, '>', budget)
        }
        (Type::Bool | Type::Int | Type::Float, None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%')) => {
            let x = f64::try_from(numbers::arithmetic("+", value, &Value::from(0.0), budget)?).map_err(|_| wrong('f'))?;
            budget.fits(spec.precision.unwrap_or(0))?;
            let form = if spec.kind == Some('n') { Some('g') } else { spec.kind };
            let mut digits = float(x, form, spec.precision, spec.alternate);
            let head = sign(x.is_sign_negative() && !x.is_nan(), spec.sign);
            if let Some(mark) = spec.grouping {
                digits = grouped(&digits, mark, 3, if x.is_finite() { zeros(&spec, &head) } else { 0 });
            }
            spec.grouping = None;
            laid_out(&head, &digits, &spec, '>', budget)
        }
        (Type::Str | Type::Bool | Type::Int | Type::Float, Some(form)) => Err(wrong(form)),
        _ => Err(invalid(format!("a {} has no format {text:?}", named(value)))),
    }
}

/// The width to fill with zeros between the groups of digits.
fn zeros(spec: &Spec, head: &str) -> usize {
    let filled = spec.fill == Some('0') && spec.align == Some('=');
    if filled { spec.width.saturating_sub(head.len()).min(1000) } else { 0 }
}

fn read_spec(text: &str, value: &Value) -> Result<Spec, Error> {
    let letters: Vec<char> = text.chars().collect();
    let bad = || invalid(format!("the format {text:?} of a {} is not valid", named(value)));
    let is_align = |c: Option<&char>| c.is_some_and(|c| matches!(c, '<' | '>' | '^' | '='));
    let mut spec = Spec::default();
    let mut at = 0;
    if is_align(letters.get(1)) {
        (spec.fill, spec.align, at) = (Some(letters[0]), Some(letters[1]), 2);
    } else if is_align(letters.first()) {
        (spec.align, at) = (Some(letters[0]), 1);
    }
    let mut next = |wanted: &[char]| -> Option<char> {
        let found = letters.get(at).copied().filter(|c| wanted.contains(c));
        at += usize::from(found.is_some());
        found
    };
    spec.sign = next(&['+', '-', ' ']);
    if next(&['z']).is_some() {
        return Err(invalid("the format option 'z' is not supported"));
    }
    spec.alternate = next(&['#']).is_some();
    if next(&['0']).is_some() {
        spec.fill = spec.fill.or(Some('0'));
        if spec.align.is_none() && Type::of(value) != Type::Str {
            spec.align = Some('=');
        }
    }
    let number = |letters: &[char], at: &mut usize| -> Result<Option<usize>, Error> {
        let digits: String = letters[*at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        *at += digits.len();
        if digits.is_empty() { Ok(None) } else { digits.parse().map(Some).map_err(|_| bad()) }
    };
    spec.width = number(&letters, &mut at)?.unwrap_or(0);
    if let Some(mark) = letters.get(at).filter(|c| matches!(c, ',' | '_')) {
        (spec.grouping, at) = (Some(*mark), at + 1);
    }
    if letters.get(at) == Some(&'.') {
        at += 1;
        spec.precision = Some(number(&letters, &mut at)?.ok_or_else(bad)?);
    }
    match &letters[at..] {
        [] => Ok(spec),
        [kind] => Ok(Spec { kind: Some(*kind), ..spec }),
        _ => Err(bad()),
    }
}

/// `str.format`: fields in braces.
pub(super) fn braces(text: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let mut fields = Fields { args, next: Some(0), budget };
    fields.fill(text, 2).map(Value::from)
}

struct Fields<'a> {
    args: Args,
    /// The number of the next field without a name; `None` once numbers were given.
    next: Option<usize>,
    budget: &'a Budget,
}

impl Fields<'_> {
    fn fill(&mut self, text: &str, depth: usize) -> Result<String, Error> {
        if depth == 0 {
            return Err(invalid("format: fields are nested too deeply"));
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if rest.starts_with(brace) {
                out.push_str(brace);
                rest = &rest[1..];
                continue;
            }
            if brace == "}" {
                return Err(invalid("format: a single '}' in the text"));
            }
            let mut open = 1;
            let end = rest.find(|c| {
                open += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                open == 0
            });
            let end = end.ok_or_else(|| invalid("format: a '{' that is not closed"))?;
            out.push_str(&self.field(&rest[..end], depth)?);
            rest = &rest[end + 1..];
            self.budget.fits(out.len())?;
        }
        self.budget.spend(rest.len())?;
        Ok(out + rest)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String, Error> {
        // An index in brackets may have any sign.
        let mut inside = false;
        let end = field.find(|c| {
            inside = c == '[' || inside && c != ']';
            !inside && matches!(c, '!' | ':')
        });
        let (name, rest) = field.split_at(end.unwrap_or(field.len()));
        let (conversion, spec) = match rest.strip_prefix('!') {
            None => (None, rest.strip_prefix(':').unwrap_or("")),
            Some(rest) => {
                let mut letters = rest.chars();
                let letter = letters.next().ok_or_else(|| invalid("format: a '!' without a conversion"))?;
                match letters.as_str() {
                    "" => (Some(letter), ""),
                    rest => {
                        (Some(letter), rest.strip_prefix(':').ok_or_else(|| invalid("format: a ':' is expected after the conversion"))?)
                    }
                }
            }
        };
        let mut value = self.value(name)?;
        value = match conversion {
            None => value,
            Some('s') => Value::from(write::text(&value, self.budget)?),
            Some('r') => Value::from(write::repr(&value, self.budget)?),
            Some('a') => Value::from(write::ascii(&write::repr(&value, self.budget)?)),
            Some(other) => return Err(invalid(format!("format: the conversion {other:?} is not known"))),
        };
        let spec = self.fill(spec, depth - 1).or_else(|error| if spec.is_empty() { Ok(String::new()) } else { Err(error) })?;
        formatted(&value, &spec, self.budget)
    }

    fn value(&mut self, name: &str) -> Result<Value, Error> {
        let (first, mut rest) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
        let number = match first {
            "" => {
                let at = self.next.ok_or_else(|| invalid("format: numbered and unnumbered fields cannot be mixed"))?;
                self.next = Some(at + 1);
                Some(at)
            }
            _ => first.parse().ok(),
        };
        let mut value = match number {
            Some(at) => {
                if !first.is_empty() {
                    if self.next.is_some_and(|next| next > 0) {
                        return Err(invalid("format: numbered and unnumbered fields cannot be mixed"));
                    }
                    self.next = None;
                }
                self.args.positional.get(at).cloned().ok_or_else(|| invalid(format!("format: there is no argument {at}")))?
            }
            None => {
                let found = self.args.named.iter().find(|(name, _)| name == first).map(|(_, value)| value.clone());
                found.ok_or_else(|| invalid(format!("format: there is no argument {first}")))?
            }
        };
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or_else(|| invalid("format: a '[' that is not closed"))?;
                let index = index.parse::<i64>().map_or_else(|_| Value::from(index), Value::from);
                value = methods::item(&value, &index, self.budget)?;
                rest = after;
            } else if let Some(inner) = rest.strip_prefix('.') {
                let (attribute, after) = inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()));
                value = methods::attribute(&value, attribute, self.budget)?;
                rest = after;
            } else {
                return Err(invalid(format!("format: {name:?} is not a field")));
            }
        }
        Ok(value)
    }
}
