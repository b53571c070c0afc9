//! `fm.grpo`: rollouts of a policy over episodes, and updates of the policy.

use std::rc::Rc;

use mlua::{IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Field, Function, Handle, Kind, Need, Object, Record, Scripted, default, object, optional, required};
use super::convert;
use super::dialect::{DIALECT, Dialect};
use super::model::{Policy, Shared};
use super::reason::{MAX_QUESTION, RETRIEVAL, Reasoner, TOP_K, retrieval};
use super::rollout::{self, Rollouts, View};
use crate::memory::tools::Tool;
use crate::train::grpo::{Grpo, Settings, Trained, Turn};
use crate::train::learner::Memory;
use crate::train::optimizer::Settings as AdamSettings;
use crate::train::plan::{self, Workload};
use crate::{Error, Result};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&TRAINER], records: &[&TOOL] };

static TOOL: Record = Record {
    name: "Tool",
    doc: "A memory tool.",
    fields: &[
        required("name", Kind::Text, "the name that calls use"),
        required("description", Kind::Text, "what it does"),
        required("parameters", Kind::Table, "JSON schema of the arguments"),
        required(
            "run",
            Kind::Function(&[("memory", Kind::Object("Memory")), ("arguments", Kind::Table), ("turn", Kind::Table)], &Kind::Any),
            "carries out one call; returns the id it wrote; an error means that the call is not valid",
        ),
    ],
    checked: true,
};

const TOOLS: Kind = Kind::List(&Kind::Record(&TOOL));

const FUNCTIONS: &[Function] = &[Function {
    path: "grpo.new",
    doc: "A trainer that rolls a policy out over episodes and improves it by group-relative policy optimisation.",
    params: &[
        required("policy", Kind::Object("Model"), "the model to train"),
        required("tools", TOOLS, "the memory tools"),
        required(
            "prompt",
            Kind::Function(&[("input", Kind::Table)], &Kind::Text),
            "makes the prompt of a step from { memory, total, chunk, tools }",
        ),
        required("reasoner", Kind::Object("Reasoner"), "answers the questions"),
        optional("dialect", Kind::Record(&DIALECT), "how the policy writes calls; by default as Hermes and Qwen do"),
        default("group", Kind::Integer, Need::Number(8.0), "rollouts of each episode"),
        default("seed", Kind::Integer, Need::Number(0.0), "seed of sampling and of the order of samples"),
        default("lr", Kind::Number, Need::Number(1e-6), "learning rate of updates that name none"),
        default("temperature", Kind::Number, Need::Number(1.0), "sampling temperature of rollouts that name none"),
        default("top_p", Kind::Number, Need::Number(1.0), "keep the likely tokens with this probability"),
        default("max_tokens", Kind::Integer, Need::Number(256.0), "longest completion of a step"),
        optional("max_prompt", Kind::Integer, "longest prompt of a step; by default what the model has room for"),
        default(
            "view",
            Kind::Choice(&["recent", "relevant"]),
            Need::Text("recent"),
            "which items a prompt shows: the newest, or those BM25 finds for the chunk",
        ),
        default("view_items", Kind::Integer, Need::Number(20.0), "how many; halved until the prompt fits the model"),
        RETRIEVAL,
        TOP_K,
        MAX_QUESTION,
        default(
            "grouping",
            Kind::Choice(&["step", "instance"]),
            Need::Text("step"),
            "what is compared: the same step of all rollouts, or all steps",
        ),
        default("scale_rewards", Kind::Boolean, Need::Boolean(true), "whether advantages are divided by the group's deviation"),
        default("clip_low", Kind::Number, Need::Number(0.2), "how far the ratio may fall below 1"),
        default("clip_high", Kind::Number, Need::Number(0.2), "how far the ratio may rise above 1"),
        default("dual_clip", Kind::Number, Need::Number(3.0), "bound of the loss for negative advantages; 0 for none"),
        default(
            "kl_coef",
            Kind::Number,
            Need::Number(0.0),
            "weight of KL to the policy at the start, or to the one without its adapter; 0 for none",
        ),
        default("minibatches", Kind::Integer, Need::Number(1.0), "optimiser steps of one update"),
        default("weight_decay", Kind::Number, Need::Number(0.0), "decoupled weight decay of matrices"),
        default("max_grad_norm", Kind::Number, Need::Number(1.0), "largest norm of the gradient; 0 for no clipping"),
        default("micro_tokens", Kind::Integer, Need::Number(4096.0), "tokens that go through the model at a time"),
        default("recompute", Kind::Boolean, Need::Boolean(false), "whether to save memory by computing blocks twice"),
    ],
    returns: Kind::Object("GrpoTrainer"),
    result: "the trainer",
    call: new,
}];

fn new(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let policy = args.object::<Shared>(lua, "policy")?.0.0.clone();
    let adam = AdamSettings {
        weight_decay: args.get(lua, "weight_decay")?,
        max_grad_norm: args.get(lua, "max_grad_norm")?,
        beta2: 0.99,
        ..AdamSettings::default()
    };
    let settings = Settings {
        lr: args.get(lua, "lr")?,
        grouping: args.get::<String>(lua, "grouping")?.parse()?,
        divide_by_deviation: args.get(lua, "scale_rewards")?,
        clip_low: args.get(lua, "clip_low")?,
        clip_high: args.get(lua, "clip_high")?,
        dual_clip: args.get(lua, "dual_clip")?,
        kl_coef: args.get(lua, "kl_coef")?,
        minibatches: args.get(lua, "minibatches")?,
        seed: args.get::<i64>(lua, "seed")? as u64,
        adam,
        memory: Memory { micro_tokens: args.get(lua, "micro_tokens")?, recompute: args.get(lua, "recompute")? },
    };
    let tables: Vec<Table> = args.get(lua, "tools")?;
    let mut tools = Vec::new();
    for table in &tables {
        let schema = convert::to_json(&table.raw_get("parameters")?).map_err(mlua::Error::runtime)?;
        let tool = Tool::new(&table.raw_get::<String>("name")?, &table.raw_get::<String>("description")?, schema)?;
        tools.push((tool, table.raw_get("run")?));
    }
    let rollouts = Rollouts {
        tools,
        dialect: Dialect::from_table(args.get(lua, "dialect")?)?,
        tool_tables: args.get(lua, "tools")?,
        prompt: args.get(lua, "prompt")?,
        reasoner: args.get(lua, "reasoner")?,
        temperature: args.get(lua, "temperature")?,
        top_p: args.get(lua, "top_p")?,
        max_tokens: args.get(lua, "max_tokens")?,
        max_prompt: args.get(lua, "max_prompt")?,
        view: if args.get::<String>(lua, "view")? == "recent" { View::Recent } else { View::Relevant },
        view_items: args.get(lua, "view_items")?,
        retrieval: retrieval(lua, args)?,
    };
    if args.object::<Reasoner>(lua, "reasoner")?.policy.as_ref().is_some_and(|of| Rc::ptr_eq(of, &policy)) && policy.model.lora.is_none() {
        return Err(mlua::Error::runtime(
            "'reasoner' answers with the weights that are trained, and would change with them: give it 'path', which reads a copy, or train an \
             adapter ('lora' of fm.model.load), without which it answers",
        ));
    }
    let trainer = Grpo::new(&policy.model, settings)?;
    object(lua, Trainer { policy, trainer, rollouts, group: args.get(lua, "group")?, last: None, batches: 0 })
}

/// A trainer, its policy, and the turns of the last batch that can be trained on.
struct Trainer {
    policy: Rc<Policy>,
    trainer: Grpo,
    rollouts: Rollouts,
    group: usize,
    last: Option<Batch>,
    batches: u64,
}

/// The tokens behind a batch table.
struct Batch {
    id: u64,
    turns: Vec<Turn>,
    temperature: f32,
}

static TRAINER: Object = Object {
    name: "GrpoTrainer",
    doc: "A policy in training.",
    fields: &[Field {
        name: "updates",
        kind: Kind::Integer,
        doc: "Number of updates done.",
        get: |lua, this| this.borrow::<Handle<Trainer>>()?.0.trainer.updates().into_lua(lua),
    }],
    methods: &[
        Function {
            path: "rollout",
            doc: "Lets the policy read episodes chunk by chunk and manage a memory for each, then answers their questions.",
            params: &[
                required("episodes", Kind::List(&Kind::Table), "what a world samples or fm.data.open returns"),
                optional("group", Kind::Integer, "rollouts of each episode; by default the trainer's"),
                optional("temperature", Kind::Number, "0 is greedy; by default the trainer's"),
                default("seed", Kind::Integer, Need::Number(0.0), "another seed gives other samples at the same update"),
                default(
                    "question_share",
                    Kind::Number,
                    Need::Number(1.0),
                    "part of the questions at the end that is drawn, alike for a group",
                ),
            ],
            returns: Kind::Table,
            result: "the batch: `rollouts[i]` with steps, answers and memory",
            call: |lua, args| {
                let mut this = args.this_mut::<Trainer>()?;
                let trainer = &mut this.0;
                let group = args.get::<Option<usize>>(lua, "group")?.unwrap_or(trainer.group);
                let temperature = args.get::<Option<f32>>(lua, "temperature")?.unwrap_or(trainer.rollouts.temperature);
                if group == 0 || temperature.is_nan() || temperature < 0.0 {
                    return Err(mlua::Error::runtime("'group' must be at least 1 and 'temperature' at least 0"));
                }
                let episodes: Vec<Table> = args.get(lua, "episodes")?;
                let plan = rollout::Plan {
                    episodes: &episodes,
                    group,
                    temperature,
                    seed: (trainer.trainer.settings.seed, trainer.trainer.updates()),
                    salt: args.get::<i64>(lua, "seed")? as u32,
                    question_share: args.get(lua, "question_share")?,
                };
                let (table, turns) = trainer.rollouts.run(lua, &trainer.policy, &plan)?;
                trainer.batches += 1;
                table.raw_set("id", trainer.batches)?;
                trainer.last = Some(Batch { id: trainer.batches, turns, temperature });
                table.into_lua(lua)
            },
        },
        Function {
            path: "plan",
            doc: "The memory that rollouts and updates take. A run that does not fit is an error, with what is needed and what there is.",
            params: &[
                required("prompt", Kind::Integer, "longest prompt in tokens"),
                required("episodes", Kind::Integer, "episodes of a batch"),
            ],
            returns: Kind::Map(&Kind::Number),
            result: "bytes: `planned`, `peak` (the most in use so far), and `available` where that is known",
            call: |lua, args| {
                let this = args.this::<Trainer>()?;
                let Trainer { policy: shared, trainer, rollouts, group, .. } = &this.0;
                let model = &shared.model;
                let work = Workload {
                    lora: model.lora.clone(),
                    dtype: model.weights.embed.dtype(),
                    prompts: args.get(lua, "episodes")?,
                    group: *group,
                    prompt: args.get(lua, "prompt")?,
                    completion: rollouts.max_tokens,
                    memory: trainer.settings.memory,
                };
                let planned = plan::plan_of(model.config.clone(), model.tokenizer.clone(), &work)?.peak;
                let counters = model.device.counters();
                let available = model.device.memory();
                // What is in use already is part of the plan.
                if let Some(free) = available.filter(|free| planned > free + counters.live) {
                    let (needed, free) = (plan::readable(planned), plan::readable(free + counters.live));
                    let ways =
                        "set recompute, shorten prompts or max_tokens, or train an adapter; finemem-engine plan shows what each saves";
                    let device = model.device.describe();
                    return Err(mlua::Error::runtime(format!("the run needs {needed} of memory and {device} has {free}: {ways}")));
                }
                let table = lua.create_table()?;
                table.raw_set("planned", planned)?;
                table.raw_set("peak", counters.peak)?;
                table.raw_set("available", available)?;
                table.into_lua(lua)
            },
        },
        Function {
            path: "update",
            doc: "Improves the policy by the rewards of the newest batch.",
            params: &[
                required("batch", Kind::Table, "what `rollout` returned last"),
                required("rewards", Kind::List(&Kind::List(&Kind::Number)), "`rewards[i][t]`: the reward of step t of rollout i"),
                optional("lr", Kind::Number, "learning rate of this update"),
            ],
            returns: Kind::Map(&Kind::Number),
            result: "figures of the update",
            call: update,
        },
    ],
    checkpoint: Some(|data, act| {
        let mut this = data.borrow_mut::<Handle<Trainer>>()?;
        let Trainer { policy, trainer, .. } = &mut this.0;
        Ok(act(&mut Trained { trainer, policy: &policy.model })?)
    }),
};

impl Scripted for Trainer {
    const OBJECT: &'static Object = &TRAINER;
    fn describe(&self) -> String {
        format!("a GRPO trainer after {} updates of a {}", self.trainer.updates(), self.policy.model)
    }
}

fn update(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let mut this = args.this_mut::<Trainer>()?;
    let Trainer { policy, trainer, last, .. } = &mut this.0;
    let id: Option<u64> = args.get::<Table>(lua, "batch")?.raw_get("id")?;
    let Some(batch) = last.as_ref().filter(|last| Some(last.id) == id) else {
        return Err(mlua::Error::runtime("'batch' is not what this trainer rolled out last"));
    };
    let rewards: Vec<Vec<f32>> = args.get(lua, "rewards")?;
    let flat = flatten(&batch.turns, &rewards)?;
    let lr = args.get::<Option<f32>>(lua, "lr")?.unwrap_or(trainer.settings.lr);
    if plan::alternates(&policy.model) {
        policy.release();
    }
    let stats = trainer.update(&policy.model, &batch.turns, &flat, batch.temperature.max(f32::MIN_POSITIVE), lr)?;
    let table = lua.create_table()?;
    for (name, value) in stats {
        table.raw_set(name, value)?;
    }
    table.into_lua(lua)
}

/// The reward of each turn; every turn must have one, and nothing else.
fn flatten(turns: &[Turn], rewards: &[Vec<f32>]) -> Result<Vec<f32>> {
    let rollouts = turns.iter().map(|t| t.rollout + 1).max().unwrap_or(0);
    if rewards.len() != rollouts {
        return Err(Error::argument(format!("'rewards' has {} rollouts, the batch has {rollouts}", rewards.len())));
    }
    for (i, list) in rewards.iter().enumerate() {
        let steps = turns.iter().filter(|t| t.rollout == i).count();
        if list.len() != steps {
            return Err(Error::argument(format!("'rewards[{}]' has {} steps, the rollout has {steps}", i + 1, list.len())));
        }
    }
    Ok(turns.iter().map(|t| rewards[t.rollout][t.step]).collect())
}
