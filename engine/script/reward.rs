//! `fm.reward`: the parts that reward scripts are made of. Each takes a batch and returns a number for every rollout and step.

use std::ops::Range;

use mlua::{ExternalResult, FromLua, Lua, Table, Value};

use super::api::{Area, Args, Function, Kind, Need, Param, default, required};
use super::batch;
use super::convert::list;
use finemem::Result;
use finemem::reward::{self, Answered, BEFORE, Evidence, Step, Trajectory, Update};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[], records: &[] };

const BATCH: Param = required("batch", Kind::Record(&batch::BATCH), "what `trainer:rollout` returned");
const REWARDS: Kind = Kind::List(&Kind::List(&Kind::Number));
const RESULT: &str = "rewards[rollout][step]";

const FUNCTIONS: &[Function] = &[
    Function {
        path: "reward.format",
        doc: "The share of a step's calls that were valid and carried out.",
        params: &[BATCH],
        returns: REWARDS,
        result: RESULT,
        call: |lua, args| each(lua, args, false, |trajectory| Ok(reward::format(trajectory))),
    },
    Function {
        path: "reward.chunk_step",
        doc: "The mean score of the questions about a step's chunk, asked right after the step.",
        params: &[BATCH],
        returns: REWARDS,
        result: RESULT,
        call: |lua, args| each(lua, args, false, |trajectory| Ok(reward::chunk_step(trajectory))),
    },
    Function {
        path: "reward.evidence",
        doc: "The score of the final questions, shared among the steps that wrote the items they were answered from.",
        params: &[
            BATCH,
            default("beta", Kind::Number, Need::Number(0.5), "how much is shared by evidence; the rest is shared equally"),
            default(
                "update",
                Kind::Choice(&["last", "origin", "split"]),
                Need::Text("last"),
                "who wrote an updated item: its last write, its insert, or all writes in equal parts",
            ),
        ],
        returns: REWARDS,
        result: RESULT,
        call: |lua, args| {
            let beta: f64 = args.get(lua, "beta")?;
            let update: Update = args.get::<String>(lua, "update")?.parse().into_lua_err()?;
            each(lua, args, true, |trajectory| reward::evidence(trajectory, beta, update))
        },
    },
    Function {
        path: "reward.compression",
        doc: "How much shorter the final memory is than all that was read; the same for every step.",
        params: &[BATCH],
        returns: REWARDS,
        result: RESULT,
        call: |lua, args| each(lua, args, false, |trajectory| Ok(reward::compression(trajectory))),
    },
    Function {
        path: "reward.outcome",
        doc: "The mean score of the final questions; the same for every step.",
        params: &[BATCH],
        returns: REWARDS,
        result: RESULT,
        call: |lua, args| each(lua, args, false, |trajectory| Ok(reward::outcome(trajectory))),
    },
];

/// Applies a primitive to every rollout of the batch. Only attribution needs to know the evidence.
fn each(lua: &Lua, args: &Args, evidence: bool, primitive: impl Fn(&Trajectory) -> Result<Vec<f64>>) -> mlua::Result<Value> {
    let batch: Table = args.get(lua, "batch")?;
    let rollouts = Place { lua, table: batch, name: "batch".into() }.list("rollouts")?;
    list(lua, rollouts.iter().map(|rollout| lua.create_sequence_from(primitive(&trajectory(rollout, evidence)?).into_lua_err()?)))
}

fn trajectory(rollout: &Place, evidence: bool) -> mlua::Result<Trajectory> {
    let steps = rollout.list("steps")?;
    let first: usize = rollout.table.get::<Option<usize>>("first")?.unwrap_or(1);
    let own = first..first + steps.len();
    let step = |step: &Place| {
        let calls = step.list("calls")?.iter().map(|call| call.get("valid")).collect::<mlua::Result<_>>()?;
        Ok(Step { calls, chunk_questions: answered(step, "chunk_answers", None)? })
    };
    Ok(Trajectory {
        steps: steps.iter().map(step).collect::<mlua::Result<_>>()?,
        questions: answered(rollout, "answers", evidence.then_some(own))?,
        memory_tokens: rollout.get("memory_tokens")?,
        input_tokens: rollout.get("input_tokens")?,
    })
}

/// The answers under a key; with their evidence when the rollout's steps are given.
fn answered(place: &Place, key: &str, steps: Option<Range<usize>>) -> mlua::Result<Vec<Answered>> {
    let one = |answer: &Place| {
        let evidence = match &steps {
            Some(steps) => answer.list("evidence")?.iter().map(|item| source(item, steps)).collect::<mlua::Result<_>>()?,
            None => Vec::new(),
        };
        Ok(Answered { score: answer.get("score")?, evidence })
    };
    place.list(key)?.iter().map(one).collect()
}

/// Where an item came from. Steps count from 1 in Lua and from 0 in Rust.
fn source(item: &Place, steps: &Range<usize>) -> mlua::Result<Evidence> {
    let from_zero = |step: usize| match step {
        1.. if step < steps.start => Ok(BEFORE),
        1.. if step < steps.end => Ok(step - steps.start),
        _ => {
            let (count, last) = (steps.len(), steps.end - 1);
            Err(mlua::Error::runtime(format!("'{}' was written at step {step} of a rollout with {count} steps up to {last}", item.name)))
        }
    };
    let step = item.get("step")?;
    let history = item.optional_list("history")?;
    let mut writes = history.iter().map(|version| version.get("step").and_then(from_zero)).collect::<mlua::Result<Vec<_>>>()?;
    writes.push(from_zero(step)?);
    Ok(Evidence { step: from_zero(step)?, created: from_zero(item.get("created")?)?, writes })
}

/// A table somewhere inside the batch, and how to name it.
struct Place<'a> {
    lua: &'a Lua,
    table: Table,
    name: String,
}

impl Place<'_> {
    fn get<T: FromLua>(&self, key: &str) -> mlua::Result<T> {
        let value: Value = self.table.get(key)?;
        if value.is_nil() {
            return Err(mlua::Error::runtime(format!("'{}.{key}' is missing", self.name)));
        }
        T::from_lua(value, self.lua).map_err(|_| mlua::Error::runtime(format!("'{}.{key}' is not what a batch has there", self.name)))
    }

    fn list(&self, key: &str) -> mlua::Result<Vec<Self>> {
        let items: Vec<Table> = self.get(key)?;
        let place = |(i, table)| Self { lua: self.lua, table, name: format!("{}.{key}[{}]", self.name, i + 1) };
        Ok(items.into_iter().enumerate().map(place).collect())
    }

    fn optional_list(&self, key: &str) -> mlua::Result<Vec<Self>> {
        if self.table.get::<Value>(key)?.is_nil() { Ok(Vec::new()) } else { self.list(key) }
    }
}
