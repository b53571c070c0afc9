//! `config.json` of a model folder.

use std::f64::consts::TAU;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::ops::attention::Heads;

/// A published family of decoders: the `model_type` of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelType {
    /// Norms of queries and keys; biases only with `attention_bias`.
    Qwen3,
    /// Biases on queries, keys and values.
    Qwen2,
    /// Biases only with `attention_bias`.
    Llama,
}

impl ModelType {
    const ALL: [Self; 3] = [Self::Qwen3, Self::Qwen2, Self::Llama];

    /// The name in the published files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qwen3 => "qwen3",
            Self::Qwen2 => "qwen2",
            Self::Llama => "llama",
        }
    }

    /// The class that opens the files in transformers.
    fn architecture(self) -> &'static str {
        match self {
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Llama => "LlamaForCausalLM",
        }
    }
}

/// How Llama 3.1 and later stretch the rotary frequencies. Waves longer than `original_max_position_embeddings / low_freq_factor` positions
/// are slowed down by `factor`, those shorter than `original_max_position_embeddings / high_freq_factor` are unchanged, and those in
/// between are interpolated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3 {
    /// The factor by which long waves are slowed down.
    pub factor: f64,
    /// Less than `high_freq_factor`.
    pub low_freq_factor: f64,
    /// More than `low_freq_factor`.
    pub high_freq_factor: f64,
    /// The longest sequence before the stretching.
    pub original_max_position_embeddings: usize,
}

/// Sizes and constants of a decoder, with the names of the published files.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family.
    pub model_type: ModelType,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU layer.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are stretched; `None` for `rope_type` "default".
    pub rope_scaling: Option<Llama3>,
    /// Added under the root of RMSNorm.
    pub rms_norm_eps: f64,
    /// Whether all four projections of attention have a bias. Qwen2 ignores it, see [`Config::qkv_bias`].
    pub attention_bias: bool,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Tokens that end a text.
    pub eos_token_id: Vec<u32>,
}

impl Config {
    /// Reads and checks a configuration: the content of `config.json`, as old or new releases of transformers write it.
    pub fn from_json(value: &Value) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| Error::argument("a model configuration must be a JSON object"))?;
        let model_type = model_type(map)?;
        refuse(map, model_type)?;
        let hidden_size = size(map, "hidden_size")?;
        let heads = size(map, "num_attention_heads")?;
        let max_position_embeddings = size(map, "max_position_embeddings")?;
        let (rope_theta, rope_scaling) = rope(map, max_position_embeddings)?;
        let config = Self {
            model_type,
            vocab_size: size(map, "vocab_size")?,
            hidden_size,
            intermediate_size: size(map, "intermediate_size")?,
            num_hidden_layers: size(map, "num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: if given(map, "num_key_value_heads").is_some() { size(map, "num_key_value_heads")? } else { heads },
            head_dim: match (map.get("head_dim"), model_type) {
                (None, ModelType::Qwen3) => 128,
                (None | Some(Value::Null), _) => hidden_size / heads,
                _ => size(map, "head_dim")?,
            },
            max_position_embeddings,
            rope_theta,
            rope_scaling,
            rms_norm_eps: number(map, "rms_norm_eps")?,
            attention_bias: model_type != ModelType::Qwen2 && flag(map, "attention_bias")?,
            tie_word_embeddings: flag(map, "tie_word_embeddings")?,
            eos_token_id: eos_token_id(map)?,
        };
        if !config.num_attention_heads.is_multiple_of(config.num_key_value_heads) || config.head_dim < 2 || config.head_dim % 2 == 1 {
            return Err(Error::argument(format!(
                "num_attention_heads {} must be a multiple of num_key_value_heads {}, and head_dim {} even",
                config.num_attention_heads, config.num_key_value_heads, config.head_dim
            )));
        }
        Ok(config)
    }

    /// The content of `config.json` for f32 weights, in the older form that every release of transformers reads.
    pub fn to_json(&self) -> Value {
        let scaling = self.rope_scaling.map(|s| {
            json!({
                "rope_type": "llama3",
                "factor": s.factor,
                "low_freq_factor": s.low_freq_factor,
                "high_freq_factor": s.high_freq_factor,
                "original_max_position_embeddings": s.original_max_position_embeddings,
            })
        });
        let eos = match &self.eos_token_id[..] {
            [] => Value::Null,
            [id] => json!(id),
            ids => json!(ids),
        };
        let mut map = json!({
            "architectures": [self.model_type.architecture()],
            "model_type": self.model_type.name(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.max_position_embeddings,
            "rope_theta": self.rope_theta,
            "rope_scaling": scaling,
            "rms_norm_eps": self.rms_norm_eps,
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "tie_word_embeddings": self.tie_word_embeddings,
            "bos_token_id": null,
            "eos_token_id": eos,
            "torch_dtype": "float32",
        });
        if self.model_type != ModelType::Qwen2 {
            map["attention_bias"] = self.attention_bias.into();
        }
        map
    }

    /// Whether queries and keys are normed before the rotation.
    pub fn qk_norm(&self) -> bool {
        self.model_type == ModelType::Qwen3
    }

    /// Whether the projections to queries, keys and values have a bias.
    pub fn qkv_bias(&self) -> bool {
        self.attention_bias || self.model_type == ModelType::Qwen2
    }

    /// Head counts and size.
    pub fn heads(&self) -> Heads {
        Heads { q: self.num_attention_heads, kv: self.num_key_value_heads, dim: self.head_dim }
    }

    /// Rotary frequencies `theta^(−2i / D)` in radians per position, stretched according to `rope_scaling`: [D/2].
    pub fn rope_frequencies(&self) -> Vec<f64> {
        let base = |i: usize| self.rope_theta.powf(-2.0 * i as f64 / self.head_dim as f64);
        (0..self.head_dim / 2).map(|i| self.rope_scaling.map_or(base(i), |scaling| scaling.stretch(base(i)))).collect()
    }
}

impl Llama3 {
    fn stretch(&self, frequency: f64) -> f64 {
        // Number of waves in a sequence of the original length.
        let turns = self.original_max_position_embeddings as f64 * frequency / TAU;
        let share = ((turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)).clamp(0.0, 1.0);
        (1.0 - share) * frequency / self.factor + share * frequency
    }
}

fn model_type(map: &Map<String, Value>) -> Result<ModelType> {
    let supported = ModelType::ALL.map(ModelType::name).join(", ");
    match map.get("model_type") {
        None | Some(Value::Null) => Err(Error::argument(format!("model_type is missing; supported: {supported}"))),
        Some(name) => ModelType::ALL
            .into_iter()
            .find(|known| name.as_str() == Some(known.name()))
            .ok_or_else(|| Error::argument(format!("model_type {} is not supported; supported: {supported}", short(name)))),
    }
}

/// Fails if a key asks for something that this decoder does not do.
fn refuse(map: &Map<String, Value>, model_type: ModelType) -> Result<()> {
    // Qwen's files have a sliding_window that use_sliding_window switches off; Llama's have neither.
    for key in ["use_sliding_window", "mlp_bias"] {
        if flag(map, key)? {
            return Err(Error::argument(format!("{key} = true is not supported for model_type \"{}\"", model_type.name())));
        }
    }
    let other = |layer: &&Value| layer.as_str() != Some("full_attention");
    if let Some(layer) = given(map, "layer_types").and_then(Value::as_array).and_then(|layers| layers.iter().find(other)) {
        return Err(Error::argument(format!("layer_types has {}, which is not supported; supported: \"full_attention\"", short(layer))));
    }
    if let Some(other) = map.get("hidden_act").filter(|act| act.as_str() != Some("silu")) {
        return Err(Error::argument(format!("hidden_act {} is not supported; supported: \"silu\"", short(other))));
    }
    Ok(())
}

/// `rope_theta` and the scaling. Older files have `rope_theta` beside `rope_scaling` (null, or an object whose kind is `rope_type` or
/// `type`); newer ones have both in `rope_parameters`. If a file has both objects, transformers uses `rope_scaling`.
fn rope(map: &Map<String, Value>, longest: usize) -> Result<(f64, Option<Llama3>)> {
    let (key, rope) = match ["rope_scaling", "rope_parameters"].into_iter().find_map(|key| Some((key, given(map, key)?))) {
        Some((key, value)) => {
            let object = value.as_object().ok_or_else(|| Error::argument(format!("{key} = {} is not an object", short(value))))?;
            (key, object)
        }
        None => ("rope_scaling", map),
    };
    if [rope, map].iter().any(|map| given(map, "partial_rotary_factor").is_some_and(|factor| factor.as_f64() != Some(1.0))) {
        return Err(Error::argument("partial_rotary_factor is not supported: all elements of a head are rotated"));
    }
    let scaling = match given(rope, "rope_type").or_else(|| given(rope, "type")) {
        None => None,
        Some(kind) if kind == "default" => None,
        Some(kind) if kind == "llama3" => Some(llama3(rope, longest).map_err(|e| Error::argument(format!("{key}: {e}")))?),
        Some(other) => {
            return Err(Error::argument(format!("{key}: rope_type {} is not supported; supported: default, llama3", short(other))));
        }
    };
    let theta = if given(rope, "rope_theta").is_some() { number(rope, "rope_theta") } else { number(map, "rope_theta") }?;
    Ok((theta, scaling))
}

fn llama3(rope: &Map<String, Value>, longest: usize) -> Result<Llama3> {
    let original = "original_max_position_embeddings";
    let scaling = Llama3 {
        factor: number(rope, "factor")?,
        low_freq_factor: number(rope, "low_freq_factor")?,
        high_freq_factor: number(rope, "high_freq_factor")?,
        original_max_position_embeddings: if given(rope, original).is_some() { size(rope, original)? } else { longest },
    };
    if scaling.low_freq_factor >= scaling.high_freq_factor {
        return Err(Error::argument(format!(
            "low_freq_factor {} must be below high_freq_factor {}",
            scaling.low_freq_factor, scaling.high_freq_factor
        )));
    }
    Ok(scaling)
}

/// The tokens that end a text: `eos_token_id` of `config.json` or `generation_config.json`, one or a list.
pub(super) fn eos_token_id(map: &Map<String, Value>) -> Result<Vec<u32>> {
    match given(map, "eos_token_id") {
        None => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(token).collect(),
        Some(id) => Ok(vec![token(id)?]),
    }
}

/// A larger size means a broken file; no published model comes near.
const LARGEST: u64 = 1 << 24;

/// The value of a key, unless it is missing or null.
fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// A value for a message, shortened so that the message stays readable.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn size(map: &Map<String, Value>, key: &str) -> Result<usize> {
    match map.get(key).and_then(Value::as_u64) {
        Some(value) if (1..=LARGEST).contains(&value) => Ok(value as usize),
        Some(value) => Err(Error::argument(format!("{key} = {value} is out of range"))),
        None => Err(Error::argument(format!("{key} is missing or not a whole number"))),
    }
}

fn flag(map: &Map<String, Value>, key: &str) -> Result<bool> {
    match given(map, key) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| Error::argument(format!("{key} = {} is not true or false", short(value)))),
    }
}

fn token(id: &Value) -> Result<u32> {
    let fits = id.as_u64().and_then(|id| u32::try_from(id).ok());
    fits.ok_or_else(|| Error::argument(format!("eos_token_id has {}, which is not a token id", short(id))))
}

fn number(map: &Map<String, Value>, key: &str) -> Result<f64> {
    map.get(key)
        .and_then(Value::as_f64)
        .filter(|v| v.is_finite() && *v > 0.0)
        .ok_or_else(|| Error::argument(format!("{key} is missing or not a positive number")))
}
