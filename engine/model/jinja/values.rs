//! The types that a value of a template has in Python, the objects that minijinja lacks, and the arguments of calls.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::{Budget, write};

/// A value's type in Python.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Type {
    Undefined,
    None,
    Bool,
    Int,
    Float,
    Str,
    List,
    Tuple,
    Dict,
    Range,
    View,
    /// A generator or another iterator, which is used up once.
    Stream,
    Namespace,
    /// A loop, macro, function or method.
    Other,
}

impl Type {
    pub(super) fn of(value: &Value) -> Self {
        match value.kind() {
            ValueKind::Undefined => Self::Undefined,
            ValueKind::None => Self::None,
            ValueKind::Bool => Self::Bool,
            ValueKind::Number if value.is_integer() => Self::Int,
            ValueKind::Number => Self::Float,
            ValueKind::String => Self::Str,
            ValueKind::Seq if value.is_tuple() || value.downcast_object_ref::<Group>().is_some() => Self::Tuple,
            ValueKind::Seq => Self::List,
            ValueKind::Map => {
                let name = value.as_object().map_or("", |object| object.type_name());
                match name.rsplit("::").next() {
                    Some("Namespace") => Self::Namespace,
                    Some("Loop" | "Macro" | "Module" | "Closure") => Self::Other,
                    _ => Self::Dict,
                }
            }
            ValueKind::Iterable if value.downcast_object_ref::<Range>().is_some() => Self::Range,
            ValueKind::Iterable if value.downcast_object_ref::<View>().is_some() => Self::View,
            ValueKind::Iterable => Self::Stream,
            _ => Self::Other,
        }
    }

    /// Its name in Python's messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Undefined => "Undefined",
            Self::None => "NoneType",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Dict => "dict",
            Self::Range => "range",
            Self::View => "view of a dict",
            Self::Stream => "generator",
            Self::Namespace => "namespace",
            Self::Other => "function",
        }
    }
}

/// An error of the template.
pub(super) fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// The name of a value's type.
pub(super) fn named(value: &Value) -> &'static str {
    Type::of(value).name()
}

/// The error of an operation on something undefined.
pub(super) fn undefined(what: &str) -> Error {
    Error::new(ErrorKind::UndefinedError, format!("{what} of something undefined"))
}

/// An integer; booleans count as 0 and 1.
pub(super) fn whole(value: &Value) -> Option<i128> {
    match Type::of(value) {
        Type::Bool => Some(i128::from(value.is_true())),
        Type::Int => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// An integer that an argument must be.
pub(super) fn int(value: &Value, what: &str) -> Result<i64, Error> {
    match (Type::of(value), whole(value)) {
        (Type::Undefined, _) => Err(undefined(what)),
        (_, Some(n)) => Ok(n.clamp(i64::MIN.into(), i64::MAX.into()) as i64),
        _ => Err(invalid(format!("{what} must be an integer, not {}", named(value)))),
    }
}

/// A text that an argument must be.
pub(super) fn string<'a>(value: &'a Value, what: &str) -> Result<&'a str, Error> {
    value.as_str().ok_or_else(|| invalid(format!("{what} must be a text, not {}", named(value))))
}

/// What `for` goes through. It is paid for.
pub(super) fn items(value: &Value, budget: &Budget) -> Result<Vec<Value>, Error> {
    match Type::of(value) {
        Type::None | Type::Bool | Type::Int | Type::Float | Type::Namespace | Type::Other => {
            Err(invalid(format!("a {} is not iterable", named(value))))
        }
        _ => {
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                budget.spend(size_of::<Value>())?;
                items.push(item?);
            }
            Ok(items)
        }
    }
}

/// `len(value)`.
pub(super) fn length(value: &Value) -> Result<usize, Error> {
    match Type::of(value) {
        Type::Undefined => Ok(0),
        Type::Str => Ok(value.as_str().unwrap_or_default().chars().filter(|c| *c != crate::model::plain::MARK).count()),
        Type::List | Type::Tuple | Type::Dict | Type::Range | Type::View => Ok(value.len().unwrap_or(0)),
        _ => Err(invalid(format!("a {} has no length", named(value)))),
    }
}

/// The entries of a mapping.
pub(super) fn entries(value: &Value, budget: &Budget) -> Result<Vec<(Value, Value)>, Error> {
    if Type::of(value) != Type::Dict {
        return Err(invalid(format!("a {} is not a mapping", named(value))));
    }
    items(value, budget)?.into_iter().map(|key| Ok((key.clone(), value.get_item(&key)?))).collect()
}

/// The value, if it can be the key of a mapping.
pub(super) fn key(value: &Value) -> Result<&Value, Error> {
    match Type::of(value) {
        Type::List | Type::Dict | Type::View | Type::Stream | Type::Namespace => {
            Err(invalid(format!("a {} cannot be a key", named(value))))
        }
        Type::Tuple => value.try_iter()?.checked().try_for_each(|item| key(&item?).map(|_| ())).map(|()| value),
        _ => Ok(value),
    }
}

/// A list.
pub(super) fn list(items: Vec<Value>) -> Value {
    Value::from(items)
}

/// A tuple.
pub(super) fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::from(items))
}

/// The arguments of a filter, test, function or method.
pub(super) struct Args {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(String, Value)>,
}

impl Args {
    pub(super) fn of(values: &[Value]) -> Result<Self, Error> {
        match values.split_last() {
            Some((last, positional)) if last.is_kwargs() => {
                let options = Kwargs::try_from(last.clone())?;
                let named = options.args().map(|name| Ok((name.to_owned(), options.peek::<Value>(name)?)));
                Ok(Self { positional: positional.to_vec(), named: named.collect::<Result<_, Error>>()? })
            }
            _ => Ok(Self { positional: values.to_vec(), named: Vec::new() }),
        }
    }

    /// The arguments in the order of these parameters, of which the first `required` must be there. One whose name is empty has no name.
    pub(super) fn bind<const N: usize>(self, what: &str, parameters: [&str; N], required: usize) -> Result<[Option<Value>; N], Error> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return Err(invalid(format!("{what} takes at most {N} arguments, not {}", self.positional.len())));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match parameters.iter().position(|parameter| *parameter == name && !name.is_empty()) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => return Err(invalid(format!("{what} is given {name} twice"))),
                None => return Err(invalid(format!("{what} has no parameter {name}"))),
            }
        }
        match (0..required).find(|at| bound[*at].is_none()) {
            Some(at) if parameters[at].is_empty() => Err(invalid(format!("{what} needs {required} arguments"))),
            Some(at) => Err(invalid(format!("{what} needs {}", parameters[at]))),
            None => Ok(bound),
        }
    }
}

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
        let (span, step) = if self.step > 0 { (self.stop.saturating_sub(self.start), self.step) } else { (self.start.saturating_sub(self.stop), self.step.saturating_neg()) };
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
        Ok(Value::from_pairs(pairs))
    }

    fn call_method(self: &Arc<Self>, _state: &mut State<'_, '_>, name: &str, args: &[Value]) -> Result<Value, Error> {
        if name != "fromkeys" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let [keys, value] = Args::of(args)?.bind("dict.fromkeys", ["", ""], 1)?;
        let value = value.unwrap_or_else(|| Value::from(()));
        let pairs = items(&keys.unwrap_or_default(), &self.0)?.into_iter().map(|name| Ok((key(&name)?.clone(), value.clone())));
        Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
    }
}
