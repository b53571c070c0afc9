//! The Lua side: a sandboxed Luau runtime, and the API that scripts see as `require "finemem"`.
//!
//! [`api`] is the machinery of the API, `bind` its functions, one file for each part of `fm`; [`check()`] looks for mistakes without running.

mod api;
mod bind;
mod check;
mod prompt;

use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, LuaOptions, StdLib, Value};

use api::{convert, types};
pub use bind::session::Loaded;
use bind::session::Session;
use bind::{AREAS, require, values};
pub use check::Findings;
use finemem::{Error, Result};
pub use prompt::{Entered, Prompt};

/// Looks for mistakes in a script and in everything it requires, without running them.
pub fn check(script: &Path) -> Result<Findings> {
    check::check(script, &Runtime::new(RuntimeOptions::default())?.globals())
}

/// The editor types of the API: their paths below `scripts/types`, and their content.
pub fn types() -> [(&'static str, String); 2] {
    types::files(AREAS)
}

/// How a script is run.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// What the script sees as `fm.args`.
    pub arguments: Vec<String>,
    /// Where kernels run: `auto`, `gpu`, `cpu` or part of an adapter's name.
    pub device: String,
    /// Bytes of memory that models and training keep to; `None` leaves it at what the device has.
    pub device_memory: Option<u64>,
    /// The folder of a run to go on with.
    pub resume: Option<PathBuf>,
    /// Whether `fm.reload` loads modules whose files have changed.
    pub watch: bool,
    /// How many bytes of Lua values the script may hold.
    pub memory: usize,
    /// How long the script may run; longer is an error. `None` sets no limit.
    pub time: Option<Duration>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self { arguments: Vec::new(), device: "auto".into(), device_memory: None, resume: None, watch: false, memory: 2 << 30, time: None }
    }
}

/// A Lua state that can do what the API allows, and nothing else.
pub struct Runtime {
    lua: Lua,
    session: Rc<Session>,
}

impl Runtime {
    /// A fresh state.
    pub fn new(options: RuntimeOptions) -> Result<Self> {
        let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8 | StdLib::BIT | StdLib::BUFFER;
        let lua = Lua::new_with(libraries, LuaOptions::new()).map_err(|e| error(&e))?;
        let session = Rc::new(Session {
            options,
            script: RefCell::default(),
            loaded: RefCell::default(),
            modules: RefCell::default(),
            refused: RefCell::default(),
            device: OnceCell::new(),
            run: RefCell::default(),
            frozen: RefCell::default(),
            policies: RefCell::default(),
            rewarder: RefCell::default(),
            limits: Rc::default(),
            started: Instant::now(),
        });
        lua.set_app_data(session.clone());
        prepare(&lua, &session).map_err(|e| error(&e))?;
        Ok(Self { lua, session })
    }

    /// Runs a script file to its end, or until it ends itself.
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

    /// The names of everything that scripts have without `require`.
    fn globals(&self) -> HashSet<String> {
        // The sandbox has a table of its own in front of the sealed one.
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

/// The engine's error for one of Lua's.
fn error(error: &mlua::Error) -> Error {
    match error.downcast_ref::<Error>() {
        Some(end @ (Error::Stopped(_) | Error::Exit(_))) => end.clone(),
        _ => {
            let text = api::message(error);
            let noise =
                |line: &str| ["[C]: in ?", "[C]: in function 'error'"].contains(&line.trim()) || line.trim().starts_with("finemem:");
            let lines: Vec<&str> = text.lines().filter(|line| !noise(line)).collect();
            // A script's function that Rust called has a traceback of its own, which goes down to the same end.
            let mut tracebacks = lines.iter().enumerate().filter(|(_, line)| **line == "stack traceback:").map(|(at, _)| at);
            let end = tracebacks.nth(1).unwrap_or(lines.len());
            Error::Script(lines[..end].join("\n"))
        }
    }
}
