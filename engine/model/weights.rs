//! The parameters of a model under their published names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::config::Config;
use super::lora;
use super::tensor_files::{self, Encoding, TensorFiles};
use crate::device::{DType, Device, Tensor};
use crate::error::{Error, Result};
use crate::random::Rng;

/// The prefix of all names but the head's.
const PREFIX: &str = "model.";
/// The prefix of all names in blocks.
const BLOCKS: &str = "model.layers.";
/// The prefix of the names in the first block.
const FIRST: &str = "model.layers.0.";
/// The embedding.
pub(crate) const EMBED: &str = "model.embed_tokens.weight";
const NORM: &str = "model.norm.weight";
/// The head, if it is not the embedding.
pub(super) const HEAD: &str = "lm_head.weight";

/// A value for each parameter of a model and its adapters. For weights it is a tensor. For gradients and an optimiser's moments it is a
/// tensor, or `None` if the parameter is not trained.
#[derive(Clone, Debug)]
pub struct Weights<T = Tensor> {
    /// Token embedding: [V, C]
    pub embed: T,
    /// The blocks.
    pub layers: Vec<Layer<T>>,
    /// Final norm: `[C]`
    pub norm: T,
    /// Head: [V, C]; `None` when tied to the embedding.
    pub head: Option<T>,
}

/// Gradients or an optimiser's moments.
pub type Gradients = Weights<Option<Tensor>>;

/// Parameters of one block.
#[derive(Clone, Debug)]
pub struct Layer<T = Tensor> {
    /// Norm before attention: `[C]`
    pub input_norm: T,
    /// [H · D, C]
    pub q: Linear<T>,
    /// [KV · D, C]
    pub k: Linear<T>,
    /// [KV · D, C]
    pub v: Linear<T>,
    /// QK norm of the queries, if the model has one: `[D]`
    pub q_norm: Option<T>,
    /// QK norm of the keys: `[D]`
    pub k_norm: Option<T>,
    /// [C, H · D]
    pub o: Linear<T>,
    /// Norm before the SwiGLU layer: `[C]`
    pub post_norm: T,
    /// [F, C]
    pub gate: Linear<T>,
    /// [F, C]
    pub up: Linear<T>,
    /// [C, F]
    pub down: Linear<T>,
}

/// Parameters of `y = x · wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear<T = Tensor> {
    /// [outputs, inputs]
    pub weight: T,
    /// `[outputs]`
    pub bias: Option<T>,
    /// The adapter, if there is one; it is trained instead of the weight.
    pub lora: Option<Adapter<T>>,
}

/// A low-rank adapter of a linear layer: it adds `scale · (x · aᵀ) · bᵀ` (LoRA, arXiv 2106.09685).
#[derive(Clone, Debug)]
pub struct Adapter<T = Tensor> {
    /// [rank, inputs]
    pub a: T,
    /// [outputs, rank]
    pub b: T,
    /// `alpha / rank`
    pub scale: f32,
}

impl Adapter {
    /// The rank.
    pub fn rank(&self) -> usize {
        self.a.rows_cols().0
    }
}

impl<T> Linear<T> {
    fn map<'a, U>(&'a self, name: &str, make: &mut impl FnMut(&str, &'a T) -> Result<U>) -> Result<Linear<U>> {
        Ok(Linear {
            weight: make(&format!("{name}.weight"), &self.weight)?,
            bias: self.bias.as_ref().map(|bias| make(&format!("{name}.bias"), bias)).transpose()?,
            lora: match &self.lora {
                None => None,
                Some(Adapter { a, b, scale }) => {
                    let [a_name, b_name] = lora::names(name);
                    Some(Adapter { a: make(&a_name, a)?, b: make(&b_name, b)?, scale: *scale })
                }
            },
        })
    }
}

impl Layer<Vec<usize>> {
    /// The shapes of a block's parameters.
    pub(super) fn shapes(config: &Config) -> Self {
        let (c, f, d) = (config.hidden_size, config.intermediate_size, config.head_dim);
        let (q, kv) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let linear = |outputs: usize, inputs: usize, bias: bool| Linear {
            weight: vec![outputs, inputs],
            bias: bias.then(|| vec![outputs]),
            lora: None,
        };
        let qk_norm = || config.qk_norm().then(|| vec![d]);
        Self {
            input_norm: vec![c],
            q: linear(q, c, config.qkv_bias()),
            k: linear(kv, c, config.qkv_bias()),
            v: linear(kv, c, config.qkv_bias()),
            q_norm: qk_norm(),
            k_norm: qk_norm(),
            o: linear(c, q, config.attention_bias),
            post_norm: vec![c],
            gate: linear(f, c, false),
            up: linear(f, c, false),
            down: linear(c, f, false),
        }
    }
}

impl<T> Layer<T> {
    /// The linear layers with their published names inside the block.
    pub(super) fn linears(&mut self) -> [(&'static str, &mut Linear<T>); 7] {
        [
            ("self_attn.q_proj", &mut self.q),
            ("self_attn.k_proj", &mut self.k),
            ("self_attn.v_proj", &mut self.v),
            ("self_attn.o_proj", &mut self.o),
            ("mlp.gate_proj", &mut self.gate),
            ("mlp.up_proj", &mut self.up),
            ("mlp.down_proj", &mut self.down),
        ]
    }

    /// The block with each leaf replaced by `make(published name, leaf)`. `index` is the block's number.
    fn map<'a, U>(&'a self, index: usize, make: &mut impl FnMut(&str, &'a T) -> Result<U>) -> Result<Layer<U>> {
        let name = |part: &str| format!("model.layers.{index}.{part}");
        Ok(Layer {
            input_norm: make(&name("input_layernorm.weight"), &self.input_norm)?,
            q: self.q.map(&name("self_attn.q_proj"), make)?,
            k: self.k.map(&name("self_attn.k_proj"), make)?,
            v: self.v.map(&name("self_attn.v_proj"), make)?,
            q_norm: self.q_norm.as_ref().map(|norm| make(&name("self_attn.q_norm.weight"), norm)).transpose()?,
            k_norm: self.k_norm.as_ref().map(|norm| make(&name("self_attn.k_norm.weight"), norm)).transpose()?,
            o: self.o.map(&name("self_attn.o_proj"), make)?,
            post_norm: make(&name("post_attention_layernorm.weight"), &self.post_norm)?,
            gate: self.gate.map(&name("mlp.gate_proj"), make)?,
            up: self.up.map(&name("mlp.up_proj"), make)?,
            down: self.down.map(&name("mlp.down_proj"), make)?,
        })
    }
}

impl<T> Weights<T> {
    /// Makes each parameter of `config` with `make(name, shape)`, in order, until the first error.
    pub fn build(config: &Config, mut make: impl FnMut(&str, &[usize]) -> Result<T>) -> Result<Self> {
        let mut make = |name: &str, shape: &[usize]| make(name, shape).map_err(|error| error.of_tensor(name));
        let table = [config.vocab_size, config.hidden_size];
        let block = Layer::shapes(config);
        Ok(Self {
            embed: make(EMBED, &table)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| block.map(i, &mut |name, shape: &Vec<usize>| make(name, shape)))
                .collect::<Result<_>>()?,
            norm: make(NORM, &[config.hidden_size])?,
            head: if config.tie_word_embeddings { None } else { Some(make(HEAD, &table)?) },
        })
    }

    /// Replaces each leaf by `make(name, leaf)`, in the order of [`Weights::build`].
    pub fn map<'a, U>(&'a self, mut make: impl FnMut(&str, &'a T) -> Result<U>) -> Result<Weights<U>> {
        Ok(Weights {
            embed: make(EMBED, &self.embed)?,
            layers: self.layers.iter().enumerate().map(|(i, layer)| layer.map(i, &mut make)).collect::<Result<_>>()?,
            norm: make(NORM, &self.norm)?,
            head: self.head.as_ref().map(|head| make(HEAD, head)).transpose()?,
        })
    }

    /// Every leaf with its published name, in the order of [`Weights::build`].
    pub fn named(&self) -> Vec<(String, &T)> {
        let mut all = Vec::new();
        let _: Result<Weights<()>> = self.map(|name, leaf| {
            all.push((name.to_string(), leaf));
            Ok(())
        });
        all
    }

    /// The matrix of the head: [V, C].
    pub fn head(&self) -> &T {
        self.head.as_ref().unwrap_or(&self.embed)
    }
}

impl Weights<DType> {
    /// The element types of a model whose matrices are in `dtype` where their rows can be. Everything else is f32.
    pub fn types(config: &Config, dtype: DType) -> Result<Self> {
        Self::build(config, |_, shape| Ok(dtype.of_parameter(shape)))
    }

    /// The element types of a model, without those of its adapter.
    pub fn types_of(config: &Config, weights: &Weights) -> Result<Self> {
        let all: BTreeMap<String, &Tensor> = weights.named().into_iter().collect();
        Self::build(config, |name, _| Ok(all.get(name).map_or(DType::F32, |tensor| tensor.dtype())))
    }

    /// Whether all of them are f32.
    pub fn wide(&self) -> bool {
        self.named().into_iter().all(|(_, dtype)| *dtype == DType::F32)
    }
}

impl Gradients {
    /// The tensors that are not `None`, with their published names.
    pub fn trained(&self) -> Vec<(String, &Tensor)> {
        self.named().into_iter().filter_map(|(name, tensor)| Some((name, tensor.as_ref()?))).collect()
    }
}

impl Weights {
    /// GPT-2's initialisation: norms are 1, biases 0, and matrices normal with deviation 0.02, divided by `√(2 · layers)` if they write to
    /// the residual stream.
    pub fn random(config: &Config, device: &Device, seed: u64) -> Result<Self> {
        let mut index = 0;
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self::build(config, |name, shape| {
            index += 1;
            let mut rng = Rng::new(&[seed, index]);
            let std = if name.contains("o_proj") || name.contains("down_proj") { residual } else { 0.02 };
            let values: Vec<f32> = match shape {
                [n] => vec![start_of_vector(name); *n],
                _ => (0..shape.iter().product()).map(|_| (normal(&mut rng) * std) as f32).collect(),
            };
            device.tensor(&values, shape)
        })
    }

    /// Number of parameters.
    pub fn count(&self) -> usize {
        self.named().iter().map(|(_, t)| t.len()).sum()
    }

    /// Bytes of all parameters.
    pub fn bytes(&self) -> u64 {
        self.named().iter().map(|(_, t)| t.dtype().bytes(t.len()) as u64).sum()
    }

    /// Reads the tensors of `files`, see [`open`], and [`TensorFiles::load`] for `dtype`. There must be room for all of them, which is
    /// checked before any memory is allocated.
    pub(super) fn load(config: &Config, device: &Device, files: &TensorFiles, dtype: Option<DType>) -> Result<Self> {
        let mut bytes = 0;
        Weights::<()>::build(config, |name, shape| {
            bytes += files.kept(name, dtype)?.bytes(shape.iter().product()) as u64;
            Ok(())
        })?;
        let folder = files.path_of("").parent().unwrap_or(Path::new(""));
        device.expect_memory(&format!("{}: the model", folder.display()), bytes, |_| {
            "free some, load it with dtype = \"bf16\" if it is in f32 now, or use a smaller model".into()
        })?;
        Self::build(config, |name, _| files.load(name, device, dtype))
    }

    /// Reads what [`Weights::save`] wrote into the existing tensors.
    pub fn reload(&self, config: &Config, folder: &Path) -> Result<()> {
        let mut found = config.clone();
        let files = open(&mut found, folder)?;
        if found != *config {
            return Err(Error::format(
                files.path_of(HEAD),
                format!("tensor {HEAD} differs from the embedding, to which this model's head is tied"),
            ));
        }
        self.map(|name, tensor| files.read(name, tensor)).map(drop)
    }

    /// Rounds every number to what [`Weights::save`] writes in `dtype`.
    pub fn round(&self, dtype: &str) -> Result<()> {
        let encoding = Encoding::of(tensor_files::dtype(dtype)?);
        self.map(|_, tensor| tensor.write(&encoding.rounded(&tensor.read()?)?)).map(drop)
    }

    /// Rounds every number to what [`super::Model::save_gguf`] writes in `dtype`.
    pub fn round_as_gguf(&self, dtype: &str) -> Result<()> {
        let encoding = Encoding::of_gguf(dtype)?;
        self.map(|_, tensor| tensor.write(&encoding.in_gguf(tensor.shape()).rounded(&tensor.read()?)?)).map(drop)
    }

    /// Writes `model.safetensors` in `folder`, or shards of at most `largest` bytes and their index, in `dtype` (`f32`, `f16` or
    /// `bf16`).
    pub fn save(&self, folder: &Path, dtype: &str, largest: u64) -> Result<()> {
        tensor_files::write_model(folder, &self.named(), tensor_files::dtype(dtype)?, largest)
    }
}

/// `model.safetensors` or its shards in `folder`, checked to have exactly the parameters of `config`, with their shapes. As in transformers:
///
/// - The prefix `model.` may be missing, or be there once more.
/// - A head that is tied to the embedding may be there too. If its numbers are others, `config` becomes untied. It may also be there instead.
/// - The rotary frequencies that old releases stored are left out; they are computed from the configuration.
pub(super) fn open(config: &mut Config, folder: &Path) -> Result<TensorFiles> {
    let mut files = TensorFiles::open_model(folder)?;
    let known = Known::new(config)?;
    files.rename(|name| {
        let shorter = name.strip_prefix(PREFIX).filter(|name| known.has(name));
        let longer = Some(format!("{PREFIX}{name}")).filter(|name| known.has(name));
        let renamed = shorter.map(str::to_string).or(longer).unwrap_or_else(|| name.to_string());
        (known.has(&renamed) || !name.contains("rotary_emb.inv_freq")).then_some(renamed)
    })?;
    if config.tie_word_embeddings && files.have([EMBED, HEAD]) {
        [EMBED, HEAD].iter().try_for_each(|name| files.expect(name, &[config.vocab_size, config.hidden_size]))?;
        config.tie_word_embeddings = files.equal(EMBED, HEAD)?;
    }
    if config.tie_word_embeddings {
        let embed = files.names().any(|name| name == EMBED);
        files.rename(|name| match name {
            HEAD if embed => None,
            HEAD => Some(EMBED.into()),
            _ => Some(name.into()),
        })?;
    }
    check(config, &files)?;
    Ok(files)
}

/// Fails unless `files` have exactly the parameters of `config`, with their shapes.
pub(super) fn check(config: &Config, files: &TensorFiles) -> Result<()> {
    let mut left: BTreeSet<&str> = files.names().collect();
    Weights::build(config, |name, shape| {
        left.remove(name);
        files.expect(name, shape)
    })?;
    match left.first() {
        Some(name) => Err(Error::format(
            files.path_of(name),
            format!("tensor {name} does not belong to the model that config.json describes; correct config.json, or remove the tensor"),
        )),
        None => Ok(()),
    }
}

/// The names of a model's parameters. They are not listed, because a broken configuration may claim any number of blocks.
struct Known {
    blocks: usize,
    /// Names inside a block.
    inside: BTreeSet<String>,
}

impl Known {
    fn new(config: &Config) -> Result<Self> {
        let mut inside = BTreeSet::new();
        Layer::shapes(config).map(0, &mut |name, _| {
            inside.extend(name.strip_prefix(FIRST).map(str::to_string));
            Ok(())
        })?;
        Ok(Self { blocks: config.num_hidden_layers, inside })
    }

    fn has(&self, name: &str) -> bool {
        let block = |rest: &str| {
            let (number, rest) = rest.split_once('.')?;
            let index = number.parse::<usize>().ok().filter(|index| *index < self.blocks && index.to_string() == number);
            index.map(|_| self.inside.contains(rest))
        };
        [EMBED, NORM, HEAD].contains(&name) || name.strip_prefix(BLOCKS).and_then(block).unwrap_or(false)
    }
}

/// The starting value of the elements of a parameter that is not a matrix.
pub(super) fn start_of_vector(name: &str) -> f32 {
    if name.ends_with(".bias") { 0.0 } else { 1.0 }
}

/// A standard normal number (Box and Muller).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.number()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.number()).cos()
}
