//! The machinery of the API table: what a function, a parameter and an object are, how arguments are checked, and how all of it is
//! registered in Lua.
//!
//! An entry of the table fully defines a function: registration, checks and editor types come from it.

use std::ops::{Deref, DerefMut};

use mlua::{AnyUserData, IntoLua, Lua, MetaMethod, MultiValue, Table, UserData, UserDataRegistry, Value};

pub(crate) mod arguments;
pub(crate) mod convert;
pub(crate) mod host;
pub(crate) mod lua;
pub(crate) mod types;

pub(crate) use arguments::Args;
use arguments::{arguments, full_name, hint};
pub(crate) use finemem::schema::{Field, Kind, Need, Record};
pub(crate) use host::{Any, Bytes, Callback, Object as Handed, Tab};

use finemem::train::log::Checkpoint;
use finemem::{Error, Result};

/// One function, or one method of an object.
#[derive(Debug)]
pub(crate) struct Function {
    /// The path under `fm`, such as `memory.new`, or a method's name.
    pub(crate) path: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) params: &'static [Field],
    pub(crate) returns: Kind,
    /// The result, in a few words; empty if there is none.
    pub(crate) result: &'static str,
    pub(crate) call: fn(&Lua, &Args) -> mlua::Result<Value>,
}

/// A class of objects that functions return.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) properties: &'static [Property],
    pub(crate) methods: &'static [Function],
    /// For trainers, which are part of a run's checkpoints.
    pub(crate) checkpoint: Option<WithCheckpoint>,
}

/// Calls a function with an object that is a [`Checkpoint`].
pub(crate) type WithCheckpoint = fn(&AnyUserData, &mut dyn FnMut(&mut dyn Checkpoint) -> Result<()>) -> mlua::Result<()>;

/// A value that is read as `object.name`.
#[derive(Debug)]
pub(crate) struct Property {
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
}

/// A Rust type that scripts hold as an object.
pub(crate) trait Scripted: 'static {
    /// The name of its class.
    const NAME: &'static str;
    /// Its entry in the table.
    const OBJECT: &'static Object;
    /// The text for `tostring`: a sentence.
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

/// The registry key of a class's methods.
fn methods_key(object: &Object) -> String {
    format!("finemem.{}", object.name)
}

/// Makes the function that looks up a method or a field. Methods are found without leaving Lua.
fn index(lua: &Lua, object: &'static Object) -> mlua::Result<mlua::Function> {
    let other = raising(lua, 3, |lua, values| {
        let (this, key): (AnyUserData, Value) = lua.unpack_multi(values)?;
        let key = key.to_string()?;
        match object.properties.iter().find(|field| field.name == key) {
            Some(field) => (field.get)(lua, &this),
            None => {
                let names = object.methods.iter().map(|m| m.path).chain(object.properties.iter().map(|f| f.name));
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

/// The error text for users: without the names of error variants, with a traceback if there is one.
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

/// Converts a Lua error to the engine's.
pub(crate) fn error(error: &mlua::Error) -> Error {
    match error.downcast_ref::<Error>() {
        Some(end @ (Error::Stopped(_) | Error::Exit(_))) => end.clone(),
        _ => {
            let text = message(error);
            let noise =
                |line: &str| ["[C]: in ?", "[C]: in function 'error'"].contains(&line.trim()) || line.trim().starts_with("finemem:");
            let lines: Vec<&str> = text.lines().filter(|line| !noise(line)).collect();
            // A script's function called from Rust has its own traceback, which reaches down to the same end.
            let mut tracebacks = lines.iter().enumerate().filter(|(_, line)| **line == "stack traceback:").map(|(at, _)| at);
            let end = tracebacks.nth(1).unwrap_or(lines.len());
            Error::Script(lines[..end].join("\n"))
        }
    }
}

/// Whether an error ends the script even if it is caught: the script ran out of memory, was stopped, or exited.
pub(crate) fn must_pass(error: &mlua::Error) -> bool {
    matches!(error, mlua::Error::MemoryError(_)) || matches!(error.downcast_ref::<Error>(), Some(Error::Stopped(_) | Error::Exit(_)))
}

/// A Lua function around a Rust one. Its errors become plain strings that start with the caller's line, like those of Lua's own `error`,
/// which gets `level`: 2 is the caller, 3 the caller's caller. Running out of memory, being stopped and `fm.exit` remain unchanged, so that
/// they reach the top.
pub(crate) fn raising(
    lua: &Lua,
    level: u32,
    call: impl Fn(&Lua, MultiValue) -> mlua::Result<Value> + 'static,
) -> mlua::Result<mlua::Function> {
    let inner = lua.create_function(move |lua, values: MultiValue| match call(lua, values) {
        Ok(value) => Ok((true, value)),
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
        (function.call)(lua, &args).map_err(|error| if must_pass(&error) { error } else { named(message(&error)) })
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

/// The table that holds `a.b.c`, created if needed, and the last name.
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

/// Makes a module read-only, and unknown names an error.
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

/// Every named record that the API mentions, in order of mention.
pub(crate) fn records(areas: &'static [Area]) -> Vec<&'static Record> {
    fn visit(kind: &Kind, found: &mut Vec<&'static Record>) {
        match kind {
            Kind::List(inner) | Kind::Map(inner) => visit(inner, found),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| visit(kind, found)),
            Kind::Function(params, result) => {
                params.iter().for_each(|(_, kind)| visit(kind, found));
                visit(result, found);
            }
            Kind::Record(record) if !found.iter().any(|known| known.name == record.name) => {
                found.push(record);
                record.fields.iter().for_each(|field| visit(&field.kind, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    let methods = areas.iter().flat_map(|area| area.objects).flat_map(|object| object.methods);
    for function in areas.iter().flat_map(|area| area.functions).chain(methods) {
        function.params.iter().for_each(|field| visit(&field.kind, &mut found));
        visit(&function.returns, &mut found);
    }
    for property in areas.iter().flat_map(|area| area.objects).flat_map(|object| object.properties) {
        visit(&property.kind, &mut found);
    }
    found
}

/// An entry of the API table: a function of `fm`, or a method of an object.
///
/// ```text
/// function! {
///     /// What it does.
///     "memory.copy_of" (lua, given: CopyOf) -> Handed<Store>: "the copy" { … }
/// }
/// method! {
///     /// What it does.
///     "insert" (lua, this: Store, given: Insert) -> u64: "its id" { … }
/// }
/// ```
///
/// The comment, the parameters (a [`record!`](finemem::record) without a name) and the result type are used for checks, documentation and
/// editor types. `mut this` borrows the object mutably.
macro_rules! function {
    ($(#[doc = $doc:literal])+ $path:literal ($lua:ident $(, $given:ident: $params:ty)?) -> $returns:ty $(as $kind:ident)? $(: $result:literal)? $body:block) => {
        $crate::api::Function {
            path: $path,
            doc: finemem::record!(@doc $($doc),+),
            params: $crate::api::function!(@params $($params)?),
            returns: $crate::api::function!(@kind ($returns) $($kind)?),
            result: concat!($($result)?),
            call: |lua, _args| {
                #[allow(unused_variables, reason = "not every function needs the state")]
                fn call($lua: &mlua::Lua $(, $given: $params)?) -> mlua::Result<$returns> $body
                $crate::api::lua::write(lua, &call(lua $(, _args.read::<$params>(lua)?)?)?)
            },
        }
    };
    (@kind ($returns:ty)) => { <$returns as finemem::schema::Described>::KIND };
    (@kind ($returns:ty) $kind:ident) => { $kind };
    (@params) => { &[] };
    (@params $params:ty) => { <$params>::RECORD.fields };
}

macro_rules! method {
    ($(#[doc = $doc:literal])+ $path:literal ($lua:ident, $this:ident: $object:ty $(, $given:ident: $params:ty)?) -> $($rest:tt)+) => {
        $crate::api::method! { @made ($($doc)+) $path ($lua, ($this), this, UserDataRef, $object $(, $given: $params)?) $($rest)+ }
    };
    ($(#[doc = $doc:literal])+ $path:literal ($lua:ident, mut $this:ident: $object:ty $(, $given:ident: $params:ty)?) -> $($rest:tt)+) => {
        $crate::api::method! { @made ($($doc)+) $path ($lua, (mut $this), this_mut, UserDataRefMut, $object $(, $given: $params)?) $($rest)+ }
    };
    (
        @made ($($doc:literal)+) $path:literal ($lua:ident, ($($this:tt)+), $borrow:ident, $reference:ident, $object:ty $(, $given:ident: $params:ty)?)
        $returns:ty $(as $kind:ident)? $(: $result:literal)? $body:block
    ) => {
        $crate::api::Function {
            path: $path,
            doc: finemem::record!(@doc $($doc),+),
            params: $crate::api::function!(@params $($params)?),
            returns: $crate::api::function!(@kind ($returns) $($kind)?),
            result: concat!($($result)?),
            call: |lua, args| {
                type Reference<T> = mlua::$reference<$crate::api::Handle<T>>;
                #[allow(unused_variables, reason = "not every method needs the state, or its object")]
                fn call($lua: &mlua::Lua, $($this)+: Reference<$object> $(, $given: $params)?) -> mlua::Result<$returns> $body
                $crate::api::lua::write(lua, &call(lua, args.$borrow::<$object>()? $(, args.read::<$params>(lua)?)?)?)
            },
        }
    };
}

pub(crate) use {function, method};
