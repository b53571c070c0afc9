//! The types that a value of a template has in Python, and the arguments of calls.

use minijinja::value::{Kwargs, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::Budget;
use super::objects::{Group, Range, View};

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

/// A mapping. Of keys that are equal in Python, such as 1 and true, the first one stays, with the last value.
pub(super) fn dict(pairs: Vec<(Value, Value)>) -> Value {
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let twin = twin(&name);
        match kept.iter().position(|(other, _)| twin.as_ref() == Some(other)) {
            Some(at) => kept[at].1 = value,
            None => kept.push((name, value)),
        }
    }
    Value::from_pairs(kept)
}

/// The key that is equal in Python and not here: booleans are 0 and 1 there.
fn twin(name: &Value) -> Option<Value> {
    match (Type::of(name), whole(name), f64::try_from(name.clone())) {
        (Type::Bool, Some(n), _) => Some(Value::from(n)),
        (Type::Int | Type::Float, _, Ok(x)) if x == 0.0 || x == 1.0 => Some(Value::from(x == 1.0)),
        _ => None,
    }
}

/// The value of a key; undefined if there is none.
pub(super) fn lookup(dict: &Value, name: &Value) -> Result<Value, Error> {
    let found = dict.get_item(name)?;
    match twin(name).filter(|_| found.is_undefined()) {
        Some(twin) => dict.get_item(&twin),
        None => Ok(found),
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
