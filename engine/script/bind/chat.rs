//! `model:apply_chat_template`: a conversation in the text form that a model was trained on.

use mlua::{ExternalResult, Value};
use serde_json::Value as Json;

use super::model::ModelHandle;
use crate::api::lua::read;
use crate::api::{Any, Function, Kind, convert, method};
use finemem::memory::tools::Tool;
use finemem::model::carries::Carries;
use finemem::model::{Chat, read_json};
use finemem::record;

const TABLES: Kind = Kind::Either(&[Kind::List(&Kind::Table), Kind::Text]);
const VARIABLES: Kind = Kind::Map(&Kind::Any);

record! {
    pub(crate) struct Conversation {
        /// `{ role, content, … }` each, or the list as JSON text, which keeps the order of keys in arguments of calls
        messages: Any as TABLES,
        /// tools as `fm.grpo.new` takes them, or a list of descriptions as JSON text
        tools: Option<Any> as TABLES,
        /// whether the text ends where the model's answer begins
        add_generation_prompt: bool = true,
        /// whether the model thinks first, if its template supports that
        enable_thinking: Option<bool>,
        /// whether nothing may be lost: a system text that the template has no place for goes before the first message of the user, and
        /// tools, or a wish to think, that it has no place for are errors. By default the template drops what transformers lets it drop
        whole: bool = false,
        /// more variables for the template, such as `date_string`
        variables: Option<Any> as VARIABLES,
    }

    /// A tool as `fm.grpo.new` takes it, or a description as templates see it, which contains such a table.
    struct ToolTable {
        /// the table inside such a description
        function: Option<Any>,
        /// its name
        name: Option<String>,
        /// what it does
        description: String => OrDefault,
        /// JSON schema of the arguments
        parameters: Option<Any>,
    }
}

pub(crate) const APPLY: Function = method! {
    /// Formats a conversation with the model's chat template, as transformers does. A template that asks for the date gets today's, in UTC.
    /// Words in messages that the tokenizer would take for control tokens, such as `<|im_end|>`, are broken by a sign that `print` does not
    /// show and that has no tokens, so the model reads them as plain text. In what a system or assistant message says, only special
    /// tokens are.
    "apply_chat_template" (lua, this: ModelHandle, given: Conversation) -> String: "the text; `model:encode` gives the same tokens for it as transformers, except for control tokens in messages" {
        let (model, whole) = (&this.policy().model, given.whole);
        let chat = chat(given)?;
        if whole { model.prompt(&chat) } else { model.chat_template.render(&chat.marked(model.tokenizer.guard())) }.into_lua_err()
    }
};

pub(crate) const CARRIES: Function = method! {
    /// Tells what the model's chat template has a place for; what it has no place for, it drops or refuses.
    "carries" (lua, this: ModelHandle) -> Carries: "what it carries" {
        this.policy().model.chat_template.carries().into_lua_err()
    }
};

/// The conversation that a script gave.
pub(crate) fn chat(given: Conversation) -> mlua::Result<Chat> {
    let variables = match given.variables.map(|variables| json("variables", &variables.0)).transpose()? {
        Some(Json::Object(variables)) => variables,
        _ => Default::default(),
    };
    let tools = match given.tools.map(|tools| tools.0) {
        Some(Value::Table(tables)) => Some(tables.sequence_values().map(|table| described(&table?)).collect::<mlua::Result<_>>()?),
        text => text.map(|text| items("tools", &text)).transpose()?,
    };
    let messages = items("messages", &given.messages.0)?;
    let Conversation { add_generation_prompt, enable_thinking, .. } = given;
    Ok(Chat { messages, tools, add_generation_prompt, enable_thinking, variables })
}

/// An argument as JSON; a string is parsed as JSON text.
fn json(key: &str, value: &Value) -> mlua::Result<Json> {
    let found = match value {
        Value::String(text) => read_json(&text.to_string_lossy()).map_err(|e| format!("it is not JSON: {e}")),
        value => convert::to_json(value),
    };
    found.map_err(|reason| mlua::Error::runtime(format!("'{key}' cannot be used: {reason}")))
}

/// The items of a list argument; an empty table has none.
fn items(key: &str, value: &Value) -> mlua::Result<Vec<Json>> {
    match json(key, value)? {
        Json::Array(items) => Ok(items),
        Json::Object(entries) if entries.is_empty() => Ok(Vec::new()),
        _ => Err(mlua::Error::runtime(format!("'{key}' is not a list"))),
    }
}

/// The description of a tool, which is given as `fm.grpo.new` takes it, or already in the form that this function returns.
fn described(tool: &Value) -> mlua::Result<Json> {
    let read = |table: &Value| read::<ToolTable>(table).map_err(|problem| mlua::Error::runtime(format!("a tool in 'tools': {problem}")));
    let mut found = read(tool)?;
    if let Some(inner) = &found.function {
        found = read(&inner.0)?;
    }
    let name = found.name.ok_or_else(|| mlua::Error::runtime("a tool in 'tools' has no name"))?;
    let parameters = found.parameters.map_or(Ok(Json::Null), |parameters| convert::to_json(&parameters.0));
    let parameters = parameters.map_err(|e| mlua::Error::runtime(format!("tool {name}: {e}")))?;
    Ok(Tool::new(&name, &found.description, parameters).into_lua_err()?.to_json())
}
