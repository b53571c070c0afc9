//! Low-rank adapters (LoRA, arXiv 2106.09685) of a model's linear layers, and their folders in PEFT's format.
//!
//! A folder has `adapter_config.json` and `adapter_model.safetensors`. For the layer `model.layers.0.self_attn.q_proj` the file holds
//! `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`, [rank, inputs], and `lora_B.weight`, [outputs, rank].

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Model;
use super::config::Config;
use super::tensor_files::{self, TensorFiles};
use super::weights::{Adapter, Layer, Linear, Weights};
use crate::device::{DType, Tensor};
use crate::error::{Error, Result};
use crate::files;
use crate::ops::matmul::{self, Write};
use crate::random::Rng;

const CONFIG: &str = "adapter_config.json";
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
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    rank: usize,
    alpha: f64,
    targets: Vec<&'static str>,
    /// The base model's name or folder, as in the adapter's folder.
    base: Option<String>,
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
        Ok(Self { rank, alpha, targets: found.into_iter().map(|i| TARGETS[i]).collect(), base: None })
    }

    /// Reads `adapter_config.json`. A setting that would change the result and is not supported is an error.
    fn from_json(map: &Map<String, Value>) -> Result<Self> {
        let is = |key: &str, wanted: Value| match map.get(key).filter(|value| !value.is_null()) {
            Some(value) if *value != wanted => Err(Error::argument(format!("{key} = {value} is not supported; supported: {wanted}"))),
            _ => Ok(()),
        };
        if map.get("peft_type").and_then(Value::as_str) != Some("LORA") {
            let found = map.get("peft_type").unwrap_or(&Value::Null);
            return Err(Error::argument(format!("peft_type is {found}; supported: \"LORA\"")));
        }
        is("task_type", json!("CAUSAL_LM"))?;
        is("bias", json!("none"))?;
        match map.get("init_lora_weights") {
            None | Some(Value::Null | Value::Bool(_)) => {}
            Some(Value::String(name)) if name == "gaussian" => {}
            Some(other) => {
                return Err(Error::argument(format!("init_lora_weights = {other} is not supported: it may change the base model")));
            }
        }
        for (key, value) in map {
            let empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(object) => object.is_empty(),
                _ => false,
            };
            if !empty && !KNOWN.contains(&key.as_str()) {
                return Err(Error::argument(format!("{key} = {value} is not supported")));
            }
        }
        let rank = map.get("r").and_then(Value::as_u64).and_then(|rank| usize::try_from(rank).ok());
        let rank = rank.ok_or_else(|| Error::argument("r is missing or not a whole number"))?;
        let alpha = map.get("lora_alpha").and_then(Value::as_f64);
        let alpha = alpha.ok_or_else(|| Error::argument("lora_alpha is missing or not a number"))?;
        let targets: Vec<&str> = match map.get("target_modules") {
            Some(Value::String(all)) if all == "all-linear" => TARGETS.to_vec(),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.iter().filter_map(Value::as_str).collect(),
            other => {
                let found = other.unwrap_or(&Value::Null);
                return Err(Error::argument(format!("target_modules = {found} is not a list of names or \"all-linear\"")));
            }
        };
        let base = map.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_string);
        Ok(Self { base, ..Self::new(rank, alpha, &targets)? })
    }

    fn to_json(&self, base: Option<&Path>) -> Value {
        let base = self.base.clone().or_else(|| Some(base?.to_string_lossy().into_owned()));
        // PEFT declares an integer, but computes with any number.
        let alpha = if self.alpha.fract() == 0.0 { json!(self.alpha as i64) } else { json!(self.alpha) };
        json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": true,
            "r": self.rank, "lora_alpha": alpha, "lora_dropout": 0.0, "target_modules": self.targets, "bias": "none",
            "fan_in_fan_out": false, "init_lora_weights": true, "use_rslora": false, "use_dora": false, "modules_to_save": null,
            "layers_to_transform": null, "layers_pattern": null, "rank_pattern": {}, "alpha_pattern": {}, "revision": null,
        })
    }

    /// Adds an adapter made by `make(name, shape)` to every target of `weights`.
    fn attach<T>(&self, config: &Config, weights: &mut Weights<T>, mut make: impl FnMut(&str, &[usize]) -> Result<T>) -> Result<()> {
        if self.rank > config.hidden_size {
            let (rank, width) = (self.rank, config.hidden_size);
            return Err(Error::argument(format!("an adapter of rank {rank} is larger than the model, whose hidden_size is {width}")));
        }
        let scale = (self.alpha / self.rank as f64) as f32;
        let mut shapes = Layer::shapes(config);
        for (index, layer) in weights.layers.iter_mut().enumerate() {
            for ((name, linear), (_, shape)) in layer.linears().into_iter().zip(shapes.linears()) {
                if self.targets.iter().any(|target| name.ends_with(target)) {
                    let [a, b] = names(&format!("model.layers.{index}.{name}"));
                    let (outputs, inputs) = (shape.weight[0], shape.weight[1]);
                    linear.lora = Some(Adapter { a: make(&a, &[self.rank, inputs])?, b: make(&b, &[outputs, self.rank])?, scale });
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Lora {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an adapter of rank {} and alpha {} on {}", self.rank, self.alpha, self.targets.join(", "))
    }
}

/// Keys that have no effect, or are read above.
const KNOWN: [&str; 20] = [
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "inference_mode",
    "r",
    "lora_alpha",
    // Only affects training, which has no dropout here.
    "lora_dropout",
    "target_modules",
    "bias",
    "init_lora_weights",
    "revision",
    "peft_version",
    "auto_mapping",
    "megatron_core",
    // Settings of features that are switched off.
    "qalora_group_size",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "runtime_config",
];

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

impl Model {
    /// Adds a new adapter to the model. It has no effect before training: `a` is uniform in ±1/√inputs, `b` is 0.
    pub fn add_lora(&mut self, lora: Lora, seed: u64) -> Result<()> {
        self.has_none()?;
        let (device, mut index) = (&self.device, 0);
        lora.attach(&self.config, &mut self.weights, |name, shape| {
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
        let lora = Lora::from_json(&map).map_err(|e| Error::format(&path, e))?;
        let files = TensorFiles::open(&folder.join(TENSORS))?;
        // Everything is checked before memory is allocated.
        let mut left: BTreeSet<&str> = files.names().collect();
        let mut empty = Weights::build(&self.config, |_, _| Ok(()))?;
        lora.attach(&self.config, &mut empty, |name, shape| {
            left.remove(name);
            files.expect(name, shape)
        })?;
        if let Some(name) = left.first() {
            return Err(Error::format(files.path_of(name), format!("tensor {name} does not belong to this adapter of this model")));
        }
        lora.attach(&self.config, &mut self.weights, |name, _| files.load(name, &self.device, Some(DType::F32)))?;
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
