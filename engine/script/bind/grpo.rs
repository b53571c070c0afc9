//! `fm.grpo`: rollouts of a policy over episodes, and updates of the policy.

use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{ExternalResult, Lua};

use super::credit::{self, Batches};
use super::dialect::{Dialect, DialectTable};
use super::model::{ModelHandle, Policy};
use super::reason::Reasoner;
use super::reward::BATCH;
use super::rollout::{self, Contract, VIEW, View};
use crate::api::{Any, Area, Callback, Function, Handed, Handle, Kind, Object, Property, Scripted, Tab, convert, function, method};
use finemem::generate::{Options, SLOTS};
use finemem::memory::tools::Tool;
use finemem::model::Weights;
use finemem::reason::Retrieval;
use finemem::reward::GroupBy;
use finemem::rollout::{Request, play};
use finemem::train::grpo::{Grpo, Settings, Trained};
use finemem::train::learner::Budget;
use finemem::train::losses::LossSettings;
use finemem::train::optimizer::Settings as AdamSettings;
use finemem::train::plan::{self, Workload};
use finemem::{Error, Result, record};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&TRAINER] };

const RUN: Kind = Kind::Function(&[("memory", Kind::Object("Memory")), ("arguments", Kind::Table), ("turn", Kind::Table)], &Kind::Any);

record! {
    /// A memory tool.
    struct ToolTable as "Tool", checked {
        /// the name that calls use
        name: String,
        /// what it does
        description: String,
        /// JSON schema of the arguments
        parameters: Tab,
        /// carries out one call; `turn` has the answer's calls, chunk, step and role; returns the id it wrote; an error means that the call
        /// is invalid
        run: Callback as RUN,
    }
}

const PROMPT: Kind = Kind::Function(&[("input", Kind::Table)], &Kind::Text);
const TOOLS: Kind = Kind::List(&Kind::Record(ToolTable::RECORD));
const EPISODES: Kind = Kind::List(&Kind::Table);

record! {
    struct New {
        /// the model to train
        policy: Handed<ModelHandle>,
        /// the memory tools
        tools: Any as TOOLS,
        /// makes the prompt of a step from { memory, total, totals, chunk, step, role, last, tools }: the items in view, how many items
        /// there are, in total and in each section; `last` is the previous step, without its memories and the answers to its questions
        prompt: Callback as PROMPT,
        /// answers the questions
        reasoner: Handed<Reasoner>,
        /// how the policy writes calls; by default the format of Hermes and Qwen
        dialect: Option<DialectTable>,
        /// rollouts of each episode
        group: usize = 8,
        /// seed of sampling and of the order of samples
        seed: i64 = 0,
        /// default learning rate of updates
        lr: f64 = 1e-6,
        /// default sampling temperature of rollouts
        temperature: f64 = 1.0,
        /// sample only from the likeliest tokens whose probabilities add up to this
        top_p: f64 = 1.0,
        /// longest completion of a step
        max_tokens: usize = 256,
        /// longest prompt of a step, for which memory is reserved; by default what the model has room for
        max_prompt: Option<usize>,
        /// episodes of a batch, for which memory is reserved; by default the most that sampling ever uses
        episodes: Option<usize>,
        /// which items a prompt shows: the newest ("recent", the default), those that BM25 finds for the chunk ("relevant"), or those that
        /// a function of the memory and { chunk, step, role, limit } returns
        view: Option<Any> as VIEW,
        /// most items in a prompt; halved until the prompt fits the model
        view_items: usize = 20,
        /// what is compared within an episode: the same step of all rollouts, all steps, means of whole rollouts, or the same step of
        /// rollouts with equal `state`
        grouping: GroupBy = GroupBy::Step,
        /// optimiser steps of one update
        minibatches: usize = 1,
        /// decay of AdamW's first moment
        beta1: f64 = AdamSettings::default().beta1,
        /// decay of AdamW's second moment
        beta2: f64 = 0.99,
        /// decoupled weight decay of matrices
        weight_decay: f64 = AdamSettings::default().weight_decay,
        /// largest norm of the gradient; 0 for no clipping
        max_grad_norm: f64 = AdamSettings::default().max_grad_norm,
        /// keep the embedding, and a head that is tied to it, as it is
        freeze_embedding: bool = AdamSettings::default().freeze_embedding,
        /// whether there will be updates; if not, as in an evaluation, no memory is reserved for them
        train: bool = true,
        ..retrieval: Retrieval,
        ..loss: LossSettings,
        ..memory: Budget,
    }

    struct Rollout {
        /// episodes that a world samples or fm.data.open returns. An episode may begin with a `memory` at step `first`, have a `state` for
        /// its rollouts, `roles`: the policy's role at each chunk, and `draws` = { episode, member, step }: the rollout of the same seed
        /// whose random numbers it draws, from one of its steps on
        episodes: Vec<Any> as EPISODES,
        /// rollouts of each episode; by default the trainer's
        group: Option<usize>,
        /// 0 is greedy; by default the trainer's
        temperature: Option<f32>,
        /// a different seed gives different samples at the same update
        seed: i64 = 0,
        /// share of the questions at the end that is drawn, the same questions for a group
        question_share: f64 = 1.0,
        /// answers in the policy's place, for `imitate`; `input` is the prompt function's, with `episode`, the number of the episode, and
        /// `prompt`
        teacher: Option<Callback> as PROMPT,
    }

    struct Imitate {
        /// what `rollout` returned since the last update
        batch: Tab as BATCH,
        /// learning rate of this update
        lr: Option<f32>,
    }
}

const FUNCTIONS: &[Function] = &[function! {
    /// A trainer that rolls a policy out over episodes and improves it by group-relative policy optimisation. It plans the memory it needs;
    /// if a run does not fit, that is an error before any memory is taken.
    "grpo.new" (lua, given: New) -> Handed<Trainer>: "the trainer" {
        Handed::new(lua, Trainer::new(lua, &given)?)
    }
}];

/// A trainer, its policy, and the batches it can train on.
pub(crate) struct Trainer {
    policy: Rc<Policy>,
    /// `None` if there are no updates.
    trainer: Option<Grpo>,
    seed: u64,
    tools: Vec<Tool>,
    contract: Contract,
    reasoner: Handed<Reasoner>,
    sampling: Options,
    max_prompt: usize,
    view_items: usize,
    retrieval: Retrieval,
    group: usize,
    grouping: GroupBy,
    work: Workload,
    planned: u64,
    batches: Batches,
}

static TRAINER: Object = Object {
    name: Trainer::NAME,
    doc: "A policy in training.",
    properties: &[
        Property {
            name: "updates",
            kind: Kind::Integer,
            doc: "Number of updates done.",
            get: |lua, this| mlua::IntoLua::into_lua(this.borrow::<Handle<Trainer>>()?.updates(), lua),
        },
        Property {
            name: "planned",
            kind: Kind::Integer,
            doc: "Bytes of memory planned for the run.",
            get: |lua, this| mlua::IntoLua::into_lua(this.borrow::<Handle<Trainer>>()?.planned, lua),
        },
        Property {
            name: "peak",
            kind: Kind::Integer,
            doc: "The most bytes in use on the policy's device so far.",
            get: |lua, this| mlua::IntoLua::into_lua(this.borrow::<Handle<Trainer>>()?.policy.model.device.counters().peak, lua),
        },
    ],
    methods: &[
        method! {
            /// Lets the policy read episodes chunk by chunk and manage a memory for each, then has the reasoner answer their questions.
            "rollout" (lua, mut this: Trainer, given: Rollout) -> Tab as BATCH: "the batch: `rollouts[i]` with steps, answers and memory" {
                this.0.rollout(lua, &given)
            }
        },
        method! {
            /// Makes the answers of a batch likelier, whoever wrote them: a supervised update on the mean negative log-likelihood of their
            /// tokens.
            "imitate" (lua, mut this: Trainer, given: Imitate) -> BTreeMap<String, f64>: "figures of the update" {
                let Trainer { policy, trainer, batches, .. } = &mut this.0;
                let trainer = made_to_train(trainer).into_lua_err()?;
                let chosen = batches.chosen(std::slice::from_ref(&given.batch))?;
                if plan::alternates(&policy.model) {
                    policy.release();
                }
                trainer.imitate(&policy.model, &chosen.turns, given.lr.unwrap_or(trainer.settings.lr)).into_lua_err()
            }
        },
        method! {
            /// Improves the policy by the rewards or advantages of rollouts. In all lists, `[i][t]` is step t of rollout i.
            "update" (lua, mut this: Trainer, given: credit::Given) -> BTreeMap<String, f64>: "figures of the update" {
                let Trainer { policy, trainer, batches, grouping, .. } = &mut this.0;
                let trainer = made_to_train(trainer).into_lua_err()?;
                let chosen = batches.chosen(given.batches()?)?;
                let credit = chosen.credit(lua, &given, *grouping)?;
                let lr = given.lr.unwrap_or(trainer.settings.lr);
                if plan::alternates(&policy.model) {
                    policy.release();
                }
                trainer.update(&policy.model, &chosen.turns, &credit, chosen.temperature.max(f32::MIN_POSITIVE), lr).into_lua_err()
            }
        },
    ],
    checkpoint: Some(|data, act| {
        let mut this = data.borrow_mut::<Handle<Trainer>>()?;
        let Trainer { policy, trainer, .. } = &mut this.0;
        act(&mut Trained { trainer: made_to_train(trainer).into_lua_err()?, policy: &policy.model }).into_lua_err()
    }),
};

impl Trainer {
    fn new(lua: &Lua, given: &New) -> mlua::Result<Self> {
        super::free_dropped(lua)?;
        let policy = given.policy.borrow()?.policy().clone();
        let model = &policy.model;
        let settings = Settings {
            lr: given.lr as f32,
            loss: given.loss.recipe(given.max_tokens),
            minibatches: given.minibatches,
            seed: given.seed as u64,
            adam: AdamSettings {
                beta1: given.beta1,
                beta2: given.beta2,
                weight_decay: given.weight_decay,
                max_grad_norm: given.max_grad_norm,
                freeze_embedding: given.freeze_embedding,
                ..AdamSettings::default()
            },
            memory: given.memory,
        };
        let longest = model.config.max_position_embeddings.saturating_sub(given.max_tokens);
        let max_prompt = given.max_prompt.map_or(longest, |max_prompt| max_prompt.min(longest));
        let work = Workload {
            train: given.train,
            lora: model.lora.clone(),
            types: Weights::types_of(&model.config, &model.weights).into_lua_err()?,
            kl: settings.loss.policy.kl_coef > 0.0,
            rollouts: given.episodes.map_or(SLOTS, |episodes| episodes.saturating_mul(given.group)),
            prompt: max_prompt,
            completion: given.max_tokens,
            memory: given.memory,
        };
        let planned = plan::plan_on(&model.device, &model.config, &model.tokenizer, &work, model.weights.bytes()).into_lua_err()?.peak;
        let tables: Vec<ToolTable> = crate::api::lua::read(&given.tools.0).map_err(mlua::Error::runtime)?;
        let mut tools = Vec::new();
        for table in &tables {
            let schema = convert::to_json(&mlua::Value::Table(table.parameters.0.clone())).map_err(mlua::Error::runtime)?;
            tools.push(Tool::new(&table.name, &table.description, schema).into_lua_err()?);
        }
        let dialect = Dialect(given.dialect.clone());
        let sampling = Options {
            temperature: given.temperature as f32,
            top_k: 0,
            top_p: given.top_p as f32,
            min_p: 0.0,
            max_tokens: given.max_tokens,
            stop: dialect.stop().to_vec(),
        };
        let own = given.reasoner.borrow()?.policy.as_ref().is_some_and(|of| Rc::ptr_eq(of, &policy));
        if own && model.lora.is_none() && given.train {
            return Err(mlua::Error::runtime(
                "'reasoner' answers with the weights that are trained, and would change with them: give it 'path', which reads a copy, or train an \
                 adapter ('lora' of fm.model.load), without which it answers",
            ));
        }
        let trainer =
            if given.train { Some(Grpo::new(model, Settings { memory: work.update(), ..settings }).into_lua_err()?) } else { None };
        Ok(Self {
            trainer,
            seed: settings.seed,
            tools,
            contract: Contract {
                tools: tables.into_iter().map(|table| table.run.0).collect(),
                dialect,
                tool_tables: given.tools.0.clone(),
                prompt: given.prompt.0.clone(),
                view: View::of(given.view.as_ref()),
            },
            reasoner: given.reasoner.clone(),
            sampling,
            max_prompt,
            view_items: given.view_items,
            retrieval: given.retrieval,
            group: given.group,
            grouping: given.grouping,
            work,
            planned,
            batches: Batches::default(),
            policy,
        })
    }

    fn rollout(&mut self, lua: &Lua, given: &Rollout) -> mlua::Result<Tab> {
        let group = given.group.unwrap_or(self.group);
        let temperature = given.temperature.unwrap_or(self.sampling.temperature);
        if group == 0 || temperature.is_nan() || temperature < 0.0 {
            return Err(mlua::Error::runtime("'group' must be at least 1 and 'temperature' at least 0"));
        }
        let task = |(i, episode): (usize, &Any)| {
            let read = crate::api::lua::read(&episode.0).map_err(|problem| problem.within(format!("episodes[{}]", i + 1)));
            rollout::Given::task(read.map_err(mlua::Error::runtime)?)
        };
        let tasks = given.episodes.iter().enumerate().map(task).collect::<mlua::Result<Vec<_>>>()?;
        // A teacher answers without sampling.
        if given.teacher.is_none() {
            if let Some(trainer) = self.trainer.as_mut().filter(|_| plan::alternates(&self.policy.model)) {
                trainer.release();
            }
            self.policy.reserve(self.work.room()).into_lua_err()?;
        }
        let manager = rollout::Scripted::new(lua, &self.contract, self.policy.model.tokenizer.guard(), tasks.len() * group)?;
        let mut manager = manager.taught(given.teacher.as_ref(), group);
        let request = Request {
            tasks: &tasks,
            group,
            seed: (self.seed, self.updates()),
            salt: given.seed as u32,
            question_share: given.question_share,
            sampling: &Options { temperature, ..self.sampling.clone() },
            max_prompt: self.max_prompt,
            view_items: self.view_items,
            tools: &self.tools,
            retrieval: self.retrieval,
        };
        let reasoner = self.reasoner.borrow()?.ready(lua)?;
        let batch = play(&(&self.policy.model, &self.policy.generator), &mut manager, &*reasoner, &request)?;
        let table = manager.table(&batch)?;
        self.batches.keep(&table, batch)?;
        Ok(table.into())
    }

    fn updates(&self) -> u64 {
        self.trainer.as_ref().map_or(0, Grpo::updates)
    }
}

/// The trainer, or an error if the script ruled out updates.
fn made_to_train(trainer: &mut Option<Grpo>) -> Result<&mut Grpo> {
    trainer.as_mut().ok_or_else(|| Error::argument("this trainer was made with train = false, for rollouts only"))
}

impl Scripted for Trainer {
    const NAME: &'static str = "GrpoTrainer";
    const OBJECT: &'static Object = &TRAINER;
    fn describe(&self) -> String {
        format!("a GRPO trainer after {} updates of a {}", self.updates(), self.policy.model)
    }
}
