//! Low-rank adapters (LoRA, arXiv 2106.09685) of a model's linear layers, and their folders in PEFT's format.
//!
//! A folder has `adapter_config.json` and `adapter_model.safetensors`. For the layer `model.layers.0.self_attn.q_proj` the file holds
//! `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`, [rank, inputs], and `lora_B.weight`, [outputs, rank].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Model;
use super::config::Config;
use super::peft::Rules;
use super::tensor_files::{self, TensorFiles};
use super::weights::{Adapter, Layer, Linear, Weights};
use crate::device::{DType, Tensor};
use crate::error::{Error, Result};
use crate::files;
use crate::ops::matmul::{self, Write};
use crate::random::Rng;

/// The settings of an adapter.
pub(super) const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
/// A longer configuration means a broken file.
const LARGEST_CONFIG: usize = 512 << 10;
/// The prefix of a layer's published name.
const PREFIX: &str = "base_model.model.";

/// The layers that can have an adapter.
pub const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// The names of the two matrices of a layer's adapter.
pub(super) fn names(layer: &str) -> [String; 2] {
    ["A", "B"].map(|matrix| format!("{PREFIX}{layer}.lora_{matrix}.weight"))
}

/// Whether a parameter belongs to an adapter.
pub fn is_adapter(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The settings of an adapter.
#[derive(Clone, Debug)]
pub struct Lora {
    rules: Rules,
    /// The content of `adapter_config.json`.
    config: Map<String, Value>,
}

impl PartialEq for Lora {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Lora {
    /// An adapter of this rank for the layers in `targets`, a subset of [`TARGETS`]. Its product is multiplied by `alpha / rank`.
    pub fn new<S: AsRef<str>>(rank: usize, alpha: f64, targets: &[S]) -> Result<Self> {
        if rank == 0 || !alpha.is_finite() || alpha <= 0.0 {
            return Err(Error::argument(format!("an adapter has a positive rank and alpha, not {rank} and {alpha}")));
        }
        let mut found = BTreeSet::new();
        for target in targets.iter().map(AsRef::as_ref) {
            let index = TARGETS.iter().position(|known| *known == target);
            found.insert(index.ok_or_else(|| {
                Error::argument(format!("there are no adapters for '{target}'; an adapter's targets are among {}", TARGETS.join(", ")))
            })?);
        }
        if found.is_empty() {
            return Err(Error::argument(format!("an adapter needs targets, some of {}", TARGETS.join(", "))));
        }
        // PEFT declares an integer, but computes with any number.
        let alpha = if alpha.fract() == 0.0 { json!(alpha as i64) } else { json!(alpha) };
        let targets: Vec<&str> = found.into_iter().map(|i| TARGETS[i]).collect();
        let config = json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": null, "inference_mode": true,
            "r": rank, "lora_alpha": alpha, "lora_dropout": 0.0, "target_modules": targets, "bias": "none",
            "fan_in_fan_out": false, "init_lora_weights": true, "use_rslora": false, "use_dora": false, "modules_to_save": null,
            "layers_to_transform": null, "layers_pattern": null, "rank_pattern": {}, "alpha_pattern": {}, "revision": null,
        });
        match config {
            Value::Object(config) => Self::from_json(config),
            _ => unreachable!("an object is written above"),
        }
    }

    /// Reads the content of `adapter_config.json`.
    fn from_json(config: Map<String, Value>) -> Result<Self> {
        Ok(Self { rules: Rules::read(&config)?, config })
    }

    /// The layers of a model that have an adapter, by their published names: the rank, and what the product is multiplied by.
    fn layers(&self, config: &Config) -> Result<BTreeMap<String, (usize, f32)>> {
        let mut layers = BTreeMap::new();
        let mut blocks = Weights::build(config, |_, _| Ok(()))?;
        let width = config.hidden_size;
        for (index, block) in blocks.layers.iter_mut().enumerate() {
            let names = block.linears().map(|(name, _)| format!("model.layers.{index}.{name}"));
            for name in names.into_iter().filter(|name| self.rules.target(name, true)) {
                let (rank, scale) = self.rules.of(&name);
                if rank > width {
                    return Err(Error::argument(format!(
                        "an adapter of rank {rank} is larger than the model, whose hidden_size is {width}"
                    )));
                }
                layers.insert(name, (rank, scale));
            }
        }
        if let Some(other) = others(config).into_iter().find(|name| self.rules.target(name, false)) {
            return Err(Error::argument(format!("target_modules has {other}, but an adapter's targets are among {}", TARGETS.join(", "))));
        }
        match layers.is_empty() {
            true => Err(Error::argument(format!(
                "target_modules has no layer of this model; an adapter needs targets, some of {}",
                TARGETS.join(", ")
            ))),
            false => Ok(layers),
        }
    }

    /// The content of `adapter_config.json` of a model that was read from the folder `base`.
    fn to_json(&self, base: Option<&Path>) -> Value {
        let mut config = self.config.clone();
        if config.get("base_model_name_or_path").is_none_or(Value::is_null) {
            config.insert("base_model_name_or_path".into(), base.map(|base| base.to_string_lossy().into_owned()).into());
        }
        config.insert("inference_mode".into(), true.into());
        Value::Object(config)
    }

    /// Adds an adapter made by `make(name, shape)` to each of `layers`.
    fn attach<T>(
        layers: &BTreeMap<String, (usize, f32)>,
        config: &Config,
        weights: &mut Weights<T>,
        mut make: impl FnMut(&str, &[usize]) -> Result<T>,
    ) -> Result<()> {
        let mut shapes = Layer::shapes(config);
        for (index, layer) in weights.layers.iter_mut().enumerate() {
            for ((name, linear), (_, shape)) in layer.linears().into_iter().zip(shapes.linears()) {
                let name = format!("model.layers.{index}.{name}");
                if let Some((rank, scale)) = layers.get(&name) {
                    let ([a, b], [outputs, inputs]) = (names(&name), [shape.weight[0], shape.weight[1]]);
                    linear.lora = Some(Adapter { a: make(&a, &[*rank, inputs])?, b: make(&b, &[outputs, *rank])?, scale: *scale });
                }
            }
        }
        Ok(())
    }
}

/// The modules of a model that can have no adapter here, though PEFT might give them one, or fail at them.
fn others(config: &Config) -> Vec<String> {
    let outside = ["lm_head", "model", "model.embed_tokens", "model.layers", "model.norm", "model.rotary_emb"];
    let inside = [
        "",
        ".self_attn",
        ".self_attn.q_norm",
        ".self_attn.k_norm",
        ".mlp",
        ".mlp.act_fn",
        ".input_layernorm",
        ".post_attention_layernorm",
    ];
    let block = |i: usize| {
        inside.iter().filter(|name| config.qk_norm() || !name.ends_with("_norm")).map(move |name| format!("model.layers.{i}{name}"))
    };
    outside.into_iter().map(str::to_string).chain((0..config.num_hidden_layers).flat_map(block)).collect()
}

impl std::fmt::Display for Lora {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let targets = match &self.config["target_modules"] {
            Value::Array(names) => {
                let named = |target: &&str| names.iter().filter_map(Value::as_str).any(|name| name.rsplit('.').next() == Some(target));
                TARGETS.into_iter().filter(named).collect::<Vec<_>>().join(", ")
            }
            other => other.as_str().unwrap_or_default().to_string(),
        };
        write!(f, "an adapter of rank {} and alpha {} on {targets}", self.rules.rank, self.rules.alpha)
    }
}

impl<T: Clone> Linear<T> {
    fn without_adapter(&self) -> Self {
        Self { lora: None, ..self.clone() }
    }
}

impl Weights {
    /// The same tensors without adapters.
    pub fn without_adapters(&self) -> Self {
        let mut base = self.clone();
        for layer in &mut base.layers {
            layer.linears().into_iter().for_each(|(_, linear)| *linear = linear.without_adapter());
        }
        base
    }

    /// The tensors of all adapters with PEFT's names.
    fn adapters(&self) -> Vec<(String, &Tensor)> {
        self.named().into_iter().filter(|(name, _)| is_adapter(name)).collect()
    }
}

/// The matrices of an adapter's folder.
fn open(folder: &Path) -> Result<TensorFiles> {
    let path = folder.join(TENSORS);
    if !path.exists() && folder.join("adapter_model.bin").exists() {
        let how = format!("safetensors.torch.save_file(torch.load('adapter_model.bin', weights_only=True), {TENSORS:?})");
        return Err(Error::io(
            path,
            format!("no such file; adapter_model.bin is not read, because it is a Python pickle; `{how}` in Python converts it"),
        ));
    }
    TensorFiles::open(&path)
}

impl Model {
    /// Adds a new adapter to the model. It has no effect before training: `a` is uniform in ±1/√inputs, `b` is 0.
    pub fn add_lora(&mut self, lora: Lora, seed: u64) -> Result<()> {
        self.has_none()?;
        let (device, mut index) = (&self.device, 0);
        Lora::attach(&lora.layers(&self.config)?, &self.config, &mut self.weights, |name, shape| {
            index += 1;
            let mut rng = Rng::new(&[seed, 0x10AA, index]);
            let bound = if name.ends_with("lora_A.weight") { 1.0 / (shape[1] as f64).sqrt() } else { 0.0 };
            let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| ((2.0 * rng.number() - 1.0) * bound) as f32).collect();
            device.tensor(&values, shape)
        })?;
        self.lora = Some(lora);
        Ok(())
    }

    /// Adds the adapter in a folder to the model.
    ///
    /// # Errors A missing or broken file, settings that are not supported, tensors that are missing, surplus or of the wrong shape.
    pub fn load_lora(&mut self, folder: &Path) -> Result<()> {
        self.has_none()?;
        let path = folder.join(CONFIG);
        let map: Map<String, Value> = serde_json::from_slice(&files::read_small(&path, LARGEST_CONFIG)?)
            .map_err(|e| Error::format(&path, format!("not a JSON object: {}", files::brief(&e))))?;
        let lora = Lora::from_json(map).map_err(|e| Error::format(&path, e))?;
        let layers = lora.layers(&self.config).map_err(|e| Error::format(&path, e))?;
        let files = open(folder)?;
        // Everything is checked before memory is allocated.
        let mut left: BTreeSet<&str> = files.names().collect();
        let mut empty = Weights::build(&self.config, |_, _| Ok(()))?;
        Lora::attach(&layers, &self.config, &mut empty, |name, shape| {
            left.remove(name);
            files.expect(name, shape)
        })?;
        if let Some(name) = left.first() {
            return Err(Error::format(files.path_of(name), format!("tensor {name} does not belong to this adapter of this model")));
        }
        Lora::attach(&layers, &self.config, &mut self.weights, |name, _| files.load(name, &self.device, Some(DType::F32)))?;
        self.lora = Some(lora);
        Ok(())
    }

    /// Writes the folder that [`Model::load_lora`] and PEFT read.
    pub(super) fn save_lora(&self, lora: &Lora, folder: &Path, dtype: &str) -> Result<()> {
        tensor_files::write(&folder.join(TENSORS), &self.weights.adapters(), tensor_files::dtype(dtype)?, &[("format", "pt")])?;
        let config = lora.to_json(self.folder.path());
        files::write(folder.join(CONFIG), format!("{config:#}\n").as_bytes())
    }

    /// Reads what [`Model::save`] wrote for this model into the existing tensors.
    pub fn reload(&self, folder: &Path) -> Result<()> {
        if self.lora.is_none() {
            return self.weights.reload(&self.config, folder);
        }
        let files = TensorFiles::open(&folder.join(TENSORS))?;
        let adapters = self.weights.adapters();
        adapters.iter().try_for_each(|(name, tensor)| files.expect(name, tensor.shape()))?;
        adapters.iter().try_for_each(|(name, tensor)| files.read(name, tensor))
    }

    /// The model with its adapter added to the weights, `w + scale · b · a`, in f32.
    pub fn merge_lora(mut self) -> Result<Self> {
        let device = &self.device;
        for layer in &mut self.weights.layers {
            for (_, linear) in layer.linears() {
                let Some(lora) = linear.lora.take() else { continue };
                let merged = device.tensor(&linear.weight.read()?, linear.weight.shape())?;
                let mut rec = device.record();
                matmul::nn(&mut rec, &lora.b, &lora.a, &merged, Write::AddScaled(lora.scale))?;
                rec.submit()?;
                linear.weight = merged;
            }
        }
        self.lora = None;
        Ok(self)
    }

    fn has_none(&self) -> Result<()> {
        if self.lora.is_none() { Ok(()) } else { Err(Error::argument("the model has an adapter already")) }
    }
}
