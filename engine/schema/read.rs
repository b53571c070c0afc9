//! Reading values.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::As;
use crate::{Error, Result};

/// A value that is not what it should be: its place inside what was read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `steps[2].calls`; empty for the whole.
    pub place: String,
    /// What is wrong; continues a sentence that begins with the place.
    pub text: String,
}

impl Problem {
    /// A problem of the current value.
    pub fn new(text: impl Into<String>) -> Self {
        Self { place: String::new(), text: text.into() }
    }

    /// The problem as seen from the container that holds the value under a key, or under `[i]`.
    pub fn within(mut self, outer: impl std::fmt::Display) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{outer}{dot}{}", self.place);
        self
    }
}

/// `'place' text`, or the text alone for the whole.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.text) } else { write!(f, "'{}' {}", self.place, self.text) }
    }
}

/// Something that a value can be read from.
pub trait Source: Sized {
    /// Whether it is nil.
    fn is_nil(&self) -> bool;
    /// True or false.
    fn boolean(&self) -> Result<bool, Problem>;
    /// A number.
    fn number(&self) -> Result<f64, Problem>;
    /// A string.
    fn text(&self) -> Result<String, Problem>;
    /// The elements of a list.
    fn list(&self) -> Result<Vec<Self>, Problem>;
    /// The entries of a table with text keys.
    fn map(&self) -> Result<Vec<(String, Self)>, Problem>;
    /// The value as JSON, whatever its type.
    fn json(&self) -> Result<Json, Problem>;
    /// The value under a key; nil if there is no such key.
    fn get(&self, key: &str) -> Result<Self, Problem>;

    /// A value that may occur in many places. A source that recognises a value it has already read returns the same one again.
    fn shared<T: Read + 'static>(&self) -> Result<Rc<T>, Problem> {
        T::read(self).map(Rc::new)
    }

    /// Whether fields that are [`Bulk`](super::Bulk) are left out.
    fn skips_bulk(&self) -> bool {
        false
    }

    /// The value itself, in the source's own type, for values that only its side can read, such as a script's function.
    fn host(&self) -> Option<Box<dyn Any>> {
        None
    }

    /// The field under a key, or its default if absent.
    fn field_or<T, A: As<T>>(&self, key: &'static str, default: impl FnOnce() -> T) -> Result<T, Problem> {
        let value = self.get(key).map_err(|problem| problem.within(key))?;
        if value.is_nil() { Ok(default()) } else { A::read(&value).map_err(|problem| problem.within(key)) }
    }

    /// The field under a key.
    fn field<T, A: As<T>>(&self, key: &'static str) -> Result<T, Problem> {
        let value = self.get(key).map_err(|problem| problem.within(key))?;
        A::read(&value).map_err(|problem| problem.within(key))
    }
}

/// A value that can be read.
pub trait Read: Sized {
    /// The value.
    fn read<S: Source>(source: &S) -> Result<Self, Problem>;
}

/// Reads a value from JSON.
pub fn read_json<T: Read>(json: &Json) -> Result<T, Problem> {
    T::read(&json)
}

/// [`read_json`] with an error that names `what`.
pub fn read_json_as<T: Read>(what: &str, json: &Json) -> Result<T> {
    read_json(json).map_err(|problem| Error::argument(problem.within(what)))
}

/// A record in which every field has a default or may be absent.
///
/// # Panics
/// If the record has a required field.
pub fn defaults<T: Read>() -> T {
    read_json(&Json::Object(Default::default())).expect("a record without a field that must be given")
}

const NULL: &Json = &Json::Null;

impl Source for &Json {
    fn is_nil(&self) -> bool {
        Json::is_null(self)
    }
    fn boolean(&self) -> Result<bool, Problem> {
        self.as_bool().ok_or_else(|| Problem::new("must be true or false"))
    }
    fn number(&self) -> Result<f64, Problem> {
        self.as_f64().ok_or_else(|| Problem::new("must be a number"))
    }
    fn text(&self) -> Result<String, Problem> {
        self.as_str().map(str::to_owned).ok_or_else(|| Problem::new("must be a string"))
    }
    fn list(&self) -> Result<Vec<Self>, Problem> {
        // A script's empty table is written as an empty object.
        match self {
            Json::Array(items) => Ok(items.iter().collect()),
            Json::Object(entries) if entries.is_empty() => Ok(Vec::new()),
            _ => Err(Problem::new("must be a list")),
        }
    }
    fn map(&self) -> Result<Vec<(String, Self)>, Problem> {
        let entries = self.as_object().ok_or_else(|| Problem::new("must be a table with text keys"))?;
        Ok(entries.iter().map(|(key, value)| (key.clone(), value)).collect())
    }
    fn json(&self) -> Result<Json, Problem> {
        Ok((*self).clone())
    }
    fn get(&self, key: &str) -> Result<Self, Problem> {
        let entries = self.as_object().ok_or_else(|| Problem::new("must be a table"))?;
        Ok(entries.get(key).unwrap_or(NULL))
    }
}

macro_rules! read {
    ($(|$source:ident| $read:expr => $($ty:ty),*;)*) => { $($(impl Read for $ty {
        fn read<S: Source>($source: &S) -> Result<Self, Problem> {
            $read
        }
    })*)* };
}

read! {
    |source| source.boolean() => bool;
    |source| source.number() => f64;
    |source| source.number().map(|value| value as f32) => f32;
    |source| source.text() => String;
    |source| source.text().map(Into::into) => std::path::PathBuf;
    |source| source.json() => Json;
    |source| whole(source.number()?) => u8, u32, u64, usize, i64;
}

/// A whole number in the range of its type.
fn whole<T: TryFrom<i64>>(value: f64) -> Result<T, Problem> {
    let exact = value.fract() == 0.0 && value.abs() <= (1u64 << 53) as f64;
    let whole = exact.then(|| T::try_from(value as i64).ok()).flatten();
    whole.ok_or_else(|| Problem::new(if exact { format!("is {value}, which is out of range") } else { "must be a whole number".into() }))
}

impl<T: Read> Read for Option<T> {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        if source.is_nil() { Ok(None) } else { T::read(source).map(Some) }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        let items = source.list()?;
        (1..).zip(&items).map(|(i, item)| T::read(item).map_err(|problem| problem.within(format!("[{i}]")))).collect()
    }
}

impl<T: Read + 'static> Read for Rc<T> {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        source.shared()
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        let read = |(key, value): (String, S)| match T::read(&value) {
            Ok(value) => Ok((key, value)),
            Err(problem) => Err(problem.within(key)),
        };
        source.map()?.into_iter().map(read).collect()
    }
}
