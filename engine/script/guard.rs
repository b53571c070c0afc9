//! `fm.reward.call` and `run:reward`: a reward is called within a limit of time and its result is checked; where it fails, the rollouts are kept for another try.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlua::{Lua, Table, Value};
use serde_json::{Map, Value as Json};

use super::api::{Area, Args, Function, Kind, Need, Param, Record, default, message, must_pass, optional, required};
use super::arguments::complaint;
use super::batch::BATCH;
use super::grpo::GROUPING;
use super::run::Shared;
use super::{convert, credit, interrupt};
use crate::{Error, Result, files};

/// What a reward gives for a batch.
pub(super) static REWARDS: Record = Record {
    name: "Rewards",
    doc: "What the steps of a batch get. In all lists, `[i][t]` is step t of rollout i.",
    fields: &[
        required("total", credit::EACH_STEP, "the reward of each step; only logged where there are `advantages`"),
        optional("terms", Kind::Map(&credit::EACH_STEP), "its parts by name"),
        optional("advantages", credit::EACH_STEP, "for `trainer:update`, as are all that follow"),
        optional("weights", credit::WEIGHTS, "how much each step, or each of its tokens, counts in the loss"),
        optional("grouping", GROUPING, "what is compared"),
        optional("groups", credit::GROUPS, "steps with equal keys are compared"),
        optional("scale_rewards", Kind::Boolean, "whether advantages are divided by the group's deviation"),
    ],
    checked: false,
};

/// A reward, as the modules of `scripts/rewards` are.
pub(super) static REWARD: Record = Record {
    name: "Reward",
    doc: "A reward: scripts/rewards/README.md says how to write one.",
    fields: &[
        required(
            "steps",
            Kind::Function(&[("batch", Kind::Record(&BATCH)), ("option", Kind::Table)], &Kind::Record(&REWARDS)),
            "gives every step of every rollout its reward",
        ),
        optional("name", Kind::Text, "its name, for messages"),
        optional("needs", Kind::List(&Kind::Text), "what `option` must hold"),
        optional("rollout", Kind::Any, "rolls out, for rewards that branch"),
    ],
    checked: false,
};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[], records: &[&REWARDS, &REWARD] };

const REWARDED: Param = required("batch", Kind::Record(&BATCH), "what is rewarded");
const OF: Param = required("reward", Kind::Record(&REWARD), "the reward");
const OPTION: Param = optional("option", Kind::Table, "what the reward is given beside the batch");
const SECONDS: Param = default("seconds", Kind::Number, Need::Number(600.0), "how long it may take");

const FUNCTIONS: &[Function] = &[Function {
    path: "reward.call",
    doc: "Calls `reward.steps(batch, option)`, and checks that it gives a finite number for each step of each rollout.",
    params: &[REWARDED, OF, OPTION, SECONDS],
    returns: Kind::Record(&REWARDS),
    result: "what the reward gave",
    call: |lua, args| Call::of(lua, args)?.rewards(lua).map(Value::Table),
}];

/// The method of a run.
pub(super) const METHOD: Function = Function {
    path: "reward",
    doc: "Rewards a batch as `fm.reward.call` does. Where that fails or takes too long, the rollouts are written whole to failed_step_<step>.jsonl in \
          the run's folder, from which scripts/replay.lua tries the reward again, and the error says so.",
    params: &[required("step", Kind::Integer, "the step of the run, from 1"), REWARDED, OF, OPTION, SECONDS],
    returns: Kind::Record(&REWARDS),
    result: "what the reward gave",
    call: |lua, args| {
        let call = Call::of(lua, args)?;
        let error = match call.rewards(lua) {
            Ok(given) => return Ok(Value::Table(given)),
            Err(error) if must_pass(&error) => return Err(error),
            Err(error) => message(&error),
        };
        let step: u64 = args.get(lua, "step")?;
        let folder = args.this::<Shared>()?.open.borrow().folder().to_path_buf();
        let (what, traceback) = error.split_once(TRACEBACK).map_or((error.as_str(), None), |(what, lines)| (what, Some(lines)));
        let name: String = call.reward.get::<Option<String>>("name")?.unwrap_or("NAME".into());
        let kept = match call.keep(&folder, step) {
            Ok(path) => format!(
                "Its rollouts are in {0}. Try the reward on them:\n  finemem-engine run scripts/replay.lua -- --rollouts {0} --rewards {name}\n\
                 Then go on from the newest checkpoint, or, with a script that resumes its runs itself, by the same command:\n  finemem-engine run --resume {1}",
                path.display(),
                folder.display()
            ),
            Err(error) => format!("Its rollouts could not be kept: {error}"),
        };
        let traceback = traceback.map_or(String::new(), |lines| format!("{TRACEBACK}{lines}"));
        Err(mlua::Error::runtime(format!("the reward of step {step} failed: {}\n{kept}{traceback}", what.trim_end())))
    },
};

const TRACEBACK: &str = "\nstack traceback:";

/// One call of a reward.
struct Call {
    batch: Table,
    reward: Table,
    option: Table,
    limit: Duration,
}

impl Call {
    fn of(lua: &Lua, args: &Args) -> mlua::Result<Self> {
        let option: Option<Table> = args.get(lua, "option")?;
        Ok(Self {
            batch: args.get(lua, "batch")?,
            reward: args.get(lua, "reward")?,
            option: option.map_or_else(|| lua.create_table(), Ok)?,
            limit: Duration::try_from_secs_f64(args.get(lua, "seconds")?)
                .map_err(|_| mlua::Error::runtime("'seconds' must not be negative"))?,
        })
    }

    /// What the reward gives, if it is what an update can use.
    fn rewards(&self, lua: &Lua) -> mlua::Result<Table> {
        let steps: mlua::Function = self
            .reward
            .get("steps")
            .map_err(|_| mlua::Error::runtime("a reward is a table with the function 'steps', and this has none"))?;
        let given: Value = interrupt::within(lua, self.limit, || steps.call((&self.batch, &self.option)))?;
        checked(&given, &self.batch).map_err(|text| {
            let info = steps.info();
            let place = info.short_src.zip(info.line_defined).map(|(file, line)| format!("{file}:{line}: "));
            mlua::Error::runtime(format!("{}what 'steps' gives {text}", place.unwrap_or_default()))
        })
    }

    /// Writes the rollouts and what of `option` can be written, one rollout a line, all or nothing.
    fn keep(&self, folder: &Path, step: u64) -> Result<PathBuf> {
        let path = folder.join(format!("failed_step_{step}.jsonl"));
        let rollouts: Vec<Value> = self.batch.get("rollouts").map_err(|_| Error::argument("'batch.rollouts' must be a list"))?;
        let plain = self.option.pairs::<String, Value>().flatten();
        let mut plain: Map<_, _> = plain.filter_map(|(name, value)| Some((name, convert::to_json(&value).ok()?))).collect();
        plain.sort_keys();
        files::write_with(&path, |file| {
            for (i, rollout) in rollouts.iter().enumerate() {
                let wrong = |e| Error::argument(format!("rollout {} cannot be written: {e}", i + 1));
                let rollout = convert::to_json_or_null(rollout).map_err(wrong)?;
                let mut line = Map::from_iter([("step".to_string(), Json::from(step)), ("rollout".to_string(), Json::from(i + 1))]);
                line.insert("option".into(), Json::Object(plain.clone()));
                line.extend(rollout.as_object().cloned().unwrap_or_default());
                let line = serde_json::to_string(&line).expect("plain data") + "\n";
                file.write_all(line.as_bytes()).map_err(|e| Error::io(&path, e))?;
            }
            Ok(())
        })?;
        Ok(path)
    }
}

fn checked(given: &Value, batch: &Table) -> Result<Table, String> {
    let Value::Table(given) = given else { return Err(format!("must be a table with 'total', not a {}", given.type_name())) };
    if let Some(text) = complaint(given, REWARDS.fields) {
        return Err(format!("is wrong: {text}"));
    }
    let wrong = |e: mlua::Error| message(&e);
    let rollouts: Vec<Table> = batch.get("rollouts").map_err(|_| "cannot be checked: 'batch.rollouts' must be a list".to_string())?;
    let steps: Vec<usize> =
        rollouts.iter().map(|rollout| Ok(rollout.get::<Table>("steps")?.raw_len())).collect::<mlua::Result<_>>().map_err(wrong)?;
    let mut lists = Vec::new();
    for name in ["total", "advantages", "weights", "groups"] {
        lists.extend(given.get::<Option<Table>>(name).map_err(wrong)?.map(|list| (name.to_string(), list)));
    }
    for pair in given.get::<Option<Table>>("terms").map_err(wrong)?.iter().flat_map(|terms| terms.pairs::<String, Table>()) {
        let (name, list) = pair.map_err(wrong)?;
        lists.push((format!("terms.{name}"), list));
    }
    for (name, list) in &lists {
        if list.raw_len() != rollouts.len() {
            return Err(format!("is wrong: '{name}' has {} rollouts, the batch has {}", list.raw_len(), rollouts.len()));
        }
        for (i, expected) in steps.iter().enumerate() {
            let found = list.raw_get::<Table>(i + 1).map_err(wrong)?.raw_len();
            if found != *expected {
                return Err(format!("is wrong: '{name}[{}]' has {found} steps, the rollout has {expected}", i + 1));
            }
        }
    }
    // A step may have a weight for each of its tokens.
    for (i, list) in given.get::<Option<Vec<Table>>>("weights").map_err(wrong)?.iter().flatten().enumerate() {
        for (t, weights) in list.sequence_values::<Value>().flatten().enumerate() {
            let tokens = rollouts[i].get::<Vec<Table>>("steps").and_then(|steps| steps[t].get::<Option<usize>>("tokens")).map_err(wrong)?;
            if let (Value::Table(weights), Some(tokens)) = (weights, tokens)
                && weights.raw_len() != tokens
            {
                let (found, place) = (weights.raw_len(), format!("weights[{}][{}]", i + 1, t + 1));
                return Err(format!("is wrong: '{place}' has {found} numbers, the step has {tokens} tokens"));
            }
        }
    }
    Ok(given.clone())
}
