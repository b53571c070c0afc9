//! Writes a model as a GGUF file that llama.cpp loads.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use super::super::Model;
use super::super::config::ModelType;
use super::super::rope::Stretch;
use super::super::tensor_files::Encoding;
use super::config::FACTORS;
use super::tokenizer::Words;
use super::{TYPES, interleaved, unpublished};
use crate::device::Tensor;
use crate::error::{Error, Result};
use crate::files;

/// Where tensors begin.
const ALIGNMENT: usize = 32;
/// Rows are read from the device so many elements at a time.
const CHUNK: usize = 4 << 20;

/// The keys of a header.
#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    count: u64,
}

impl Keys {
    fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        put_text(&mut self.bytes, value);
    }

    fn whole(&mut self, key: &str, value: usize) {
        self.key(key, 4);
        self.bytes.extend((value as u32).to_le_bytes());
    }

    fn real(&mut self, key: &str, value: f64) {
        self.key(key, 6);
        self.bytes.extend((value as f32).to_le_bytes());
    }

    fn truth(&mut self, key: &str, value: bool) {
        self.key(key, 7);
        self.bytes.push(value.into());
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        self.list(key, 8, values.len());
        values.iter().for_each(|value| put_text(&mut self.bytes, value));
    }

    fn wholes(&mut self, key: &str, values: &[i32]) {
        self.list(key, 5, values.len());
        values.iter().for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }

    fn list(&mut self, key: &str, kind: u32, count: usize) {
        self.key(key, 9);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend((count as u64).to_le_bytes());
    }

    fn key(&mut self, key: &str, kind: u32) {
        put_text(&mut self.bytes, key);
        self.bytes.extend(kind.to_le_bytes());
        self.count += 1;
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// A tensor to write.
struct Part<'a> {
    name: String,
    from: From<'a>,
    dtype: Encoding,
    interleaved: Option<usize>,
}

enum From<'a> {
    Tensor(&'a Tensor),
    Numbers(Vec<f32>),
}

impl Part<'_> {
    fn shape(&self) -> Vec<usize> {
        match &self.from {
            From::Tensor(tensor) => tensor.shape().to_vec(),
            From::Numbers(numbers) => vec![numbers.len()],
        }
    }

    fn bytes(&self) -> usize {
        self.dtype.bytes(self.shape().iter().product())
    }
}

/// See [`Model::save_gguf`].
pub(crate) fn write(path: &Path, model: &Model, dtype: &str) -> Result<()> {
    let dtype = Encoding::of_gguf(dtype)?;
    if model.lora.is_some() {
        return Err(Error::argument("a model with an adapter cannot be written as GGUF: merge it first"));
    }
    let config = &model.config;
    let mut parts = Vec::new();
    if let Some(Stretch::Llama3(_)) = &config.rope_scaling {
        let plain = super::super::config::Config { rope_scaling: None, ..config.clone() }.rope_frequencies();
        let factors = plain.iter().zip(config.rope_frequencies()).map(|(plain, new)| (plain / new) as f32).collect();
        parts.push(Part { name: FACTORS.into(), from: From::Numbers(factors), dtype: Encoding::F32, interleaved: None });
    }
    for (published, tensor) in model.weights.named() {
        let name = unpublished(&published).ok_or_else(|| Error::argument(format!("{published} has no name in GGUF files")))?;
        let dtype = dtype.in_gguf(tensor.shape());
        let interleaved = interleaved(&name, config);
        parts.push(Part { name, from: From::Tensor(tensor), dtype, interleaved });
    }
    let keys = keys(model, dtype)?;
    let mut header = Vec::new();
    header.extend(b"GGUF");
    header.extend(3u32.to_le_bytes());
    header.extend((parts.len() as u64).to_le_bytes());
    header.extend(keys.count.to_le_bytes());
    header.extend(&keys.bytes);
    let mut at = 0;
    for part in &parts {
        put_text(&mut header, &part.name);
        let shape = part.shape();
        header.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|size| header.extend((*size as u64).to_le_bytes()));
        let number = TYPES.iter().find(|(_, known)| *known == part.dtype).map_or(0, |(number, _)| *number);
        header.extend(number.to_le_bytes());
        header.extend((at as u64).to_le_bytes());
        at = (at + part.bytes()).next_multiple_of(ALIGNMENT);
    }
    header.resize(header.len().next_multiple_of(ALIGNMENT), 0);
    files::write_with(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::io(path, e));
        put(&header)?;
        for part in &parts {
            numbers(part, |numbers| put(&part.dtype.narrow(numbers)?))?;
            put(&vec![0; part.bytes().next_multiple_of(ALIGNMENT) - part.bytes()])?;
        }
        Ok(())
    })
}

/// Calls `put` with the numbers of a part in the order of the file, whole rows at a time.
fn numbers(part: &Part<'_>, mut put: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
    let tensor = match &part.from {
        From::Numbers(numbers) => return put(numbers),
        From::Tensor(tensor) => tensor,
    };
    let (rows, cols) = match tensor.shape() {
        [rows] => (*rows, 1),
        _ => tensor.rows_cols(),
    };
    let whole = tensor.view(&[rows * cols])?;
    match part.interleaved {
        None => {
            let together = (CHUNK / cols).max(1);
            for first in (0..rows).step_by(together) {
                put(&whole.slice(first * cols..rows.min(first + together) * cols)?.read()?)?;
            }
        }
        Some(heads) => {
            let size = rows / heads;
            for head in 0..heads {
                let published = whole.slice(head * size * cols..(head + 1) * size * cols)?.read()?;
                let rows = (0..size / 2).flat_map(|pair| [pair, size / 2 + pair]);
                put(&rows.flat_map(|row| &published[row * cols..][..cols]).copied().collect::<Vec<_>>())?;
            }
        }
    }
    Ok(())
}

fn keys(model: &Model, dtype: Encoding) -> Result<Keys> {
    let config = &model.config;
    let of = config.model_type.name();
    let mut keys = Keys::default();
    keys.text("general.architecture", of);
    keys.text("general.type", "model");
    keys.whole("general.quantization_version", 2);
    // The numbers of llama.cpp's llama_ftype.
    let kind = match dtype {
        Encoding::F32 => 0,
        Encoding::BF16 => 32,
        Encoding::Quant(_) => 7,
        _ => 1,
    };
    keys.whole("general.file_type", kind);
    let key = |rest: &str| format!("{of}.{rest}");
    keys.whole(&key("block_count"), config.num_hidden_layers);
    keys.whole(&key("context_length"), config.max_position_embeddings);
    keys.whole(&key("embedding_length"), config.hidden_size);
    keys.whole(&key("feed_forward_length"), config.intermediate_size);
    keys.whole(&key("attention.head_count"), config.num_attention_heads);
    keys.whole(&key("attention.head_count_kv"), config.num_key_value_heads);
    keys.whole(&key("attention.key_length"), config.head_dim);
    keys.whole(&key("attention.value_length"), config.head_dim);
    keys.real(&key("attention.layer_norm_rms_epsilon"), config.rms_norm_eps);
    keys.whole(&key("rope.dimension_count"), config.head_dim);
    keys.real(&key("rope.freq_base"), config.rope_theta);
    keys.whole(&key("vocab_size"), config.vocab_size);
    match &config.rope_scaling {
        None | Some(Stretch::Llama3(_)) => {}
        Some(Stretch::Linear(factor)) => {
            keys.text(&key("rope.scaling.type"), "linear");
            keys.real(&key("rope.scaling.factor"), *factor);
        }
        Some(Stretch::Yarn(yarn)) => {
            keys.text(&key("rope.scaling.type"), "yarn");
            keys.real(&key("rope.scaling.factor"), yarn.factor);
            keys.whole(&key("rope.scaling.original_context_length"), yarn.original_max_position_embeddings);
        }
    }
    if config.model_type == ModelType::Llama && config.attention_bias {
        return Err(Error::argument("a llama model with biases cannot be written as GGUF"));
    }
    let words = Words::of(&model.tokenizer, config.vocab_size)?;
    keys.text("tokenizer.ggml.model", "gpt2");
    keys.text("tokenizer.ggml.pre", words.pre);
    keys.texts("tokenizer.ggml.tokens", &words.tokens);
    keys.wholes("tokenizer.ggml.token_type", &words.kinds);
    keys.texts("tokenizer.ggml.merges", &words.merges);
    keys.truth("tokenizer.ggml.add_bos_token", words.begins);
    for (name, id) in ["eos", "eot"].into_iter().zip(&config.eos_token_id) {
        keys.whole(&format!("tokenizer.ggml.{name}_token_id"), *id as usize);
    }
    for (ours, theirs) in [("bos_token", "bos"), ("pad_token", "padding"), ("unk_token", "unknown")] {
        let text = model.chat_template.special(ours).and_then(Json::as_str);
        if let Some(id) = text.and_then(|text| model.tokenizer.id(text)) {
            keys.whole(&format!("tokenizer.ggml.{theirs}_token_id"), id as usize);
        }
    }
    for (name, template) in model.chat_template.sources() {
        let key = if name == "default" { "tokenizer.chat_template".into() } else { format!("tokenizer.chat_template.{name}") };
        keys.text(&key, template);
    }
    Ok(keys)
}
