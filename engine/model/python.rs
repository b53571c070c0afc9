//! Template values, written, compared and added as in Python. Templates are written for Python's Jinja, and must give the same text here.

use std::cmp::Ordering;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::jinja::Budget;

/// The deepest nesting of lists and objects that are written or compared.
const DEPTH: usize = 100;

/// `str(value)`.
pub(super) fn text(value: &Value, budget: &Budget) -> Result<String, Error> {
    let mut out = String::new();
    match value.as_str() {
        Some(text) => out.push_str(text),
        None if value.is_undefined() => {}
        None => write(&mut out, value, &Style::Repr, 0, budget)?,
    }
    budget.spend(out.len())?;
    Ok(out)
}

/// `json.dumps(value, ensure_ascii = False, …)`, as the templates' `tojson` calls it.
pub(super) fn json(value: &Value, options: &Kwargs, indent: Option<Value>, budget: &Budget) -> Result<String, Error> {
    let indent = match indent.or(options.get("indent")?).filter(|v| !v.is_none()) {
        Some(value) => Some(match value.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(value.as_usize().filter(|n| *n <= 64).ok_or_else(|| invalid("tojson: indent is at most 64"))?),
        }),
        None => None,
    };
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(invalid("tojson: separators are two texts")),
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sorted = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let mut out = String::new();
    write(&mut out, value, &Style::Json { indent, item, key, ascii, sorted }, 0, budget)?;
    budget.spend(out.len())?;
    Ok(out)
}

/// How a value is written.
enum Style {
    Repr,
    Json { indent: Option<String>, item: String, key: String, ascii: bool, sorted: bool },
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize, budget: &Budget) -> Result<(), Error> {
    budget.spend(1)?;
    if depth > DEPTH {
        return Err(invalid("a value is nested too deeply to be written"));
    }
    let is_json = matches!(style, Style::Json { .. });
    match value.kind() {
        ValueKind::None => out.push_str(if is_json { "null" } else { "None" }),
        ValueKind::Bool => out.push_str(match (is_json, value.is_true()) {
            (true, true) => "true",
            (true, false) => "false",
            (false, true) => "True",
            (false, false) => "False",
        }),
        ValueKind::Number => out.push_str(&number(value, is_json)),
        ValueKind::String => quote(out, value.as_str().unwrap_or_default(), style),
        ValueKind::Seq | ValueKind::Iterable => {
            let tuple = value.is_tuple() && !is_json;
            out.push(if tuple { '(' } else { '[' });
            let mut count = 0;
            for item in value.try_iter()?.checked() {
                separate(out, style, count, depth);
                write(out, &item?, style, depth + 1, budget)?;
                count += 1;
            }
            finish(out, style, count, depth);
            out.push_str(match (tuple, count) {
                (true, 1) => ",)",
                (true, _) => ")",
                _ => "]",
            });
        }
        ValueKind::Map => {
            let mut keys = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            if matches!(style, Style::Json { sorted: true, .. }) {
                keys.sort();
            }
            out.push('{');
            for (count, key) in keys.iter().enumerate() {
                separate(out, style, count, depth);
                match style {
                    Style::Json { key: colon, .. } => {
                        let name = if key.kind() == ValueKind::String { key.clone() } else { Value::from(scalar_key(key)?) };
                        quote(out, name.as_str().unwrap_or_default(), style);
                        out.push_str(colon);
                    }
                    Style::Repr => {
                        write(out, key, style, depth + 1, budget)?;
                        out.push_str(": ");
                    }
                }
                write(out, &value.get_item(key)?, style, depth + 1, budget)?;
            }
            finish(out, style, keys.len(), depth);
            out.push('}');
        }
        ValueKind::Undefined if !is_json => out.push_str("Undefined"),
        kind => return Err(invalid(format!("{} cannot be written as {}", kind, if is_json { "JSON" } else { "text" }))),
    }
    budget.fits(out.len())
}

/// The text before the item with this number.
fn separate(out: &mut String, style: &Style, count: usize, depth: usize) {
    match style {
        Style::Repr if count > 0 => out.push_str(", "),
        Style::Repr => {}
        Style::Json { indent, item, .. } => {
            if count > 0 {
                out.push_str(item);
            }
            if let Some(indent) = indent {
                out.push('\n');
                out.push_str(&indent.repeat(depth + 1));
            }
        }
    }
}

/// The text before the closing bracket.
fn finish(out: &mut String, style: &Style, count: usize, depth: usize) {
    if let (Style::Json { indent: Some(indent), .. }, 1..) = (style, count) {
        out.push('\n');
        out.push_str(&indent.repeat(depth));
    }
}

/// A key that is not a string, as a key of a JSON object.
fn scalar_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(number(key, true)),
        kind => Err(invalid(format!("the key of a JSON object cannot be a {kind}"))),
    }
}

/// A number as `repr` and `json.dumps` write it.
fn number(value: &Value, is_json: bool) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(number) = f64::try_from(value.clone()) else { return value.to_string() };
    if !number.is_finite() {
        let names = if is_json { ["NaN", "Infinity", "-Infinity"] } else { ["nan", "inf", "-inf"] };
        return names[if number.is_nan() { 0 } else { 1 + usize::from(number < 0.0) }].into();
    }
    // Both languages write the shortest digits that read back, and use an exponent for the same numbers, but they write it differently.
    let plain = format!("{number:?}");
    match plain.split_once('e') {
        None => plain,
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{}e{sign}{exponent:0>2}", digits.strip_suffix(".0").unwrap_or(digits))
        }
    }
}

fn quote(out: &mut String, text: &str, style: &Style) {
    let (mark, ascii) = match style {
        Style::Json { ascii, .. } => ('"', *ascii),
        Style::Repr if text.contains('\'') && !text.contains('"') => ('"', false),
        Style::Repr => ('\'', false),
    };
    let is_json = matches!(style, Style::Json { .. });
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' if is_json => out.push_str("\\b"),
            '\u{c}' if is_json => out.push_str("\\f"),
            c if c == mark => out.extend(['\\', c]),
            c if is_json && (c < ' ' || ascii && !(' '..='~').contains(&c)) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c if !is_json && c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(mark);
}

/// `left + right`.
pub(super) fn add(left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        budget.spend(left.len() + right.len())?;
        return Ok(Value::from([left, right].concat()));
    }
    if let (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) = (left.kind(), right.kind()) {
        let mut items = Vec::new();
        for item in left.try_iter()?.checked().chain(right.try_iter()?.checked()) {
            budget.spend(size_of::<Value>())?;
            items.push(item?);
        }
        return Ok(Value::from(items));
    }
    arithmetic("+", left, right, i128::checked_add, |a, b| a + b)
}

/// `left * right`, for numbers, or for a string or list and a count.
pub(super) fn multiply(left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    let repeated = |what: &Value, count: &Value| -> Result<Option<Value>, Error> {
        if !count.is_integer() {
            return Ok(None);
        }
        let count = i128::try_from(count.clone()).map_or(0, |n| usize::try_from(n.max(0)).unwrap_or(usize::MAX));
        if let Some(text) = what.as_str() {
            budget.spend(text.len().saturating_mul(count))?;
            return Ok(Some(Value::from(text.repeat(count))));
        }
        if what.kind() == ValueKind::Seq {
            let items = what.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            budget.spend(items.len().saturating_mul(count).saturating_mul(size_of::<Value>()))?;
            let length = items.len() * count;
            return Ok(Some(Value::from(items.into_iter().cycle().take(length).collect::<Vec<_>>())));
        }
        Ok(None)
    };
    match (repeated(left, right)?, repeated(right, left)?) {
        (Some(value), _) | (None, Some(value)) => Ok(value),
        _ => arithmetic("*", left, right, i128::checked_mul, |a, b| a * b),
    }
}

fn arithmetic(
    sign: &str,
    left: &Value,
    right: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    real: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let wrong = || invalid(format!("unsupported operands for {sign}: {} and {}", left.kind(), right.kind()));
    if let (Some(a), Some(b)) = (whole_number(left), whole_number(right)) {
        return whole(a, b).map(Value::from).ok_or_else(|| invalid(format!("{sign}: the number is too large")));
    }
    match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
        (Ok(a), Ok(b)) => Ok(Value::from(real(a, b))),
        _ => Err(wrong()),
    }
}

/// An integer; booleans count as 0 and 1.
fn whole_number(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// `left == right`.
pub(super) fn equal(left: &Value, right: &Value, budget: &Budget) -> Result<bool, Error> {
    equal_at(left, right, 0, budget)
}

fn equal_at(left: &Value, right: &Value, depth: usize, budget: &Budget) -> Result<bool, Error> {
    budget.spend(1)?;
    if depth > DEPTH {
        return Err(invalid("values are nested too deeply to be compared"));
    }
    match (left.kind(), right.kind()) {
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (mut left, mut right) = (left.try_iter()?.checked(), right.try_iter()?.checked());
            loop {
                match (left.next().transpose()?, right.next().transpose()?) {
                    (None, None) => return Ok(true),
                    (Some(a), Some(b)) if equal_at(&a, &b, depth + 1, budget)? => {}
                    _ => return Ok(false),
                }
            }
        }
        (ValueKind::Map, ValueKind::Map) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for key in left.try_iter()?.checked() {
                let key = key?;
                if !equal_at(&left.get_item(&key)?, &right.get_item(&key)?, depth + 1, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (ValueKind::Bool | ValueKind::Number, ValueKind::Bool | ValueKind::Number) => match (whole_number(left), whole_number(right)) {
            (Some(a), Some(b)) => Ok(a == b),
            _ => Ok(left == right),
        },
        (a, b) => Ok(a == b && left == right),
    }
}

/// `value in container`.
pub(super) fn contains(value: &Value, container: &Value, budget: &Budget) -> Result<bool, Error> {
    match (container.kind(), container.as_str(), value.as_str()) {
        (ValueKind::Undefined, ..) => Ok(false),
        (_, Some(container), Some(value)) => Ok(container.contains(value)),
        (_, Some(_), None) => Err(invalid(format!("'in <string>' requires a string as left operand, not {}", value.kind()))),
        (ValueKind::Map, ..) => Ok(!container.get_item(key(value)?)?.is_undefined()),
        (ValueKind::Seq | ValueKind::Iterable, ..) => {
            for item in container.try_iter()?.checked() {
                if equal(value, &item?, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (kind, ..) => Err(invalid(format!("a {kind} is not iterable"))),
    }
}

/// The order of `left` and `right`: numbers, strings, or lists of them.
pub(super) fn order(left: &Value, right: &Value, budget: &Budget) -> Result<Ordering, Error> {
    budget.spend(1)?;
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(left.cmp(right));
    }
    if let (Some(left), Some(right)) = (whole_number(left), whole_number(right)) {
        return Ok(left.cmp(&right));
    }
    if left.kind() == ValueKind::Seq && right.kind() == ValueKind::Seq {
        held(&[left.clone(), right.clone()], budget)?;
        for (left, right) in left.try_iter()?.checked().zip(right.try_iter()?.checked()) {
            let (left, right) = (left?, right?);
            if !equal(&left, &right, budget)? {
                return order(&left, &right, budget);
            }
        }
        return Ok(left.len().cmp(&right.len()));
    }
    let numbers = (f64::try_from(left.clone()), f64::try_from(right.clone()));
    let order = if let (Ok(left), Ok(right)) = numbers { left.partial_cmp(&right) } else { None };
    order.ok_or_else(|| invalid(format!("a {} and a {} have no order", left.kind(), right.kind())))
}

/// `value[key]`.
pub(super) fn item(value: &Value, at: &Value) -> Result<Value, Error> {
    value.get_item(key(at)?)
}

/// The value, if it can be the key of an object.
pub(super) fn key(value: &Value) -> Result<&Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Plain => {
            Err(invalid(format!("a {} cannot be a key", value.kind())))
        }
        _ => Ok(value),
    }
}

/// Pays for visiting everything inside these values. Fails if they are nested too deeply or contain themselves.
pub(super) fn held(values: &[Value], budget: &Budget) -> Result<(), Error> {
    values.iter().try_for_each(|value| held_at(value, 0, budget))
}

fn held_at(value: &Value, depth: usize, budget: &Budget) -> Result<(), Error> {
    budget.spend(1)?;
    if depth > DEPTH {
        return Err(invalid("a value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Seq => value.try_iter()?.checked().try_for_each(|item| held_at(&item?, depth + 1, budget)),
        ValueKind::Map => value.try_iter()?.checked().try_for_each(|key| held_at(&value.get_item(&key?)?, depth + 1, budget)),
        _ => Ok(()),
    }
}

/// `value[start:stop:step]`.
pub(super) fn slice(value: &Value, bounds: [&Value; 3], budget: &Budget) -> Result<Value, Error> {
    let [start, stop, step] = bounds.map(|bound| match bound.is_none() {
        true => Ok(None),
        false => i64::try_from(bound.clone()).map(Some),
    });
    let (start, stop, step) = (start?, stop?, step?.unwrap_or(1));
    if step == 0 {
        return Err(invalid("slice step cannot be zero"));
    }
    let pick = |length: usize| -> Vec<usize> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let place = |bound: i64| (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(low, high);
        let (mut at, end) = (start.map_or(if step > 0 { low } else { high }, place), stop.map_or(if step > 0 { high } else { low }, place));
        let mut places = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            places.push(at as usize);
            at = at.saturating_add(step);
        }
        places
    };
    if let Some(text) = value.as_str() {
        budget.spend(5 * text.len())?;
        let letters: Vec<char> = text.chars().collect();
        return Ok(Value::from(pick(letters.len()).into_iter().map(|i| letters[i]).collect::<String>()));
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(invalid(format!("a {} cannot be sliced", value.kind())));
    }
    let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
    budget.spend(items.len() * size_of::<Value>())?;
    Ok(Value::from(pick(items.len()).into_iter().map(|i| items[i].clone()).collect::<Vec<_>>()))
}

/// An error of the template.
pub(super) fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// `datetime.now().strftime(format)` in UTC and in English, `seconds` after the start of 1970.
pub fn strftime(format: &str, seconds: u64) -> Result<String, Error> {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    const MONTHS: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, day);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let (of_year, mut month) = (rest + 1, 0);
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let (weekday, month_name, date) = (DAYS[((day + 3) % 7) as usize], MONTHS[month], rest + 1);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let Some(code) = letters.next() else { return Err(invalid("strftime_now: the format ends with %")) };
        // `%-d` is `%d` without the leading zero.
        let (code, bare) = if code == '-' { (letters.next().unwrap_or('-'), true) } else { (code, false) };
        let piece = match code {
            'd' => format!("{date:02}"),
            'b' | 'h' => month_name[..3].into(),
            'B' => month_name.into(),
            'm' => format!("{:02}", month + 1),
            'Y' => year.to_string(),
            'y' => format!("{:02}", year % 100),
            'a' => weekday[..3].into(),
            'A' => weekday.into(),
            'j' => format!("{of_year:03}"),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'p' => if hour < 12 { "AM" } else { "PM" }.into(),
            'F' => format!("{year}-{:02}-{date:02}", month + 1),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            '%' => "%".into(),
            other => return Err(invalid(format!("strftime_now: %{other} is not known"))),
        };
        out.push_str(if bare { piece.trim_start_matches('0') } else { &piece });
    }
    Ok(out)
}
