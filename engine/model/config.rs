//! `config.json` of a model folder.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::ops::attention::Heads;

/// Sizes and constants of a Qwen3 decoder, as named in the published files.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
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
    /// Added under the root of RMSNorm.
    pub rms_norm_eps: f64,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Tokens that end a text.
    pub eos_token_id: Vec<u32>,
}

impl Config {
    /// Reads `config.json` in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| Error::format(&path, e))?;
        Self::from_json(&value).map_err(|e| Error::format(&path, e))
    }

    /// Checks and reads a configuration.
    pub fn from_json(value: &Value) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| Error::argument("a model configuration is a JSON object"))?;
        match map.get("model_type").and_then(Value::as_str) {
            Some("qwen3") => {}
            Some(other) => return Err(Error::argument(format!("model_type '{other}' is not supported; supported: qwen3"))),
            None => return Err(Error::argument("model_type is missing; supported: qwen3")),
        }
        if map.get("attention_bias").and_then(Value::as_bool) == Some(true) {
            return Err(Error::argument("attention_bias is not supported"));
        }
        // Newer files keep the rotary settings in `rope_parameters`.
        let rope = map.get("rope_parameters").and_then(Value::as_object).unwrap_or(map);
        let scaling = map.get("rope_scaling").filter(|v| !v.is_null()).or_else(|| rope.get("rope_type"));
        if let Some(kind) = scaling.map(|s| s.get("rope_type").unwrap_or(s))
            && kind.as_str() != Some("default")
        {
            return Err(Error::argument(format!("rope_scaling {kind} is not supported; supported: default")));
        }
        let hidden_size = size(map, "hidden_size")?;
        let heads = size(map, "num_attention_heads")?;
        let config = Self {
            vocab_size: size(map, "vocab_size")?,
            hidden_size,
            intermediate_size: size(map, "intermediate_size")?,
            num_hidden_layers: size(map, "num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: if map.contains_key("num_key_value_heads") { size(map, "num_key_value_heads")? } else { heads },
            head_dim: if map.get("head_dim").is_some_and(|v| !v.is_null()) { size(map, "head_dim")? } else { hidden_size / heads },
            max_position_embeddings: size(map, "max_position_embeddings")?,
            rope_theta: number(rope, "rope_theta")?,
            rms_norm_eps: number(map, "rms_norm_eps")?,
            tie_word_embeddings: map.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false),
            eos_token_id: match map.get("eos_token_id") {
                Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).map(|id| id as u32).collect(),
                Some(id) => id.as_u64().map(|id| id as u32).into_iter().collect(),
                None => Vec::new(),
            },
        };
        if !config.num_attention_heads.is_multiple_of(config.num_key_value_heads) || !config.head_dim.is_multiple_of(2) {
            return Err(Error::argument(format!(
                "{} query heads must be a multiple of {} key heads, and head_dim {} even",
                config.num_attention_heads, config.num_key_value_heads, config.head_dim
            )));
        }
        Ok(config)
    }

    /// The content of `config.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.max_position_embeddings,
            "rope_theta": self.rope_theta,
            "rope_scaling": null,
            "rms_norm_eps": self.rms_norm_eps,
            "hidden_act": "silu",
            "attention_bias": false,
            "attention_dropout": 0.0,
            "tie_word_embeddings": self.tie_word_embeddings,
            "eos_token_id": self.eos_token_id.first(),
            "torch_dtype": "float32",
        })
    }

    /// Head counts and size.
    pub fn heads(&self) -> Heads {
        Heads { q: self.num_attention_heads, kv: self.num_key_value_heads, dim: self.head_dim }
    }

    /// Rotary frequencies `theta^(−2i / D)`: [D/2].
    pub fn rope_frequencies(&self) -> Vec<f64> {
        (0..self.head_dim / 2).map(|i| self.rope_theta.powf(-2.0 * i as f64 / self.head_dim as f64)).collect()
    }
}

/// Sizes beyond this are taken for a broken file: no published model comes near.
const LARGEST: u64 = 1 << 24;

fn size(map: &Map<String, Value>, key: &str) -> Result<usize> {
    match map.get(key).and_then(Value::as_u64) {
        Some(value) if (1..=LARGEST).contains(&value) => Ok(value as usize),
        Some(value) => Err(Error::argument(format!("{key} = {value} is out of range"))),
        None => Err(Error::argument(format!("{key} is missing or not a whole number"))),
    }
}

fn number(map: &Map<String, Value>, key: &str) -> Result<f64> {
    map.get(key)
        .and_then(Value::as_f64)
        .filter(|v| v.is_finite() && *v > 0.0)
        .ok_or_else(|| Error::argument(format!("{key} is missing or not a positive number")))
}
