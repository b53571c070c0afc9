//! Checking the one table of arguments of a call, and reading it.

use mlua::{AnyUserData, FromLua, Lua, MultiValue, Table, UserDataRef, UserDataRefMut, Value};

use super::api::{Function, Handle, Kind, Need, Object, Param, Scripted};

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
            mlua::Error::FromLuaConversionError { message, .. } => {
                mlua::Error::runtime(format!("'{key}' cannot be used: {}", message.as_deref().unwrap_or("out of range")))
            }
            other => other,
        })
    }

    /// An object passed under a key.
    pub(crate) fn object<T: Scripted>(&self, lua: &Lua, key: &str) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.get::<AnyUserData>(lua, key)?.borrow()
    }

    /// The object whose method this is.
    pub(crate) fn this<T: Scripted>(&self) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.object_of_method().borrow()
    }

    /// The object whose method this is, to be changed.
    pub(crate) fn this_mut<T: Scripted>(&self) -> mlua::Result<UserDataRefMut<Handle<T>>> {
        self.object_of_method().borrow_mut()
    }

    fn object_of_method(&self) -> &AnyUserData {
        self.this.as_ref().expect("only methods ask for their object")
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

    /// The tables of a list of records that a script's function returned; the complaint reads on after the name of what was returned.
    pub(crate) fn checked(&self, value: &Value) -> Result<Vec<Table>, String> {
        self.check(value).map_err(|p| if p.place.is_empty() { p.text } else { format!("is wrong at {}: {}", p.place, p.text) })?;
        let tables = value.as_table().map(|table| table.sequence_values::<Table>().collect::<mlua::Result<Vec<_>>>());
        tables.unwrap_or_else(|| Ok(Vec::new())).map_err(|e| e.to_string())
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
            (Self::Record(record), Value::Table(table)) => {
                if record.checked {
                    check_table(table, record.fields)
                } else {
                    Ok(())
                }
            }
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
            return Err(Problem::new(format!("unknown key {}: arguments have names; its {}", shown(&key), valid(params))));
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

/// What is wrong with a table that should have these keys, with the place inside it.
pub(crate) fn complaint(table: &Table, fields: &'static [Param]) -> Option<String> {
    check_table(table, fields).err().map(|p| if p.place.is_empty() { p.text } else { format!("'{}' {}", p.place, p.text) })
}

/// The complaint about a key that is in no parameter's name.
pub(crate) fn unknown_key(key: &str, params: &'static [Param]) -> String {
    format!("unknown key '{key}'{} Its {}", hint(key, params.iter().map(|p| p.name)), valid(params))
}

/// The complaint about a key that must be there.
pub(crate) fn missing_key(param: &Param) -> String {
    format!("'{}' is missing ({}): {}", param.name, param.kind.name(), param.doc)
}

fn valid(params: &[Param]) -> String {
    if params.is_empty() { "arguments: none".into() } else { format!("valid keys: {}", names(params)) }
}

fn names(params: &[Param]) -> String {
    params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}

/// `; did you mean 'x'?` with the nearest of the names, or nothing when there is none.
pub(crate) fn hint<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names.min_by_key(|name| strsim::osa_distance(word, name));
    nearest.map_or(String::new(), |name| format!("; did you mean '{name}'?"))
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

/// Checks what a call was given.
pub(super) fn arguments(function: &'static Function, object: Option<&'static Object>, values: MultiValue) -> Result<Args, String> {
    let mut values: Vec<Value> = values.into_iter().collect();
    let mut this = None;
    if let Some(object) = object {
        if !matches!(values.first(), Some(Value::UserData(_))) {
            return Err(format!("call it with a colon, as in {}:{} {{ … }}", object.name, function.path));
        }
        this = values.remove(0).as_userdata().cloned();
    }
    let usage = |found: String| format!("takes one table of named arguments, not {found}; its {}", valid(function.params));
    let table = match values.as_slice() {
        [] => None,
        [Value::Table(table)] => Some(table.clone()),
        [other] => return Err(usage(shown(other))),
        more => return Err(usage(format!("{} values", more.len()))),
    };
    let wrong = match &table {
        Some(table) => complaint(table, function.params),
        None => function.params.iter().find(|p| matches!(p.need, Need::Required)).map(missing_key),
    };
    wrong.map_or(Ok(()), Err)?;
    Ok(Args { function, table, this })
}
