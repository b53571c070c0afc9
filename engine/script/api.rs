//! The machinery of the API table: what a function, a parameter and an object are, how arguments are checked, how Lua gets them.
//!
//! An entry of the table is all there is to a function: registration, checks and editor types come from it.

use std::ops::{Deref, DerefMut};

use mlua::{AnyUserData, FromLua, IntoLua, Lua, MetaMethod, MultiValue, Table, UserData, UserDataRef, UserDataRefMut, UserDataRegistry, Value};

use crate::Error;

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
}

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
        registry.add_meta_field_with(MetaMethod::Index.name(), |lua| {
            raising(lua, |lua, values| {
                let (this, key): (AnyUserData, String) = lua.unpack_multi(values)?;
                index(lua, T::OBJECT, &this, &key)
            })
        });
    }
}

/// Where the methods of a class are kept.
fn methods_key(object: &Object) -> String {
    format!("finemem.{}", object.name)
}

/// Looks up a method or a field.
fn index(lua: &Lua, object: &'static Object, this: &AnyUserData, key: &str) -> mlua::Result<Value> {
    let methods: Table = lua.named_registry_value(&methods_key(object))?;
    let method: Value = methods.raw_get(key)?;
    if !method.is_nil() {
        return Ok(method);
    }
    match object.fields.iter().find(|field| field.name == key) {
        Some(field) => (field.get)(lua, this),
        None => {
            let names = object.methods.iter().map(|m| m.path).chain(object.fields.iter().map(|f| f.name));
            Err(mlua::Error::runtime(format!("{} has no '{key}'{}", object.name, hint(key, names))))
        }
    }
}

/// Makes a new object for the script.
pub(crate) fn object<T: Scripted>(lua: &Lua, value: T) -> mlua::Result<Value> {
    lua.create_userdata(Handle(value))?.into_lua(lua)
}

/// The checked arguments of one call.
pub(crate) struct Args {
    function: &'static Function,
    table: Option<Table>,
    this: Option<AnyUserData>,
}

impl Args {
    /// The value of a key, or its default; `T = Option<_>` for a key that may be absent.
    pub(crate) fn get<T: FromLua>(&self, lua: &Lua, key: &str) -> mlua::Result<T> {
        let param = self.function.params.iter().find(|p| p.name == key).expect("the key is in the function's table");
        let mut value = match &self.table {
            Some(table) => table.raw_get(key)?,
            None => Value::Nil,
        };
        if value.is_nil() {
            value = param.need.value(lua)?;
        }
        T::from_lua(value, lua).map_err(|error| match error {
            mlua::Error::FromLuaConversionError { message: Some(message), .. } => mlua::Error::runtime(format!("'{key}': {message}")),
            mlua::Error::FromLuaConversionError { .. } => mlua::Error::runtime(format!("'{key}' is out of range")),
            other => other,
        })
    }

    /// An object passed under a key.
    pub(crate) fn object<T: Scripted>(&self, lua: &Lua, key: &str) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.get::<AnyUserData>(lua, key)?.borrow()
    }

    /// An object passed under a key, to be changed.
    pub(crate) fn object_mut<T: Scripted>(&self, lua: &Lua, key: &str) -> mlua::Result<UserDataRefMut<Handle<T>>> {
        self.get::<AnyUserData>(lua, key)?.borrow_mut()
    }

    /// The object whose method this is.
    pub(crate) fn this<T: Scripted>(&self) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.this.as_ref().expect("only methods ask for their object").borrow()
    }

    /// The object whose method this is, to be changed.
    pub(crate) fn this_mut<T: Scripted>(&self) -> mlua::Result<UserDataRefMut<Handle<T>>> {
        self.this.as_ref().expect("only methods ask for their object").borrow_mut()
    }
}

impl Need {
    fn value(self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Self::Required | Self::Optional => Value::Nil,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Number(value) => Value::Number(value),
            Self::Text(value) => Value::String(lua.create_string(value)?),
        })
    }
}

/// An argument that is not what it should be: where it stands below the argument table, and what is wrong with it.
struct Problem {
    place: String,
    text: String,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { place: String::new(), text: text.into() }
    }

    fn within(mut self, outer: impl std::fmt::Display) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{outer}{dot}{}", self.place);
        self
    }
}

impl Kind {
    /// The type in words, with its article.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Any => "a value".into(),
            Self::Boolean => "true or false".into(),
            Self::Number => "a number".into(),
            Self::Integer => "a whole number".into(),
            Self::Text => "a string".into(),
            Self::Table => "a table".into(),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a table with text keys".into(),
            Self::Function(..) => "a function".into(),
            Self::Object(name) => format!("a {name}"),
            Self::Record(record) => format!("a table of {}", names(record.fields)),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Either(kinds) => kinds.iter().map(Self::name).collect::<Vec<_>>().join(" or "),
            Self::Nil => "nil".into(),
        }
    }

    fn check(&self, value: &Value) -> Result<(), Problem> {
        let wrong = || Err(Problem::new(format!("must be {}, not {}", self.name(), shown(value))));
        match (self, value) {
            (Self::Any, value) if !value.is_nil() => Ok(()),
            (Self::Boolean, Value::Boolean(_)) | (Self::Text, Value::String(_)) | (Self::Table, Value::Table(_)) => Ok(()),
            (Self::Function(..), Value::Function(_)) | (Self::Nil, Value::Nil) => Ok(()),
            (Self::Number, Value::Integer(_)) => Ok(()),
            (Self::Number, Value::Number(n)) if n.is_finite() => Ok(()),
            (Self::Integer, Value::Integer(n)) if n.unsigned_abs() <= 1 << 53 => Ok(()),
            (Self::Integer, Value::Number(n)) if n.fract() == 0.0 && n.abs() <= (1u64 << 53) as f64 => Ok(()),
            (Self::List(kind), Value::Table(table)) => check_list(table, kind),
            (Self::Map(kind), Value::Table(table)) => {
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
                    let Value::String(key) = key else { return Err(Problem::new(format!("has the key {}, not a string", shown(&key)))) };
                    kind.check(&value).map_err(|p| p.within(key.to_string_lossy()))?;
                }
                Ok(())
            }
            (Self::Object(name), Value::UserData(data)) if data.type_name().is_ok_and(|n| n == *name) => Ok(()),
            (Self::Record(record), Value::Table(table)) => if record.checked { check_table(table, record.fields) } else { Ok(()) },
            (Self::Choice(words), Value::String(text)) => match text.to_str() {
                Ok(text) if words.contains(&&*text) => Ok(()),
                _ => wrong(),
            },
            (Self::Either(kinds), value) => {
                // A table that fits one alternative badly is better described by that alternative's own complaint.
                let mut deep = None;
                for kind in *kinds {
                    match kind.check(value) {
                        Ok(()) => return Ok(()),
                        Err(problem) if !problem.place.is_empty() || problem.text.starts_with("unknown key") => deep = Some(problem),
                        Err(_) => {}
                    }
                }
                deep.map_or_else(wrong, Err)
            }
            _ => wrong(),
        }
    }
}

fn check_list(table: &Table, kind: &Kind) -> Result<(), Problem> {
    let length = table.raw_len();
    let mut count = 0;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
        count += 1;
        match key.as_integer() {
            Some(i) if i >= 1 && i as usize <= length => kind.check(&value).map_err(|p| p.within(format!("[{i}]")))?,
            _ => return Err(Problem::new(format!("must be a list, but has the key {}", shown(&key)))),
        }
    }
    if count == length { Ok(()) } else { Err(Problem::new("must be a list without holes")) }
}

fn check_table(table: &Table, params: &'static [Param]) -> Result<(), Problem> {
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
        let Value::String(key) = &key else {
            return Err(Problem::new(format!("unknown key {}: arguments have names; {}", shown(&key), valid(params))));
        };
        let key = key.to_string_lossy();
        match params.iter().find(|p| p.name == key) {
            Some(param) => param.kind.check(&value).map_err(|p| p.within(&key))?,
            None => return Err(Problem::new(unknown_key(&key, params))),
        }
    }
    for param in params.iter().filter(|p| matches!(p.need, Need::Required)) {
        if table.raw_get::<Value>(param.name).is_ok_and(|v| v.is_nil()) {
            return Err(Problem::new(missing_key(param)));
        }
    }
    Ok(())
}

/// The complaint about a key that is in no parameter's name.
pub(crate) fn unknown_key(key: &str, params: &'static [Param]) -> String {
    format!("unknown key '{key}'{}; {}", hint(key, params.iter().map(|p| p.name)), valid(params))
}

/// The complaint about a key that must be there.
pub(crate) fn missing_key(param: &Param) -> String {
    format!("'{}' is missing: {} ({})", param.name, param.kind.name(), param.doc)
}

fn valid(params: &[Param]) -> String {
    if params.is_empty() { "it takes no arguments".into() } else { format!("valid keys: {}", names(params)) }
}

fn names(params: &[Param]) -> String {
    params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}

/// `, did you mean 'x'?` with the nearest of the names, or nothing when there is none.
pub(crate) fn hint<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names.min_by_key(|name| distance(word, name));
    nearest.map_or(String::new(), |name| format!(", did you mean '{name}'?"))
}

/// How many letters must be put in, taken out, replaced or swapped with a neighbour to turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

/// A value as an error message shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".into(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => {
            let text = text.to_string_lossy();
            let start: String = text.chars().take(40).collect();
            if start.len() < text.len() { format!("the string {start:?}…") } else { format!("the string {start:?}") }
        }
        Value::UserData(data) => data.type_name().map_or("an object".into(), |name| format!("a {}", name.to_string_lossy())),
        other => format!("a {}", other.type_name()),
    }
}

/// How a function is written in a message: `fm.memory.new` or `memory:insert`.
pub(crate) fn full_name(function: &Function, object: Option<&Object>) -> String {
    match object {
        Some(object) => format!("{}:{}", object.name, function.path),
        None => format!("fm.{}", function.path),
    }
}

fn arguments(function: &'static Function, object: Option<&'static Object>, values: MultiValue) -> Result<Args, String> {
    let mut values: Vec<Value> = values.into_iter().collect();
    let mut this = None;
    if let Some(object) = object {
        let own = values.first().is_some_and(|value| Kind::Object(object.name).check(value).is_ok());
        let Some(Value::UserData(data)) = own.then(|| values.remove(0)) else {
            return Err(format!("call it with a colon, as in {}:{} {{ … }}", object.name, function.path));
        };
        this = Some(data);
    }
    let usage = || format!("takes one table of named arguments; {}", valid(function.params));
    let table = match values.as_slice() {
        [] => None,
        [Value::Table(table)] => Some(table.clone()),
        [other] => return Err(format!("{}, not {}", usage(), shown(other))),
        _ => return Err(usage()),
    };
    let checked = match &table {
        Some(table) => check_table(table, function.params),
        None => function.params.iter().find(|p| matches!(p.need, Need::Required)).map_or(Ok(()), |p| Err(Problem::new(missing_key(p)))),
    };
    checked.map_err(|p| if p.place.is_empty() { p.text } else { format!("'{}' {}", p.place, p.text) })?;
    Ok(Args { function, table, this })
}

/// What went wrong, as the user should read it: without the names of error variants, with a traceback where there is one.
pub(crate) fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        mlua::Error::MemoryError(_) => "the script needs more memory than it may have".into(),
        mlua::Error::CallbackError { traceback, cause } => format!("{}\n{}", message(cause).trim_end(), traceback.trim_end()),
        mlua::Error::WithContext { context, cause } => format!("{context}: {}", message(cause)),
        mlua::Error::UserDataBorrowError | mlua::Error::UserDataBorrowMutError => "the object is already in use by the function that called this one".into(),
        other => other.to_string(),
    }
}

/// A Lua function around a Rust one whose errors become plain strings that start with the caller's line, as those of Lua's own `error`.
/// Running out of memory and being stopped stay what they are, so that they reach the top.
pub(crate) fn raising(lua: &Lua, call: impl Fn(&Lua, MultiValue) -> mlua::Result<Value> + 'static) -> mlua::Result<mlua::Function> {
    let inner = lua.create_function(move |lua, values: MultiValue| match call(lua, values) {
        Ok(value) => Ok((true, value)),
        Err(error @ mlua::Error::MemoryError(_)) => Err(error),
        Err(error) if matches!(error.downcast_ref::<Error>(), Some(Error::Stopped)) => Err(error),
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
    raise.call(inner)
}

const RAISE: &str = "
local error = error
return function(call)
    return function(...)
        local done, result = call(...)
        if done then return result end
        error(result, 2)
    end
end";

/// The Lua function for an entry.
fn bind(lua: &Lua, function: &'static Function, object: Option<&'static Object>) -> mlua::Result<mlua::Function> {
    raising(lua, move |lua, values| {
        let named = |text: String| mlua::Error::runtime(format!("{}: {text}", full_name(function, object)));
        let args = arguments(function, object, values).map_err(named)?;
        (function.call)(lua, &args).map_err(|error| match error {
            error @ mlua::Error::MemoryError(_) => error,
            error if matches!(error.downcast_ref::<Error>(), Some(Error::Stopped)) => error,
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
    let index = raising(lua, move |lua, values| {
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
