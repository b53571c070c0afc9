//! How a model writes its calls, for commands that run no script.

use mlua::{ExternalResult, Function, IntoLua, Table, Value};

use super::api::lua::read;
use super::api::message;
use super::bind::chat;
use super::bind::dialect::{Dialect, DialectTable};
use super::{Runtime, RuntimeOptions, error};
use finemem::memory::calls::Parsed;
use finemem::model::ChatTemplate;
use finemem::{Error, Result};

/// A dialect of `scripts/dialects`, as `lib/dialects.lua` chooses it for a model.
pub struct Calls {
    dialect: Dialect,
    /// The dialect's name.
    pub name: String,
    /// Why it is this one.
    pub why: String,
    /// Runs the dialect's functions.
    _runtime: Runtime,
}

impl Calls {
    /// The dialect called `name`, or without a name the one that the template shows.
    ///
    /// # Errors
    /// There is no such dialect, or no folder of scripts with dialects.
    pub fn of(template: &ChatTemplate, name: Option<&str>) -> Result<Self> {
        let runtime = Runtime::new(RuntimeOptions::default())?;
        let (table, name, why) =
            choose(&runtime, template, name).map_err(|e| Error::argument(message(&e).lines().next().unwrap_or_default()))?;
        Ok(Self { dialect: Dialect(Some(table)), name, why, _runtime: runtime })
    }

    /// The calls in an answer.
    pub fn read(&self, answer: &str) -> Result<Parsed> {
        self.dialect.parse(answer, &[]).map_err(|e| error(&e))
    }
}

/// Asks `lib/dialects.lua`, for which a model is what renders its template.
fn choose(runtime: &Runtime, template: &ChatTemplate, name: Option<&str>) -> mlua::Result<(DialectTable, String, String)> {
    let lua = &runtime.lua;
    let model = lua.create_table()?;
    model.raw_set("chat", template.exists())?;
    let template = template.clone();
    let render = move |_: &mlua::Lua, (_, given): (Value, Value)| {
        let given = read(&given).map_err(mlua::Error::runtime)?;
        template.render(&chat::chat(given)?).into_lua_err()
    };
    model.raw_set("apply_chat_template", lua.create_function(render)?)?;
    let require: Function = lua.globals().get("require")?;
    let choose: Function = require.call::<Table>("lib.dialects")?.get("choose")?;
    let (dialect, why): (Table, String) = choose.call((name.into_lua(lua)?, model))?;
    let name: String = dialect.get("name")?;
    Ok((read(&Value::Table(dialect)).map_err(mlua::Error::runtime)?, name, why))
}
