//! Formatting with `%`, and the filter `format`.

use minijinja::{Error, Value};

use super::format::{Spec, float, in_base, laid_out, sign};
use super::values::{Args, Type, invalid, items, lookup, named, tuple, undefined, whole};
use super::{Budget, numbers, text, write};

/// `text % values`.
pub(super) fn percent(source: &Value, values: &Value, budget: &Budget) -> Result<Value, Error> {
    let is_tuple = Type::of(values) == Type::Tuple;
    let mut given = if is_tuple { items(values, budget)?.into_iter() } else { vec![values.clone()].into_iter() };
    let mapping = matches!(Type::of(values), Type::Dict | Type::List | Type::Range | Type::Undefined).then_some(values);
    let format = source.as_str().unwrap_or_default();
    if source.is_safe() {
        return Err(invalid("% of a text that is marked as escaped is not supported"));
    }
    let (mut out, mut rest, mut named_fields) = (String::new(), format, false);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut from = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let mut open = 1;
            let end = inner.find(|c| {
                open += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                open == 0
            });
            let end = end.ok_or_else(|| invalid("%: the name of a field is not closed"))?;
            let Some(mapping) = mapping.filter(|v| Type::of(v) == Type::Dict) else {
                return Err(invalid("%: a field with a name needs a mapping"));
            };
            let found = lookup(mapping, &Value::from(&inner[..end]))?;
            if found.is_undefined() {
                return Err(invalid(format!("%: the mapping has no {}", &inner[..end])));
            }
            (from, named_fields, rest) = (Some(found), true, &inner[end + 1..]);
        }
        let flags: String = rest.chars().take_while(|c| matches!(c, '-' | '+' | ' ' | '#' | '0')).collect();
        rest = &rest[flags.len()..];
        let mut next = |what: &str| given.next().ok_or_else(|| invalid(format!("%: not enough arguments for {what}")));
        let mut number = |rest: &mut &str| -> Result<Option<i128>, Error> {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
                return whole(&next("*")?).map(Some).ok_or_else(|| invalid("%: * needs an integer"));
            }
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (found, after) = rest.split_at(digits);
            *rest = after;
            Ok(if found.is_empty() { None } else { Some(found.parse().map_err(|_| invalid("%: a width is too large"))?) })
        };
        let width = number(&mut rest)?.unwrap_or(0);
        let precision = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                Some(number(&mut rest)?.unwrap_or(0).max(0))
            }
            None => None,
        };
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let Some(code) = rest.chars().next() else { return Err(invalid("%: the format is incomplete")) };
        rest = &rest[code.len_utf8()..];
        if code == '%' {
            if !flags.is_empty() || width != 0 || precision.is_some() {
                return Err(invalid("%: a percent sign has no width"));
            }
            out.push('%');
            continue;
        }
        let value = match from {
            Some(value) => value,
            None => next("the format")?,
        };
        let size = |n: i128| usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        let left = flags.contains('-') || width < 0;
        let spec = Spec {
            sign: if flags.contains('+') {
                Some('+')
            } else if flags.contains(' ') {
                Some(' ')
            } else {
                None
            },
            alternate: flags.contains('#'),
            width: size(width),
            precision: precision.map(size),
            ..Spec::default()
        };
        let zero = flags.contains('0') && !left;
        out.push_str(&field(&value, code, Spec { align: left.then_some('<'), ..spec }, zero, budget)?);
        budget.fits(out.len())?;
    }
    if given.next().is_some() && !(mapping.is_some() || named_fields) {
        return Err(invalid("%: not all arguments are used"));
    }
    budget.spend(rest.len())?;
    Ok(Value::from(out + rest))
}

fn field(value: &Value, code: char, mut spec: Spec, zero: bool, budget: &Budget) -> Result<String, Error> {
    budget.fits(spec.precision.unwrap_or(0))?;
    if zero && !matches!(code, 's' | 'r' | 'a' | 'c') {
        (spec.fill, spec.align) = (Some('0'), Some('='));
    }
    let needs = || invalid(format!("%{code}: a number is needed, not {}", named(value)));
    if value.is_undefined() && !matches!(code, 's' | 'r' | 'a') {
        return Err(undefined("a number"));
    }
    match code {
        's' | 'r' | 'a' => {
            let text = match code {
                's' => write::text(value, budget)?,
                'r' => write::repr(value, budget)?,
                _ => write::ascii(&write::repr(value, budget)?),
            };
            let text: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            laid_out("", &text, &spec, '>', budget)
        }
        'c' => {
            let c = match (whole(value), value.as_str()) {
                (Some(n), _) => u32::try_from(n).ok().and_then(char::from_u32).ok_or_else(|| invalid("%c: no character"))?.to_string(),
                (_, Some(text)) if text.chars().count() == 1 => text.to_owned(),
                _ => return Err(invalid("%c: a character or its number is needed")),
            };
            laid_out("", &c, &spec, '>', budget)
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let n = match (whole(value), Type::of(value)) {
                (Some(n), _) => n,
                (None, Type::Float) if matches!(code, 'd' | 'i' | 'u') => {
                    whole(&numbers::to_int(Args { positional: vec![value.clone()], named: Vec::new() })?).ok_or_else(needs)?
                }
                _ => return Err(needs()),
            };
            if f64::try_from(value.clone()).is_ok_and(f64::is_nan) {
                return Err(needs());
            }
            let (digits, prefix, _) = in_base(n, code);
            let digits = format!("{digits:0>width$}", width = spec.precision.unwrap_or(0));
            let head = sign(n < 0, spec.sign) + if spec.alternate { prefix } else { "" };
            laid_out(&head, &digits, &spec, '>', budget)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            if !matches!(Type::of(value), Type::Bool | Type::Int | Type::Float) {
                return Err(needs());
            }
            let x = f64::try_from(numbers::arithmetic("+", value, &Value::from(0.0), budget)?).map_err(|_| needs())?;
            let head = sign(x.is_sign_negative() && !x.is_nan(), spec.sign);
            laid_out(&head, &float(x, Some(code), spec.precision, spec.alternate), &spec, '>', budget)
        }
        _ => Err(invalid(format!("%: the format code {code:?} is not known"))),
    }
}

/// The filter `format`.
pub(super) fn filter(args: Args, budget: &Budget) -> Result<Value, Error> {
    let Args { mut positional, named } = args;
    if positional.is_empty() {
        return Err(invalid("format needs a text"));
    }
    let text = positional.remove(0);
    if !positional.is_empty() && !named.is_empty() {
        return Err(invalid("format cannot take arguments with and without names at the same time"));
    }
    let values = match named.is_empty() {
        true => tuple(positional),
        false => Value::from_pairs(named.into_iter().map(|(name, value)| (Value::from(name), value))),
    };
    percent(&text::soft(&text, budget)?, &values, budget)
}
