//! `fm.grpo`: rollouts of a policy over episodes, and updates of the policy.

use std::rc::Rc;

use mlua::{ExternalResult, IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Field, Function, Handle, Kind, Need, Object, Record, Scripted, default, object, optional, required};
use super::batch::{self, Batches};
use super::dialect::{DIALECT, Dialect};
use super::memory::ITEMS;
use super::model::{Policy, Shared};
use super::reason::{MAX_QUESTION, RETRIEVAL, Reasoner, TOP_K, retrieval};
use super::rollout::{self, Rollouts, View};
use super::sft::{RECOMPUTE, memory};
use super::{convert, credit};
use finemem::generate::SLOTS;
use finemem::memory::tools::Tool;
use finemem::ops::policy_loss::{Estimator, Level, PolicyLoss};
use finemem::reward::Baseline;
use finemem::train::grpo::{Grpo, Settings, Trained};
use finemem::train::losses::{Aggregation, KlIn, Recipe};
use finemem::train::optimizer::Settings as AdamSettings;
use finemem::train::plan::{self, Workload};
use finemem::{Error, Result};

pub(super) const AREA: Area = Area {
    constants: &[],
    functions: FUNCTIONS,
    objects: &[&TRAINER],
    records: &[&TOOL, &batch::BATCH, &batch::ROLLOUT, &batch::STEP, &batch::CALL],
};

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
            "carries out one call; `turn` has the answer's calls, chunk, step and role; returns the id it wrote; an error means that the call is not valid",
        ),
    ],
    checked: true,
};

pub(super) const GROUPING: Kind = Kind::Choice(&["step", "instance", "trajectory", "state"]);
const COMPARED: &str = "what is compared within an episode: the same step of all rollouts, all steps, means of whole rollouts, or the same step of rollouts with equal `state`";

const TOOLS: Kind = Kind::List(&Kind::Record(&TOOL));

/// A function that chooses the items in view.
const CHOOSE: Kind = Kind::Function(&[("memory", Kind::Object("Memory")), ("input", Kind::Table)], &ITEMS);
const VIEW: Kind = Kind::Either(&[Kind::Choice(&["recent", "relevant"]), CHOOSE]);

const FUNCTIONS: &[Function] = &[Function {
    path: "grpo.new",
    doc: "A trainer that rolls a policy out over episodes and improves it by group-relative policy optimisation. It plans what memory it \
          needs; a run that does not fit is an error before anything is taken.",
    params: &[
        required("policy", Kind::Object("Model"), "the model to train"),
        required("tools", TOOLS, "the memory tools"),
        required(
            "prompt",
            Kind::Function(&[("input", Kind::Table)], &Kind::Text),
            "makes the prompt of a step from { memory, total, totals, chunk, step, role, last, tools }: the items in view, how many there are, and in each section; `last` is the step before",
        ),
        required("reasoner", Kind::Object("Reasoner"), "answers the questions"),
        optional("dialect", Kind::Record(&DIALECT), "how the policy writes calls; by default as Hermes and Qwen do"),
        default("group", Kind::Integer, Need::Number(8.0), "rollouts of each episode"),
        default("seed", Kind::Integer, Need::Number(0.0), "seed of sampling and of the order of samples"),
        default("lr", Kind::Number, Need::Number(1e-6), "learning rate of updates that name none"),
        default("temperature", Kind::Number, Need::Number(1.0), "sampling temperature of rollouts that name none"),
        default("top_p", Kind::Number, Need::Number(1.0), "keep the likely tokens with this probability"),
        default("max_tokens", Kind::Integer, Need::Number(256.0), "longest completion of a step"),
        optional(
            "max_prompt",
            Kind::Integer,
            "longest prompt of a step, for which memory is taken; by default what the model has room for",
        ),
        optional("episodes", Kind::Integer, "episodes of a batch, for which memory is taken; by default as much as sampling ever uses"),
        default(
            "view",
            VIEW,
            Need::Text("recent"),
            "which items a prompt shows: the newest, those BM25 finds for the chunk, or what a function of the memory and { chunk, step, role, limit } returns",
        ),
        default("view_items", Kind::Integer, Need::Number(20.0), "how many; halved until the prompt fits the model"),
        RETRIEVAL,
        TOP_K,
        MAX_QUESTION,
        default("grouping", GROUPING, Need::Text("step"), COMPARED),
        default(
            "loss",
            Kind::Choice(Recipe::NAMES),
            Need::Text("verl"),
            "the policy loss, as its paper states it; each of the next ten replaces one of its settings",
        ),
        optional("ratio", Kind::Choice(&["token", "sequence"]), "whether each token has a ratio, or each step the mean of its tokens'"),
        optional("clip_low", Kind::Number, "how far the ratio may fall below 1"),
        optional("clip_high", Kind::Number, "how far the ratio may rise above 1"),
        optional("dual_clip", Kind::Number, "bound of a clipped loss for negative advantages; 0 for none"),
        optional(
            "aggregation",
            Kind::Choice(&["token", "sequence", "constant", "sum"]),
            "mean over tokens, or over steps of: the mean over tokens, their sum / max_tokens, their sum",
        ),
        optional(
            "baseline",
            Kind::Choice(&["mean", "leave_one_out"]),
            "what a reward is compared with: the group's mean, or that of the others",
        ),
        optional("scale_rewards", Kind::Boolean, "whether advantages are divided by the group's deviation"),
        optional("kl_coef", Kind::Number, "weight of KL to the policy at the start, or to the one without its adapter; 0 for none"),
        optional("kl_estimator", Kind::Choice(&["k1", "k2", "k3"]), "how KL is estimated; in the loss, k1 restrains nothing"),
        optional(
            "kl_in",
            Kind::Choice(&["loss", "reward"]),
            "where KL is: in the loss of each token, or summed in the reward of each step",
        ),
        default("minibatches", Kind::Integer, Need::Number(1.0), "optimiser steps of one update"),
        default("weight_decay", Kind::Number, Need::Number(0.0), "decoupled weight decay of matrices"),
        default("max_grad_norm", Kind::Number, Need::Number(1.0), "largest norm of the gradient; 0 for no clipping"),
        default("micro_tokens", Kind::Integer, Need::Number(4096.0), "tokens that go through the model at a time"),
        RECOMPUTE,
        default(
            "train",
            Kind::Boolean,
            Need::Boolean(true),
            "whether there will be updates; without them, as in an evaluation, no memory is taken for them",
        ),
    ],
    returns: Kind::Object("GrpoTrainer"),
    result: "the trainer",
    call: new,
}];

fn new(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    super::free_dropped(lua)?;
    let policy = args.object::<Shared>(lua, "policy")?.0.0.clone();
    let adam = AdamSettings {
        weight_decay: args.get(lua, "weight_decay")?,
        max_grad_norm: args.get(lua, "max_grad_norm")?,
        beta2: 0.99,
        ..AdamSettings::default()
    };
    let settings = Settings {
        lr: args.get(lua, "lr")?,
        loss: loss(lua, args)?,
        minibatches: args.get(lua, "minibatches")?,
        seed: args.get::<i64>(lua, "seed")? as u64,
        adam,
        memory: memory(lua, args)?,
    };
    let (model, group, max_tokens) = (&policy.model, args.get::<usize>(lua, "group")?, args.get::<usize>(lua, "max_tokens")?);
    let longest = model.config.max_position_embeddings.saturating_sub(max_tokens);
    let max_prompt = args.get::<Option<usize>>(lua, "max_prompt")?.map_or(longest, |max_prompt| max_prompt.min(longest));
    let train = args.get(lua, "train")?;
    let work = Workload {
        train,
        lora: model.lora.clone(),
        dtype: model.weights.embed.dtype(),
        kl: settings.loss.policy.kl_coef > 0.0,
        rollouts: args.get::<Option<usize>>(lua, "episodes")?.map_or(SLOTS, |episodes| episodes.saturating_mul(group)),
        prompt: max_prompt,
        completion: max_tokens,
        memory: settings.memory,
    };
    let planned = plan::plan_on(&model.device, &model.config, &model.tokenizer, &work, model.weights.bytes()).into_lua_err()?.peak;
    let tables: Vec<Table> = args.get(lua, "tools")?;
    let mut tools = Vec::new();
    for table in &tables {
        let schema = convert::to_json(&table.raw_get("parameters")?).map_err(mlua::Error::runtime)?;
        let tool = Tool::new(&table.raw_get::<String>("name")?, &table.raw_get::<String>("description")?, schema).into_lua_err()?;
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
        max_tokens,
        max_prompt,
        view: match args.get::<Value>(lua, "view")? {
            Value::Function(view) => View::Chosen(view),
            Value::String(name) if name == "relevant" => View::Relevant,
            _ => View::Recent,
        },
        view_items: args.get(lua, "view_items")?,
        retrieval: retrieval(lua, args)?,
    };
    if args.object::<Reasoner>(lua, "reasoner")?.policy.as_ref().is_some_and(|of| Rc::ptr_eq(of, &policy)) && model.lora.is_none() && train
    {
        return Err(mlua::Error::runtime(
            "'reasoner' answers with the weights that are trained, and would change with them: give it 'path', which reads a copy, or train an \
             adapter ('lora' of fm.model.load), without which it answers",
        ));
    }
    let seed = settings.seed;
    let trainer = if train { Some(Grpo::new(model, Settings { memory: work.update(), ..settings }).into_lua_err()?) } else { None };
    let (policy, grouping) = (policy.clone(), args.get(lua, "grouping")?);
    object(lua, Trainer { policy, trainer, seed, rollouts, group, grouping, work, planned, batches: Batches::default() })
}

/// The loss that was named, with what replaces its settings.
fn loss(lua: &Lua, args: &Args) -> mlua::Result<Recipe> {
    let longest = args.get(lua, "max_tokens")?;
    let named = Recipe::named(&args.get::<String>(lua, "loss")?, longest).into_lua_err()?;
    let word = |key: &str| args.get::<Option<String>>(lua, key);
    let number = |key: &str, otherwise: f32| Ok::<f32, mlua::Error>(args.get::<Option<f32>>(lua, key)?.unwrap_or(otherwise));
    let policy = PolicyLoss {
        form: named.policy.form,
        level: match word("ratio")?.as_deref() {
            Some("sequence") => Level::Sequence,
            Some(_) => Level::Token,
            None => named.policy.level,
        },
        clip_low: number("clip_low", named.policy.clip_low)?,
        clip_high: number("clip_high", named.policy.clip_high)?,
        dual_clip: number("dual_clip", named.policy.dual_clip)?,
        kl_coef: number("kl_coef", named.policy.kl_coef)?,
        estimator: match word("kl_estimator")?.as_deref() {
            Some("k1") => Estimator::K1,
            Some("k2") => Estimator::K2,
            Some(_) => Estimator::K3,
            None => named.policy.estimator,
        },
    };
    Ok(Recipe {
        policy,
        aggregation: match word("aggregation")?.as_deref() {
            Some("token") => Aggregation::Token,
            Some("sequence") => Aggregation::Sequence,
            Some("constant") => Aggregation::Constant(longest),
            Some(_) => Aggregation::Sum,
            None => named.aggregation,
        },
        baseline: match word("baseline")?.as_deref() {
            Some("leave_one_out") => Baseline::LeaveOneOut,
            Some(_) => Baseline::Mean,
            None => named.baseline,
        },
        divide_by_deviation: args.get::<Option<bool>>(lua, "scale_rewards")?.unwrap_or(named.divide_by_deviation),
        kl_in: match word("kl_in")?.as_deref() {
            Some("reward") => KlIn::Reward,
            Some(_) => KlIn::Loss,
            None => named.kl_in,
        },
    })
}

/// A trainer, its policy, and the turns of the last batch that can be trained on.
struct Trainer {
    policy: Rc<Policy>,
    /// `None` if there are no updates.
    trainer: Option<Grpo>,
    seed: u64,
    rollouts: Rollouts,
    group: usize,
    /// A word of [`GROUPING`].
    grouping: String,
    work: Workload,
    planned: u64,
    batches: Batches,
}

static TRAINER: Object = Object {
    name: "GrpoTrainer",
    doc: "A policy in training.",
    fields: &[
        Field {
            name: "updates",
            kind: Kind::Integer,
            doc: "Number of updates done.",
            get: |lua, this| this.borrow::<Handle<Trainer>>()?.0.updates().into_lua(lua),
        },
        Field {
            name: "planned",
            kind: Kind::Integer,
            doc: "Bytes of memory that were planned for the run.",
            get: |lua, this| this.borrow::<Handle<Trainer>>()?.0.planned.into_lua(lua),
        },
        Field {
            name: "peak",
            kind: Kind::Integer,
            doc: "The most bytes that were in use on the policy's device so far.",
            get: |lua, this| this.borrow::<Handle<Trainer>>()?.0.policy.model.device.counters().peak.into_lua(lua),
        },
    ],
    methods: &[
        Function {
            path: "rollout",
            doc: "Lets the policy read episodes chunk by chunk and manage a memory for each, then answers their questions.",
            params: &[
                required(
                    "episodes",
                    Kind::List(&Kind::Table),
                    "what a world samples or fm.data.open returns. An episode may begin with a `memory` at step `first`, have a `state` for its rollouts, and `roles`: what the policy is at each chunk",
                ),
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
            returns: Kind::Record(&batch::BATCH),
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
                    seed: (trainer.seed, trainer.updates()),
                    salt: args.get::<i64>(lua, "seed")? as u32,
                    question_share: args.get(lua, "question_share")?,
                };
                trainer.policy.reserve(trainer.work.room()).into_lua_err()?;
                let (table, turns) = trainer.rollouts.run(lua, &trainer.policy, &plan)?;
                trainer.batches.keep(&table, turns, temperature)?;
                table.into_lua(lua)
            },
        },
        Function {
            path: "update",
            doc: "Improves the policy by the rewards or advantages of rollouts. In all lists, `[i][t]` is step t of rollout i. With advantages of 1 \
                  for the steps that are to be imitated and 0 for all others it is a supervised update.",
            params: &[
                optional("batch", Kind::Record(&batch::BATCH), "what `rollout` returned since the last update"),
                optional("batches", Kind::List(&Kind::Record(&batch::BATCH)), "several in place of one; their rollouts are counted on"),
                optional(
                    "rewards",
                    credit::EACH_STEP,
                    "`rewards[i][t]`, from which group advantages are made; beside `advantages` only logged",
                ),
                optional("advantages", credit::EACH_STEP, "`advantages[i][t]`, used as they are"),
                optional(
                    "weights",
                    credit::WEIGHTS,
                    "`weights[i][t]`: how much the step counts in the loss, or a list with a weight for each of its tokens; by default 1",
                ),
                optional("grouping", GROUPING, "what is compared; by default the trainer's"),
                optional("groups", credit::GROUPS, "`groups[i][t]`, in place of a grouping: steps with equal keys are compared"),
                optional(
                    "scale_rewards",
                    Kind::Boolean,
                    "whether advantages are divided by the group's deviation; by default the trainer's",
                ),
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
        act(&mut Trained { trainer: made_to_train(trainer).into_lua_err()?, policy: &policy.model }).into_lua_err()
    }),
};

impl Trainer {
    fn updates(&self) -> u64 {
        self.trainer.as_ref().map_or(0, Grpo::updates)
    }
}

/// What updates, or an error where a script said that there are none.
fn made_to_train(trainer: &mut Option<Grpo>) -> Result<&mut Grpo> {
    trainer.as_mut().ok_or_else(|| Error::argument("this trainer was made with train = false, for rollouts alone"))
}

impl Scripted for Trainer {
    const OBJECT: &'static Object = &TRAINER;
    fn describe(&self) -> String {
        format!("a GRPO trainer after {} updates of a {}", self.updates(), self.policy.model)
    }
}

fn update(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let mut this = args.this_mut::<Trainer>()?;
    let Trainer { policy, trainer, batches, grouping, .. } = &mut this.0;
    let trainer = made_to_train(trainer).into_lua_err()?;
    let (turns, temperature, rollouts) = batches.chosen(lua, args)?;
    let credit = credit::credit(lua, args, &turns, &rollouts, grouping)?;
    let lr = args.get::<Option<f32>>(lua, "lr")?.unwrap_or(trainer.settings.lr);
    if plan::alternates(&policy.model) {
        policy.release();
    }
    let stats = trainer.update(&policy.model, &turns, &credit, temperature.max(f32::MIN_POSITIVE), lr).into_lua_err()?;
    let table = lua.create_table()?;
    for (name, value) in stats {
        table.raw_set(name, value)?;
    }
    table.into_lua(lua)
}
