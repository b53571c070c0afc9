//! Python's objects that minijinja lacks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::values::{Args, Type, dict, entries, int, invalid, items, key, tuple};
use super::{Budget, write};

/// `range(start, stop, step)`.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) stop: i64,
    pub(super) step: i64,
}

/// What `range` is limited to in transformers' sandbox.
const LONGEST_RANGE: i64 = 100_000;

impl Range {
    pub(super) fn of(args: Args) -> Result<Value, Error> {
        let [first, second, step] = args.bind("range", ["", "", ""], 1)?;
        let number = |value: Option<Value>| value.map(|value| int(&value, "a bound of range")).transpose();
        let (first, second, step) = (number(first)?.unwrap_or(0), number(second)?, number(step)?.unwrap_or(1));
        let (start, stop) = second.map_or((0, first), |second| (first, second));
        if step == 0 {
            return Err(invalid("the step of range must not be 0"));
        }
        let range = Self { start, stop, step };
        match range.count() > LONGEST_RANGE {
            true => Err(invalid(format!("range has too many elements: at most {LONGEST_RANGE} are allowed"))),
            false => Ok(Value::from_object(range)),
        }
    }

    pub(super) fn count(&self) -> i64 {
        let (span, step) = if self.step > 0 {
            (self.stop.saturating_sub(self.start), self.step)
        } else {
            (self.start.saturating_sub(self.stop), self.step.saturating_neg())
        };
        if span <= 0 { 0 } else { (span - 1) / step + 1 }
    }

    pub(super) fn at(&self, place: i64) -> i64 {
        self.start + place * self.step
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let range = self.clone();
        Enumerator::Iter(Box::new((0..self.count()).map(move |place| Value::from(range.at(place)))))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.count() > 0
    }
}

/// Which part of a mapping a view shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Keys,
    Values,
    Items,
}

/// `keys()`, `values()` or `items()` of a mapping.
#[derive(Debug)]
pub(super) struct View {
    pub(super) dict: Value,
    pub(super) part: Part,
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let (view, keys) = (self.clone(), self.dict.try_iter().into_iter().flatten().collect::<Vec<_>>());
        Enumerator::Iter(Box::new(keys.into_iter().map(move |key| {
            let value = || view.dict.get_item(&key).unwrap_or_default();
            match view.part {
                Part::Keys => key,
                Part::Values => value(),
                Part::Items => tuple(vec![key.clone(), value()]),
            }
        })))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.dict.is_true()
    }
}

/// What Python gives out piece by piece: whoever goes through it leaves nothing for the next.
#[derive(Debug)]
pub(super) struct Stream(Arc<Mutex<VecDeque<Value>>>);

impl Stream {
    pub(super) fn of(items: Vec<Value>) -> Value {
        Value::from_object(Self(Arc::new(Mutex::new(items.into()))))
    }
}

impl Object for Stream {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let items = self.0.clone();
        Enumerator::Iter(Box::new(std::iter::from_fn(move || items.lock().ok()?.pop_front())))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }
}

/// A tuple of `groupby`, whose parts have names.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) grouper: Value,
    pub(super) list: Value,
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_usize()? {
            0 => Some(self.grouper.clone()),
            1 => Some(self.list.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}

/// A method of a value that is not called where it is named.
#[derive(Debug)]
pub(super) struct Method {
    value: Value,
    name: &'static str,
    budget: Budget,
}

impl Method {
    pub(super) fn of(value: &Value, name: &'static str, budget: &Budget) -> Value {
        Value::from_object(Self { value: value.clone(), name, budget: budget.clone() })
    }
}

impl Object for Method {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        super::methods::call(&self.value, self.name, Args::of(args)?, &self.budget)
    }
}

/// `cycler(…)`.
#[derive(Debug)]
pub(super) struct Cycler {
    pub(super) items: Vec<Value>,
    pub(super) place: AtomicUsize,
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "current" => Some(self.items[self.place.load(Relaxed)].clone()),
            "items" => Some(tuple(self.items.clone())),
            "pos" => Some(self.place.load(Relaxed).into()),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, _state: &mut State<'_, '_>, name: &str, _args: &[Value]) -> Result<Value, Error> {
        let place = self.place.load(Relaxed);
        match name {
            "next" => self.place.store((place + 1) % self.items.len(), Relaxed),
            "reset" => {
                self.place.store(0, Relaxed);
                return Ok(Value::from(()));
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(self.items[place].clone())
    }
}

/// `joiner(sep)`: nothing when it is called first, and then the separator.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) between: Value,
    pub(super) used: AtomicBool,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        Ok(if self.used.swap(true, Relaxed) { self.between.clone() } else { Value::from("") })
    }
}

/// `dict(…)` and `dict.fromkeys(…)`.
#[derive(Debug)]
pub(super) struct Dict(pub(super) Budget);

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        write::held(args, &self.0)?;
        let Args { positional, named } = Args::of(args)?;
        let mut pairs = match positional.as_slice() {
            [] => Vec::new(),
            [from] if Type::of(from) == Type::Dict => entries(from, &self.0)?,
            [from] => {
                let pair = |item: Value| match items(&item, &self.0)?.as_slice() {
                    [name, value] => Ok((key(name)?.clone(), value.clone())),
                    _ => Err(invalid("dict: each item must be a pair")),
                };
                items(from, &self.0)?.into_iter().map(pair).collect::<Result<_, Error>>()?
            }
            _ => return Err(invalid("dict takes at most one argument without a name")),
        };
        pairs.extend(named.into_iter().map(|(name, value)| (Value::from(name), value)));
        Ok(dict(pairs))
    }

    fn call_method(self: &Arc<Self>, _state: &mut State<'_, '_>, name: &str, args: &[Value]) -> Result<Value, Error> {
        if name != "fromkeys" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let [keys, value] = Args::of(args)?.bind("dict.fromkeys", ["", ""], 1)?;
        let value = value.unwrap_or_else(|| Value::from(()));
        let pairs = items(&keys.unwrap_or_default(), &self.0)?.into_iter().map(|name| Ok((key(&name)?.clone(), value.clone())));
        Ok(dict(pairs.collect::<Result<_, Error>>()?))
    }
}
