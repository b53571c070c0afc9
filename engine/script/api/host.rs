//! Values that only Lua has: functions, raw tables, objects of the API. As fields of records they are read and written like all others.

use std::marker::PhantomData;

use mlua::{AnyUserData, Function, Lua, LuaString, Table, UserDataRef, Value};

use super::{Handle, Kind, Scripted};
use finemem::schema::{Described, Problem, Read, Show, Shown, Source};

macro_rules! host {
    ($($(#[$doc:meta])+ $name:ident($inner:ty) = $kind:expr, $said:literal, |$value:ident| $read:expr;)*) => { $(
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $name(pub(crate) $inner, Value);

        impl $name {
            /// Wraps a value of the right type.
            pub(crate) fn new($value: Value) -> Option<Self> {
                $read.map(|inner| Self(inner, $value))
            }
        }

        impl Described for $name {
            const KIND: Kind = $kind;
        }

        impl Show for $name {
            fn show(&self) -> Shown<'_> {
                Shown::Host(&self.1)
            }
        }

        impl Read for $name {
            fn read<S: Source>(source: &S) -> Result<Self, Problem> {
                let value = source.host().and_then(|value| value.downcast::<Value>().ok());
                value.and_then(|value| Self::new(*value)).ok_or_else(|| Problem::new(concat!("must be ", $said)))
            }
        }
    )* };
}

host! {
    /// A function of the script.
    Callback(Function) = Kind::Function(&[], &Kind::Any), "a function", |value| value.as_function().cloned();
    /// A raw table.
    Tab(Table) = Kind::Table, "a table", |value| value.as_table().cloned();
    /// A string that need not be UTF-8.
    Bytes(LuaString) = Kind::Text, "a string", |value| value.as_string().cloned();
    /// Anything but nil.
    Any(Value) = Kind::Any, "a value", |value| (!value.is_nil()).then(|| value.clone());
}

impl From<Function> for Callback {
    fn from(function: Function) -> Self {
        Self(function.clone(), Value::Function(function))
    }
}

impl From<LuaString> for Bytes {
    fn from(text: LuaString) -> Self {
        Self(text.clone(), Value::String(text))
    }
}

impl From<Table> for Tab {
    fn from(table: Table) -> Self {
        Self(table.clone(), Value::Table(table))
    }
}

impl From<Value> for Any {
    fn from(value: Value) -> Self {
        Self(value.clone(), value)
    }
}

/// An object of the API that holds a `T`.
pub(crate) struct Object<T>(pub(crate) AnyUserData, Value, PhantomData<fn() -> T>);

impl<T: Scripted> Object<T> {
    /// A new object.
    pub(crate) fn new(lua: &Lua, value: T) -> mlua::Result<Self> {
        lua.create_userdata(Handle(value)).map(Self::from)
    }

    /// The value inside.
    pub(crate) fn borrow(&self) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.0.borrow()
    }
}

impl<T> From<AnyUserData> for Object<T> {
    fn from(data: AnyUserData) -> Self {
        Self(data.clone(), Value::UserData(data), PhantomData)
    }
}

impl<T> Clone for Object<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone(), PhantomData)
    }
}

impl<T> PartialEq for Object<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Scripted> std::fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(T::NAME)
    }
}

impl<T: Scripted> Described for Object<T> {
    const KIND: Kind = Kind::Object(T::NAME);
}

impl<T> Show for Object<T> {
    fn show(&self) -> Shown<'_> {
        Shown::Host(&self.1)
    }
}

impl<T: Scripted> Read for Object<T> {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        let value = source.host().and_then(|value| value.downcast::<Value>().ok());
        let data = value.and_then(|value| value.as_userdata().cloned()).filter(|data| data.is::<Handle<T>>());
        data.map(Self::from).ok_or_else(|| Problem::new(format!("must be a {}", T::NAME)))
    }
}
