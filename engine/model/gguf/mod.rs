//! GGUF files, as llama.cpp writes them: a model in one file, or split into several. Configuration, tokenizer and chat template are made
//! from its keys, as a model folder would have them; the tensors get their published names.

mod config;
mod read;
mod tokenizer;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::config::{Config, ModelType};
use super::template::ChatTemplate;
use super::tensor_files::{Encoding, Entry, TensorFiles, map};
use super::tokenizer::Tokenizer;
use super::weights;
use crate::device::Quant;
use crate::error::{Error, Result};
use read::{Header, Value};

pub(super) use write::write;

/// What a GGUF file has instead of a model folder.
pub(super) struct Gguf {
    pub(super) config: Config,
    pub(super) tokenizer: Tokenizer,
    pub(super) chat_template: ChatTemplate,
    pub(super) tensors: TensorFiles,
}

/// Whether a path names a GGUF file.
pub(super) fn is(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

impl Gguf {
    /// Opens a file, or all files of a model that was split, of which any may be named. A `tokenizer.json` beside it is used instead of
    /// the tokenizer inside.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let first = map(path)?;
        let header = Header::read(path, &first)?;
        let keys = Keys { path, all: &header.keys };
        let paths = parts(path, &keys)?;
        let mut files = Vec::new();
        let mut headers = Vec::new();
        if paths.len() == 1 {
            files.push((path.to_path_buf(), first));
            headers.push(header);
        } else {
            for path in &paths {
                let map = map(path)?;
                headers.push(Header::read(path, &map)?);
                files.push((path.clone(), map));
            }
        }
        let keys = Keys { path: &files[0].0, all: &headers[0].keys };
        let (tied, vocabulary) = (!has(&headers, "output.weight"), rows(&headers, "token_embd.weight"));
        let biases = has(&headers, "blk.0.attn_output.bias");
        let factors = config::Factors::of(&files, &headers)?;
        let config = config::read(&keys, vocabulary, tied, biases, factors)?;
        let beside = path.with_file_name("tokenizer.json");
        let tokenizer = if beside.is_file() { Tokenizer::load(&beside)? } else { tokenizer::read(&keys)? };
        let chat_template = tokenizer::chat_template(&keys)?;
        let tensors = tensors(files, &headers, &config)?;
        Ok(Self { config, tokenizer, chat_template, tensors })
    }
}

fn has(headers: &[Header], name: &str) -> bool {
    headers.iter().flat_map(|header| &header.tensors).any(|tensor| tensor.name == name)
}

/// The rows of a matrix, if it is there.
fn rows(headers: &[Header], name: &str) -> Option<usize> {
    let tensor = headers.iter().flat_map(|header| &header.tensors).find(|tensor| tensor.name == name)?;
    (tensor.shape.len() == 2).then(|| tensor.shape[0])
}

/// The files of a model: the one that is named, or all parts, whose names end with `-00001-of-00003.gguf`.
fn parts(path: &Path, keys: &Keys<'_>) -> Result<Vec<PathBuf>> {
    let count = keys.whole_or("split.count", 1)?;
    if count <= 1 {
        return Ok(vec![path.to_path_buf()]);
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let end = format!("-of-{count:05}.gguf");
    let stem = name.strip_suffix(&end).and_then(|stem| stem.get(..stem.len().checked_sub(6)?));
    let Some(stem) = stem.filter(|_| count <= 99_999) else {
        return Err(Error::format(path, format!("it is one of {count} parts, but its name does not end with -00001{end}")));
    };
    (1..=count)
        .map(|i| path.with_file_name(format!("{stem}-{i:05}{end}")))
        .map(|part| if part.is_file() { Ok(part) } else { Err(Error::io(&part, format!("no such file; the model has {count} parts"))) })
        .collect()
}

/// The tensors of all parts under their published names.
fn tensors(files: Vec<(PathBuf, Mmap)>, headers: &[Header], config: &Config) -> Result<TensorFiles> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (file, header) in headers.iter().enumerate() {
        let (path, map) = &files[file];
        let broken = |reason: String| Error::format(path, reason);
        let mut spans: Vec<(usize, usize, &str)> = Vec::new();
        for tensor in &header.tensors {
            let name = &tensor.name;
            let Some(dtype) = stored(tensor.kind) else {
                return Err(broken(format!(
                    "tensor {name} has the element type {}, which is not supported; supported: {}",
                    kind(tensor.kind),
                    supported()
                )));
            };
            let columns = tensor.shape.last().copied().unwrap_or(1);
            let whole = columns.is_multiple_of(dtype.block());
            let elements = tensor.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
            let bytes = elements.filter(|_| whole).and_then(|elements| (elements / dtype.block()).checked_mul(dtype.block_bytes()));
            let Some(bytes) = bytes else {
                return Err(broken(format!("tensor {name} of type {dtype} cannot have the shape {:?}", tensor.shape)));
            };
            let end = tensor.start.checked_add(bytes).filter(|end| *end <= map.len());
            let Some(end) = end else {
                return Err(broken(format!(
                    "tensor {name} has {bytes} bytes from byte {} on, but the file has {}; it was cut short",
                    tensor.start,
                    map.len()
                )));
            };
            spans.push((tensor.start, end, name));
            if name == config::FACTORS {
                continue;
            }
            let Some(published) = published(name) else {
                return Err(broken(format!("tensor {name} does not belong to a {} model", config.model_type.name())));
            };
            let entry =
                Entry { file, dtype, shape: tensor.shape.clone(), range: tensor.start..end, interleaved: interleaved(name, config) };
            if entries.insert(published, entry).is_some() {
                return Err(broken(format!("tensor {name} comes twice")));
            }
        }
        spans.sort_unstable();
        if let Some(pair) = spans.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            return Err(broken(format!("tensors {} and {} share bytes", pair[0].2, pair[1].2)));
        }
    }
    Ok(TensorFiles::of(files, entries))
}

/// The names of tensors here and in a model folder, and those of the parts of a block.
const WHOLE: [(&str, &str); 3] =
    [("token_embd.weight", weights::EMBED), ("output_norm.weight", "model.norm.weight"), ("output.weight", weights::HEAD)];
const PARTS: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The published name of a tensor.
fn published(name: &str) -> Option<String> {
    if let Some((_, published)) = WHOLE.iter().find(|(own, _)| *own == name) {
        return Some((*published).into());
    }
    let (block, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, ending) = rest.rsplit_once('.')?;
    let (_, published) = PARTS.iter().find(|(own, _)| *own == part)?;
    Some(format!("model.layers.{block}.{published}.{ending}"))
}

/// The name here of a tensor with this published name.
fn unpublished(name: &str) -> Option<String> {
    if let Some((own, _)) = WHOLE.iter().find(|(_, published)| *published == name) {
        return Some((*own).into());
    }
    let (block, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, ending) = rest.rsplit_once('.')?;
    let (own, _) = PARTS.iter().find(|(_, published)| *published == part)?;
    Some(format!("blk.{block}.{own}.{ending}"))
}

/// The number of heads whose rows the file interleaves. Llama's files have the two halves of a head's pairs side by side, because
/// llama.cpp rotates neighbours there.
fn interleaved(name: &str, config: &Config) -> Option<usize> {
    let is = |part: &str| name.contains(&format!(".{part}."));
    match config.model_type {
        ModelType::Llama if is("attn_q") => Some(config.num_attention_heads),
        ModelType::Llama if is("attn_k") => Some(config.num_key_value_heads),
        _ => None,
    }
}

/// The element types of ggml that are read, by number.
const TYPES: [(u32, Encoding); 11] = [
    (0, Encoding::F32),
    (1, Encoding::F16),
    (2, Encoding::Quant(Quant::Q4_0)),
    (3, Encoding::Quant(Quant::Q4_1)),
    (6, Encoding::Quant(Quant::Q5_0)),
    (7, Encoding::Quant(Quant::Q5_1)),
    (8, Encoding::Quant(Quant::Q8_0)),
    (12, Encoding::Quant(Quant::Q4K)),
    (13, Encoding::Quant(Quant::Q5K)),
    (14, Encoding::Quant(Quant::Q6K)),
    (30, Encoding::BF16),
];

fn stored(kind: u32) -> Option<Encoding> {
    TYPES.iter().find(|(number, _)| *number == kind).map(|(_, stored)| *stored)
}

fn supported() -> String {
    TYPES.iter().map(|(_, stored)| stored.to_string()).collect::<Vec<_>>().join(", ")
}

/// A name for an element type that is not read.
fn kind(number: u32) -> String {
    let known = [
        (10, "Q2_K"),
        (11, "Q3_K"),
        (15, "Q8_K"),
        (16, "IQ2_XXS"),
        (17, "IQ2_XS"),
        (18, "IQ3_XXS"),
        (19, "IQ1_S"),
        (20, "IQ4_NL"),
        (21, "IQ3_S"),
        (22, "IQ2_S"),
        (23, "IQ4_XS"),
        (24, "I8"),
        (25, "I16"),
        (26, "I32"),
        (27, "I64"),
        (28, "F64"),
        (29, "IQ1_M"),
    ];
    known.iter().find(|(known, _)| *known == number).map_or(format!("number {number}"), |(_, name)| (*name).into())
}

/// The keys of a file.
struct Keys<'a> {
    path: &'a Path,
    all: &'a BTreeMap<String, Value>,
}

impl<'a> Keys<'a> {
    fn wrong(&self, key: &str, wanted: &str) -> Error {
        match self.all.get(key) {
            None => Error::format(self.path, format!("the key {key} is missing")),
            Some(_) => Error::format(self.path, format!("the value of {key} is not {wanted}")),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.all.get(key)
    }

    fn whole(&self, key: &str) -> Result<usize> {
        match self.get(key) {
            Some(Value::Whole(value)) => usize::try_from(*value).map_err(|_| self.wrong(key, "a whole number in range")),
            _ => Err(self.wrong(key, "a whole number")),
        }
    }

    fn whole_or(&self, key: &str, default: usize) -> Result<usize> {
        if self.all.contains_key(key) { self.whole(key) } else { Ok(default) }
    }

    fn real(&self, key: &str) -> Result<f64> {
        match self.get(key) {
            Some(Value::Real(value)) => Ok(*value),
            Some(Value::Whole(value)) => Ok(*value as f64),
            _ => Err(self.wrong(key, "a number")),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        match self.get(key) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.wrong(key, "a text")),
        }
    }

    fn texts(&self, key: &str) -> Result<&'a [String]> {
        match self.get(key) {
            Some(Value::Texts(texts)) => Ok(texts),
            _ => Err(self.wrong(key, "a list of texts")),
        }
    }
}
