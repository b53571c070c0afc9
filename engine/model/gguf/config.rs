//! The configuration of a model from the keys of its GGUF file, with the names that `config.json` has.

use std::path::PathBuf;

use memmap2::Mmap;
use serde_json::{Map, Value as Json, json};

use super::read::{Header, Value};
use super::{Keys, stored};
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::rope::{Llama3, Stretch};
use crate::model::tensor_files::Encoding;

/// The tensor that divides the rotary frequencies, in Llama 3's files.
pub(super) const FACTORS: &str = "rope_freqs.weight";
/// What Llama 3's models have besides their factor; the files only have the result. The length before the stretching is 8192 in all
/// published ones, and another power of two is found, too.
const LLAMA3: Llama3 = Llama3 { factor: 1.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192 };
const LENGTHS: std::ops::Range<u32> = 4..24;

/// What divides the rotary frequencies, with the file that says so.
pub(super) struct Factors {
    path: PathBuf,
    of: Vec<f32>,
}

impl Factors {
    /// Those of a model, if it has some.
    pub(super) fn of(files: &[(PathBuf, Mmap)], headers: &[Header]) -> Result<Option<Self>> {
        for ((path, map), header) in files.iter().zip(headers) {
            let Some(tensor) = header.tensors.iter().find(|tensor| tensor.name == FACTORS) else { continue };
            let [count] = tensor.shape[..] else {
                return Err(Error::format(path, format!("tensor {FACTORS} has the shape {:?}", tensor.shape)));
            };
            let bytes = count.checked_mul(4).and_then(|bytes| map.get(tensor.start..tensor.start.checked_add(bytes)?));
            let bytes = bytes.filter(|_| matches!(stored(tensor.kind), Some(Encoding::F32)));
            let bytes = bytes.ok_or_else(|| Error::format(path, format!("tensor {FACTORS} is cut short, or has no 32-bit numbers")))?;
            let of = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            return Ok(Some(Self { path: path.clone(), of }));
        }
        Ok(None)
    }

    /// The stretching with these factors.
    fn stretch(&self, config: &Config) -> Result<Stretch> {
        let factor = self.of.iter().copied().fold(1.0, f32::max);
        let plain = config.rope_frequencies();
        let lengths = std::iter::once(LLAMA3.original_max_position_embeddings).chain(LENGTHS.map(|power| 1 << power));
        for length in lengths.filter(|_| self.of.len() == plain.len()) {
            let stretch = Stretch::Llama3(Llama3 { factor: factor.into(), original_max_position_embeddings: length, ..LLAMA3 });
            let stretched = Config { rope_scaling: Some(stretch), ..config.clone() }.rope_frequencies();
            let off = |((plain, new), factor): ((&f64, f64), &f32)| (plain / new / f64::from(*factor) - 1.0).abs();
            if plain.iter().zip(stretched).zip(&self.of).map(off).all(|off| off < 1e-4) {
                return Ok(stretch);
            }
        }
        Err(Error::format(&self.path, format!("tensor {FACTORS} has other factors than Llama 3's, which is not supported")))
    }
}

/// The configuration. `vocabulary` are the rows of the embedding, `tied` says that there is no head, `biases` that the output of attention
/// has a bias.
pub(super) fn read(keys: &Keys<'_>, vocabulary: Option<usize>, tied: bool, biases: bool, factors: Option<Factors>) -> Result<Config> {
    let of = keys.text("general.architecture")?;
    let key = |rest: &str| format!("{of}.{rest}");
    if !["llama", "qwen2", "qwen3"].contains(&of) {
        let named: String = of.chars().take(60).collect();
        return Err(Error::format(keys.path, format!("the architecture {named} is not supported; supported: llama, qwen2, qwen3")));
    }
    let experts = keys.whole_or(&key("expert_count"), 0)?;
    if experts > 0 {
        return Err(Error::format(keys.path, format!("a model with {experts} experts is not supported")));
    }
    let vocabulary = vocabulary.ok_or_else(|| Error::format(keys.path, "tensor token_embd.weight is missing, or no matrix"))?;
    let (hidden, heads) = (keys.whole(&key("embedding_length"))?, keys.whole(&key("attention.head_count"))?);
    let default = if of == "qwen3" { 128 } else { hidden.checked_div(heads).unwrap_or(0) };
    let head_dim = keys.whole_or(&key("attention.key_length"), default)?;
    for (name, size) in [("attention.value_length", head_dim), ("rope.dimension_count", head_dim)] {
        let found = keys.whole_or(&key(name), size)?;
        if found != size {
            return Err(Error::format(
                keys.path,
                format!("{} is {found}, but a head has {head_dim} elements, which is not supported", key(name)),
            ));
        }
    }
    let longest = keys.whole(&key("context_length"))?;
    let mut map: Map<String, Json> = Map::new();
    let mut put = |name: &str, value: Json| map.insert(name.into(), value);
    put("model_type", of.into());
    put("vocab_size", vocabulary.into());
    put("hidden_size", hidden.into());
    put("intermediate_size", keys.whole(&key("feed_forward_length"))?.into());
    put("num_hidden_layers", keys.whole(&key("block_count"))?.into());
    put("num_attention_heads", heads.into());
    put("num_key_value_heads", keys.whole_or(&key("attention.head_count_kv"), heads)?.into());
    put("head_dim", head_dim.into());
    put("max_position_embeddings", longest.into());
    put("rms_norm_eps", json!(keys.real(&key("attention.layer_norm_rms_epsilon"))?));
    if keys.get(&key("rope.freq_base")).is_some() {
        put("rope_theta", json!(keys.real(&key("rope.freq_base"))?));
    }
    if let Some(scaling) = scaling(keys, &key)? {
        put("rope_scaling", scaling);
    }
    put("attention_bias", biases.into());
    put("tie_word_embeddings", tied.into());
    put("eos_token_id", json!(ends(keys)?));
    let mut config = Config::from_json(&map.into()).map_err(|e| Error::format(keys.path, e))?;
    if let Some(factors) = factors {
        config.rope_scaling = Some(factors.stretch(&config)?);
    }
    Ok(config)
}

/// The stretching of the rotary frequencies that the keys ask for.
fn scaling(keys: &Keys<'_>, key: &impl Fn(&str) -> String) -> Result<Option<Json>> {
    let kind = key("rope.scaling.type");
    let factor = || keys.real(&key("rope.scaling.factor"));
    match keys.get(&kind) {
        None => Ok(None),
        Some(Value::Text(none)) if none == "none" => Ok(None),
        Some(Value::Text(linear)) if linear == "linear" => Ok(Some(json!({ "rope_type": "linear", "factor": factor()? }))),
        Some(Value::Text(yarn)) if yarn == "yarn" => {
            let original = keys.whole(&key("rope.scaling.original_context_length"))?;
            Ok(Some(json!({ "rope_type": "yarn", "factor": factor()?, "original_max_position_embeddings": original })))
        }
        Some(_) => Err(Error::format(keys.path, format!("{kind} is not none, linear or yarn, which is not supported"))),
    }
}

/// The tokens that end a text.
fn ends(keys: &Keys<'_>) -> Result<Vec<usize>> {
    let mut ids = Vec::new();
    for name in ["eos", "eot", "eom"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        if keys.get(&key).is_some() {
            let id = keys.whole(&key)?;
            ids.extend((!ids.contains(&id)).then_some(id));
        }
    }
    Ok(ids)
}
