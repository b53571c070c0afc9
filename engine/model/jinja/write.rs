//! Values as texts: `str`, `repr` and `json.dumps`.

use minijinja::{Error, Value};

use super::objects::{Part, Range, View};
use super::values::{Args, Type, entries, int, invalid, items, named};
use super::{Budget, unicode};
use crate::model::plain::MARK;

/// The deepest nesting of lists and objects that are written or compared.
pub(super) const DEPTH: usize = 100;

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

/// `repr(value)`.
pub(super) fn repr(value: &Value, budget: &Budget) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, value, &Style::Repr, 0, budget)?;
    budget.spend(out.len())?;
    Ok(out)
}

/// The filter `tojson` as transformers defines it: `json.dumps`.
pub(super) fn json(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, ascii, indent, separators, sorted] = args.bind("tojson", ["x", "ensure_ascii", "indent", "separators", "sort_keys"], 1)?;
    let indent = match indent.filter(|v| !v.is_none()) {
        Some(value) => Some(match value.as_str() {
            Some(text) => text.to_owned(),
            None => match int(&value, "tojson: indent")? {
                width if width > 64 => return Err(invalid("tojson: indent is at most 64")),
                width => " ".repeat(width.max(0) as usize),
            },
        }),
        None => None,
    };
    let (item, key) = match separators.filter(|v| !v.is_none()) {
        Some(given) => match items(&given, budget)?.as_slice() {
            [item, key] if item.as_str().is_some() && key.as_str().is_some() => (item.to_string(), key.to_string()),
            _ => return Err(invalid("tojson: separators are two texts")),
        },
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let style = Style::Json { indent, item, key, ascii: flag(ascii), sorted: flag(sorted) };
    let mut out = String::new();
    write(&mut out, &value.unwrap_or_default(), &style, 0, budget)?;
    budget.spend(out.len())?;
    Ok(Value::from(out))
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
    let kind = Type::of(value);
    match kind {
        Type::None => out.push_str(if is_json { "null" } else { "None" }),
        Type::Bool => out.push_str(match (is_json, value.is_true()) {
            (true, true) => "true",
            (true, false) => "false",
            (false, true) => "True",
            (false, false) => "False",
        }),
        Type::Int | Type::Float => out.push_str(&number(value, is_json)),
        Type::Str if value.is_safe() && !is_json => {
            out.push_str("Markup(");
            quote(out, value.as_str().unwrap_or_default(), style);
            out.push(')');
        }
        Type::Str => quote(out, value.as_str().unwrap_or_default(), style),
        Type::List | Type::Tuple => {
            let tuple = kind == Type::Tuple && !is_json;
            out.push(if tuple { '(' } else { '[' });
            let mut count = 0;
            for item in value.try_iter()?.checked() {
                separate(out, style, count, depth);
                write(out, &item?, style, depth + 1, budget)?;
                count += 1;
                budget.fits(out.len())?;
            }
            finish(out, style, count, depth);
            out.push_str(match (tuple, count) {
                (true, 1) => ",)",
                (true, _) => ")",
                _ => "]",
            });
        }
        Type::Dict => {
            let mut pairs = entries(value, budget)?;
            if matches!(style, Style::Json { sorted: true, .. }) {
                super::compare::sort(&mut pairs, |pair| pair.0.clone(), false, budget)?;
            }
            out.push('{');
            for (count, (key, inner)) in pairs.iter().enumerate() {
                separate(out, style, count, depth);
                match style {
                    Style::Json { key: colon, .. } => {
                        let name = if Type::of(key) == Type::Str { key.to_string() } else { scalar_key(key)? };
                        quote(out, &name, style);
                        out.push_str(colon);
                    }
                    Style::Repr => {
                        write(out, key, style, depth + 1, budget)?;
                        out.push_str(": ");
                    }
                }
                write(out, inner, style, depth + 1, budget)?;
                budget.fits(out.len())?;
            }
            finish(out, style, pairs.len(), depth);
            out.push('}');
        }
        _ if is_json => return Err(invalid(format!("a {} cannot be written as JSON", kind.name()))),
        Type::Undefined => out.push_str("Undefined"),
        Type::Range => {
            if let Some(Range { start, stop, step }) = value.downcast_object_ref::<Range>() {
                let step = if *step == 1 { String::new() } else { format!(", {step}") };
                out.push_str(&format!("range({start}, {stop}{step})"));
            }
        }
        Type::View => {
            let part = value.downcast_object_ref::<View>().map(|view| view.part);
            out.push_str(match part {
                Some(Part::Keys) => "dict_keys(",
                Some(Part::Values) => "dict_values(",
                _ => "dict_items(",
            });
            write(out, &super::values::list(items(value, budget)?), style, depth + 1, budget)?;
            out.push(')');
        }
        Type::Namespace => {
            let names = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            if names.len() > 1 {
                return Err(invalid("a namespace of several values cannot be written: their order is not kept"));
            }
            out.push_str("<Namespace {");
            for name in names {
                write(out, &name, style, depth + 1, budget)?;
                out.push_str(": ");
                write(out, &value.get_item(&name)?, style, depth + 1, budget)?;
            }
            out.push_str("}>");
        }
        Type::Stream | Type::Other => {
            return Err(invalid(format!(
                "a {} cannot be written: Python would write its address (put | list behind it, or call it)",
                kind.name()
            )));
        }
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
    match Type::of(key) {
        Type::None => Ok("null".into()),
        Type::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        Type::Int | Type::Float => Ok(number(key, true)),
        _ => Err(invalid(format!("the key of a JSON object cannot be a {}", named(key)))),
    }
}

/// A number as `repr` and `json.dumps` write it.
pub(super) fn number(value: &Value, is_json: bool) -> String {
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
            // The mark of data is not a part of the text.
            MARK => out.push(c),
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
            c if !is_json && !unicode::is_printable(c) => out.push_str(&match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02x}"),
                code @ ..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
            c => out.push(c),
        }
    }
    out.push(mark);
}

/// The text as `ascii` writes it: a `repr` with everything else than ASCII escaped.
pub(super) fn ascii(text: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        ..0x80 => c.to_string(),
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(escape).collect()
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
    match Type::of(value) {
        Type::List | Type::Tuple => value.try_iter()?.checked().try_for_each(|item| held_at(&item?, depth + 1, budget)),
        Type::Dict | Type::Namespace => value.try_iter()?.checked().try_for_each(|key| held_at(&value.get_item(&key?)?, depth + 1, budget)),
        _ => Ok(()),
    }
}
