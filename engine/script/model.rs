//! `fm.model` and `fm.tokenizer`: models, as scripts see them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{ExternalResult, IntoLua, Lua, Table, Value};

use super::api::{Area, Field, Function, Handle, Kind, Need, Object, Record, Scripted, default, object, optional, required};
use super::{convert, session};
use finemem::Result;
use finemem::device::DType;
use finemem::generate::{self, Finish, Options, Request, Room, Stream};
use finemem::model::{Config, Lora, Model, Tokenizer, lora};
use finemem::train::learner::{Learner, Loss, Memory};
use finemem::train::optimizer::{Optimizer, Settings};
use finemem::train::sft::{self, Weighted};

pub(super) const AREA: Area =
    Area { constants: &[], functions: FUNCTIONS, objects: &[&MODEL], records: &[&LORA, &COMPLETION, &SEQUENCE, &GRADIENT, &GRADIENTS] };

/// A model that scripts and trainers share, with the memory for using it.
pub(super) struct Policy {
    pub(super) model: Model,
    pub(super) generator: generate::Shared,
    scorer: RefCell<Option<Learner>>,
}

/// What scripts hold.
pub(super) struct Shared(pub(super) Rc<Policy>);

impl Shared {
    fn new(model: Model) -> Self {
        Self(Rc::new(Policy { model, generator: generate::Shared::default(), scorer: RefCell::default() }))
    }
}

impl Policy {
    /// Completions of every request.
    pub(super) fn generate(&self, requests: &[Request], options: &Options) -> Result<Vec<Vec<generate::Completion>>> {
        self.generator.generate(&self.model, requests, options)
    }

    /// [`Policy::generate`] for the turns of a rollout, see [`generate::Shared::take_turn`].
    pub(super) fn take_turn(&self, turn: usize, requests: &[Request], options: &Options) -> Result<Vec<Vec<generate::Completion>>> {
        self.generator.take_turn(turn, &self.model, requests, options)
    }

    /// Takes the memory for sampling, for batches of this size.
    pub(super) fn reserve(&self, room: Room) -> Result<()> {
        self.generator.reserve(&self.model, room)
    }

    /// Gives the memory for sampling back.
    pub(super) fn release(&self) {
        self.generator.release();
    }

    fn score(&self, sequence: Weighted) -> Result<Vec<f32>> {
        let mut scorer = self.scorer.borrow_mut();
        if scorer.is_none() {
            *scorer = Some(Learner::new(&self.model, Memory::default(), false)?);
        }
        let samples = sft::samples(&[sequence])?;
        match scorer.as_mut() {
            Some(scorer) => Ok(scorer.score(&self.model, &samples, 1.0)?.logprob),
            None => Ok(Vec::new()),
        }
    }
}

const IDS: Kind = Kind::List(&Kind::Integer);
const NUMBERS: Kind = Kind::List(&Kind::Number);

const ADAPTER: Kind = Kind::Either(&[Kind::Record(&LORA), Kind::Text]);

/// Of a new adapter.
const RANK: usize = 16;
const ALPHA: f64 = 32.0;

static LORA: Record = Record {
    name: "Lora",
    doc: "A new low-rank adapter (LoRA), which changes nothing before it is trained.",
    fields: &[
        default("rank", Kind::Integer, Need::Number(RANK as f64), "its size"),
        default("alpha", Kind::Number, Need::Number(ALPHA), "its product is multiplied by alpha / rank"),
        optional(
            "targets",
            Kind::List(&Kind::Choice(&lora::TARGETS)),
            "the layers that get one, of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; by default all",
        ),
        default("seed", Kind::Integer, Need::Number(0.0), "the seed of its random half"),
    ],
    checked: true,
};

static COMPLETION: Record = Record {
    name: "Completion",
    doc: "What was sampled after a prompt.",
    fields: &[
        required("tokens", IDS, "token ids, with the end token if there was one"),
        required("text", Kind::Text, "the text, without the end token"),
        required("logprobs", NUMBERS, "log-probability of each token at the sampling temperature"),
        required("finish", Kind::Choice(&["stop", "length"]), "why it ended"),
    ],
    checked: false,
};

pub(super) static SEQUENCE: Record = Record {
    name: "Sequence",
    doc: "Tokens, and how much the prediction of each counts.",
    fields: &[
        required("tokens", IDS, "token ids"),
        required("weights", NUMBERS, "one less than the tokens: `weights[i]` belongs to `tokens[i + 1]`"),
    ],
    checked: true,
};

static GRADIENT: Record = Record {
    name: "Gradient",
    doc: "The gradient of one parameter.",
    fields: &[required("norm", Kind::Number, "its norm"), required("first", NUMBERS, "its first four values")],
    checked: false,
};

static GRADIENTS: Record = Record {
    name: "Gradients",
    doc: "A loss and its gradient.",
    fields: &[
        required("loss", Kind::Number, "`-Σ weights[i] · lp[i] / count(weights ≠ 0)`"),
        required("grads", Kind::Map(&Kind::Record(&GRADIENT)), "by the published names of the parameters, or of an adapter by PEFT's"),
    ],
    checked: false,
};

const FUNCTIONS: &[Function] = &[
    Function {
        path: "model.load",
        doc: "Loads a published model folder of the types qwen3, qwen2 or llama: config.json, tokenizer.json, and model.safetensors or its shards; \
              and its chat template if it has one.",
        params: &[
            required("path", Kind::Text, "the folder"),
            optional("device", Kind::Text, "auto, gpu, cpu, or a part of an adapter's name; by default the run's device"),
            optional(
                "dtype",
                Kind::Choice(&["f32", "bf16", "f16"]),
                "how matrices are kept; by default f32, in which they can be trained, and with an adapter as the folder has them",
            ),
            optional(
                "lora",
                ADAPTER,
                "a new adapter, or the folder of one as PEFT and `model:save` write it; then only the adapter is trained",
            ),
        ],
        returns: Kind::Object("Model"),
        result: "the model",
        call: |lua, args| {
            super::free_dropped(lua)?;
            let path: String = args.get(lua, "path")?;
            let session = session(lua);
            let device = match args.get::<Option<String>>(lua, "device")? {
                Some(name) => session.open(&name).into_lua_err()?,
                None => session.device().into_lua_err()?.clone(),
            };
            let lora = args.get::<Value>(lua, "lora")?;
            let dtype = match args.get::<Option<String>>(lua, "dtype")?.as_deref() {
                Some(name) => Some(DType::of_weights(name).into_lua_err()?),
                None if !lora.is_nil() => None,
                None => Some(DType::F32),
            };
            let mut model = Model::load_as(Path::new(&path), &device, dtype).into_lua_err()?;
            match lora {
                Value::String(folder) => model.load_lora(Path::new(&*folder.to_str()?)).into_lua_err()?,
                Value::Table(settings) => new_lora(&mut model, &settings)?,
                _ => {}
            }
            let shared = Shared::new(model);
            session.policies.borrow_mut().push(Rc::downgrade(&shared.0));
            object(lua, shared)
        },
    },
    Function {
        path: "model.new",
        doc: "Makes a model with random weights.",
        params: &[
            required("config", Kind::Map(&Kind::Any), "what config.json of a published model holds"),
            required("tokenizer", Kind::Text, "its tokenizer.json"),
            required("seed", Kind::Integer, "the seed of the weights"),
            default(
                "init",
                Kind::Choice(&["random", "copying"]),
                Need::Text("random"),
                "plain random weights, or random ones with attention that copies before any training",
            ),
        ],
        returns: Kind::Object("Model"),
        result: "the model",
        call: |lua, args| {
            let json = convert::to_json(&args.get(lua, "config")?).map_err(mlua::Error::runtime)?;
            let tokenizer = Tokenizer::load(Path::new(&args.get::<String>(lua, "tokenizer")?)).into_lua_err()?;
            let (config, seed) = (Config::from_json(&json).into_lua_err()?, args.get::<i64>(lua, "seed")? as u64);
            let make = if args.get::<String>(lua, "init")? == "copying" { Model::copying } else { Model::random };
            let model = make(config, tokenizer, session(lua).device().into_lua_err()?, seed).into_lua_err()?;
            object(lua, Shared::new(model))
        },
    },
    Function {
        path: "tokenizer.train",
        doc: "Trains a byte-level BPE and writes its tokenizer.json. A word keeps the blank in front of it; digits and signs stand alone.",
        params: &[
            required("texts", Kind::List(&Kind::Text), "what to learn from"),
            required("vocab_size", Kind::Integer, "number of tokens, added ones and the end token included"),
            required("path", Kind::Text, "the file to write"),
            optional("added", Kind::List(&Kind::Text), "texts that are to be one token each"),
            default("end_token", Kind::Text, Need::Text("<|im_end|>"), "the special token that ends a text"),
        ],
        returns: Kind::Integer,
        result: "the id of the end token",
        call: |lua, args| {
            let added: Vec<String> = args.get::<Option<_>>(lua, "added")?.unwrap_or_default();
            let end: String = args.get(lua, "end_token")?;
            let tokenizer = Tokenizer::train(args.get(lua, "texts")?, args.get(lua, "vocab_size")?, &added, &end).into_lua_err()?;
            tokenizer.save(Path::new(&args.get::<String>(lua, "path")?)).into_lua_err()?;
            tokenizer.id(&end).into_lua(lua)
        },
    },
];

static MODEL: Object = Object {
    name: "Model",
    doc: "A language model.",
    fields: &[
        Field {
            name: "parameters",
            kind: Kind::Integer,
            doc: "Number of parameters.",
            get: |lua, this| this.borrow::<Handle<Shared>>()?.0.0.model.weights.count().into_lua(lua),
        },
        Field {
            name: "context",
            kind: Kind::Integer,
            doc: "Longest sequence in tokens.",
            get: |lua, this| this.borrow::<Handle<Shared>>()?.0.0.model.config.max_position_embeddings.into_lua(lua),
        },
        Field {
            name: "chat",
            kind: Kind::Boolean,
            doc: "Whether it has a chat template.",
            get: |lua, this| this.borrow::<Handle<Shared>>()?.0.0.model.chat_template.exists().into_lua(lua),
        },
    ],
    methods: &[
        Function {
            path: "encode",
            doc: "Cuts a text into tokens. Special tokens in it are recognised, and none is added.",
            params: &[required("text", Kind::Text, "the text")],
            returns: IDS,
            result: "token ids",
            call: |lua, args| {
                args.this::<Shared>()?.0.0.model.tokenizer.encode(&args.get::<String>(lua, "text")?).into_lua_err()?.into_lua(lua)
            },
        },
        Function {
            path: "decode",
            doc: "Puts tokens together to a text.",
            params: &[
                required("tokens", IDS, "token ids"),
                default("skip_special_tokens", Kind::Boolean, Need::Boolean(false), "whether to leave special tokens out"),
            ],
            returns: Kind::Text,
            result: "the text",
            call: |lua, args| {
                let (tokens, skip): (Vec<u32>, bool) = (args.get(lua, "tokens")?, args.get(lua, "skip_special_tokens")?);
                let this = args.this::<Shared>()?;
                this.0.0.model.check_ids(&tokens).into_lua_err()?;
                let tokenizer = &this.0.0.model.tokenizer;
                if skip { tokenizer.decode_without_special(&tokens) } else { tokenizer.decode(&tokens) }.into_lua_err()?.into_lua(lua)
            },
        },
        super::chat::APPLY,
        Function {
            path: "logprobs",
            doc: "Log-probability of every token after the first, given those before it.",
            params: &[required("tokens", IDS, "at least two token ids")],
            returns: NUMBERS,
            result: "a list, one shorter than the tokens",
            call: |lua, args| {
                let tokens: Vec<u32> = args.get(lua, "tokens")?;
                if tokens.len() < 2 {
                    return Err(mlua::Error::runtime("'tokens' must have at least two elements"));
                }
                let weights = vec![1.0; tokens.len() - 1];
                args.this::<Shared>()?.0.0.score(Weighted { tokens, weights }).into_lua_err()?.into_lua(lua)
            },
        },
        Function {
            path: "gradients",
            doc: "The gradient of a weighted log-likelihood. Nothing is changed.",
            params: &[required("sequences", Kind::List(&Kind::Record(&SEQUENCE)), "the sequences")],
            returns: Kind::Record(&GRADIENTS),
            result: "the loss, and for each parameter norm and first values of its gradient",
            call: |lua, args| gradients(lua, &args.this::<Shared>()?.0.0.model, &sequences(&args.get::<Vec<Table>>(lua, "sequences")?)?),
        },
        Function {
            path: "generate",
            doc: "Samples completions of prompts.",
            params: &[
                required("prompts", Kind::List(&Kind::Either(&[IDS, Kind::Text])), "texts or lists of token ids"),
                required("max_tokens", Kind::Integer, "longest completion in tokens"),
                default("temperature", Kind::Number, Need::Number(1.0), "0 is greedy"),
                default("top_p", Kind::Number, Need::Number(1.0), "keep the likely tokens with this probability"),
                default("top_k", Kind::Integer, Need::Number(0.0), "keep so many likely tokens; 0 keeps all"),
                default("min_p", Kind::Number, Need::Number(0.0), "keep tokens at least so likely, relative to the likeliest"),
                default(
                    "seed",
                    Kind::Integer,
                    Need::Number(0.0),
                    "the seed of the random numbers; what a prompt gets depends on its place in the list",
                ),
                optional("seeds", Kind::List(&Kind::Integer), "a seed for each prompt instead: what it gets depends on nothing else"),
                default("group", Kind::Integer, Need::Number(1.0), "completions of each prompt"),
                optional("stop", Kind::List(&Kind::Text), "texts that end a completion; they stay in it"),
            ],
            returns: Kind::List(&Kind::List(&Kind::Record(&COMPLETION))),
            result: "for each prompt a list of completions",
            call: |lua, args| {
                let policy = args.this::<Shared>()?.0.0.clone();
                let (seed, group): (i64, u32) = (args.get(lua, "seed")?, args.get(lua, "group")?);
                let options = Options {
                    temperature: args.get(lua, "temperature")?,
                    top_k: args.get(lua, "top_k")?,
                    top_p: args.get(lua, "top_p")?,
                    min_p: args.get(lua, "min_p")?,
                    max_tokens: args.get(lua, "max_tokens")?,
                    stop: args.get::<Option<_>>(lua, "stop")?.unwrap_or_default(),
                };
                let prompts: Vec<Value> = args.get(lua, "prompts")?;
                let seeds: Option<Vec<i64>> = args.get(lua, "seeds")?;
                if let Some(seeds) = seeds.as_ref().filter(|seeds| seeds.len() != prompts.len()) {
                    let (seeds, prompts) = (seeds.len(), prompts.len());
                    return Err(mlua::Error::runtime(format!("'seeds' has {seeds} elements, 'prompts' {prompts}: one for each is needed")));
                }
                let request = |(i, prompt): (usize, Value)| {
                    let prompt = match prompt {
                        Value::String(text) => policy.model.tokenizer.encode(&text.to_string_lossy()).into_lua_err()?,
                        ids => lua.unpack(ids)?,
                    };
                    let (seed, place) = seeds.as_ref().map_or((seed, i as u32), |seeds| (seeds[i], 0));
                    let streams = (0..group).map(|g| Stream::new(seed as u64, 0, [place, g, 0])).collect();
                    Ok(Request { prompt, streams })
                };
                let requests = prompts.into_iter().enumerate().map(request).collect::<mlua::Result<Vec<_>>>()?;
                let results = policy.generate(&requests, &options).into_lua_err()?;
                let lists = results.into_iter().map(|group| {
                    let tables = group.into_iter().map(|completion| completion_table(lua, &policy.model, completion));
                    lua.create_sequence_from(tables.collect::<mlua::Result<Vec<_>>>()?)
                });
                lua.create_sequence_from(lists.collect::<mlua::Result<Vec<_>>>()?)?.into_lua(lua)
            },
        },
        Function {
            path: "save",
            doc: "Writes a model folder that `fm.model.load` and Python tools read; of a model with an adapter the adapter's folder, that its `lora` and PEFT read.",
            params: &[
                required("path", Kind::Text, "the folder"),
                default("dtype", Kind::Choice(&["f32", "f16", "bf16"]), Need::Text("f32"), "how numbers are stored"),
            ],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                let path: PathBuf = args.get::<String>(lua, "path")?.into();
                args.this::<Shared>()?.0.0.model.save(&path, &args.get::<String>(lua, "dtype")?).into_lua_err()?;
                Ok(Value::Nil)
            },
        },
    ],
    checkpoint: None,
};

impl Scripted for Shared {
    const OBJECT: &'static Object = &MODEL;
    fn describe(&self) -> String {
        self.0.model.to_string()
    }
}

/// Gives the model an adapter with the settings of a [`LORA`].
fn new_lora(model: &mut Model, settings: &Table) -> mlua::Result<()> {
    let rank = match settings.raw_get::<Option<i64>>("rank")? {
        Some(rank) => usize::try_from(rank).map_err(|_| mlua::Error::runtime(format!("'lora.rank' is {rank}; it must be positive")))?,
        None => RANK,
    };
    let alpha = settings.raw_get::<Option<f64>>("alpha")?.unwrap_or(ALPHA);
    let targets: Option<Vec<String>> = settings.raw_get("targets")?;
    let targets = targets.unwrap_or_else(|| lora::TARGETS.map(str::to_string).to_vec());
    let seed = settings.raw_get::<Option<i64>>("seed")?.unwrap_or(0);
    model.add_lora(Lora::new(rank, alpha, &targets).into_lua_err()?, seed as u64).into_lua_err()
}

fn completion_table(lua: &Lua, model: &Model, completion: generate::Completion) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("text", text_of(model, &completion).into_lua_err()?)?;
    table.raw_set("finish", if completion.finish == Finish::Stop { "stop" } else { "length" })?;
    table.raw_set("tokens", completion.tokens)?;
    table.raw_set("logprobs", completion.logprobs)?;
    Ok(table)
}

/// The text of a completion, without its end token.
pub(super) fn text_of(model: &Model, completion: &generate::Completion) -> Result<String> {
    completion.text(model)
}

pub(super) fn sequences(tables: &[Table]) -> mlua::Result<Vec<Weighted>> {
    tables.iter().map(|t| Ok(Weighted { tokens: t.raw_get("tokens")?, weights: t.raw_get("weights")? })).collect()
}

fn gradients(lua: &Lua, model: &Model, sequences: &[Weighted]) -> mlua::Result<Value> {
    let samples = sft::samples(sequences).into_lua_err()?;
    let mut learner = Learner::new(model, Memory::default(), true).into_lua_err()?;
    let optimizer = Optimizer::new(model, Settings::default()).into_lua_err()?;
    learner.begin(model, &samples).into_lua_err()?;
    learner.run(model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).into_lua_err()?;
    let report = learner.finish(model).into_lua_err()?;
    let grads = lua.create_table()?;
    for (name, gradient) in optimizer.grads.trained() {
        let values = gradient.read().into_lua_err()?;
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let entry = lua.create_table()?;
        entry.raw_set("norm", norm)?;
        entry.raw_set("first", values[..values.len().min(4)].to_vec())?;
        grads.raw_set(name, entry)?;
    }
    let result = lua.create_table()?;
    result.raw_set("loss", sft::loss(&samples, &report))?;
    result.raw_set("grads", grads)?;
    result.into_lua(lua)
}
