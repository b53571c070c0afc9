//! The Lua side: a sandboxed Luau runtime, and the API that scripts see as `require "finemem"`.
//!
//! [`api`] is the machinery of the API, `bind` its functions, one file for each part of `fm`; [`check()`] looks for mistakes without
//! running a script.

mod api;
mod bind;
mod calls;
mod check;
mod prompt;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{Lua, LuaOptions, StdLib, Value};

use api::{convert, error, types};
use bind::session::Session;
pub use bind::session::{Loaded, RuntimeOptions};
use bind::{AREAS, require, values};
pub use calls::Calls;
pub use check::Findings;
use finemem::{Error, Result};
pub use prompt::{Entered, Prompt};

/// Looks for mistakes in a script and in everything it requires, without running them.
pub fn check(script: &Path) -> Result<Findings> {
    check::check(script, &Runtime::new(RuntimeOptions::default())?.globals())
}

/// The editor types of the API: their paths below `scripts/types`, and their contents.
pub fn types() -> [(&'static str, String); 2] {
    types::files(AREAS)
}

/// A Lua state that can do only what the API allows.
pub struct Runtime {
    lua: Lua,
    session: Rc<Session>,
}

impl Runtime {
    /// A fresh state.
    pub fn new(options: RuntimeOptions) -> Result<Self> {
        let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::BIT | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::new()).map_err(|e| error(&e))?;
        let session = Rc::new(Session::new(options));
        lua.set_app_data(session.clone());
        bind::run::watch(&session);
        prepare(&lua, &session).map_err(|e| error(&e))?;
        Ok(Self { lua, session })
    }

    /// Runs a script file until it ends or exits.
    pub fn run(&self, script: &Path) -> Result<()> {
        *self.session.script.borrow_mut() = script.to_path_buf();
        let text = require::read(script)?;
        self.session.loaded.borrow_mut().push(Loaded { path: script.to_path_buf(), sha256: finemem::files::sha256(text.as_bytes()) });
        let chunk = require::load(&self.lua, script, &text).map_err(|e| error(&e))?;
        match chunk.call(()).map_err(|e| error(&e)) {
            Err(Error::Exit(None)) => Ok(()),
            done => done,
        }
    }

    /// Runs a piece of text as if it were a script called `name`, and returns what it returns.
    pub fn evaluate(&self, name: &str, text: &str) -> Result<serde_json::Value> {
        *self.session.script.borrow_mut() = PathBuf::from(name);
        let chunk = require::load(&self.lua, Path::new(name), text).map_err(|e| error(&e))?;
        let value: Value = chunk.call(()).map_err(|e| error(&e))?;
        convert::to_json(&value).map_err(Error::Script)
    }

    /// The names of all globals that scripts have without `require`.
    fn globals(&self) -> HashSet<String> {
        // The sandbox puts its own table in front of the sealed one.
        let globals = self.lua.globals();
        let sealed = globals.metatable().and_then(|meta| meta.get::<mlua::Table>("__index").ok());
        let tables = [Some(globals), sealed].into_iter().flatten();
        tables.flat_map(|table| table.pairs::<String, Value>().flatten().map(|(name, _)| name).collect::<Vec<_>>()).collect()
    }

    /// Every script file loaded until now, in order.
    pub fn loaded(&self) -> Vec<Loaded> {
        self.session.loaded.borrow().clone()
    }
}

/// Gives the state its globals, then seals them.
fn prepare(lua: &Lua, session: &Session) -> mlua::Result<()> {
    lua.set_memory_limit(session.options.memory)?;
    let globals = lua.globals();
    for name in ["loadstring", "getfenv", "setfenv", "newproxy", "collectgarbage"] {
        globals.raw_set(name, Value::Nil)?;
    }
    let math: mlua::Table = globals.get("math")?;
    for name in ["random", "randomseed"] {
        let refuse = api::raising(lua, 2, move |_, _| {
            Err(mlua::Error::runtime(format!("math.{name} has no seed that a run could repeat; use fm.rng.new {{ seed = … }}")))
        })?;
        math.raw_set(name, refuse)?;
    }
    globals.raw_set("print", lua.create_function(values::print)?)?;
    let module = api::register(lua, AREAS)?;
    globals.raw_set("require", require::function(lua, module)?)?;
    lua.sandbox(true)?;
    if let Some(limit) = session.options.time {
        session.limits.end_after(lua, limit);
    }
    Ok(())
}
