//! The filters of Jinja: those that go through lists, and the list of all.

use minijinja::{Error, Value};

use super::objects::{Group, Stream};
use super::values::{Args, Type, entries, int, invalid, items, key, length, list, named, string, tuple};
use super::{Budget, checks, compare, methods, numbers, percent, prose, text, write};

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "urlize",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

/// Applies a filter to the first argument.
pub(super) fn apply(name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    match name {
        "abs" => {
            let [value] = args.bind(name, [""], 1)?;
            numbers::absolute(&value.unwrap_or_default())
        }
        "attr" => {
            let [value, name] = args.bind(name, ["obj", "name"], 2)?;
            let (value, name) = (value.unwrap_or_default(), name.unwrap_or_default());
            let name = string(&name, "attr")?;
            if value.is_undefined() {
                return methods::attribute(&value, name, budget);
            }
            Ok(methods::own(&value, name, budget).filter(|_| !name.starts_with("__")).unwrap_or(Value::UNDEFINED))
        }
        "batch" => batch(args, budget),
        "slice" => slices(args, budget),
        "count" | "length" => {
            let [value] = args.bind(name, [""], 1)?;
            length(&value.unwrap_or_default()).map(Value::from)
        }
        "d" | "default" => {
            let [value, other, boolean] = args.bind(name, ["value", "default_value", "boolean"], 1)?;
            let value = value.unwrap_or_default();
            let missing = value.is_undefined() || boolean.is_some_and(|flag| flag.is_true()) && !value.is_true();
            Ok(if missing { other.unwrap_or_else(|| Value::from("")) } else { value })
        }
        "dictsort" => dictsort(args, budget),
        "first" | "last" => {
            let [value] = args.bind(name, ["seq"], 1)?;
            let value = value.unwrap_or_default();
            if name == "last" && Type::of(&value) == Type::Stream {
                return Err(invalid("last: a generator has no end to begin from (put | list before it)"));
            }
            if name == "first" && Type::of(&value) == Type::Stream {
                // The others stay in it.
                return Ok(value.try_iter()?.next().unwrap_or(Value::UNDEFINED));
            }
            let mut all = items(&value, budget)?;
            Ok(if name == "last" {
                all.pop()
            } else if all.is_empty() {
                None
            } else {
                Some(all.swap_remove(0))
            }
            .unwrap_or(Value::UNDEFINED))
        }
        "float" => numbers::to_float(args),
        "int" => numbers::to_int(args),
        "round" => numbers::rounded(args),
        "format" => percent::filter(args, budget),
        "groupby" => groupby(args, budget),
        "items" => {
            let [value] = args.bind(name, ["value"], 1)?;
            let value = value.unwrap_or_default();
            let pairs = if value.is_undefined() { Vec::new() } else { entries(&value, budget)? };
            Ok(Stream::of(pairs.into_iter().map(|(key, value)| tuple(vec![key, value])).collect()))
        }
        "join" => {
            let [value, between, attribute] = args.bind(name, ["value", "d", "attribute"], 1)?;
            let path = Path::of(attribute, budget)?;
            let between = between.map_or(Ok(String::new()), |between| write::text(&between, budget))?;
            let all = items(&value.unwrap_or_default(), budget)?;
            let parts = all.iter().map(|item| write::text(&path.get(item, budget)?, budget)).collect::<Result<Vec<_>, _>>()?;
            text::joined(&parts.iter().map(String::as_str).collect::<Vec<_>>(), &between, budget)
        }
        "list" => {
            let [value] = args.bind(name, ["value"], 1)?;
            Ok(list(items(&value.unwrap_or_default(), budget)?))
        }
        "map" => map(args, budget),
        "max" | "min" => extreme(name, args, budget),
        "random" => Err(invalid("random is not supported: a prompt must be the same each time")),
        "reject" | "rejectattr" | "select" | "selectattr" => select(name, args, budget),
        "reverse" => {
            let [value] = args.bind(name, ["value"], 1)?;
            let value = value.unwrap_or_default();
            if let Some(text) = value.as_str() {
                return Ok(text::like(&value, text.chars().rev().collect()));
            }
            let mut all = items(&value, budget)?;
            all.reverse();
            Ok(if Type::of(&value) == Type::Stream { list(all) } else { Stream::of(all) })
        }
        "sort" => {
            let [value, reverse, cased, attribute] = args.bind(name, ["value", "reverse", "case_sensitive", "attribute"], 1)?;
            let paths: Vec<Path> = match attribute.as_ref().and_then(Value::as_str) {
                Some(names) => names.split(',').map(|name| Path::of(Some(Value::from(name)), budget)).collect::<Result<_, _>>()?,
                None => vec![Path::of(attribute, budget)?],
            };
            let flag = |value: Option<Value>| value.is_some_and(|value| value.is_true());
            let cased = flag(cased);
            let mut keyed = Vec::new();
            for item in items(&value.unwrap_or_default(), budget)? {
                let keys = paths.iter().map(|path| Ok(caseless(path.get(&item, budget)?, cased)));
                keyed.push((list(keys.collect::<Result<_, Error>>()?), item));
            }
            compare::sort(&mut keyed, |(key, _)| key.clone(), flag(reverse), budget)?;
            Ok(list(keyed.into_iter().map(|(_, item)| item).collect()))
        }
        "string" => {
            let [value] = args.bind(name, ["s"], 1)?;
            text::soft(&value.unwrap_or_default(), budget)
        }
        "sum" => {
            let [value, attribute, start] = args.bind(name, ["iterable", "attribute", "start"], 1)?;
            let path = Path::of(attribute, budget)?;
            let start = start.unwrap_or_else(|| Value::from(0));
            if start.as_str().is_some() {
                return Err(invalid("sum cannot add texts: use join"));
            }
            items(&value.unwrap_or_default(), budget)?
                .iter()
                .try_fold(start, |sum, item| numbers::arithmetic("+", &sum, &path.get(item, budget)?, budget))
        }
        "tojson" => write::json(args, budget),
        "unique" => {
            let [value, cased, attribute] = args.bind(name, ["value", "case_sensitive", "attribute"], 1)?;
            let (path, cased) = (Path::of(attribute, budget)?, cased.is_some_and(|flag| flag.is_true()));
            let (mut seen, mut kept): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
            for item in items(&value.unwrap_or_default(), budget)? {
                let name = caseless(path.get(&item, budget)?, cased);
                key(&name)?;
                if !compare::contains(&name, &list(seen.clone()), budget)? {
                    budget.spend(seen.len() * size_of::<Value>())?;
                    seen.push(name);
                    kept.push(item);
                }
            }
            Ok(Stream::of(kept))
        }
        _ => prose::apply(name, args, budget),
    }
}

/// A text in lower case, unless case counts.
fn caseless(value: Value, cased: bool) -> Value {
    match value.as_str() {
        Some(text) if !cased => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// A path of attributes, such as `address.city` or `0.name`.
struct Path(Vec<Value>);

impl Path {
    fn of(attribute: Option<Value>, budget: &Budget) -> Result<Self, Error> {
        let Some(attribute) = attribute.filter(|v| !v.is_none()) else { return Ok(Self(Vec::new())) };
        budget.spend(1)?;
        let part = |part: &str| match part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty() {
            true => part.parse::<i64>().map_or_else(|_| Value::from(part), Value::from),
            false => Value::from(part),
        };
        Ok(Self(attribute.as_str().map_or_else(|| vec![attribute.clone()], |text| text.split('.').map(part).collect())))
    }

    fn get(&self, item: &Value, budget: &Budget) -> Result<Value, Error> {
        self.get_or(item, None, budget)
    }

    /// The value at the path; `default` in the place of what is not there.
    fn get_or(&self, item: &Value, default: Option<&Value>, budget: &Budget) -> Result<Value, Error> {
        let mut found = item.clone();
        for part in &self.0 {
            found = methods::item(&found, part, budget)?;
            if let Some(default) = default.filter(|default| found.is_undefined() && !default.is_none()) {
                found = default.clone();
            }
        }
        Ok(found)
    }
}

fn batch(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, size, fill] = args.bind("batch", ["value", "linecount", "fill_with"], 2)?;
    let size = size.unwrap_or_default();
    // A size that is no number is never reached.
    let size = if super::values::whole(&size).is_some() || fill.is_some() { int(&size, "batch: linecount")? } else { -1 };
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    for item in items(&value.unwrap_or_default(), budget)? {
        if row.len() as i64 == size {
            rows.push(list(std::mem::take(&mut row)));
        }
        row.push(item);
    }
    if !row.is_empty() {
        if let Some(fill) = fill.filter(|v| !v.is_none()) {
            let missing = usize::try_from(size - row.len() as i64).unwrap_or(0);
            budget.spend(missing.saturating_mul(size_of::<Value>()))?;
            row.extend(std::iter::repeat_n(fill, missing));
        }
        rows.push(list(row));
    }
    Ok(Stream::of(rows))
}

fn slices(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, count, fill] = args.bind("slice", ["value", "slices", "fill_with"], 2)?;
    let all = items(&value.unwrap_or_default(), budget)?;
    let count = match int(&count.unwrap_or_default(), "slice: slices")? {
        0 => return Err(invalid("slice: the number of slices is 0")),
        count => usize::try_from(count).unwrap_or(0),
    };
    budget.spend(count.saturating_mul(size_of::<Value>()))?;
    let (each, extra) = (all.len().checked_div(count).unwrap_or(0), all.len().checked_rem(count).unwrap_or(0));
    let (mut rows, mut at) = (Vec::new(), 0);
    for number in 0..count {
        let end = at + each + usize::from(number < extra);
        let mut row = all[at..end].to_vec();
        if let Some(fill) = fill.as_ref().filter(|v| !v.is_none() && number >= extra) {
            row.push(fill.clone());
        }
        rows.push(list(row));
        at = end;
    }
    Ok(Stream::of(rows))
}

fn dictsort(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, cased, by, reverse] = args.bind("dictsort", ["value", "case_sensitive", "by", "reverse"], 1)?;
    let cased = cased.is_some_and(|flag| flag.is_true());
    let place = match by.as_ref().map_or(Some("key"), Value::as_str) {
        Some("key") => 0,
        Some("value") => 1,
        _ => return Err(invalid("dictsort: by is key or value")),
    };
    let mut pairs: Vec<[Value; 2]> = entries(&value.unwrap_or_default(), budget)?.into_iter().map(|(key, value)| [key, value]).collect();
    let key = |pair: &[Value; 2]| caseless(pair[place].clone(), cased);
    compare::sort(&mut pairs, key, reverse.is_some_and(|flag| flag.is_true()), budget)?;
    Ok(list(pairs.into_iter().map(|pair| tuple(pair.to_vec())).collect()))
}

fn groupby(args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, attribute, default, cased] = args.bind("groupby", ["value", "attribute", "default", "case_sensitive"], 2)?;
    let (path, cased) = (Path::of(attribute, budget)?, cased.is_some_and(|flag| flag.is_true()));
    let mut keyed = Vec::new();
    for item in items(&value.unwrap_or_default(), budget)? {
        let key = path.get_or(&item, default.as_ref(), budget)?;
        keyed.push((caseless(key.clone(), cased), key, item));
    }
    compare::sort(&mut keyed, |(key, ..)| key.clone(), false, budget)?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (key, shown, item) in keyed {
        match groups.last_mut() {
            Some((last, _, members)) if compare::equal(last, &key, budget)? => members.push(item),
            _ => groups.push((key, shown, vec![item])),
        }
    }
    let group = |(_, grouper, members): (Value, Value, Vec<Value>)| Value::from_object(Group { grouper, list: list(members) });
    Ok(list(groups.into_iter().map(group).collect()))
}

fn extreme(name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let [value, cased, attribute] = args.bind(name, ["value", "case_sensitive", "attribute"], 1)?;
    let (path, cased) = (Path::of(attribute, budget)?, cased.is_some_and(|flag| flag.is_true()));
    let mut best: Option<(Value, Value)> = None;
    for item in items(&value.unwrap_or_default(), budget)? {
        let key = caseless(path.get(&item, budget)?, cased);
        let better = match &best {
            None => true,
            Some((other, _)) => compare::holds(if name == "max" { ">" } else { "<" }, &key, other, budget)?,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

/// The arguments of a filter or test that another filter names: without the name, and with the item first.
fn passed(args: &Args, from: usize, item: Value) -> Args {
    let rest = args.positional.iter().skip(from).cloned();
    Args { positional: std::iter::once(item).chain(rest).collect(), named: args.named.clone() }
}

fn map(args: Args, budget: &Budget) -> Result<Value, Error> {
    let Some(value) = args.positional.first().cloned() else { return Err(invalid("map needs a list")) };
    if !value.is_true() && Type::of(&value) != Type::Stream {
        return Ok(Stream::of(Vec::new()));
    }
    let all = items(&value, budget)?;
    if args.positional.len() == 1 && args.named.iter().any(|(name, _)| name == "attribute") {
        let Args { named, .. } = args;
        let [attribute, default] = Args { positional: Vec::new(), named }.bind("map", ["attribute", "default"], 1)?;
        let path = Path::of(attribute, budget)?;
        let found = all.iter().map(|item| path.get_or(item, default.as_ref(), budget)).collect::<Result<_, _>>()?;
        return Ok(Stream::of(found));
    }
    let Some(name) = args.positional.get(1) else { return Err(invalid("map needs a filter or an attribute")) };
    let name = string(name, "the filter of map")?;
    let found = all.into_iter().map(|item| super::paid(apply(name, passed(&args, 2, item), budget), budget));
    Ok(Stream::of(found.collect::<Result<_, _>>()?))
}

fn select(name: &str, args: Args, budget: &Budget) -> Result<Value, Error> {
    let Some(value) = args.positional.first().cloned() else { return Err(invalid(format!("{name} needs a list"))) };
    let by_attribute = name.ends_with("attr");
    let mut path = Path(Vec::new());
    let mut at = 1;
    if value.is_true() && by_attribute {
        let attribute = args.positional.get(1).cloned().ok_or_else(|| invalid(format!("{name} needs the name of an attribute")))?;
        (path, at) = (Path::of(Some(attribute), budget)?, 2);
    }
    // What is false, such as none, is nothing to go through.
    let all = if value.is_true() { items(&value, budget)? } else { Vec::new() };
    let test = args.positional.get(at).map(|test| string(test, "the name of a test")).transpose()?;
    let mut kept = Vec::new();
    for item in all {
        let looked_at = path.get(&item, budget)?;
        let holds = match test {
            Some(test) => checks::apply(test, passed(&args, at + 1, looked_at), budget)?,
            None => looked_at.is_true(),
        };
        if holds != name.starts_with("reject") {
            kept.push(item);
        }
    }
    Ok(Stream::of(kept))
}

/// The error of a value that a filter does not take.
pub(super) fn unfit(name: &str, value: &Value) -> Error {
    invalid(format!("{name} of a {}", named(value)))
}
