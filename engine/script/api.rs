//! The machinery of the API table: what a function, a parameter and an object are, how arguments are checked, how Lua gets them.
//!
//! An entry of the table is all there is to a function: registration, checks and editor types come from it.

use std::ops::{Deref, DerefMut};

use mlua::{AnyUserData, IntoLua, Lua, MetaMethod, MultiValue, Table, UserData, UserDataRegistry, Value};

pub(crate) use super::arguments::Args;
use super::arguments::{arguments, full_name, hint};

use crate::train::log::Checkpoint;
use crate::{Error, Result};

/// The type of a value in Lua.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Anything but nil.
    Any,
    Boolean,
    /// A number; neither infinite nor NaN.
    Number,
    /// A whole number of at most 2^53 in size.
    Integer,
    Text,
    /// Any table.
    Table,
    List(&'static Kind),
    /// A table with text keys.
    Map(&'static Kind),
    /// A Lua function: its parameters with their names, and its result.
    Function(&'static [(&'static str, Kind)], &'static Kind),
    /// An object of the API, by name.
    Object(&'static str),
    Record(&'static Record),
    /// One of a few words.
    Choice(&'static [&'static str]),
    Either(&'static [Kind]),
    /// Nothing is returned, or nil is allowed inside an `Either`.
    Nil,
}

/// A table with known keys, and the name it has in the editor types.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Param],
    /// Whether a table passed in is checked key by key. Results that only come back as arguments are not.
    pub(crate) checked: bool,
}

/// One key of an argument table or of a record.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
    pub(crate) doc: &'static str,
}

/// What happens when a key is absent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    Required,
    /// The function sees `None`.
    Optional,
    Boolean(bool),
    Number(f64),
    Text(&'static str),
}

/// A key that must be given.
pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Required, doc }
}

/// A key that may be left out.
pub(crate) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Optional, doc }
}

/// A key with a default.
pub(crate) const fn default(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Param {
    Param { name, kind, need, doc }
}

/// One function, or one method of an object.
#[derive(Debug)]
pub(crate) struct Function {
    /// The path under `fm`, such as `memory.new`, or a method's name.
    pub(crate) path: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) returns: Kind,
    /// What comes back, in a few words; empty when nothing does.
    pub(crate) result: &'static str,
    pub(crate) call: fn(&Lua, &Args) -> mlua::Result<Value>,
}

/// A class of objects that functions return.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
    pub(crate) methods: &'static [Function],
    /// For trainers, which go into a run's checkpoints.
    pub(crate) checkpoint: Option<WithCheckpoint>,
}

/// Calls a function with an object that is a [`Checkpoint`].
pub(crate) type WithCheckpoint = fn(&AnyUserData, &mut dyn FnMut(&mut dyn Checkpoint) -> Result<()>) -> mlua::Result<()>;

/// A value that is read as `object.name`.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) get: fn(&Lua, &AnyUserData) -> mlua::Result<Value>,
}

/// A value that is read as `fm.path`.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) get: fn(&Lua) -> mlua::Result<Value>,
}

/// What one file of bindings adds to the API.
#[derive(Debug)]
pub(crate) struct Area {
    pub(crate) constants: &'static [Constant],
    pub(crate) functions: &'static [Function],
    pub(crate) objects: &'static [&'static Object],
    pub(crate) records: &'static [&'static Record],
}

/// A Rust type that scripts hold as an object.
pub(crate) trait Scripted: 'static {
    /// Its entry in the table.
    const OBJECT: &'static Object;
    /// What `tostring` says: a sentence.
    fn describe(&self) -> String;
}

/// The userdata around a [`Scripted`] value.
pub(crate) struct Handle<T>(pub(crate) T);

impl<T> Deref for Handle<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Handle<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Scripted> UserData for Handle<T> {
    fn register(registry: &mut UserDataRegistry<Self>) {
        use mlua::{UserDataFields, UserDataMethods};
        registry.add_meta_field(MetaMethod::Type, T::OBJECT.name);
        registry.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.describe()));
        registry.add_meta_field_with(MetaMethod::Index.name(), |lua| index(lua, T::OBJECT));
    }
}

/// Where the methods of a class are kept.
fn methods_key(object: &Object) -> String {
    format!("finemem.{}", object.name)
}

/// What looks up a method or a field. Methods are found without leaving Lua.
fn index(lua: &Lua, object: &'static Object) -> mlua::Result<mlua::Function> {
    let other = raising(lua, 3, |lua, values| {
        let (this, key): (AnyUserData, Value) = lua.unpack_multi(values)?;
        let key = key.to_string()?;
        match object.fields.iter().find(|field| field.name == key) {
            Some(field) => (field.get)(lua, &this),
            None => {
                let names = object.methods.iter().map(|m| m.path).chain(object.fields.iter().map(|f| f.name));
                Err(mlua::Error::runtime(format!("{} has no '{key}'{}", object.name, hint(&key, names))))
            }
        }
    })?;
    let methods: Table = lua.named_registry_value(&methods_key(object))?;
    let make: mlua::Function = lua.load(INDEX).set_name("=finemem").eval()?;
    make.call((methods, other))
}

const INDEX: &str = "
return function(methods, other)
    return function(object, key)
        local method = methods[key]
        if method then return method end
        return other(object, key)
    end
end";

/// Makes a new object for the script.
pub(crate) fn object<T: Scripted>(lua: &Lua, value: T) -> mlua::Result<Value> {
    lua.create_userdata(Handle(value))?.into_lua(lua)
}

/// What went wrong, as the user should read it: without the names of error variants, with a traceback where there is one.
pub(crate) fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        mlua::Error::MemoryError(_) => "the script needs more memory than it may have".into(),
        mlua::Error::CallbackError { traceback, cause } => format!("{}\n{}", message(cause).trim_end(), traceback.trim_end()),
        mlua::Error::WithContext { context, cause } => format!("{context}: {}", message(cause)),
        mlua::Error::UserDataBorrowError | mlua::Error::UserDataBorrowMutError => {
            "the object is already in use by the function that called this one".into()
        }
        other => other.to_string(),
    }
}

/// Whether an error ends the script: what catches the errors of Lua code hands this one on.
pub(crate) fn must_pass(error: &mlua::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Stopped(_) | Error::Exit(_)))
}

/// A Lua function around a Rust one whose errors become plain strings that start with the caller's line, as those of Lua's own `error`,
/// which `level` is passed to: 2 is the caller, 3 the caller's caller.
/// Running out of memory, being stopped and `fm.exit` stay what they are, so that they reach the top.
pub(crate) fn raising(
    lua: &Lua,
    level: u32,
    call: impl Fn(&Lua, MultiValue) -> mlua::Result<Value> + 'static,
) -> mlua::Result<mlua::Function> {
    let inner = lua.create_function(move |lua, values: MultiValue| match call(lua, values) {
        Ok(value) => Ok((true, value)),
        Err(error @ mlua::Error::MemoryError(_)) => Err(error),
        Err(error) if must_pass(&error) => Err(error),
        Err(error) => Ok((false, lua.create_string(message(&error))?.into_lua(lua)?)),
    })?;
    let raise: Option<mlua::Function> = lua.named_registry_value("finemem raise")?;
    let raise = match raise {
        Some(raise) => raise,
        None => {
            let raise: mlua::Function = lua.load(RAISE).set_name("=finemem").eval()?;
            lua.set_named_registry_value("finemem raise", &raise)?;
            raise
        }
    };
    raise.call((inner, level))
}

const RAISE: &str = "
local error = error
return function(call, level)
    return function(...)
        local done, result = call(...)
        if done then return result end
        error(result, level)
    end
end";

/// The Lua function for an entry.
fn bind(lua: &Lua, function: &'static Function, object: Option<&'static Object>) -> mlua::Result<mlua::Function> {
    raising(lua, 2, move |lua, values| {
        let named = |text: String| mlua::Error::runtime(format!("{}: {text}", full_name(function, object)));
        let args = arguments(function, object, values).map_err(named)?;
        (function.call)(lua, &args).map_err(|error| match error {
            error @ mlua::Error::MemoryError(_) => error,
            error if must_pass(&error) => error,
            error => named(message(&error)),
        })
    })
}

/// Builds the module that `require "finemem"` returns, and the methods of every object.
pub(crate) fn register(lua: &Lua, areas: &'static [Area]) -> mlua::Result<Table> {
    let root = lua.create_table()?;
    for area in areas {
        for function in area.functions {
            let (table, name) = place(lua, &root, function.path)?;
            table.raw_set(name, bind(lua, function, None)?)?;
        }
        for constant in area.constants {
            let (table, name) = place(lua, &root, constant.path)?;
            table.raw_set(name, (constant.get)(lua)?)?;
        }
        for object in area.objects {
            let methods = lua.create_table()?;
            for method in object.methods {
                methods.raw_set(method.path, bind(lua, method, Some(object))?)?;
            }
            lua.set_named_registry_value(&methods_key(object), methods)?;
        }
    }
    freeze(lua, &root, "fm")?;
    Ok(root)
}

/// The table that holds `a.b.c`, made when it is not there yet, and the last name.
fn place(lua: &Lua, root: &Table, path: &'static str) -> mlua::Result<(Table, &'static str)> {
    let mut table = root.clone();
    let (folders, name) = path.rsplit_once('.').unwrap_or(("", path));
    for folder in folders.split('.').filter(|f| !f.is_empty()) {
        let next: Option<Table> = table.raw_get(folder)?;
        table = match next {
            Some(next) => next,
            None => {
                let next = lua.create_table()?;
                table.raw_set(folder, &next)?;
                next
            }
        };
    }
    Ok((table, name))
}

/// Makes a module read-only, and a name that it does not have an error.
fn freeze(lua: &Lua, table: &Table, path: &str) -> mlua::Result<()> {
    let mut known = Vec::new();
    for pair in table.pairs::<String, Value>() {
        let (name, value) = pair?;
        if let (Value::Table(inner), false) = (&value, path == "fm" && name == "args") {
            freeze(lua, inner, &format!("{path}.{name}"))?;
        }
        known.push(name);
    }
    known.sort();
    let meta = lua.create_table()?;
    let path = path.to_string();
    let index = raising(lua, 2, move |lua, values| {
        let (_, key): (Value, Value) = lua.unpack_multi(values)?;
        let key = key.to_string()?;
        Err(mlua::Error::runtime(format!("{path} has no '{key}'{}", hint(&key, known.iter().map(String::as_str)))))
    })?;
    meta.raw_set("__index", index)?;
    meta.set_readonly(true);
    table.set_metatable(Some(meta))?;
    table.set_readonly(true);
    Ok(())
}
