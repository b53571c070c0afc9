//! A model folder's configuration, and the small files that saving writes back unchanged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{self, Config};
use super::lora;
use super::tensor_files::{INDEX, SINGLE};
use crate::error::{Error, Result};
use crate::files;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// Read for the end tokens, and kept.
const GENERATION: &str = "generation_config.json";
/// Files that are kept if a folder has them.
const KEPT: [&str; 5] = [GENERATION, "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"];
/// Element types: our names, and those of `config.json`.
const TYPES: [(&str, &str); 3] = [("f32", "float32"), ("f16", "float16"), ("bf16", "bfloat16")];
/// A longer configuration means a broken file; published ones have a few thousand bytes.
const LARGEST_CONFIG: usize = 512 << 10;
/// A longer file to keep means a broken one; the vocabularies of published models have a few million bytes.
const LARGEST_KEPT: usize = 32 << 20;

/// The most keys that a warning names.
const NAMED: usize = 20;

/// The configuration with all its keys, and the kept files.
#[derive(Clone)]
pub struct Folder {
    path: Option<PathBuf>,
    config: Value,
    kept: Vec<(&'static str, Vec<u8>)>,
    /// What was read differently from what the files say, one line each.
    pub warnings: Vec<String>,
}

impl Folder {
    /// What is saved with a model that was not read from a folder.
    pub fn new(config: &Config) -> Self {
        Self { path: None, config: config.to_json(), kept: Vec::new(), warnings: Vec::new() }
    }

    /// Reads `folder`. The end tokens are those of `generation_config.json`, or if it has none, those of `config.json`.
    pub fn load(folder: &Path) -> Result<(Config, Self)> {
        let path = folder.join(CONFIG);
        let map = json(&path, &files::read_small(&path, LARGEST_CONFIG)?)?;
        let ignored = Config::ignored(&map).map_err(|e| Error::format(&path, e))?;
        let value = Value::Object(map);
        let mut config = Config::from_json(&value).map_err(|e| Error::format(&path, e))?;
        let mut warnings = Vec::new();
        if !ignored.is_empty() {
            let more = if ignored.len() > NAMED { format!(", and {} more", ignored.len() - NAMED) } else { String::new() };
            let named = ignored.iter().take(NAMED).map(|key| key.chars().take(60).collect()).collect::<Vec<String>>().join(", ");
            let model_type = config.model_type.name();
            warnings.push(format!("{}: transformers has no such key for {model_type}; ignored: {named}{more}", path.display()));
        }
        let mut kept = Vec::new();
        for name in KEPT {
            let path = folder.join(name);
            if !path.exists() {
                continue;
            }
            let bytes = files::read_small(&path, if name == GENERATION { LARGEST_CONFIG } else { LARGEST_KEPT })?;
            if name == GENERATION {
                let ids = config::eos_token_id(&json(&path, &bytes)?).map_err(|e| Error::format(&path, e))?;
                if !ids.is_empty() {
                    config.eos_token_id = ids;
                }
            }
            kept.push((name, bytes));
        }
        Ok((config, Self { path: Some(folder.to_path_buf()), config: value, kept, warnings }))
    }

    /// Notes that the model has a head of its own, although the configuration says that it is the embedding.
    pub(super) fn untie(&mut self, file: &Path) {
        self.config["tie_word_embeddings"] = false.into();
        self.warnings.push(format!(
            "{}: lm_head.weight differs from the embedding, so it is used, although {CONFIG} has tie_word_embeddings = true",
            file.display()
        ));
    }

    /// The element type that `config.json` names: `f32`, `f16` or `bf16`; `f32` if it names none or another.
    pub fn dtype(&self) -> &'static str {
        let named = ["dtype", "torch_dtype"].iter().find_map(|key| self.config.get(key)?.as_str());
        TYPES.iter().find(|(_, name)| Some(*name) == named).map_or("f32", |(short, _)| short)
    }

    /// The folder it was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The content of `generation_config.json`; empty if there is no such file.
    pub fn generation_config(&self) -> Map<String, Value> {
        let bytes = self.kept.iter().find(|(name, _)| *name == GENERATION).map(|(_, bytes)| bytes.as_slice());
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }

    /// Writes the kept files, and `config.json` unchanged except for the element type, which is that of the tensors.
    pub fn save(&self, folder: &Path, dtype: &str) -> Result<()> {
        let mut config = self.config.clone();
        if let Some(config) = config.as_object_mut() {
            // Newer releases of transformers write the shorter name.
            let key = if config.contains_key("dtype") { "dtype" } else { "torch_dtype" };
            let name = TYPES.iter().find(|(short, _)| *short == dtype).map_or("float32", |(_, name)| name);
            config.insert(key.into(), name.into());
        }
        files::write(folder.join(CONFIG), format!("{config:#}\n").as_bytes())?;
        self.kept.iter().try_for_each(|(name, bytes)| files::write(folder.join(name), bytes))
    }
}

/// Fails if the folder lacks a part of a model, or has an adapter beside it. Says what is missing, and how to get it from what is there.
pub(super) fn complete(folder: &Path) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let names: BTreeSet<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let has = |name: &str| names.contains(name);
    let find = |start: &str, end: &str| names.iter().find(|name| name.starts_with(start) && name.ends_with(end));
    let parts = [(CONFIG, has(CONFIG)), (TOKENIZER, has(TOKENIZER)), (SINGLE, has(SINGLE) || has(INDEX))];
    let missing: Vec<&str> = parts.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect();
    let hint = match &missing[..] {
        [] if has(lora::CONFIG) => {
            return Err(Error::format(
                folder.join(lora::CONFIG),
                "an adapter beside a model: transformers would load the adapter's base model instead; move the two into folders of their own",
            ));
        }
        [] => return Ok(()),
        _ if has(lora::CONFIG) => "this is the folder of an adapter: give the folder of its base model, and this one as its adapter".into(),
        _ if let Some(gguf) = find("", ".gguf") => {
            format!("{gguf} is a whole model: name the file itself, {}", folder.join(gguf).display())
        }
        _ if let Some(bin) = find("pytorch_model", ".bin").filter(|_| missing.contains(&SINGLE)) => {
            let tokenizer = if missing.contains(&TOKENIZER) { ", and the same with AutoTokenizer," } else { "" };
            let save = format!("`transformers.AutoModelForCausalLM.from_pretrained({folder:?}).save_pretrained({folder:?})` in Python");
            format!("{bin} is not read, because it is a Python pickle; {save}{tokenizer} converts it")
        }
        [TOKENIZER] => format!(
            "`transformers.AutoTokenizer.from_pretrained({folder:?}).save_pretrained({folder:?})` in Python makes it from other tokenizer files"
        ),
        _ => format!("a model folder has {CONFIG}, {TOKENIZER}, and {SINGLE} or the shards that {INDEX} names"),
    };
    let also = missing[1..].iter().map(|name| format!(", and no {name}")).collect::<String>();
    Err(Error::io(folder.join(missing[0]), format!("no such file{also}; {hint}")))
}

fn json(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|e| {
        let why =
            files::other_encoding(bytes).map_or(format!("not a JSON object: {}", files::brief(&e)), |encoding| format!("it {encoding}"));
        Error::format(path, why)
    })
}
