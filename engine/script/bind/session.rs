//! What the bindings know about the running script.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use mlua::Lua;

use super::{interrupt, model, run};
use finemem::device::Device;
use finemem::model::Model;
use finemem::reward::Rewarder;
use finemem::{Result, generate};

/// How to run a script.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// What the script sees as `fm.args`.
    pub arguments: Vec<String>,
    /// Where kernels run: `auto`, `gpu`, `cpu` or part of an adapter's name.
    pub device: String,
    /// Memory limit of models and training in bytes; `None` means what the device has.
    pub device_memory: Option<u64>,
    /// The folder of a run to resume.
    pub resume: Option<PathBuf>,
    /// Whether `fm.reload` loads modules whose files have changed.
    pub watch: bool,
    /// How many bytes of Lua values the script may hold.
    pub memory: usize,
    /// How long the script may run; exceeding it is an error. `None` sets no limit.
    pub time: Option<Duration>,
}

impl Default for RuntimeOptions {
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
pub(crate) struct Session {
    pub(crate) options: RuntimeOptions,
    pub(crate) script: RefCell<PathBuf>,
    pub(crate) loaded: RefCell<Vec<Loaded>>,
    /// The file of each module, as last loaded.
    pub(crate) modules: RefCell<BTreeMap<String, Loaded>>,
    /// The last reload error printed, so that it is not repeated.
    pub(crate) refused: RefCell<Option<String>>,
    pub(crate) device: OnceCell<Device>,
    pub(crate) run: RefCell<Option<Rc<RefCell<run::OpenRun>>>>,
    /// Loaded models, frozen ones and policies. A reasoner opened from the same folder shares their tensors.
    pub(crate) frozen: RefCell<Vec<(Weak<Model>, generate::SharedGenerator)>>,
    pub(crate) policies: RefCell<Vec<Weak<model::Policy>>>,
    /// Computes rewards; created for the first reward.
    pub(crate) rewarder: RefCell<Option<Rewarder>>,
    pub(crate) limits: Rc<interrupt::Limits>,
    pub(crate) started: Instant,
}

impl Session {
    /// The session of a script that has not started.
    pub(crate) fn new(options: RuntimeOptions) -> Self {
        Self {
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
        }
    }

    /// The device that the command line asked for, opened and announced when first needed.
    pub(crate) fn device(&self) -> Result<&Device> {
        if self.device.get().is_none() {
            let device = self.open(&self.options.device)?;
            eprintln!("device: {}", device.describe());
            let _ = self.device.set(device);
        }
        Ok(self.device.get().expect("just set"))
    }

    /// Writes a line for the user who watches the run.
    pub(crate) fn say(&self, text: &str) {
        match self.run.borrow().as_ref() {
            Some(run) => run.borrow().around_bar(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Another device, under the same limit.
    pub(crate) fn open(&self, name: &str) -> Result<Device> {
        let device = Device::open(name)?;
        Ok(match self.options.device_memory {
            Some(bytes) => device.with_memory(bytes),
            None => device,
        })
    }
}

/// The session of the running script.
pub(crate) fn session(lua: &Lua) -> Rc<Session> {
    lua.app_data_ref::<Rc<Session>>().expect("set when the runtime is made").clone()
}

/// Frees the models and trainers that the script no longer holds. To the collector they are small objects that can wait, but the next
/// allocation is refused if it does not fit.
pub(crate) fn free_dropped(lua: &Lua) -> mlua::Result<()> {
    // Objects that the first round finds unreachable may hold others.
    lua.gc_collect()?;
    lua.gc_collect()
}
