//! `fm.model` and `fm.tokenizer`: models, as scripts see them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{ExternalResult, IntoLua, Value};
use serde_json::Value as Json;

use super::session;
use crate::api::lua::read;
use crate::api::{Any, Area, Function, Handed, Handle, Kind, Object, Property, Scripted, function, method};
use finemem::device::DType;
use finemem::generate::{self, Finish, Options, Request, Room, Stream};
use finemem::model::{Config, Kept, Lora, Model, Precision, Start, Tokenizer, lora};
use finemem::schema::Described;
use finemem::train::learner::{Budget, Learner, Loss};
use finemem::train::optimizer::{Optimizer, Settings};
use finemem::train::sft::{self, Weighted};
use finemem::{Result, record};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&MODEL] };

/// A model that scripts and trainers share, with the memory for using it.
pub(crate) struct Policy {
    pub(crate) model: Model,
    pub(crate) generator: generate::SharedGenerator,
    scorer: RefCell<Option<Learner>>,
}

/// A model as scripts hold it.
pub(crate) struct ModelHandle(Rc<Policy>);

impl ModelHandle {
    fn new(model: Model) -> Self {
        Self(Rc::new(Policy { model, generator: generate::SharedGenerator::default(), scorer: RefCell::default() }))
    }

    /// The model and its memory.
    pub(crate) fn policy(&self) -> &Rc<Policy> {
        &self.0
    }
}

impl Policy {
    /// Reserves the memory for sampling, for batches of this size.
    pub(crate) fn reserve(&self, room: Room) -> Result<()> {
        self.generator.reserve(&self.model, room)
    }

    /// Releases the memory for sampling.
    pub(crate) fn release(&self) {
        self.generator.release();
    }

    fn logprobs(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let mut scorer = self.scorer.borrow_mut();
        let scorer = match scorer.take() {
            Some(known) => scorer.insert(known),
            None => scorer.insert(Learner::new(&self.model, Budget::default(), false)?),
        };
        scorer.logprobs(&self.model, sequences)
    }
}

const TARGETS: Kind = Kind::List(&Kind::Choice(&lora::TARGETS));

record! {
    /// A new low-rank adapter (LoRA), which changes nothing until it is trained.
    struct Adapter as "Lora", checked {
        /// its size
        rank: usize = 16,
        /// its product is multiplied by alpha / rank
        alpha: f64 = 32.0,
        /// the layers that get one, out of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; by default all
        targets: Option<Vec<String>> as TARGETS,
        /// the seed of its random half
        seed: u64 => Seed = 0,
    }
}

const ADAPTER: Kind = Kind::Either(&[Adapter::KIND, Kind::Text]);

record! {
    struct Load {
        /// the folder, or a GGUF file
        path: PathBuf,
        /// auto, gpu, cpu, or part of an adapter's name; by default the run's device
        device: Option<String>,
        /// how matrices are kept; by default f32, in which they can be trained, or with an adapter as in the folder; q8_0 and q4_k round them
        dtype: Option<Kept>,
        /// a new adapter, or the folder of an adapter written by PEFT or `model:save`; then only the adapter is trained
        lora: Option<Any> as ADAPTER,
    }
}

const CONFIG: Kind = Kind::Map(&Kind::Any);

record! {
    struct New {
        /// the content of a published model's config.json
        config: Json as CONFIG,
        /// its tokenizer.json
        tokenizer: PathBuf,
        /// the seed of the weights
        seed: u64 => Seed,
        /// plain random weights, or random ones with attention that copies before any training
        init: Start = Start::Random,
    }

    struct Train {
        /// what to learn from
        texts: Vec<String>,
        /// number of tokens, including added ones and the end token
        vocab_size: usize,
        /// the file to write
        path: PathBuf,
        /// texts to keep as one token each
        added: Vec<String> => OrDefault,
        /// the special token that ends a text
        end_token: String = "<|im_end|>".into(),
    }

    struct Encode {
        /// the text
        text: String,
        /// whether the text is data: no control token in it is recognised
        plain: bool = false,
    }

    struct Decode {
        /// token ids
        tokens: Vec<u32>,
        /// whether to leave special tokens out
        skip_special_tokens: bool = false,
    }

    struct Score {
        /// at least two token ids
        tokens: Vec<u32>,
    }

    struct ScoreAll {
        /// token ids of each, at least two
        sequences: Vec<Vec<u32>>,
    }

    struct Differentiate {
        /// the sequences
        sequences: Vec<Weighted>,
    }
}

const PROMPTS: Kind = Kind::List(&Kind::Either(&[<Vec<u32>>::KIND, Kind::Text]));

record! {
    struct Generate {
        /// texts or lists of token ids
        prompts: Vec<Any> as PROMPTS,
        /// the seed of the random numbers; a prompt's completions also depend on its place in the list
        seed: u64 => Seed = 0,
        /// a seed for each prompt instead; its completions depend on nothing else
        seeds: Option<Vec<i64>>,
        /// completions of each prompt
        group: u32 = 1,
        ..options: Options,
    }

    struct Redraw {
        /// a row that is shorter than this share of the median is drawn anew
        share: f64 = 0.8,
        /// the seed of the new rows
        seed: u64 => Seed = 0,
    }

    struct Save {
        /// the folder
        path: PathBuf,
        /// how numbers are stored
        dtype: Precision = Precision::F32,
    }

    /// A sampled completion of a prompt.
    struct Completion as "Completion" {
        /// token ids, including the end token if any
        tokens: Vec<u32>,
        /// the text, without the end token
        text: String,
        /// log-probability of each token at the sampling temperature
        logprobs: Vec<f32>,
        /// why it ended
        finish: Finish,
    }

    /// The gradient of one parameter.
    struct Gradient as "Gradient" {
        /// its norm
        norm: f64,
        /// its first four values
        first: Vec<f32>,
    }

    /// A loss and its gradient.
    struct Gradients as "Gradients" {
        /// `-Σ weights[i] · lp[i] / count(weights ≠ 0)`
        loss: f64,
        /// by the published names of the parameters, or for an adapter by PEFT's
        grads: BTreeMap<String, Gradient>,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// Loads a published model folder of type qwen3, qwen2 or llama: config.json, tokenizer.json, model.safetensors or its shards, and
        /// the chat template if there is one. They are read as transformers reads them, and an adapter as PEFT reads it; what is not
        /// supported is an error. Keys of config.json that transformers does not know for the type are named in a warning and ignored.
        /// A GGUF file has all of this in itself; a tokenizer.json beside it is used instead of the tokenizer inside.
        "model.load" (lua, given: Load) -> Handed<ModelHandle>: "the model" {
            super::free_dropped(lua)?;
            let session = session(lua);
            let device = match &given.device {
                Some(name) => session.open(name).into_lua_err()?,
                None => session.device().into_lua_err()?.clone(),
            };
            let dtype = match given.dtype {
                Some(kept) => Some(kept.into()),
                None => given.lora.is_none().then_some(DType::F32),
            };
            let mut model = Model::load_as(&given.path, &device, dtype).into_lua_err()?;
            match given.lora.map(|lora| lora.0) {
                Some(Value::String(folder)) => model.load_lora(Path::new(&*folder.to_str()?)).into_lua_err()?,
                Some(settings) => {
                    let adapter: Adapter = read(&settings).map_err(|problem| mlua::Error::runtime(problem.within("lora")))?;
                    adapter.attach(&mut model).into_lua_err()?;
                }
                None => {}
            }
            let handle = ModelHandle::new(model);
            session.policies.borrow_mut().push(Rc::downgrade(handle.policy()));
            Handed::new(lua, handle)
        }
    },
    function! {
        /// Makes a model with random weights.
        "model.new" (lua, given: New) -> Handed<ModelHandle>: "the model" {
            let tokenizer = Tokenizer::load(&given.tokenizer).into_lua_err()?;
            let config = Config::exact(&given.config).into_lua_err()?;
            let make = match given.init {
                Start::Random => Model::random,
                Start::Copying => Model::copying,
            };
            let model = make(config, tokenizer, session(lua).device().into_lua_err()?, given.seed).into_lua_err()?;
            Handed::new(lua, ModelHandle::new(model))
        }
    },
    function! {
        /// Trains a byte-level BPE and writes its tokenizer.json. A word keeps the space before it; digits and signs are tokens of their
        /// own.
        "tokenizer.train" (lua, given: Train) -> Option<u32>: "the id of the end token" {
            let tokenizer = Tokenizer::train(given.texts, given.vocab_size, &given.added, &given.end_token).into_lua_err()?;
            tokenizer.save(&given.path).into_lua_err()?;
            Ok(tokenizer.id(&given.end_token))
        }
    },
];

static MODEL: Object = Object {
    name: ModelHandle::NAME,
    doc: "A language model.",
    properties: &[
        Property {
            name: "parameters",
            kind: Kind::Integer,
            doc: "Number of parameters.",
            get: |lua, this| this.borrow::<Handle<ModelHandle>>()?.policy().model.weights.count().into_lua(lua),
        },
        Property {
            name: "context",
            kind: Kind::Integer,
            doc: "Longest sequence in tokens.",
            get: |lua, this| this.borrow::<Handle<ModelHandle>>()?.policy().model.config.max_position_embeddings.into_lua(lua),
        },
        Property {
            name: "chat",
            kind: Kind::Boolean,
            doc: "Whether it has a chat template.",
            get: |lua, this| this.borrow::<Handle<ModelHandle>>()?.policy().model.chat_template.exists().into_lua(lua),
        },
    ],
    methods: &[
        method! {
            /// Cuts a text into tokens. Special tokens in it are recognised, except in what `apply_chat_template` and a trainer's prompts
            /// show of data, and none are added.
            "encode" (lua, this: ModelHandle, given: Encode) -> Vec<u32>: "token ids" {
                let tokenizer = &this.policy().model.tokenizer;
                if given.plain { tokenizer.encode_plain(&given.text) } else { tokenizer.encode(&given.text) }.into_lua_err()
            }
        },
        method! {
            /// Joins tokens into a text.
            "decode" (lua, this: ModelHandle, given: Decode) -> String: "the text" {
                let model = &this.policy().model;
                model.check_ids(&given.tokens).into_lua_err()?;
                let decode = if given.skip_special_tokens { Tokenizer::decode_without_special } else { Tokenizer::decode };
                decode(&model.tokenizer, &given.tokens).into_lua_err()
            }
        },
        super::chat::APPLY,
        super::chat::CARRIES,
        method! {
            /// Log-probability of every token after the first, given those before it.
            "logprobs" (lua, this: ModelHandle, given: Score) -> Vec<f32>: "a list, one shorter than the tokens" {
                if given.tokens.len() < 2 {
                    return Err(mlua::Error::runtime("'tokens' must have at least two elements"));
                }
                Ok(this.policy().logprobs(&[given.tokens]).into_lua_err()?.remove(0))
            }
        },
        method! {
            /// `logprobs` of many sequences at once: the same numbers, but the device is waited for only once.
            "logprobs_all" (lua, this: ModelHandle, given: ScoreAll) -> Vec<Vec<f32>>: "a list for each sequence" {
                if let Some(short) = given.sequences.iter().position(|tokens| tokens.len() < 2) {
                    return Err(mlua::Error::runtime(format!("'sequences[{}]' must have at least two elements", short + 1)));
                }
                this.policy().logprobs(&given.sequences).into_lua_err()
            }
        },
        method! {
            /// The gradient of a weighted log-likelihood. The model is not changed.
            "gradients" (lua, this: ModelHandle, given: Differentiate) -> Gradients: "the loss, and for each parameter norm and first values of its gradient" {
                gradients(&this.policy().model, &given.sequences).into_lua_err()
            }
        },
        method! {
            /// Samples completions of prompts.
            "generate" (lua, this: ModelHandle, given: Generate) -> Vec<Vec<Completion>>: "for each prompt a list of completions" {
                let Policy { model, generator, .. } = &**this.policy();
                let results = generator.generate(model, &given.requests(model)?, &given.options).into_lua_err()?;
                let completion = |completion: generate::Completion| {
                    let text = completion.text(model)?;
                    let generate::Completion { tokens, logprobs, finish } = completion;
                    Ok(Completion { tokens, text, logprobs, finish })
                };
                let completions = results.into_iter().map(|group| group.into_iter().map(completion).collect());
                completions.collect::<Result<_>>().into_lua_err()
            }
        },
        method! {
            /// Draws new embeddings for tokens that training hardly saw, like those of the other tokens. Training makes such rows short and
            /// alike, and then the model can no longer tell the tokens apart, not even to copy them.
            "redraw" (lua, this: ModelHandle, given: Redraw) -> usize: "the number of rows drawn anew" {
                this.policy().model.redraw(given.share, given.seed).into_lua_err()
            }
        },
        method! {
            /// Writes a model folder that `fm.model.load` and Python tools read; for a model with an adapter, the adapter's folder, which
            /// the `lora` argument and PEFT read.
            "save" (lua, this: ModelHandle, given: Save) -> () {
                this.policy().model.save(&given.path, given.dtype.name()).into_lua_err()
            }
        },
    ],
    checkpoint: None,
};

impl Scripted for ModelHandle {
    const NAME: &'static str = "Model";
    const OBJECT: &'static Object = &MODEL;
    fn describe(&self) -> String {
        self.policy().model.to_string()
    }
}

impl Adapter {
    /// Attaches this adapter to the model.
    fn attach(self, model: &mut Model) -> Result<()> {
        let targets = self.targets.unwrap_or_else(|| lora::TARGETS.map(str::to_string).to_vec());
        model.add_lora(Lora::new(self.rank, self.alpha, &targets)?, self.seed)
    }
}

impl Generate {
    /// The prompts, with the random numbers of their completions.
    fn requests(&self, model: &Model) -> mlua::Result<Vec<Request>> {
        if let Some(seeds) = self.seeds.as_ref().filter(|seeds| seeds.len() != self.prompts.len()) {
            let (seeds, prompts) = (seeds.len(), self.prompts.len());
            return Err(mlua::Error::runtime(format!("'seeds' has {seeds} elements, 'prompts' {prompts}: one for each is needed")));
        }
        let request = |(i, prompt): (usize, &Any)| {
            let prompt = match &prompt.0 {
                Value::String(text) => model.tokenizer.encode(&text.to_string_lossy()).into_lua_err()?,
                ids => read(ids).map_err(|problem| mlua::Error::runtime(problem.within(format!("prompts[{}]", i + 1))))?,
            };
            let (seed, place) = self.seeds.as_ref().map_or((self.seed, i as u32), |seeds| (seeds[i] as u64, 0));
            let streams = (0..self.group).map(|g| Stream::new(seed, 0, [place, g, 0])).collect();
            Ok(Request { prompt, streams })
        };
        self.prompts.iter().enumerate().map(request).collect()
    }
}

fn gradients(model: &Model, sequences: &[Weighted]) -> Result<Gradients> {
    let samples = sft::samples(sequences)?;
    let mut learner = Learner::new(model, Budget::default(), true)?;
    let optimizer = Optimizer::new(model, Settings::default())?;
    learner.begin(model, &samples)?;
    learner.run(model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads))?;
    let report = learner.finish(model)?;
    let mut grads = BTreeMap::new();
    for (name, gradient) in optimizer.grads.trained() {
        let values = gradient.read()?;
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        grads.insert(name, Gradient { norm, first: values[..values.len().min(4)].to_vec() });
    }
    Ok(Gradients { loss: sft::loss(&samples, &report), grads })
}
