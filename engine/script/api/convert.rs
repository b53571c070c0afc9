//! Lua values as JSON and back.

use mlua::{IntoLua, Lua, LuaSerdeExt, Table, Value};
use serde_json::Value as Json;

/// How deep tables may be nested; this also stops at a table inside itself.
const DEPTH: usize = 100;

/// A Lua value as JSON. A table becomes a list if its keys are 1 to n, and an object with sorted keys if they are strings; an empty table
/// becomes an object unless it was made from an empty JSON list.
pub(crate) fn to_json(value: &Value) -> Result<Json, String> {
    to_json_with(value, false)
}

/// A Lua value as JSON, with null for numbers that are not finite.
pub(crate) fn to_json_or_null(value: &Value) -> Result<Json, String> {
    to_json_with(value, true)
}

fn to_json_with(value: &Value, nulls: bool) -> Result<Json, String> {
    convert(value, nulls, DEPTH)
        .map_err(|(place, text)| if place.is_empty() { text } else { format!("at {}: {text}", place.chars().take(80).collect::<String>()) })
}

type Problem = (String, String);

fn convert(value: &Value, nulls: bool, depth: usize) -> Result<Json, Problem> {
    let problem = |text: String| Err((String::new(), text));
    match value {
        Value::Nil => Ok(Json::Null),
        value if value.is_null() => Ok(Json::Null),
        Value::Boolean(b) => Ok(Json::Bool(*b)),
        Value::Integer(n) => Ok((*n).into()),
        Value::Number(n) if n.fract() == 0.0 && n.abs() < (1u64 << 53) as f64 && (*n != 0.0 || n.is_sign_positive()) => {
            Ok((*n as i64).into())
        }
        Value::Number(n) if nulls && !n.is_finite() => Ok(Json::Null),
        Value::Number(n) => serde_json::Number::from_f64(*n).map(Json::Number).ok_or((String::new(), format!("JSON has no number {n}"))),
        Value::String(text) => match text.to_str() {
            Ok(text) => Ok(Json::String(text.to_string())),
            Err(_) => problem("JSON holds text, and this string is not valid UTF-8".into()),
        },
        Value::Table(_) if depth == 0 => problem(format!("a table inside {DEPTH} others, or inside itself")),
        Value::Table(table) => convert_table(table, nulls, depth),
        other => problem(format!("JSON has no {}", other.type_name())),
    }
}

fn convert_table(table: &Table, nulls: bool, depth: usize) -> Result<Json, Problem> {
    let length = table.raw_len();
    let at = |place: String, (inner, text): Problem| {
        (if inner.is_empty() || inner.starts_with('[') { place + &inner } else { format!("{place}.{inner}") }, text)
    };
    let mut entries = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| (String::new(), e.to_string()))?;
        match key {
            Value::String(key) => entries.push((key.to_string_lossy(), value)),
            key if key.as_integer().is_some_and(|i| i >= 1 && i as usize <= length) => {}
            _ => return Err((String::new(), "a JSON object's keys are strings, a list's are 1 to n without holes".into())),
        }
    }
    if length == 0 {
        let list = table.metatable().is_some() && entries.is_empty();
        if list {
            return Ok(Json::Array(Vec::new()));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let convert = |(key, value): (String, Value)| match convert(&value, nulls, depth - 1) {
            Ok(value) => Ok((key, value)),
            Err(problem) => Err(at(key, problem)),
        };
        return entries.into_iter().map(convert).collect::<Result<_, _>>().map(Json::Object);
    }
    if !entries.is_empty() {
        return Err((
            String::new(),
            format!("a table with both list items and the key '{}' is neither a JSON list nor an object", entries[0].0),
        ));
    }
    let item = |i: usize| {
        let value: Value = table.raw_get(i).map_err(|e| (String::new(), e.to_string()))?;
        if value.is_nil() {
            return Err((format!("[{i}]"), "a list without holes has a value here".into()));
        }
        convert(&value, nulls, depth - 1).map_err(|problem| at(format!("[{i}]"), problem))
    };
    (1..=length).map(item).collect::<Result<_, _>>().map(Json::Array)
}

/// JSON as a Lua value. `null` becomes `fm.json.null`; an empty list is marked as a list.
pub(crate) fn from_json(lua: &Lua, value: &Json) -> mlua::Result<Value> {
    match value {
        Json::Null => Ok(lua.null()),
        Json::Bool(b) => Ok(Value::Boolean(*b)),
        Json::Number(n) => Ok(Value::Number(n.as_f64().unwrap_or(f64::NAN))),
        Json::String(text) => text.as_str().into_lua(lua),
        Json::Array(items) => list(lua, items.iter().map(|item| from_json(lua, item))),
        Json::Object(entries) => {
            let table = lua.create_table_with_capacity(0, entries.len())?;
            for (key, value) in entries {
                table.raw_set(key.as_str(), from_json(lua, value)?)?;
            }
            Ok(Value::Table(table))
        }
    }
}

/// A list of values. An empty one is marked as a list, so that it is written as `[]`.
pub(crate) fn list<T: IntoLua>(lua: &Lua, items: impl IntoIterator<Item = mlua::Result<T>>) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    for (i, item) in items.into_iter().enumerate() {
        table.raw_set(i + 1, item?)?;
    }
    if table.raw_len() == 0 {
        table.set_metatable(Some(lua.array_metatable()))?;
    }
    Ok(Value::Table(table))
}
