//! Arithmetic as in Python, with integers of up to 128 bits, and numbers read from texts.

use minijinja::{Error, Value};

use super::values::{Args, Type, int, invalid, items, list, named, tuple, undefined, whole};
use super::{Budget, percent, text, unicode};

fn too_large() -> Error {
    invalid("a number is too large: integers of up to 128 bits are supported")
}

/// `left sign right`.
pub(super) fn arithmetic(sign: &str, left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    let wrong = || invalid(format!("unsupported operands for {sign}: {} and {}", named(left), named(right)));
    match (sign, Type::of(left), Type::of(right)) {
        ("%", Type::Str, _) => return percent::percent(left, right, budget),
        (_, Type::Undefined, _) | (_, _, Type::Undefined) => return Err(undefined("arithmetic")),
        ("+", Type::Str, Type::Str) => return joined(left, right, budget),
        ("+", Type::List, Type::List) | ("+", Type::Tuple, Type::Tuple) => {
            let both = [items(left, budget)?, items(right, budget)?].concat();
            return Ok(if Type::of(left) == Type::List { list(both) } else { tuple(both) });
        }
        ("*", Type::Str | Type::List | Type::Tuple, _) => return repeated(left, whole(right).ok_or_else(wrong)?, budget),
        ("*", _, Type::Str | Type::List | Type::Tuple) => return repeated(right, whole(left).ok_or_else(wrong)?, budget),
        _ => {}
    }
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        return of_wholes(sign, a, b);
    }
    match (real(left), real(right)) {
        (Some(a), Some(b)) => of_reals(sign, a, b),
        _ => Err(wrong()),
    }
}

fn real(value: &Value) -> Option<f64> {
    match Type::of(value) {
        Type::Bool | Type::Int => whole(value).map(|n| n as f64),
        Type::Float => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// Two texts in a row. If one of them is escaped for HTML, so becomes the other.
fn joined(left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    let safe = left.is_safe() || right.is_safe();
    let part = |value: &Value| if safe { text::escaped(value, budget) } else { Ok(value.as_str().unwrap_or_default().to_owned()) };
    let both = part(left)? + &part(right)?;
    budget.spend(both.len())?;
    Ok(if safe { Value::from_safe_string(both) } else { Value::from(both) })
}

fn repeated(what: &Value, count: i128, budget: &Budget) -> Result<Value, Error> {
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = what.as_str() {
        budget.spend(text.len().saturating_mul(count))?;
        return Ok(text::like(what, text.repeat(if text.is_empty() { 0 } else { count })));
    }
    let once = items(what, budget)?;
    budget.spend(once.len().saturating_mul(count).saturating_mul(size_of::<Value>()))?;
    let length = once.len() * if once.is_empty() { 0 } else { count };
    let many: Vec<Value> = once.into_iter().cycle().take(length).collect();
    Ok(if Type::of(what) == Type::Tuple { tuple(many) } else { list(many) })
}

fn of_wholes(sign: &str, a: i128, b: i128) -> Result<Value, Error> {
    let zero = || invalid(format!("{a} {sign} 0: division by zero"));
    let found = match sign {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "//" | "%" if b == 0 => return Err(zero()),
        "//" => a.checked_div_euclid(b).map(|q| if b < 0 && a.rem_euclid(b) != 0 { q - 1 } else { q }),
        "%" => a.checked_rem_euclid(b).map(|r| if b < 0 && r != 0 { r + b } else { r }),
        "/" if b == 0 => return Err(zero()),
        "/" => {
            const EXACT: u128 = 1 << 53;
            if a.unsigned_abs() > EXACT || b.unsigned_abs() > EXACT {
                return Err(invalid("division of integers beyond 2 ** 53 is not supported: use //"));
            }
            return Ok(Value::from(a as f64 / b as f64));
        }
        _ if b < 0 => return of_reals("**", a as f64, b as f64),
        _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).or((matches!(a, 0 | 1)).then_some(a)),
    };
    found.map(Value::from).ok_or_else(too_large)
}

fn of_reals(sign: &str, a: f64, b: f64) -> Result<Value, Error> {
    if b == 0.0 && matches!(sign, "/" | "//" | "%") || sign == "**" && a == 0.0 && b < 0.0 {
        return Err(invalid(format!("{a} {sign} {b}: division by zero")));
    }
    // As CPython computes them: the remainder has the sign of the divisor, the quotient is rounded from what is left.
    let remainder = || match a % b {
        0.0 => 0f64.copysign(b),
        r if (r < 0.0) != (b < 0.0) => r + b,
        r => r,
    };
    let found = match sign {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "%" => remainder(),
        "//" => {
            let mut rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                rest += b;
                quotient -= 1.0;
            }
            let _ = rest;
            match quotient {
                0.0 => 0f64.copysign(a / b),
                q if q - q.floor() > 0.5 => q.floor() + 1.0,
                q => q.floor(),
            }
        }
        _ if a < 0.0 && b.fract() != 0.0 && b.is_finite() => {
            return Err(invalid(format!("{a} ** {b} is a complex number, which is not supported")));
        }
        _ => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(invalid(format!("{a} ** {b}: the result is too large")));
            }
            power
        }
    };
    Ok(Value::from(found))
}

/// `-value`.
pub(super) fn negated(value: &Value) -> Result<Value, Error> {
    match (whole(value), real(value)) {
        (Some(n), _) => n.checked_neg().map(Value::from).ok_or_else(too_large),
        (_, Some(x)) => Ok(Value::from(-x)),
        _ if value.is_undefined() => Err(undefined("arithmetic")),
        _ => Err(invalid(format!("bad operand for unary -: {}", named(value)))),
    }
}

/// `abs(value)`.
pub(super) fn absolute(value: &Value) -> Result<Value, Error> {
    match (whole(value), real(value)) {
        (Some(n), _) => n.checked_abs().map(Value::from).ok_or_else(too_large),
        (_, Some(x)) => Ok(Value::from(x.abs())),
        _ if value.is_undefined() => Err(undefined("abs")),
        _ => Err(invalid(format!("abs of a {}", named(value)))),
    }
}

/// The integer that a text is, in a base from 2 to 36, or 0 for the base that its prefix names. `None` if it is not one.
fn read_whole(text: &str, base: i64) -> Result<Option<i128>, Error> {
    if base != 0 && !(2..=36).contains(&base) {
        return Ok(None);
    }
    let text = text.trim_matches(unicode::is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = |letter: &str| {
        digits
            .strip_prefix('0')
            .and_then(|rest| rest.strip_prefix([letter, &letter.to_uppercase()].concat().chars().collect::<Vec<_>>().as_slice()))
    };
    let named = [(2, "b"), (8, "o"), (16, "x")].into_iter().find_map(|(own, letter)| {
        prefix(letter).filter(|_| base == own || base == 0).map(|rest| (own, rest.strip_prefix('_').unwrap_or(rest)))
    });
    let (radix, digits) = named.unwrap_or((if base == 0 { 10 } else { base }, digits));
    let bad = digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    let zeros = base == 0 && named.is_none() && digits.starts_with('0') && digits.chars().any(|c| c != '0' && c != '_');
    if bad || zeros {
        return Ok(None);
    }
    let mut found = 0i128;
    for c in digits.chars().filter(|c| *c != '_') {
        let Some(digit) = unicode::decimal(c).or_else(|| c.to_digit(36)).filter(|d| i64::from(*d) < radix) else { return Ok(None) };
        found = found.checked_mul(radix.into()).and_then(|n| n.checked_add(digit.into())).ok_or_else(too_large)?;
    }
    Ok(Some(if negative { -found } else { found }))
}

/// The float that a text is.
fn read_real(text: &str) -> Option<f64> {
    let text = text.trim_matches(unicode::is_space);
    let letters: Vec<char> = text.chars().collect();
    let mut plain = String::with_capacity(text.len());
    for (i, c) in letters.iter().enumerate() {
        let digit = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| unicode::decimal(*c).is_some());
        match (c, unicode::decimal(*c)) {
            ('_', _) if digit(i.checked_sub(1)) && digit(Some(i + 1)) => {}
            ('_', _) => return None,
            (_, Some(value)) => plain.push(char::from_digit(value, 10)?),
            (c, None) => plain.push(*c),
        }
    }
    plain.parse().ok()
}

fn truncated(x: f64) -> Result<Value, Error> {
    if x.abs() >= 1e38 { Err(too_large()) } else { Ok(Value::from(x.trunc() as i128)) }
}

/// The filter `int`.
pub(super) fn to_int(args: Args) -> Result<Value, Error> {
    let [value, default, base] = args.bind("int", ["value", "default", "base"], 1)?;
    let (value, default) = (value.unwrap_or_default(), default.unwrap_or_else(|| Value::from(0)));
    let base = base.map_or(Ok(10), |base| int(&base, "int: base"))?;
    match (Type::of(&value), real(&value)) {
        (Type::Undefined, _) => Err(undefined("int")),
        (Type::Float, Some(x)) if x.is_infinite() => Err(invalid("int: an infinite number is no integer")),
        (Type::Float, Some(x)) if x.is_nan() => Ok(default),
        (Type::Float, Some(x)) => truncated(x),
        (_, Some(_)) => Ok(Value::from(whole(&value).unwrap_or_default())),
        (Type::Str, _) => {
            let text = value.as_str().unwrap_or_default();
            match (read_whole(text, base)?, read_real(text)) {
                (Some(n), _) => Ok(Value::from(n)),
                (None, Some(x)) if x.is_finite() => truncated(x),
                _ => Ok(default),
            }
        }
        _ => Ok(default),
    }
}

/// The filter `float`.
pub(super) fn to_float(args: Args) -> Result<Value, Error> {
    let [value, default] = args.bind("float", ["value", "default"], 1)?;
    let value = value.unwrap_or_default();
    match Type::of(&value) {
        Type::Undefined => Err(undefined("float")),
        Type::Str => Ok(read_real(value.as_str().unwrap_or_default()).map(Value::from).or(default).unwrap_or_else(|| Value::from(0.0))),
        _ => Ok(real(&value).map(Value::from).or(default).unwrap_or_else(|| Value::from(0.0))),
    }
}

/// The filter `round`.
pub(super) fn rounded(args: Args) -> Result<Value, Error> {
    let [value, precision, method] = args.bind("round", ["value", "precision", "method"], 1)?;
    let value = value.unwrap_or_default();
    let precision = precision.unwrap_or_else(|| Value::from(0));
    let method = method.unwrap_or_else(|| Value::from("common"));
    let places = int(&precision, "round: precision")?;
    match method.as_str() {
        Some("common") => match (whole(&value), real(&value)) {
            (Some(n), _) if places >= 0 => Ok(Value::from(n)),
            (Some(n), _) => round_whole(n, places),
            (_, Some(x)) => round_real(x, places),
            _ => Err(invalid(format!("round of a {}", named(&value)))),
        },
        Some(way @ ("ceil" | "floor")) => {
            let budget = &Budget::new(0);
            let scale = arithmetic("**", &Value::from(10), &Value::from(places), budget)?;
            let scaled = arithmetic("*", &value, &scale, budget)?;
            let scaled = match (whole(&scaled), real(&scaled)) {
                (Some(n), _) => Value::from(n),
                (_, Some(x)) if x.is_finite() => truncated(if way == "ceil" { x.ceil() } else { x.floor() })?,
                _ => return Err(invalid(format!("round of a {}", named(&value)))),
            };
            arithmetic("/", &scaled, &scale, budget)
        }
        _ => Err(invalid("round: the method is common, ceil or floor")),
    }
}

/// Halves go to the even neighbour.
fn round_whole(n: i128, places: i64) -> Result<Value, Error> {
    let Some(unit) = u32::try_from(-places).ok().and_then(|places| 10i128.checked_pow(places)) else { return Ok(Value::from(0)) };
    let (low, rest) = (n.div_euclid(unit), n.rem_euclid(unit));
    let up = match (rest * 2).cmp(&unit) {
        std::cmp::Ordering::Equal => low % 2 != 0,
        other => other.is_gt(),
    };
    (low + i128::from(up)).checked_mul(unit).map(Value::from).ok_or_else(too_large)
}

fn round_real(x: f64, places: i64) -> Result<Value, Error> {
    if !x.is_finite() || places > 322 {
        return Ok(Value::from(x));
    }
    if places >= 0 {
        return Ok(Value::from(format!("{x:.*}", places as usize).parse::<f64>().unwrap_or(x)));
    }
    if places < -308 {
        return Ok(Value::from(0f64.copysign(x)));
    }
    // The digits before the point, and whether anything follows them.
    let digits = format!("{:.0}", x.abs().trunc());
    let (keep, unit) = (digits.len() as i64 + places, (-places) as usize);
    if keep < 0 {
        return Ok(Value::from(0f64.copysign(x)));
    }
    let (head, tail) = digits.split_at(keep as usize);
    let half = format!("5{}", "0".repeat(unit - 1));
    let exact = x.abs().fract() == 0.0;
    let up = match tail.cmp(half.as_str()) {
        std::cmp::Ordering::Equal if exact => head.bytes().last().is_some_and(|d| d % 2 == 1),
        std::cmp::Ordering::Equal => true,
        other => other.is_gt(),
    };
    let head: f64 = format!("{}e{unit}", if head.is_empty() { "0" } else { head }).parse().unwrap_or(0.0);
    let step: f64 = format!("1e{unit}").parse().unwrap_or(0.0);
    Ok(Value::from((if up { head + step } else { head }).copysign(x)))
}
