//! The Lua side: a sandboxed Luau runtime, and the API that scripts see as `require "finemem"`.
//!
//! [`AREAS`] is the whole API; each file of bindings contributes one [`api::Area`].

mod api;
mod arguments;
mod batch;
mod chat;
pub mod check;
mod convert;
mod credit;
mod data;
mod dialect;
mod grpo;
mod guard;
mod interrupt;
mod memory;
mod metric;
mod model;
mod page;
pub mod prompt;
mod reason;
mod reasoners;
mod require;
mod reward;
mod rollout;
mod run;
mod schedule;
mod sft;
pub mod types;
mod values;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use mlua::{Lua, LuaOptions, StdLib, Value};

use api::Area;
use finemem::device::Device;
use finemem::generate;
use finemem::model::Model;
use finemem::{Error, Result};

/// The API, in the order in which the editor types list it.
const AREAS: &[Area] = &[
    values::AREA,
    model::AREA,
    sft::AREA,
    memory::AREA,
    reason::AREA,
    reasoners::AREA,
    metric::AREA,
    reward::AREA,
    guard::AREA,
    data::AREA,
    dialect::AREA,
    grpo::AREA,
    schedule::AREA,
    run::AREA,
    require::AREA,
    page::AREA,
];

/// How a script is run.
#[derive(Debug, Clone)]
pub struct Options {
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

impl Default for Options {
    fn default() -> Self {
        Self { arguments: Vec::new(), device: "auto".into(), device_memory: None, resume: None, watch: false, memory: 2 << 30, time: None }
    }
}

/// A script file that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Where it was found.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What the bindings know about the running script; shared by all of them as app data.
struct Session {
    options: Options,
    script: RefCell<PathBuf>,
    loaded: RefCell<Vec<Loaded>>,
    /// The file of each module, as it was loaded last.
    modules: RefCell<BTreeMap<String, Loaded>>,
    /// What was said last of modules that could not be loaded again.
    refused: RefCell<Option<String>>,
    device: OnceCell<Device>,
    run: RefCell<Option<Rc<RefCell<run::OpenRun>>>>,
    /// Models that nobody trains, and policies: a reasoner of a folder that one of them is from shares its tensors.
    frozen: RefCell<Vec<(Weak<Model>, generate::Shared)>>,
    policies: RefCell<Vec<Weak<model::Policy>>>,
    limits: Rc<interrupt::Limits>,
    started: Instant,
}

impl Session {
    /// The device that the command line asked for, opened and named when it is first needed.
    fn device(&self) -> Result<&Device> {
        if self.device.get().is_none() {
            let device = self.open(&self.options.device)?;
            eprintln!("device: {}", device.describe());
            let _ = self.device.set(device);
        }
        Ok(self.device.get().expect("just set"))
    }

    /// Writes a line for whoever watches the run.
    fn say(&self, text: &str) {
        match self.run.borrow().as_ref() {
            Some(run) => run.borrow().around_bar(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Another device, under the same limit.
    fn open(&self, name: &str) -> Result<Device> {
        let device = Device::open(name)?;
        Ok(match self.options.device_memory {
            Some(bytes) => device.with_memory(bytes),
            None => device,
        })
    }
}

/// The session of the running script.
fn session(lua: &Lua) -> Rc<Session> {
    lua.app_data_ref::<Rc<Session>>().expect("set when the runtime is made").clone()
}

/// Frees the models and trainers that the script no longer holds. The collector sees small objects and would let them wait, and what takes
/// memory next is refused if it does not fit.
fn free_dropped(lua: &Lua) -> mlua::Result<()> {
    // What a first round finds unreachable may hold others.
    lua.gc_collect()?;
    lua.gc_collect()
}

/// A Lua state that can do what the API allows, and nothing else.
pub struct Runtime {
    lua: Lua,
    session: Rc<Session>,
}

impl Runtime {
    /// A fresh state.
    pub fn new(options: Options) -> Result<Self> {
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
            limits: Rc::default(),
            started: Instant::now(),
        });
        lua.set_app_data(session.clone());
        prepare(&lua, &session).map_err(|e| error(&e))?;
        Ok(Self { lua, session })
    }

    /// Runs a script file to its end.
    pub fn run(&self, script: &Path) -> Result<()> {
        *self.session.script.borrow_mut() = script.to_path_buf();
        let text = require::read(script)?;
        self.session.loaded.borrow_mut().push(Loaded { path: script.to_path_buf(), sha256: finemem::files::sha256(text.as_bytes()) });
        let chunk = require::load(&self.lua, script, &text).map_err(|e| error(&e))?;
        chunk.call(()).map_err(|e| error(&e))
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
        Some(stopped @ Error::Stopped(_)) => stopped.clone(),
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
