//! `fm.reward.call` and `run:reward`: a reward is called with a time limit and its result is checked; if it fails, the rollouts are kept
//! for another try.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlua::{Lua, Table, Value};
use serde_json::{Map, Value as Json};

use super::credit::{EACH_STEP, GROUPS, WEIGHTS, each_step};
use super::interrupt;
use super::reward::BATCH;
use super::run::Shared;
use crate::api::arguments::complaint;
use crate::api::lua::read;
use crate::api::{Any, Area, Callback, Function, Kind, Tab, convert, function, message, method, must_pass};
use finemem::reward::GroupBy;
use finemem::schema::{Described, Problem};
use finemem::{Error, Result, files, record};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const TERMS: Kind = Kind::Map(&EACH_STEP);

record! {
    /// The rewards of a batch. In all lists, `[i][t]` is step t of rollout i.
    pub(crate) struct Rewards as "Rewards" {
        /// the reward of each step; only logged if there are `advantages`
        pub(crate) total: Vec<Tab> as EACH_STEP,
        /// its parts by name
        pub(crate) terms: BTreeMap<String, Vec<Tab>> as TERMS => OrDefault,
        /// passed to `trainer:update`, like all of the following
        advantages: Option<Vec<Tab>> as EACH_STEP,
        /// how much each step, or each of its tokens, counts in the loss
        weights: Option<Vec<Tab>> as WEIGHTS,
        /// what is compared
        grouping: Option<GroupBy>,
        /// steps with equal keys are compared
        groups: Option<Vec<Tab>> as GROUPS,
        /// whether advantages are divided by the group's deviation
        scale_rewards: Option<bool>,
    }
}

const REWARDS: Kind = Rewards::KIND;
const STEPS: Kind = Kind::Function(&[("batch", BATCH), ("option", Kind::Table)], &REWARDS);

record! {
    /// A reward: scripts/rewards/README.md says how to write one.
    struct Reward as "Reward" {
        /// gives every step of every rollout its reward
        steps: Callback as STEPS,
        /// its name, for messages
        name: Option<String>,
        /// the keys that `option` must have
        needs: Option<Vec<String>>,
        /// makes the rollouts, for rewards that branch
        rollout: Option<Any>,
    }
}

const REWARD: Kind = Reward::KIND;

record! {
    /// One call of a reward.
    struct Call {
        /// the batch to reward
        batch: Tab as BATCH,
        /// the reward
        reward: Tab as REWARD,
        /// further input of the reward
        option: Option<Tab>,
        /// how many seconds it may take
        seconds: Duration => Seconds = Duration::from_secs(600),
    }

    struct OfStep {
        /// the step of the run, from 1
        step: u64,
        ..call: Call,
    }
}

const FUNCTIONS: &[Function] = &[function! {
    /// Calls `reward.steps(batch, option)`, and checks that it returns a finite number for each step of each rollout.
    "reward.call" (lua, given: Call) -> Tab as REWARDS: "the reward's result" {
        given.rewards(lua)
    }
}];

/// The method of a run.
pub(crate) const METHOD: Function = method! {
    /// Rewards a batch as `fm.reward.call` does. If that fails or takes too long, the complete rollouts are written to
    /// failed_step_<step>.jsonl in the run's folder, from which scripts/replay.lua tries the reward again, and the error says so.
    "reward" (lua, this: Shared, given: OfStep) -> Tab as REWARDS: "the reward's result" {
        let OfStep { step, call } = given;
        let error = match call.rewards(lua) {
            Ok(rewards) => return Ok(rewards),
            Err(error) if must_pass(&error) => return Err(error),
            Err(error) => message(&error),
        };
        let folder = this.open.borrow().folder().to_path_buf();
        let (what, traceback) = error.split_once(TRACEBACK).map_or((error.as_str(), None), |(what, lines)| (what, Some(lines)));
        let name = call.reward().ok().and_then(|reward| reward.name).unwrap_or("NAME".into());
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
    }
};

const TRACEBACK: &str = "\nstack traceback:";

impl Call {
    fn reward(&self) -> Result<Reward, Problem> {
        read(&Value::Table(self.reward.0.clone()))
    }

    /// The reward's result, if an update can use it.
    fn rewards(&self, lua: &Lua) -> mlua::Result<Tab> {
        let wrong = |problem: Problem| match problem.place.as_str() {
            "steps" => mlua::Error::runtime("a reward is a table with the function 'steps', which is missing"),
            _ => mlua::Error::runtime(problem.within("reward")),
        };
        let steps = self.reward().map_err(wrong)?.steps.0;
        let option = match &self.option {
            Some(option) => option.0.clone(),
            None => lua.create_table()?,
        };
        let given: Value = interrupt::within(lua, self.seconds, || steps.call((&self.batch.0, option)))?;
        checked(&given, &self.batch).map_err(|text| {
            let info = steps.info();
            let place = info.short_src.zip(info.line_defined).map(|(file, line)| format!("{file}:{line}: "));
            mlua::Error::runtime(format!("{}what 'steps' gives {text}", place.unwrap_or_default()))
        })
    }

    /// Writes the rollouts and the writable part of `option`, one rollout per line, all or nothing.
    fn keep(&self, folder: &Path, step: u64) -> Result<PathBuf> {
        let path = folder.join(format!("failed_step_{step}.jsonl"));
        let rollouts = rollouts(&self.batch)?;
        let plain = self.option.iter().flat_map(|option| option.0.pairs::<String, Value>().flatten());
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

/// The rollouts of a batch as the script has them.
pub(crate) fn rollouts(batch: &Tab) -> Result<Vec<Value>> {
    batch.0.get("rollouts").map_err(|_| Error::argument("'batch.rollouts' must be a list"))
}

record! {
    /// The part of a rollout that a check of rewards reads.
    struct Played {
        /// its steps
        steps: Vec<PlayedStep>,
    }

    /// The part of a step that a check of rewards reads.
    struct PlayedStep {
        /// how many tokens the policy wrote
        tokens: Option<usize>,
    }
}

/// The rewards that `steps` returned for a batch, if there is one for each step of each rollout.
fn checked(given: &Value, batch: &Tab) -> Result<Tab, String> {
    let Value::Table(table) = given else { return Err(format!("must be a table with 'total', not a {}", given.type_name())) };
    fits(table, batch).map(|()| table.clone().into())
}

fn fits(table: &Table, batch: &Tab) -> Result<(), String> {
    let wrong = |text: String| format!("is wrong: {text}");
    complaint(table, Rewards::RECORD.fields).map_or(Ok(()), Err).map_err(wrong)?;
    let rewards: Rewards = read(&Value::Table(table.clone())).map_err(|problem| wrong(problem.to_string()))?;
    let rollouts = rollouts(batch).map_err(|error| format!("cannot be checked: {error}"))?;
    let played = (1..).zip(&rollouts).map(|(i, rollout)| read(rollout).map_err(|problem| problem.within(format!("batch.rollouts[{i}]"))));
    let played = played.collect::<Result<Vec<Played>, _>>().map_err(|problem| format!("cannot be checked: {problem}"))?;
    let steps: Vec<usize> = played.iter().map(|rollout| rollout.steps.len()).collect();
    let Rewards { total, terms, advantages, weights, groups, .. } = &rewards;
    let lists = [("total", Some(total)), ("advantages", advantages.as_ref()), ("weights", weights.as_ref()), ("groups", groups.as_ref())];
    let lists = lists.into_iter().filter_map(|(name, lists)| Some((name.to_string(), lists?)));
    let mut lists = lists.chain(terms.iter().map(|(name, lists)| (format!("terms.{name}"), lists)));
    lists.try_for_each(|(name, lists)| each_step(&name, lists, &steps)).map_err(wrong)?;
    // A step may have a weight for each of its tokens.
    for (i, list) in weights.iter().flatten().enumerate() {
        for (t, weights) in list.0.sequence_values::<Value>().flatten().enumerate() {
            if let (Value::Table(weights), Some(tokens)) = (weights, played[i].steps[t].tokens)
                && weights.raw_len() != tokens
            {
                let (found, place) = (weights.raw_len(), format!("weights[{}][{}]", i + 1, t + 1));
                return Err(wrong(format!("'{place}' has {found} numbers, the step has {tokens} tokens")));
            }
        }
    }
    Ok(())
}
