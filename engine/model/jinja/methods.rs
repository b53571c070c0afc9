//! Attributes, items, slices and methods of values, as transformers' sandbox gives them to templates.

use minijinja::{Error, State, Value};

use super::objects::{Group, Method, Part, Range, View};
use super::values::{Args, Type, entries, int, invalid, items, key, list, lookup, named, tuple, undefined, whole};
use super::{Budget, compare, numbers, text};

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
    "encode",
];
const LIST: &[&str] = &["copy", "count", "index"];
const TUPLE: &[&str] = &["count", "index"];
const DICT: &[&str] = &["copy", "fromkeys", "get", "items", "keys", "values"];
const INT: &[&str] = &["as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes"];
const FLOAT: &[&str] = &["as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer"];
const VIEW: &[&str] = &["isdisjoint"];

/// Methods that change their list or mapping. The sandbox hides them.
const CHANGING: &[&str] = &["append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update"];

/// The name of a method that the value has.
fn method(value: &Value, name: &str) -> Option<&'static str> {
    let names = match Type::of(value) {
        Type::Str => TEXT,
        Type::List => LIST,
        Type::Tuple | Type::Range => TUPLE,
        Type::Dict => DICT,
        Type::Bool | Type::Int => INT,
        Type::Float => FLOAT,
        Type::View => VIEW,
        _ => &[],
    };
    names.iter().find(|known| **known == name).copied()
}

/// An attribute of a value that is not an item of it; `None` if it has none of this name.
pub(super) fn own(value: &Value, name: &str, budget: &Budget) -> Option<Value> {
    if let Some(name) = method(value, name) {
        return Some(Method::of(value, name, budget));
    }
    match (Type::of(value), name) {
        (Type::Tuple, _) => value.downcast_object_ref::<Group>().and_then(|group| match name {
            "grouper" => Some(group.grouper.clone()),
            "list" => Some(group.list.clone()),
            _ => None,
        }),
        (Type::Range, _) => value.downcast_object_ref::<Range>().and_then(|range| match name {
            "start" => Some(range.start.into()),
            "stop" => Some(range.stop.into()),
            "step" => Some(range.step.into()),
            _ => None,
        }),
        (Type::Bool | Type::Int, "real" | "numerator") => whole(value).map(Value::from),
        (Type::Bool | Type::Int, "imag") => Some(0.into()),
        (Type::Bool | Type::Int, "denominator") => Some(1.into()),
        (Type::Float, "real") => Some(value.clone()),
        (Type::Float, "imag") => Some(0.0.into()),
        (Type::Namespace | Type::Other, _) => value.get_attr(name).ok().filter(|found| !found.is_undefined()),
        _ => None,
    }
}

/// Whether Python has an attribute of this name that the sandbox hides, so that it is undefined.
fn hidden(value: &Value, name: &str) -> bool {
    let changes = CHANGING.contains(&name) && matches!(Type::of(value), Type::List | Type::Dict);
    changes || name.starts_with("__") && name.ends_with("__")
}

/// `value.name`.
pub(super) fn attribute(value: &Value, name: &str, budget: &Budget) -> Result<Value, Error> {
    match Type::of(value) {
        Type::Undefined => Err(undefined(&format!("the attribute {name}"))),
        _ if hidden(value, name) => Ok(Value::UNDEFINED),
        kind => match own(value, name, budget) {
            Some(found) => Ok(found),
            None if kind == Type::Dict => lookup(value, &Value::from(name)),
            None => Ok(Value::UNDEFINED),
        },
    }
}

/// `value[at]`.
pub(super) fn item(value: &Value, at: &Value, budget: &Budget) -> Result<Value, Error> {
    let kind = Type::of(value);
    let found = match (kind, whole(at)) {
        (Type::Undefined, _) => return Err(undefined("an item")),
        (Type::Dict, _) => match key(at) {
            Ok(at) => lookup(value, at)?,
            Err(_) => Value::UNDEFINED,
        },
        (Type::Namespace | Type::Other, _) => value.get_item(at)?,
        (Type::Str | Type::List | Type::Tuple | Type::Range, Some(place)) => {
            let length = value.len().unwrap_or(0) as i128;
            let place = if place < 0 { place + length } else { place };
            match (usize::try_from(place).ok().filter(|_| place < length), kind) {
                (None, _) => Value::UNDEFINED,
                (Some(place), Type::Str) => {
                    let c = value.as_str().and_then(|text| text.chars().nth(place));
                    c.map_or(Value::UNDEFINED, |c| text::like(value, c.to_string()))
                }
                (Some(place), Type::Range) => value.downcast_object_ref::<Range>().map_or(Value::UNDEFINED, |r| r.at(place as i64).into()),
                (Some(place), _) => value.get_item_by_index(place)?,
            }
        }
        _ => Value::UNDEFINED,
    };
    match at.as_str() {
        Some(name) if found.is_undefined() && !hidden(value, name) => Ok(own(value, name, budget).unwrap_or(Value::UNDEFINED)),
        _ => Ok(found),
    }
}

/// `value[start:stop:step]`.
pub(super) fn slice(value: &Value, bounds: [&Value; 3], budget: &Budget) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(undefined("a part"));
    }
    let [start, stop, step] = bounds.map(|bound| if bound.is_none() { Ok(None) } else { int(bound, "the bound of a slice").map(Some) });
    let (start, stop, step) = (start?, stop?, step?.unwrap_or(1));
    if step == 0 {
        return Err(invalid("slice step cannot be zero"));
    }
    let ends = |length: i64| {
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let place = |bound: i64| (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(low, high);
        (start.map_or(if step > 0 { low } else { high }, place), stop.map_or(if step > 0 { high } else { low }, place))
    };
    let pick = |length: usize| -> Vec<usize> {
        let (mut at, end) = ends(i64::try_from(length).unwrap_or(i64::MAX));
        let mut places = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            places.push(at as usize);
            at = at.saturating_add(step);
        }
        places
    };
    match Type::of(value) {
        Type::Str => {
            let text = value.as_str().unwrap_or_default();
            budget.spend(5 * text.len())?;
            let letters: Vec<char> = text.chars().collect();
            Ok(text::like(value, pick(letters.len()).into_iter().map(|i| letters[i]).collect()))
        }
        kind @ (Type::List | Type::Tuple) => {
            let all = items(value, budget)?;
            let part = pick(all.len()).into_iter().map(|i| all[i].clone()).collect();
            Ok(if kind == Type::Tuple { tuple(part) } else { list(part) })
        }
        Type::Range => {
            let Some(range) = value.downcast_object_ref::<Range>() else { return Ok(Value::UNDEFINED) };
            let (start, stop) = ends(range.count());
            Ok(Value::from_object(Range { start: range.at(start), stop: range.at(stop), step: range.step * step }))
        }
        _ => Err(invalid(format!("a {} cannot be sliced", named(value)))),
    }
}

/// `value.name(…)`.
pub(super) fn invoke(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(undefined(&format!("the method {name}")));
    }
    if hidden(value, name) {
        return Err(invalid(format!("{name} of a {} is not allowed in a template", named(value))));
    }
    if let Some(name) = method(value, name) {
        return super::paid(call(value, name, Args::of(args)?, budget), budget);
    }
    match Type::of(value) {
        Type::Dict | Type::Namespace | Type::Tuple => match attribute(value, name, budget)? {
            found if found.is_undefined() => Err(invalid(format!("a {} has no method {name}", named(value)))),
            found => found.call(state, args),
        },
        Type::Other => value.call_method(state, name, args),
        _ => Err(invalid(format!("a {} has no method {name}", named(value)))),
    }
}

/// Calls a method that the value has.
pub(super) fn call(value: &Value, name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let what = name;
    match (Type::of(value), name) {
        (Type::Str, _) => text::call(value, name, args, budget),
        (Type::List, "copy") => {
            let [] = args.bind(what, [], 0)?;
            Ok(list(items(value, budget)?))
        }
        (Type::List | Type::Tuple | Type::Range, "count") => {
            let [wanted] = args.bind(what, [""], 1)?;
            let wanted = wanted.unwrap_or_default();
            let same = items(value, budget)?.iter().map(|item| compare::equal(item, &wanted, budget)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::from(same.into_iter().filter(|same| *same).count()))
        }
        (Type::List | Type::Tuple | Type::Range, "index") => {
            let [wanted, start, stop] = args.bind(what, ["", "", ""], 1)?;
            let (wanted, all) = (wanted.unwrap_or_default(), items(value, budget)?);
            let length = all.len() as i64;
            let place = |bound: Option<Value>, other: i64| -> Result<i64, Error> {
                let bound = bound.map_or(Ok(other), |bound| int(&bound, "index"))?;
                Ok((if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(0, length))
            };
            let (start, stop) = (place(start, 0)?, place(stop, length)?);
            for at in start..stop {
                if compare::equal(&all[at as usize], &wanted, budget)? {
                    return Ok(Value::from(at));
                }
            }
            Err(invalid("index: the value is not in the list"))
        }
        (Type::Dict, "copy") => {
            let [] = args.bind(what, [], 0)?;
            Ok(Value::from_pairs(entries(value, budget)?))
        }
        (Type::Dict, "get") => {
            let [name, default] = args.bind(what, ["", ""], 1)?;
            let found = lookup(value, key(&name.unwrap_or_default())?)?;
            Ok(if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found })
        }
        (Type::Dict, "items" | "keys" | "values") => {
            let [] = args.bind(what, [], 0)?;
            let part = match name {
                "keys" => Part::Keys,
                "values" => Part::Values,
                _ => Part::Items,
            };
            Ok(Value::from_object(View { dict: value.clone(), part }))
        }
        (Type::Bool | Type::Int, "conjugate") => Ok(whole(value).map(Value::from).unwrap_or_default()),
        (Type::Bool | Type::Int, "bit_length") => Ok(Value::from(128 - whole(value).unwrap_or_default().unsigned_abs().leading_zeros())),
        (Type::Bool | Type::Int, "bit_count") => Ok(Value::from(whole(value).unwrap_or_default().unsigned_abs().count_ones())),
        (Type::Bool | Type::Int, "as_integer_ratio") => {
            Ok(tuple(vec![numbers::arithmetic("+", value, &Value::from(0), budget)?, 1.into()]))
        }
        (Type::Float, "conjugate") => Ok(value.clone()),
        (Type::Float, "is_integer") => Ok(Value::from(f64::try_from(value.clone()).is_ok_and(|x| x.fract() == 0.0))),
        (kind, _) => Err(invalid(format!("the method {name} of a {} is not supported", kind.name()))),
    }
}
