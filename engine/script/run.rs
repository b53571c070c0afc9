//! `fm.run`, `fm.log`, `fm.stopping`: the run's folder and its progress, as scripts see them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mlua::{AnyUserData, ExternalResult, IntoLua, Lua, Table, Value};
use serde_json::{Map, Value as Json};

use super::api::{Area, Args, Field, Function, Kind, Need, Object, Scripted, default, object, optional, required};
use super::{AREAS, Session, batch, convert, guard, session};
use finemem::train::log::{Checkpoint, Description, Run};
use finemem::{Error, Result, stop};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&RUN], records: &[] };

/// A run of a script, with its progress bar.
pub(super) struct OpenRun {
    folder: PathBuf,
    /// Nothing once it is closed.
    run: Option<Run>,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

/// What scripts hold: the session's run.
pub(super) struct Shared {
    pub(super) open: Rc<RefCell<OpenRun>>,
}

const STATS: Kind = Kind::Map(&Kind::Any);
const STEP: Kind = Kind::Integer;

const FUNCTIONS: &[Function] = &[
    Function {
        path: "run.open",
        doc: "Opens the run's folder: a new one, or with `--resume` the one to go on with. One run can be open at a time.",
        params: &[
            optional("path", Kind::Text, "the folder; by default the next free runs/<script>-<number>"),
            default("resume", Kind::Boolean, Need::Boolean(false), "whether to go on with the run in this folder if there is one"),
            optional("seed", Kind::Integer, "the run's seed, for run.json"),
            optional("arguments", Kind::Map(&Kind::Any), "settings to record in run.json"),
        ],
        returns: Kind::Object("Run"),
        result: "the run",
        call: |lua, args| {
            let session = session(lua);
            let path: Option<String> = args.get(lua, "path")?;
            let arguments: Value = args.get(lua, "arguments")?;
            let settings =
                convert::to_json(&arguments).map_err(|e| mlua::Error::runtime(format!("'arguments' cannot be recorded: {e}")))?;
            let seed = args.get::<Option<i64>>(lua, "seed")?.map(|seed| seed as u64);
            let run = open(&session, path.map(PathBuf::from), args.get(lua, "resume")?, seed, settings).into_lua_err()?;
            object(lua, Shared { open: run })
        },
    },
    Function {
        path: "log",
        doc: "Logs a step's figures to the open run; opens one when there is none.",
        params: &[
            required("step", STEP, "the step, from 1"),
            required("stats", STATS, "figures by name; a figure that is not finite is logged as null"),
        ],
        returns: Kind::Nil,
        result: "",
        call: |lua, args| {
            let session = session(lua);
            let known = session.run.borrow().clone();
            let run = match known {
                Some(run) => run,
                None => open(&session, None, false, None, Json::Null).into_lua_err()?,
            };
            log(lua, args, &run)
        },
    },
    Function {
        path: "stopping",
        doc: "Whether somebody pressed Ctrl-C. A script that asks ends its loop itself; one that never asks is ended at once.",
        params: &[],
        returns: Kind::Boolean,
        result: "true when the script should save what it has and end",
        call: |_, _| Ok(Value::Boolean(stop::asked())),
    },
];

static RUN: Object = Object {
    name: "Run",
    doc: "A run's folder.",
    fields: &[
        Field {
            name: "path",
            kind: Kind::Text,
            doc: "The folder.",
            get: |lua, this| with(this, |open| Ok(open.folder.display().to_string()))?.into_lua(lua),
        },
        Field {
            name: "step",
            kind: Kind::Integer,
            doc: "The step of the newest checkpoint, 0 before the first.",
            get: |lua, this| with(this, |open| Ok(open.run()?.newest_checkpoint().map_or(0, |(step, _)| step)))?.into_lua(lua),
        },
    ],
    methods: &[
        Function {
            path: "log",
            doc: "Logs a step's figures to metrics.jsonl and for TensorBoard.",
            params: &[
                required("step", STEP, "the step, from 1"),
                required("stats", STATS, "figures by name; a figure that is not finite is logged as null"),
            ],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| log(lua, args, &args.this::<Shared>()?.open),
        },
        guard::METHOD,
        Function {
            path: "rollouts",
            doc: "Appends the rollouts of a batch to rollouts.jsonl, one a line.",
            params: &[
                required("step", STEP, "the step, from 1"),
                required("batch", Kind::Record(&batch::BATCH), "the batch"),
                optional("count", Kind::Integer, "how many of them; all by default"),
                optional("rewards", Kind::Record(&guard::REWARDS), "what the steps got, and for what; a page of the run shows it"),
            ],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                let batch: Table = args.get(lua, "batch")?;
                let rollouts: Vec<Value> = batch.get("rollouts").map_err(|_| mlua::Error::runtime("'batch.rollouts' must be a list"))?;
                let count: Option<usize> = args.get(lua, "count")?;
                let rewards: Option<Table> = args.get(lua, "rewards")?;
                let (step, this) = (args.get(lua, "step")?, args.this::<Shared>()?);
                for (i, rollout) in rollouts.iter().enumerate().take(count.unwrap_or(usize::MAX)) {
                    let json =
                        convert::to_json(rollout).map_err(|e| mlua::Error::runtime(format!("rollout {} cannot be written: {e}", i + 1)))?;
                    let mut line = Map::from_iter([("rollout".to_string(), Json::from(i + 1))]);
                    line.extend(json.as_object().cloned().unwrap_or_default());
                    if let Some(rewards) = &rewards {
                        line.insert("rewards".into(), rewards_of(rewards, i + 1)?);
                    }
                    this.open.borrow_mut().run().into_lua_err()?.rollout(step, &line).into_lua_err()?;
                }
                Ok(Value::Nil)
            },
        },
        Function {
            path: "checkpoint",
            doc: "Writes a checkpoint that `--resume` can go on from. The run keeps the newest two.",
            params: &[required("step", STEP, "the last step that was done"), required("trainer", Kind::Any, "the trainer to save")],
            returns: Kind::Text,
            result: "the checkpoint's folder",
            call: |lua, args| {
                let step = args.get(lua, "step")?;
                let this = args.this::<Shared>()?;
                let mut open = this.open.borrow_mut();
                let path =
                    open.run().into_lua_err()?.checkpoint(step, |folder| part(lua, args, |trainer| trainer.save(folder))).into_lua_err()?;
                path.display().to_string().into_lua(lua)
            },
        },
        Function {
            path: "restore",
            doc: "Brings the trainer to the newest checkpoint of a resumed run; does nothing in a fresh one.",
            params: &[required("trainer", Kind::Any, "the trainer to load")],
            returns: Kind::Integer,
            result: "the last step that is done, 0 in a fresh run",
            call: |lua, args| {
                let this = args.this::<Shared>()?;
                let newest =
                    this.open.borrow_mut().run().into_lua_err()?.newest_checkpoint().map(|(step, path)| (step, path.to_path_buf()));
                if let Some((_, path)) = &newest {
                    part(lua, args, |trainer| trainer.load(path)).into_lua_err()?;
                }
                newest.map_or(0, |(step, _)| step).into_lua(lua)
            },
        },
        Function {
            path: "progress",
            doc: "Shows how far the run is: a bar on a terminal, now and then a line elsewhere.",
            params: &[
                required("step", STEP, "the steps done"),
                required("total", STEP, "the steps to do"),
                optional("text", Kind::Text, "what to show beside it"),
            ],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                let (step, total): (u64, u64) = (args.get(lua, "step")?, args.get(lua, "total")?);
                let text: Option<String> = args.get(lua, "text")?;
                args.this::<Shared>()?.open.borrow_mut().progress(step, total, &text.unwrap_or_default());
                Ok(Value::Nil)
            },
        },
        Function {
            path: "close",
            doc: "Ends the run, so that the script can open another. A run that is still open when the script ends is ended then.",
            params: &[],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                let this = args.this::<Shared>()?;
                this.open.borrow_mut().run = None;
                session(lua).run.borrow_mut().take_if(|open| Rc::ptr_eq(open, &this.open));
                Ok(Value::Nil)
            },
        },
    ],
    checkpoint: None,
};

impl Scripted for Shared {
    const OBJECT: &'static Object = &RUN;
    fn describe(&self) -> String {
        let open = self.open.borrow();
        let Some(run) = &open.run else { return format!("the run {}, closed", open.folder.display()) };
        let step = run.newest_checkpoint().map_or("no checkpoint yet".to_string(), |(step, _)| format!("a checkpoint at step {step}"));
        format!("the run {}, with {step}", open.folder.display())
    }
}

fn with<R>(this: &AnyUserData, read: impl FnOnce(&mut OpenRun) -> Result<R>) -> mlua::Result<R> {
    read(&mut this.borrow::<super::api::Handle<Shared>>()?.open.borrow_mut()).into_lua_err()
}

/// Calls `act` with the trainer of the arguments.
fn part(lua: &Lua, args: &Args, mut act: impl FnMut(&mut dyn Checkpoint) -> Result<()>) -> Result<()> {
    let value: Value = args.get(lua, "trainer").map_err(|e| super::error(&e))?;
    let data = value.as_userdata().ok_or_else(|| Error::argument("'trainer' must be a trainer"))?;
    let name = data.type_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let object = AREAS.iter().flat_map(|area| area.objects).find(|object| object.name == name);
    match object.and_then(|object| object.checkpoint) {
        Some(checkpoint) => checkpoint(data, &mut act).map_err(|e| super::error(&e)),
        None => Err(Error::argument(format!("'trainer' must be a trainer, and a {name} is none"))),
    }
}

/// Opens a run and makes it the one that the session logs to.
fn open(session: &Session, path: Option<PathBuf>, resume: bool, seed: Option<u64>, settings: Json) -> Result<Rc<RefCell<OpenRun>>> {
    if let Some(open) = session.run.borrow().as_ref() {
        let folder = open.borrow().folder.display().to_string();
        return Err(Error::argument(format!("the run {folder} is open; end it with run:close before opening another")));
    }
    let loaded = session.loaded.borrow();
    let scripts: Map<_, _> = loaded.iter().map(|file| (file.path.display().to_string(), Json::from(file.sha256.as_str()))).collect();
    let there = path.as_ref().filter(|path| resume && Run::description_of(path).is_ok());
    let run = match session.options.resume.as_ref().or(there) {
        Some(folder) => {
            let run = Run::resume(folder)?;
            let changed = |name: &&String| run.description().scripts.get(*name).is_some_and(|old| Some(old) != scripts.get(*name));
            for name in scripts.keys().filter(changed) {
                eprintln!("warning: {name} has changed since the run began");
            }
            run
        }
        None => {
            let script = session.script.borrow().clone();
            let versions =
                [("finemem-engine", env!("CARGO_PKG_VERSION")), ("system", std::env::consts::OS), ("processor", std::env::consts::ARCH)];
            let description = Description {
                arguments: session.options.arguments.clone(),
                settings,
                seed,
                device: session.device()?.describe(),
                versions: versions.iter().map(|(name, value)| (name.to_string(), Json::from(*value))).collect(),
                scripts,
                resumed: Vec::new(),
                reloaded: Vec::new(),
                script,
            };
            let path = path.unwrap_or_else(|| fresh(&description.script));
            Run::create(&path, description)?
        }
    };
    let open = Rc::new(RefCell::new(OpenRun { folder: run.folder().to_path_buf(), run: Some(run), bar: None, last_line: None }));
    *session.run.borrow_mut() = Some(open.clone());
    Ok(open)
}

/// The rewards of one rollout, counted from 1: `{ total, terms }`, with null for what is not finite.
fn rewards_of(rewards: &Table, rollout: usize) -> mlua::Result<Json> {
    let steps = |of: &Table, name: &str| {
        let values: Value = of.get(rollout).unwrap_or(Value::Nil);
        let wrong = |e| mlua::Error::runtime(format!("'rewards.{name}[{rollout}]' cannot be written: {e}"));
        convert::to_json_or_null(&values).map_err(wrong)
    };
    let mut terms = Map::new();
    for pair in rewards.get::<Option<Table>>("terms")?.iter().flat_map(|terms| terms.pairs::<String, Table>()) {
        let (name, values) = pair?;
        terms.insert(name.clone(), steps(&values, &format!("terms.{name}"))?);
    }
    terms.sort_keys();
    let total: Table = rewards.get("total").map_err(|_| mlua::Error::runtime("'rewards.total' must be a list of lists"))?;
    Ok(serde_json::json!({ "total": steps(&total, "total")?, "terms": terms }))
}

/// The next free folder for a run of a script.
fn fresh(script: &Path) -> PathBuf {
    let stem = script.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let numbered = |n: usize| Path::new("runs").join(format!("{stem}-{n}"));
    (1..).map(numbered).find(|path| !path.exists()).expect("there is a free number")
}

fn log(lua: &Lua, args: &Args, run: &RefCell<OpenRun>) -> mlua::Result<Value> {
    let stats: Table = args.get(lua, "stats")?;
    let mut values = Map::new();
    for pair in stats.pairs::<String, Value>() {
        let (name, value) = pair?;
        let value = match value {
            Value::Number(n) if !n.is_finite() => Json::Null,
            value => convert::to_json(&value).map_err(|e| mlua::Error::runtime(format!("'stats.{name}' cannot be logged: {e}")))?,
        };
        values.insert(name, value);
    }
    values.sort_keys();
    run.borrow_mut().run().into_lua_err()?.log(args.get(lua, "step")?, &values).into_lua_err()?;
    Ok(Value::Nil)
}

impl OpenRun {
    /// The run's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn run(&mut self) -> Result<&mut Run> {
        let folder = &self.folder;
        self.run.as_mut().ok_or_else(|| Error::argument(format!("the run {} is closed", folder.display())))
    }

    /// Notes that modules were loaded afresh: path and SHA-256 of each.
    pub(super) fn reloaded(&mut self, step: Option<u64>, scripts: Map<String, Json>) -> Result<()> {
        self.run()?.reloaded(step, scripts)
    }

    fn progress(&mut self, step: u64, total: u64, text: &str) {
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed} elapsed, {eta} left  {msg}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(total);
        bar.set_position(step);
        bar.set_message(text.to_string());
        let due = self.last_line.is_none_or(|last| last.elapsed() > Duration::from_secs(5));
        if bar.is_hidden() && (due || step >= total) {
            self.last_line = Some(Instant::now());
            eprintln!("step {step}/{total}  {text}");
        }
        if step >= total {
            bar.finish();
        }
    }

    /// Runs `print` so that it does not tear the bar.
    pub(super) fn around_bar(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}
