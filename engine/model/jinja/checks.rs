//! The tests of Jinja, what follows `is`.

use minijinja::{Error, Value};

use super::values::{Args, Type, int, invalid, items, key, named};
use super::{Budget, compare, filters, numbers, text, write};

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Whether the test holds for the first argument.
pub(super) fn apply(name: &str, args: Args, budget: &Budget) -> Result<bool, Error> {
    let sign = match name {
        "eq" | "equalto" => "==",
        "ne" => "!=",
        "lt" | "lessthan" => "<",
        "le" => "<=",
        "gt" | "greaterthan" => ">",
        "ge" => ">=",
        other => other,
    };
    if matches!(sign, "==" | "!=" | "<" | "<=" | ">" | ">=" | "in") {
        let [left, right] = args.bind(name, ["", if sign == "in" { "seq" } else { "" }], 2)?;
        return compare::holds(sign, &left.unwrap_or_default(), &right.unwrap_or_default(), budget);
    }
    if matches!(name, "sameas" | "divisibleby") {
        let [value, other] = args.bind(name, ["value", if name == "sameas" { "other" } else { "num" }], 2)?;
        let (value, other) = (value.unwrap_or_default(), other.unwrap_or_default());
        return if name == "sameas" { same(&value, &other) } else { remainder(&value, &other, 0, budget) };
    }
    let [value] = args.bind(name, ["value"], 1)?;
    let value = value.unwrap_or_default();
    let kind = Type::of(&value);
    if matches!(name, "filter" | "test") && matches!(kind, Type::List | Type::Dict | Type::View) {
        key(&value)?;
    }
    match name {
        "boolean" => Ok(kind == Type::Bool),
        "callable" => {
            Ok(kind == Type::Undefined || kind == Type::Other && value.as_object().is_some_and(|o| !o.type_name().ends_with("Module")))
        }
        "defined" => Ok(kind != Type::Undefined),
        "undefined" => Ok(kind == Type::Undefined),
        "escaped" => Ok(value.is_safe()),
        "even" => remainder(&value, &Value::from(2), 0, budget),
        "odd" => remainder(&value, &Value::from(2), 1, budget),
        "true" => Ok(kind == Type::Bool && value.is_true()),
        "false" => Ok(kind == Type::Bool && !value.is_true()),
        "float" => Ok(kind == Type::Float),
        "integer" => Ok(kind == Type::Int),
        "number" => Ok(matches!(kind, Type::Bool | Type::Int | Type::Float)),
        "string" => Ok(kind == Type::Str),
        "mapping" => Ok(kind == Type::Dict),
        "none" => Ok(kind == Type::None),
        "sequence" => Ok(matches!(kind, Type::Undefined | Type::Str | Type::List | Type::Tuple | Type::Dict | Type::Range)),
        "iterable" => Ok(kind == Type::Undefined
            || value.as_str().is_some()
            || kind != Type::Other && kind == Type::Stream
            || !matches!(kind, Type::Stream | Type::Other) && items(&value, budget).is_ok()),
        "lower" => Ok(text::is_lower(&write::text(&value, budget)?)),
        "upper" => Ok(text::is_upper(&write::text(&value, budget)?)),
        "filter" => Ok(value.as_str().is_some_and(|name| filters::NAMES.contains(&name))),
        "test" => Ok(value.as_str().is_some_and(|name| NAMES.contains(&name))),
        _ => Err(invalid(format!("there is no test {name}"))),
    }
}

/// Whether the remainder of a division is this one.
fn remainder(value: &Value, by: &Value, wanted: i64, budget: &Budget) -> Result<bool, Error> {
    let rest = numbers::arithmetic("%", value, by, budget)?;
    compare::equal(&rest, &Value::from(wanted), budget)
}

/// `value is other`, as far as it does not depend on how Python keeps its objects.
fn same(value: &Value, other: &Value) -> Result<bool, Error> {
    match (Type::of(value), Type::of(other)) {
        (a, b) if a != b => Ok(false),
        (Type::None, _) => Ok(true),
        (Type::Bool, _) => Ok(value.is_true() == other.is_true()),
        // CPython has one object for each of these numbers.
        (Type::Int, _) if [value, other].iter().all(|v| int(v, "").is_ok_and(|n| (-5..=256).contains(&n))) => {
            Ok(int(value, "")? == int(other, "")?)
        }
        _ => Err(invalid(format!("whether two values of the type {} are the same object cannot be told", named(value)))),
    }
}
