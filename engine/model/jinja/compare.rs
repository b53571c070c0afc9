//! Values compared as in Python.

use std::cmp::Ordering;

use minijinja::{Error, Value};

use super::Budget;
use super::objects::{Part, Range, View};
use super::values::{Args, Type, invalid, items, key, lookup, named, undefined, whole};
use super::write::{DEPTH, held};

/// `left == right`.
pub(super) fn equal(left: &Value, right: &Value, budget: &Budget) -> Result<bool, Error> {
    equal_at(left, right, 0, budget)
}

fn equal_at(left: &Value, right: &Value, depth: usize, budget: &Budget) -> Result<bool, Error> {
    budget.spend(1)?;
    if depth > DEPTH {
        return Err(invalid("values are nested too deeply to be compared"));
    }
    match (Type::of(left), Type::of(right)) {
        (Type::List, Type::List) | (Type::Tuple, Type::Tuple) => {
            let (mut left, mut right) = (left.try_iter()?.checked(), right.try_iter()?.checked());
            loop {
                match (left.next().transpose()?, right.next().transpose()?) {
                    (None, None) => return Ok(true),
                    (Some(a), Some(b)) if equal_at(&a, &b, depth + 1, budget)? => {}
                    _ => return Ok(false),
                }
            }
        }
        (Type::Dict | Type::Namespace, Type::Dict | Type::Namespace) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for name in left.try_iter()?.checked() {
                let name = name?;
                if !equal_at(&left.get_item(&name)?, &lookup(right, &name)?, depth + 1, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Type::Range, Type::Range) => {
            let parts = |value: &Value| value.downcast_object_ref::<Range>().map(|r| (r.count(), r.start, r.step));
            Ok(match (parts(left), parts(right)) {
                (Some((0, ..)), Some((0, ..))) => true,
                (Some((1, a, _)), Some((1, b, _))) => a == b,
                (a, b) => a == b,
            })
        }
        (Type::View, Type::View) => {
            let part = |value: &Value| value.downcast_object_ref::<View>().map(|view| view.part);
            if part(left) != part(right) || part(left) == Some(Part::Values) || left.len() != right.len() {
                return Ok(false);
            }
            let found = list_of(right, budget)?;
            items(left, budget)?.iter().try_fold(true, |all, item| Ok(all && contains(item, &found, budget)?))
        }
        (Type::Bool | Type::Int | Type::Float, Type::Bool | Type::Int | Type::Float) => Ok(numbers(left, right) == Some(Ordering::Equal)),
        (Type::Str, Type::Str) => Ok(left.as_str() == right.as_str()),
        (Type::None, Type::None) | (Type::Undefined, Type::Undefined) => Ok(true),
        (Type::Stream, Type::Stream) | (Type::Other, Type::Other) => {
            Err(invalid(format!("whether two values of the type {} are the same cannot be told", named(left))))
        }
        _ => Ok(false),
    }
}

fn list_of(value: &Value, budget: &Budget) -> Result<Value, Error> {
    Ok(super::values::list(items(value, budget)?))
}

/// The order of two numbers; `None` if one of them is not a number.
fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => whole_and_real(a, f64::try_from(right.clone()).ok()?),
        (None, Some(b)) => whole_and_real(b, f64::try_from(left.clone()).ok()?).map(Ordering::reverse),
        (None, None) => f64::try_from(left.clone()).ok()?.partial_cmp(&f64::try_from(right.clone()).ok()?),
    }
}

/// The order of an integer and a float, without rounding.
fn whole_and_real(whole: i128, real: f64) -> Option<Ordering> {
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    match real {
        _ if real.is_nan() => None,
        _ if real >= LIMIT => Some(Ordering::Less),
        _ if real < -LIMIT => Some(Ordering::Greater),
        _ => Some(whole.cmp(&(real.floor() as i128)).then(if real.fract() == 0.0 { Ordering::Equal } else { Ordering::Less })),
    }
}

/// `value in container`.
pub(super) fn contains(value: &Value, container: &Value, budget: &Budget) -> Result<bool, Error> {
    match (Type::of(container), container.as_str(), value.as_str()) {
        (_, Some(container), Some(value)) => Ok(container.contains(value)),
        (_, Some(_), None) => Err(invalid(format!("'in <string>' requires a string as left operand, not {}", named(value)))),
        (Type::Dict, ..) => Ok(!lookup(container, key(value)?)?.is_undefined()),
        _ => {
            for item in items(container, budget)? {
                if equal(value, &item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The order of `left` and `right`: numbers, strings, or lists or tuples of them. `None` if one of them is not a number.
pub(super) fn order(left: &Value, right: &Value, budget: &Budget) -> Result<Option<Ordering>, Error> {
    budget.spend(1)?;
    match (Type::of(left), Type::of(right)) {
        (Type::Undefined, _) | (_, Type::Undefined) => Err(undefined("the order")),
        (Type::Str, Type::Str) => Ok(Some(left.as_str().cmp(&right.as_str()))),
        (Type::Bool | Type::Int | Type::Float, Type::Bool | Type::Int | Type::Float) => Ok(numbers(left, right)),
        (Type::List, Type::List) | (Type::Tuple, Type::Tuple) => {
            held(&[left.clone(), right.clone()], budget)?;
            for (left, right) in left.try_iter()?.checked().zip(right.try_iter()?.checked()) {
                let (left, right) = (left?, right?);
                if !equal(&left, &right, budget)? {
                    return order(&left, &right, budget);
                }
            }
            Ok(Some(left.len().cmp(&right.len())))
        }
        (a, b) => Err(invalid(format!("a {} and a {} have no order", a.name(), b.name()))),
    }
}

/// One comparison by its sign.
pub(super) fn holds(sign: &str, left: &Value, right: &Value, budget: &Budget) -> Result<bool, Error> {
    let ordered = |wanted: fn(Ordering) -> bool| Ok(order(left, right, budget)?.is_some_and(wanted));
    match sign {
        "==" => equal(left, right, budget),
        "!=" => Ok(!equal(left, right, budget)?),
        "<" => ordered(Ordering::is_lt),
        "<=" => ordered(Ordering::is_le),
        ">" => ordered(Ordering::is_gt),
        ">=" => ordered(Ordering::is_ge),
        "in" => contains(left, right, budget),
        _ => Ok(!contains(left, right, budget)?),
    }
}

/// `a < b <= c`: the first argument has the signs, with blanks between them, the others the operands.
pub(super) fn chain(args: &Args, budget: &Budget) -> Result<Value, Error> {
    let (signs, operands) = args.positional.split_first().ok_or_else(|| invalid("a comparison without operands"))?;
    for (sign, pair) in signs.as_str().unwrap_or_default().split(' ').zip(operands.windows(2)) {
        if !holds(sign, &pair[0], &pair[1], budget)? {
            return Ok(false.into());
        }
    }
    Ok(true.into())
}

/// `sorted`: stable, also in reverse.
pub(super) fn sort<T>(list: &mut [T], key: impl Fn(&T) -> Value, reverse: bool, budget: &Budget) -> Result<(), Error> {
    let mut failed = None;
    let mut compare = |a: &T, b: &T| match order(&key(a), &key(b), budget) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(error) => {
            failed.get_or_insert(error);
            Ordering::Equal
        }
    };
    // A comparison that fails makes an order that is none; the sort may notice, and must not panic.
    let sorted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match reverse {
        true => list.sort_by(|a, b| compare(b, a)),
        false => list.sort_by(|a, b| compare(a, b)),
    }));
    match (failed, sorted) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(invalid("values without an order cannot be sorted")),
        (None, Ok(())) => Ok(()),
    }
}
