//! `fm.run`, `fm.log`, `fm.stopping`: the run's folder and its progress, as scripts see them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mlua::{AnyUserData, ExternalResult, IntoLua, Value};
use serde_json::{Map, Value as Json};

use super::guard::{self, Rewards};
use super::reward::BATCH;
use super::session::Session;
use super::{AREAS, session};
use crate::api::{Any, Area, Function, Handed, Handle, Kind, Object, Property, Scripted, Tab, convert, function, method};
use finemem::train::log::{Checkpoint, Description, Run};
use finemem::{Error, Result, record, stop};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&RUN] };

/// A run of a script, with its progress bar.
pub(crate) struct OpenRun {
    folder: PathBuf,
    /// None once it is closed.
    run: Option<Run>,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

/// The session's run, as scripts hold it.
pub(crate) struct Shared {
    pub(crate) open: Rc<RefCell<OpenRun>>,
}

const SETTINGS: Kind = Kind::Map(&Kind::Any);

record! {
    struct Open {
        /// the folder; by default the next free runs/<script>-<number>
        path: Option<PathBuf>,
        /// whether to resume the run in this folder if there is one
        resume: bool = false,
        /// the run's seed, for run.json
        seed: Option<i64>,
        /// settings to record in run.json
        arguments: Option<Tab> as SETTINGS,
    }

    struct Log {
        /// the step, from 1
        step: u64,
        /// figures by name; a figure that is not finite is logged as null
        stats: BTreeMap<String, Any>,
    }

    struct Rollouts {
        /// the step, from 1
        step: u64,
        /// the batch
        batch: Tab as BATCH,
        /// how many rollouts; all by default
        count: Option<usize>,
        /// the rewards of the steps and their parts, which a page of the run shows
        rewards: Option<Rewards>,
    }

    struct Save {
        /// the last step that was done
        step: u64,
        /// the trainer to save
        trainer: Any,
    }

    struct Restore {
        /// the trainer to load
        trainer: Any,
    }

    struct Progress {
        /// the steps done
        step: u64,
        /// the steps to do
        total: u64,
        /// further text to show
        text: String => OrDefault,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// Opens the run's folder: a new one, or with `--resume` the one to resume. Only one run can be open at a time.
        "run.open" (lua, given: Open) -> Handed<Shared>: "the run" {
            let settings = given.arguments.map_or(Ok(Json::Null), |settings| convert::to_json(&Value::Table(settings.0)));
            let settings = settings.map_err(|e| mlua::Error::runtime(format!("'arguments' cannot be recorded: {e}")))?;
            let seed = given.seed.map(|seed| seed as u64);
            let open = open(&session(lua), given.path, given.resume, seed, settings).into_lua_err()?;
            Handed::new(lua, Shared { open })
        }
    },
    function! {
        /// Logs a step's figures to the open run; opens one if there is none.
        "log" (lua, given: Log) -> () {
            let session = session(lua);
            let known = session.run.borrow().clone();
            let run = match known {
                Some(run) => run,
                None => open(&session, None, false, None, Json::Null).into_lua_err()?,
            };
            log(&given, &run)
        }
    },
    function! {
        /// Whether Ctrl-C was pressed. A script that asks ends its loop itself; one that never asks is ended immediately.
        "stopping" (lua) -> bool: "true if the script should save its work and end" {
            Ok(stop::asked())
        }
    },
];

static RUN: Object = Object {
    name: Shared::NAME,
    doc: "A run's folder.",
    properties: &[
        Property {
            name: "path",
            kind: Kind::Text,
            doc: "The folder.",
            get: |lua, this| with(this, |open| Ok(open.folder.display().to_string()))?.into_lua(lua),
        },
        Property {
            name: "step",
            kind: Kind::Integer,
            doc: "The step of the newest checkpoint, 0 before the first.",
            get: |lua, this| with(this, |open| Ok(open.run()?.newest_checkpoint().map_or(0, |(step, _)| step)))?.into_lua(lua),
        },
    ],
    methods: &[
        method! {
            /// Logs a step's figures to metrics.jsonl and for TensorBoard.
            "log" (lua, this: Shared, given: Log) -> () {
                log(&given, &this.open)
            }
        },
        guard::METHOD,
        method! {
            /// Appends the rollouts of a batch to rollouts.jsonl, one per line.
            "rollouts" (lua, this: Shared, given: Rollouts) -> () {
                let rollouts = guard::rollouts(&given.batch).into_lua_err()?;
                for (i, rollout) in rollouts.iter().enumerate().take(given.count.unwrap_or(usize::MAX)) {
                    let json =
                        convert::to_json(rollout).map_err(|e| mlua::Error::runtime(format!("rollout {} cannot be written: {e}", i + 1)))?;
                    let mut line = Map::from_iter([("rollout".to_string(), Json::from(i + 1))]);
                    line.extend(json.as_object().cloned().unwrap_or_default());
                    if let Some(rewards) = &given.rewards {
                        line.insert("rewards".into(), rewards_of(rewards, i)?);
                    }
                    this.open.borrow_mut().run().into_lua_err()?.rollout(given.step, &line).into_lua_err()?;
                }
                Ok(())
            }
        },
        method! {
            /// Writes a checkpoint that `--resume` can continue from. The run keeps the newest two.
            "checkpoint" (lua, this: Shared, given: Save) -> String: "the checkpoint's folder" {
                let mut open = this.open.borrow_mut();
                let save = |folder: &Path| part(&given.trainer, |trainer| trainer.save(folder));
                let path = open.run().into_lua_err()?.checkpoint(given.step, save).into_lua_err()?;
                Ok(path.display().to_string())
            }
        },
        method! {
            /// Brings the trainer to the newest checkpoint of a resumed run; does nothing in a fresh one.
            "restore" (lua, this: Shared, given: Restore) -> u64: "the last step done, 0 in a fresh run" {
                let newest =
                    this.open.borrow_mut().run().into_lua_err()?.newest_checkpoint().map(|(step, path)| (step, path.to_path_buf()));
                if let Some((_, path)) = &newest {
                    part(&given.trainer, |trainer| trainer.load(path)).into_lua_err()?;
                }
                Ok(newest.map_or(0, |(step, _)| step))
            }
        },
        method! {
            /// Shows the progress of the run: a bar on a terminal, an occasional line elsewhere.
            "progress" (lua, this: Shared, given: Progress) -> () {
                this.open.borrow_mut().progress(given.step, given.total, &given.text);
                Ok(())
            }
        },
        method! {
            /// Ends the run, so that the script can open another. A run that is still open ends with the script.
            "close" (lua, this: Shared) -> () {
                this.open.borrow_mut().run = None;
                session(lua).run.borrow_mut().take_if(|open| Rc::ptr_eq(open, &this.open));
                Ok(())
            }
        },
    ],
    checkpoint: None,
};

impl Scripted for Shared {
    const NAME: &'static str = "Run";
    const OBJECT: &'static Object = &RUN;
    fn describe(&self) -> String {
        let open = self.open.borrow();
        let Some(run) = &open.run else { return format!("the run {}, closed", open.folder.display()) };
        let step = run.newest_checkpoint().map_or("no checkpoint yet".to_string(), |(step, _)| format!("a checkpoint at step {step}"));
        format!("the run {}, with {step}", open.folder.display())
    }
}

fn with<R>(this: &AnyUserData, read: impl FnOnce(&mut OpenRun) -> Result<R>) -> mlua::Result<R> {
    read(&mut this.borrow::<Handle<Shared>>()?.open.borrow_mut()).into_lua_err()
}

/// Calls `act` with the trainer that a script passed.
fn part(trainer: &Any, mut act: impl FnMut(&mut dyn Checkpoint) -> Result<()>) -> Result<()> {
    let data = trainer.0.as_userdata().ok_or_else(|| Error::argument("'trainer' must be a trainer"))?;
    let name = data.type_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let object = AREAS.iter().flat_map(|area| area.objects).find(|object| object.name == name);
    match object.and_then(|object| object.checkpoint) {
        Some(checkpoint) => checkpoint(data, &mut act).map_err(|e| crate::api::error(&e)),
        None => Err(Error::argument(format!("'trainer' must be a trainer, not a {name}"))),
    }
}

/// From which time on work is long enough to be shown, and how often it is; on a bar more often.
const LONG: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_millis(250);

/// Shows what the session's long work is at: on the run's bar, or as a line every ten seconds.
pub(crate) fn watch(session: &Rc<Session>) {
    let (session, mut last) = (Rc::downgrade(session), Instant::now());
    finemem::progress::listen(move |progress| {
        let Some(session) = session.upgrade().filter(|_| last.elapsed() >= OFTEN) else { return };
        let run = session.run.borrow();
        let run = run.as_ref().and_then(|run| run.try_borrow().ok());
        if let Some(bar) = run.as_ref().and_then(|run| run.visible_bar()) {
            bar.set_message(progress.to_string());
        } else if progress.time >= LONG && last.elapsed() >= LONG {
            eprintln!("  {progress}");
        } else {
            return;
        }
        last = Instant::now();
    });
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
            run.passed_over().iter().for_each(|fault| eprintln!("warning: {fault}"));
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

/// The rewards of one rollout: `{ total, terms }`, with null for numbers that are not finite.
fn rewards_of(rewards: &Rewards, rollout: usize) -> mlua::Result<Json> {
    let steps = |name: &str, lists: &[Tab]| {
        let values = lists.get(rollout).map_or(Value::Nil, |list| Value::Table(list.0.clone()));
        let wrong = |e| mlua::Error::runtime(format!("'rewards.{name}[{}]' cannot be written: {e}", rollout + 1));
        convert::to_json_or_null(&values).map_err(wrong)
    };
    let terms = rewards.terms.iter().map(|(name, lists)| Ok((name.clone(), steps(&format!("terms.{name}"), lists)?)));
    let terms = terms.collect::<mlua::Result<Map<_, _>>>()?;
    Ok(serde_json::json!({ "total": steps("total", &rewards.total)?, "terms": terms }))
}

/// The next free folder for a run of a script.
fn fresh(script: &Path) -> PathBuf {
    let stem = script.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let numbered = |n: usize| Path::new("runs").join(format!("{stem}-{n}"));
    (1..).map(numbered).find(|path| !path.exists()).expect("there is a free number")
}

fn log(given: &Log, run: &RefCell<OpenRun>) -> mlua::Result<()> {
    let mut values = Map::new();
    for (name, value) in &given.stats {
        let value = match &value.0 {
            Value::Number(n) if !n.is_finite() => Json::Null,
            value => convert::to_json(value).map_err(|e| mlua::Error::runtime(format!("'stats.{name}' cannot be logged: {e}")))?,
        };
        values.insert(name.clone(), value);
    }
    run.borrow_mut().run().into_lua_err()?.log(given.step, &values).into_lua_err()
}

impl OpenRun {
    /// The run's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn run(&mut self) -> Result<&mut Run> {
        let folder = &self.folder;
        self.run.as_mut().ok_or_else(|| Error::argument(format!("the run {} is closed", folder.display())))
    }

    /// Records that modules were reloaded: path and SHA-256 of each.
    pub(crate) fn reloaded(&mut self, step: Option<u64>, scripts: Map<String, Json>) -> Result<()> {
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

    /// The bar, if there is one that somebody sees.
    fn visible_bar(&self) -> Option<&ProgressBar> {
        self.bar.as_ref().filter(|bar| !bar.is_hidden())
    }

    /// Runs `print` so that it does not break the bar.
    pub(crate) fn around_bar(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}
