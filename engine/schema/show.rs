//! Writing values.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

/// A value to be written, to a script's table or to JSON.
#[derive(Clone)]
pub enum Shown<'a> {
    /// Nothing. A key without a value is left out.
    Nil,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Shown<'a>>),
    /// A table with text keys.
    Map(Vec<(Cow<'a, str>, Shown<'a>)>),
    /// JSON as it is.
    Json(Cow<'a, Json>),
    /// A value of the writer's own type, such as a script's function. It cannot be written to JSON.
    Host(&'a dyn Any),
    /// A value that may occur in many places: its address, by which a writer recognises that it has already written it, and the value.
    Shared(*const (), &'a dyn Show),
}

impl Shown<'_> {
    /// One map with the entries of several.
    #[doc(hidden)]
    pub fn joined<const N: usize>(maps: [Self; N]) -> Self {
        Self::Map(maps.into_iter().flat_map(|map| if let Self::Map(entries) = map { entries } else { Vec::new() }).collect())
    }
}

/// A value that can be written.
pub trait Show {
    /// Converts it for writing.
    fn show(&self) -> Shown<'_>;
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil | Self::Host(_) => to.serialize_unit(),
            Self::Boolean(value) => to.serialize_bool(*value),
            Self::Integer(value) => to.serialize_i64(*value),
            Self::Number(value)
                if value.fract() == 0.0 && value.abs() < (1u64 << 53) as f64 && (*value != 0.0 || value.is_sign_positive()) =>
            {
                to.serialize_i64(*value as i64)
            }
            // JSON has no infinite numbers and no NaN.
            Self::Number(value) if !value.is_finite() => to.serialize_unit(),
            Self::Number(value) => to.serialize_f64(*value),
            Self::Text(text) => to.serialize_str(text),
            Self::List(items) => to.collect_seq(items),
            Self::Map(entries) => {
                let mut map = to.serialize_map(None)?;
                for (key, value) in entries.iter().filter(|(_, value)| !matches!(value, Self::Nil)) {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Json(json) => json.serialize(to),
            Self::Shared(_, value) => value.show().serialize(to),
        }
    }
}

/// As JSON.
impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

macro_rules! show {
    ($($case:ident($value:ident) = $shown:expr => $($ty:ty),*;)*) => { $($(impl Show for $ty {
        fn show(&self) -> Shown<'_> {
            let $value = self;
            Shown::$case($shown)
        }
    })*)* };
}

show! {
    Boolean(value) = *value => bool;
    Integer(value) = *value as i64 => u8, u32, u64, usize;
    Integer(value) = *value => i64;
    Number(value) = f64::from(*value) => f32;
    Number(value) = *value => f64;
    Text(value) = Cow::Borrowed(value) => String, &str;
    Text(value) = value.to_string_lossy() => std::path::PathBuf;
    Json(value) = Cow::Borrowed(value) => Json;
}

impl Show for () {
    fn show(&self) -> Shown<'_> {
        Shown::Nil
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> Shown<'_> {
        self.as_ref().map_or(Shown::Nil, Show::show)
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> Shown<'_> {
        Shown::List(self.iter().map(Show::show).collect())
    }
}

impl<T: Show> Show for Rc<T> {
    fn show(&self) -> Shown<'_> {
        Shown::Shared(Rc::as_ptr(self).cast(), &**self)
    }
}

impl<T: Show> Show for BTreeMap<String, T> {
    fn show(&self) -> Shown<'_> {
        Shown::Map(self.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), value.show())).collect())
    }
}
