//! `config.json` of a model folder.

use serde_json::{Map, Value, json};

use super::keys::{self, flag_or, number_or, short, size, size_or};
use super::rope::{self, Stretch};
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
    /// How the rotary frequencies are stretched.
    pub rope_scaling: Option<Stretch>,
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
    /// Reads and checks a configuration: the content of `config.json`, as old or new releases of transformers write it. A key that is missing
    /// has the default of transformers, except the sizes of the tensors, which must be there.
    pub fn from_json(value: &Value) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| Error::argument("a model configuration must be a JSON object"))?;
        let model_type = model_type(map)?;
        let (llama, qwen2) = (model_type == ModelType::Llama, model_type == ModelType::Qwen2);
        keys::refuse(map)?;
        let hidden_size = size(map, "hidden_size")?;
        let heads = size(map, "num_attention_heads")?;
        let num_hidden_layers = size(map, "num_hidden_layers")?;
        let max_position_embeddings = size_or(map, "max_position_embeddings", if llama { 2048 } else { 32_768 })?;
        let (rope_theta, rope_scaling) = rope::read(map, max_position_embeddings)?;
        refuse_windows(map, model_type, num_hidden_layers, max_position_embeddings)?;
        refuse_other_blocks(map, model_type)?;
        let config = Self {
            model_type,
            vocab_size: size(map, "vocab_size")?,
            hidden_size,
            intermediate_size: size(map, "intermediate_size")?,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: match map.get("num_key_value_heads") {
                None if !llama => 32,
                None | Some(Value::Null) => heads,
                Some(_) => size(map, "num_key_value_heads")?,
            },
            head_dim: match map.get("head_dim") {
                None if model_type == ModelType::Qwen3 => 128,
                None => hidden_size / heads,
                Some(Value::Null) if llama => hidden_size / heads,
                Some(_) => size(map, "head_dim")?,
            },
            max_position_embeddings,
            rope_theta,
            rope_scaling,
            rms_norm_eps: number_or(map, "rms_norm_eps", 1e-6)?,
            attention_bias: !qwen2 && flag_or(map, "attention_bias", false)?,
            tie_word_embeddings: flag_or(map, "tie_word_embeddings", false)?,
            eos_token_id: if llama && !map.contains_key("eos_token_id") { vec![2] } else { eos_token_id(map)? },
        };
        if !config.num_attention_heads.is_multiple_of(config.num_key_value_heads) || config.head_dim < 2 || config.head_dim % 2 == 1 {
            return Err(Error::argument(format!(
                "num_attention_heads {} must be a multiple of num_key_value_heads {}, and head_dim {} even",
                config.num_attention_heads, config.num_key_value_heads, config.head_dim
            )));
        }
        rope::check(rope_theta, config.head_dim, &config.rope_scaling)?;
        Ok(config)
    }

    /// [`Config::from_json`] of a configuration that was not written by transformers: a key that would be ignored is an error.
    pub fn exact(value: &Value) -> Result<Self> {
        let config = Self::from_json(value)?;
        match value.as_object().map_or(Ok(Vec::new()), Self::ignored)?.first() {
            None => Ok(config),
            Some(key) => {
                Err(Error::argument(format!("{} is not a key of a {} configuration", short(&json!(key)), config.model_type.name())))
            }
        }
    }

    /// The keys that are not off and are ignored, because transformers ignores them too.
    pub(super) fn ignored(map: &Map<String, Value>) -> Result<Vec<String>> {
        let mut all: Vec<String> = keys::ignored(map, model_type(map)?).into_iter().map(str::to_string).collect();
        all.extend(rope::ignored(map));
        Ok(all)
    }

    /// The content of `config.json` for f32 weights, in the older form that every release of transformers reads.
    pub fn to_json(&self) -> Value {
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
            "rope_scaling": self.rope_scaling.map(Stretch::to_json),
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
        let base = (0..self.head_dim / 2).map(|pair| rope::base(self.rope_theta, self.head_dim, pair)).collect();
        match &self.rope_scaling {
            Some(stretch) => stretch.apply(base, self.rope_theta),
            None => base,
        }
    }

    /// What the cosines and sines of the rotation are multiplied by.
    pub fn rope_scale(&self) -> f64 {
        match &self.rope_scaling {
            Some(Stretch::Yarn(yarn)) => yarn.attention_factor,
            _ => 1.0,
        }
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

/// Fails if a block sees only a window of the keys. A window that no sequence is longer than is none.
fn refuse_windows(map: &Map<String, Value>, model_type: ModelType, layers: usize, longest: usize) -> Result<()> {
    let qwen = model_type != ModelType::Llama;
    let used = if qwen { flag_or(map, "use_sliding_window", false)? } else { true };
    let window = match map.get("sliding_window") {
        _ if !used => None,
        None => qwen.then_some(4096),
        Some(Value::Null) => None,
        Some(_) => Some(size(map, "sliding_window")?),
    };
    let first = match map.get("max_window_layers") {
        Some(value) if qwen => value.as_u64().ok_or_else(|| Error::argument("max_window_layers is not a whole number"))? as usize,
        _ if qwen => 28,
        _ => 0,
    };
    let wide = window.is_some_and(|window| window >= longest);
    let other = match map.get("layer_types") {
        None | Some(Value::Null) => (window.is_some() && first < layers && !wide).then_some("sliding_attention"),
        Some(Value::Array(kinds)) if kinds.len() == layers && kinds.iter().all(Value::is_string) => {
            let full = |kind: &&str| ["full_attention", "attention"].contains(kind) || (*kind == "sliding_attention" && wide);
            kinds.iter().filter_map(Value::as_str).find(|kind| !full(kind))
        }
        Some(other) => return Err(Error::argument(format!("layer_types = {} is not a list of {layers} names", short(other)))),
    };
    match (other, window) {
        (None, _) => Ok(()),
        (Some("sliding_attention"), Some(window)) => {
            Err(Error::argument(format!("sliding_window {window} is not supported, because it is below max_position_embeddings {longest}")))
        }
        (Some(kind), _) => {
            Err(Error::argument(format!("layer_types has {}, which is not supported; supported: \"full_attention\"", short(&kind.into()))))
        }
    }
}

/// Fails if a key asks for blocks that differ from this decoder's in another way.
fn refuse_other_blocks(map: &Map<String, Value>, model_type: ModelType) -> Result<()> {
    if !flag_or(map, "is_causal", true)? {
        return Err(Error::argument("is_causal = false is not supported: a policy must not see later tokens"));
    }
    if model_type == ModelType::Llama && flag_or(map, "mlp_bias", false)? {
        return Err(Error::argument("mlp_bias = true is not supported"));
    }
    match map.get("hidden_act") {
        None => Ok(()),
        Some(name) if name == "silu" || name == "swish" => Ok(()),
        Some(other) => Err(Error::argument(format!("hidden_act {} is not supported; supported: \"silu\"", short(other)))),
    }
}

/// The tokens that end a text: `eos_token_id` of `config.json` or `generation_config.json`, one or a list.
pub(super) fn eos_token_id(map: &Map<String, Value>) -> Result<Vec<u32>> {
    match map.get("eos_token_id") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(token).collect(),
        Some(id) => Ok(vec![token(id)?]),
    }
}

fn token(id: &Value) -> Result<u32> {
    let fits = id.as_u64().and_then(|id| u32::try_from(id).ok());
    fits.ok_or_else(|| Error::argument(format!("eos_token_id has {}, which is not a token id", short(id))))
}
