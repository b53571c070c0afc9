//! Checks and reads the table of arguments of a call.

use mlua::{AnyUserData, Lua, MultiValue, Table, UserDataRef, UserDataRefMut, Value};

use super::{Field, Function, Handle, Kind, Need, Object, Scripted, lua};
use finemem::schema::{Problem, Read};

/// The checked arguments of one call.
pub(crate) struct Args {
    table: Option<Table>,
    this: Option<AnyUserData>,
}

impl Args {
    /// All arguments, as the record whose fields are the function's parameters.
    pub(crate) fn read<T: Read>(&self, lua: &Lua) -> mlua::Result<T> {
        let table = match &self.table {
            Some(table) => table.clone(),
            None => lua.create_table()?,
        };
        lua::read(&Value::Table(table)).map_err(mlua::Error::runtime)
    }

    /// The object whose method this is.
    pub(crate) fn this<T: Scripted>(&self) -> mlua::Result<UserDataRef<Handle<T>>> {
        self.object_of_method().borrow()
    }

    /// The object whose method this is, for changing it.
    pub(crate) fn this_mut<T: Scripted>(&self) -> mlua::Result<UserDataRefMut<Handle<T>>> {
        self.object_of_method().borrow_mut()
    }

    fn object_of_method(&self) -> &AnyUserData {
        self.this.as_ref().expect("only methods ask for their object")
    }
}

/// The type in words, with its article.
pub(crate) fn name(kind: &Kind) -> String {
    match kind {
        Kind::Any => "a value".into(),
        Kind::Boolean => "true or false".into(),
        Kind::Number => "a number".into(),
        Kind::Integer => "a whole number".into(),
        Kind::Text => "a string".into(),
        Kind::Table => "a table".into(),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) => "a table with text keys".into(),
        Kind::Function(..) => "a function".into(),
        Kind::Object(name) => format!("a {name}"),
        Kind::Record(record) => format!("a table of {}", names(record.fields)),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Either(kinds) => kinds.iter().map(name).collect::<Vec<_>>().join(" or "),
        Kind::Nil => "nil".into(),
    }
}

/// The tables of a list of records that a script's function returned; an error text continues a sentence that begins with the name of the
/// result.
pub(crate) fn checked(kind: &Kind, value: &Value) -> Result<Vec<Table>, String> {
    check(kind, value).map_err(|p| if p.place.is_empty() { p.text } else { format!("is wrong at {}: {}", p.place, p.text) })?;
    let tables = value.as_table().map(|table| table.sequence_values::<Table>().collect::<mlua::Result<Vec<_>>>());
    tables.unwrap_or_else(|| Ok(Vec::new())).map_err(|e| e.to_string())
}

fn check(kind: &Kind, value: &Value) -> Result<(), Problem> {
    let wrong = || Err(Problem::new(format!("must be {}, not {}", name(kind), shown(value))));
    match (kind, value) {
        (Kind::Any, value) if !value.is_nil() => Ok(()),
        (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::String(_)) | (Kind::Table, Value::Table(_)) => Ok(()),
        (Kind::Function(..), Value::Function(_)) | (Kind::Nil, Value::Nil) => Ok(()),
        (Kind::Number, Value::Integer(_)) => Ok(()),
        (Kind::Number, Value::Number(n)) if n.is_finite() => Ok(()),
        (Kind::Integer, Value::Integer(n)) if n.unsigned_abs() <= 1 << 53 => Ok(()),
        (Kind::Integer, Value::Number(n)) if n.fract() == 0.0 && n.abs() <= (1u64 << 53) as f64 => Ok(()),
        (Kind::List(kind), Value::Table(table)) => check_list(table, kind),
        (Kind::Map(kind), Value::Table(table)) => {
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
                let Value::String(key) = key else { return Err(Problem::new(format!("has the key {}, not a string", shown(&key)))) };
                check(kind, &value).map_err(|p| p.within(key.to_string_lossy()))?;
            }
            Ok(())
        }
        (Kind::Object(name), Value::UserData(data)) if data.type_name().is_ok_and(|n| n == *name) => Ok(()),
        (Kind::Record(record), Value::Table(table)) => {
            if record.checked {
                check_table(table, record.fields)
            } else {
                Ok(())
            }
        }
        (Kind::Choice(words), Value::String(text)) => match text.to_str() {
            Ok(text) if words.contains(&&*text) => Ok(()),
            _ => wrong(),
        },
        (Kind::Either(kinds), value) => {
            // A table that nearly fits an alternative is best described by that alternative's own error.
            let mut deep = None;
            for kind in *kinds {
                match check(kind, value) {
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

fn check_list(table: &Table, kind: &Kind) -> Result<(), Problem> {
    let length = table.raw_len();
    let mut count = 0;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
        count += 1;
        match key.as_integer() {
            Some(i) if i >= 1 && i as usize <= length => check(kind, &value).map_err(|p| p.within(format!("[{i}]")))?,
            _ => return Err(Problem::new(format!("must be a list, but has the key {}", shown(&key)))),
        }
    }
    if count == length { Ok(()) } else { Err(Problem::new("must be a list without holes")) }
}

fn check_table(table: &Table, params: &'static [Field]) -> Result<(), Problem> {
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| Problem::new(e.to_string()))?;
        let Value::String(key) = &key else {
            return Err(Problem::new(format!("unknown key {}: arguments have names; its {}", shown(&key), valid(params))));
        };
        let key = key.to_string_lossy();
        match params.iter().find(|p| p.name == key) {
            Some(param) => check(&param.kind, &value).map_err(|p| p.within(&key))?,
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

/// What is wrong with a table that should have these keys, with the place of the problem.
pub(crate) fn complaint(table: &Table, fields: &'static [Field]) -> Option<String> {
    check_table(table, fields).err().map(|p| if p.place.is_empty() { p.text } else { format!("'{}' {}", p.place, p.text) })
}

/// The error text for a key that is not a parameter.
pub(crate) fn unknown_key(key: &str, params: &'static [Field]) -> String {
    format!("unknown key '{key}'{} Its {}", hint(key, params.iter().map(|p| p.name)), valid(params))
}

/// The error text for a missing required key.
pub(crate) fn missing_key(param: &Field) -> String {
    format!("'{}' is missing ({}): {}", param.name, name(&param.kind), param.doc)
}

fn valid(params: &[Field]) -> String {
    if params.is_empty() { "arguments: none".into() } else { format!("valid keys: {}", names(params)) }
}

fn names(params: &[Field]) -> String {
    params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}

/// `; did you mean 'x'?` with the nearest of the names, or empty if none is near.
pub(crate) fn hint<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names.min_by_key(|name| strsim::osa_distance(word, name));
    nearest.map_or(String::new(), |name| format!("; did you mean '{name}'?"))
}

/// A value in the form that error messages show.
pub(crate) fn shown(value: &Value) -> String {
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

/// A function's name in messages: `fm.memory.new` or `memory:insert`.
pub(crate) fn full_name(function: &Function, object: Option<&Object>) -> String {
    match object {
        Some(object) => format!("{}:{}", object.name, function.path),
        None => format!("fm.{}", function.path),
    }
}

/// Checks the arguments of a call.
pub(crate) fn arguments(function: &'static Function, object: Option<&'static Object>, values: MultiValue) -> Result<Args, String> {
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
    Ok(Args { table, this })
}
