//! `model:apply_chat_template`: a conversation as the text that a model was trained on.

use mlua::{ExternalResult, IntoLua, Lua, Table, Value};
use serde_json::Value as Json;

use super::model::Shared;
use crate::api::convert;
use crate::api::{Args, Function, Kind, Need, default, optional, required};
use finemem::memory::tools::Tool;
use finemem::model::Chat;

const TABLES: Kind = Kind::List(&Kind::Table);

pub(crate) const APPLY: Function = Function {
    path: "apply_chat_template",
    doc: "Writes a conversation as the model's chat template says, as in transformers. Special tokens in messages are not escaped. A template \
          that asks for the date gets that of today, in UTC.",
    params: &[
        required(
            "messages",
            Kind::Either(&[TABLES, Kind::Text]),
            "`{ role, content, … }` each, or the list as JSON text, which keeps the order of keys in arguments of calls",
        ),
        optional("tools", Kind::Either(&[TABLES, Kind::Text]), "tools as `fm.grpo.new` takes them, or a list of descriptions as JSON text"),
        default("add_generation_prompt", Kind::Boolean, Need::Boolean(true), "whether the text ends where the model's answer begins"),
        optional("enable_thinking", Kind::Boolean, "whether the model is to think first, if its template knows"),
        optional("variables", Kind::Map(&Kind::Any), "more variables for the template, such as `date_string`"),
    ],
    returns: Kind::Text,
    result: "the text; `model:encode` makes the tokens that transformers makes of it",
    call: apply,
};

fn apply(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let variables = match json(args.get::<Option<Value>>(lua, "variables")?, "variables")? {
        Some(Json::Object(variables)) => variables,
        _ => Default::default(),
    };
    let tools = match args.get::<Option<Value>>(lua, "tools")? {
        Some(Value::Table(tables)) => Some(tables.sequence_values().map(|table| described(&table?)).collect::<mlua::Result<_>>()?),
        text => json(text, "tools")?.map(|value| items(value, "tools")).transpose()?,
    };
    let chat = Chat {
        messages: json(args.get(lua, "messages")?, "messages")?.map_or(Ok(Vec::new()), |value| items(value, "messages"))?,
        tools,
        add_generation_prompt: args.get(lua, "add_generation_prompt")?,
        enable_thinking: args.get(lua, "enable_thinking")?,
        variables,
    };
    args.this::<Shared>()?.0.0.model.chat_template.render(&chat).into_lua_err()?.into_lua(lua)
}

/// An argument as JSON; a string is JSON text.
fn json(value: Option<Value>, key: &str) -> mlua::Result<Option<Json>> {
    let wrong = |reason: String| mlua::Error::runtime(format!("'{key}' cannot be used: {reason}"));
    match value {
        None => Ok(None),
        Some(Value::String(text)) => serde_json::from_slice(&text.as_bytes()).map(Some).map_err(|e| wrong(format!("it is not JSON: {e}"))),
        Some(value) => convert::to_json(&value).map(Some).map_err(wrong),
    }
}

/// The items of a JSON list; an empty table has none.
fn items(value: Json, key: &str) -> mlua::Result<Vec<Json>> {
    match value {
        Json::Array(items) => Ok(items),
        Json::Object(entries) if entries.is_empty() => Ok(Vec::new()),
        _ => Err(mlua::Error::runtime(format!("'{key}' is not a list"))),
    }
}

/// The description of a tool: of one as `fm.grpo.new` takes it, or of a description in the form that this makes.
fn described(table: &Table) -> mlua::Result<Json> {
    let inner: Option<Table> = table.raw_get("function")?;
    let table = inner.as_ref().unwrap_or(table);
    let name: String = table.raw_get("name").map_err(|_| mlua::Error::runtime("a tool in 'tools' has no name"))?;
    let description: Option<String> = table.raw_get("description")?;
    let parameters = convert::to_json(&table.raw_get("parameters")?).map_err(|e| mlua::Error::runtime(format!("tool {name}: {e}")))?;
    Ok(Tool::new(&name, &description.unwrap_or_default(), parameters).into_lua_err()?.to_json())
}
