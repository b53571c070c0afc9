//! `fm.reward`: the parts that reward scripts are made of. Each takes a batch and returns a number for every rollout and step.

use mlua::{ExternalResult, Lua, Table, Value};

use super::session;
use crate::api::lua::Reader;
use crate::api::{Area, Function, Tab, function};
use finemem::record;
use finemem::reward::{Parts, Rewarder, Update, zscores};
use finemem::rollout::Rollout;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

record! {
    /// The rollouts of a batch. Scripts may add keys to the tables in it.
    pub(crate) struct BatchTable as "Batch" {
        /// all rollouts; those of an episode are consecutive
        rollouts: Vec<Rollout>,
        /// identifies the batch to an update; absent if a script built the batch
        id: Option<u64>,
    }
}

pub(crate) const BATCH: crate::api::Kind = crate::api::Kind::Record(BatchTable::RECORD);

record! {
    struct Of {
        /// a result of `trainer:rollout`
        batch: Tab as BATCH,
    }

    struct Format {
        /// a result of `trainer:rollout`
        batch: Tab as BATCH,
        /// what a valid call counts that was read although the dialect's tags are missing
        untagged: f64 = 1.0,
    }

    struct Evidence {
        /// a result of `trainer:rollout`
        batch: Tab as BATCH,
        /// the share that is distributed by evidence; the rest is distributed equally
        beta: f64 = 0.5,
        /// which step is credited for an updated item: its last write, its insert, or all writes in equal shares
        update: Update = Update::Last,
    }

    struct Numbers {
        /// the numbers
        values: Vec<f64>,
    }
}

/// `rewards[rollout][step]`
type Rewards = Vec<Vec<f64>>;

const FUNCTIONS: &[Function] = &[
    function! {
        /// The share of a step's calls that were valid and carried out.
        "reward.format" (lua, given: Format) -> Rewards: "rewards[rollout][step]" {
            if !given.untagged.is_finite() {
                return Err(mlua::Error::runtime(format!("'untagged' is {}; it must be a finite number", given.untagged)));
            }
            Ok(parts(lua, &given.batch.0, None, Some(given.untagged))?.format())
        }
    },
    function! {
        /// The mean score of the questions about a step's chunk, asked right after the step.
        "reward.chunk_step" (lua, given: Of) -> Rewards: "rewards[rollout][step]" {
            parts(lua, &given.batch.0, None, None)?.chunk_step().into_lua_err()
        }
    },
    function! {
        /// The score of the final questions, distributed over the steps that wrote the items they were answered from.
        "reward.evidence" (lua, given: Evidence) -> Rewards: "rewards[rollout][step]" {
            parts(lua, &given.batch.0, Some(given.update), None)?.evidence(given.beta).into_lua_err()
        }
    },
    function! {
        /// How much shorter the final memory is than everything that was read; the same for every step.
        "reward.compression" (lua, given: Of) -> Rewards: "rewards[rollout][step]" {
            Ok(parts(lua, &given.batch.0, None, None)?.compression())
        }
    },
    function! {
        /// The mean score of the final questions; the same for every step.
        "reward.outcome" (lua, given: Of) -> Rewards: "rewards[rollout][step]" {
            parts(lua, &given.batch.0, None, None)?.outcome().into_lua_err()
        }
    },
    function! {
        /// How far each number of a list is from their mean, in units of the sample deviation; zeros if they differ only by rounding.
        "reward.zscores" (lua, given: Numbers) -> Vec<f64>: "a number for each" {
            Ok(zscores(&given.values))
        }
    },
];

/// The parts of a batch's rewards, computed on the policy's device. They are computed once for all functions of a batch, unless the script
/// changes something in between.
fn parts(lua: &Lua, batch: &Table, update: Option<Update>, untagged: Option<f64>) -> mlua::Result<Parts> {
    let rollouts = rollouts(batch)?;
    let session = session(lua);
    let policy = session.policies.borrow().iter().rev().find_map(|policy| Some(policy.upgrade()?.model.device.clone()));
    let device = match policy {
        Some(device) => device,
        None => session.device().into_lua_err()?.clone(),
    };
    let mut rewarder = session.rewarder.borrow_mut();
    if !rewarder.as_ref().is_some_and(|rewarder| rewarder.device().same(&device)) {
        *rewarder = None;
    }
    rewarder.get_or_insert_with(|| Rewarder::new(&device)).parts(&rollouts, update, untagged).into_lua_err()
}

/// The rollouts in a batch's table. They are read from the table rather than looked up by its id, because a script may have changed them,
/// for example by adding a judge's scores.
fn rollouts(batch: &Table) -> mlua::Result<Vec<Rollout>> {
    let read: BatchTable =
        Reader::default().read(&Value::Table(batch.clone()), true).map_err(|problem| mlua::Error::runtime(problem.within("batch")))?;
    Ok(read.rollouts)
}
