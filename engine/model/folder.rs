//! What a model folder holds besides tensors, tokenizer and chat templates: the configuration, and small files that saving writes back as they were.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{self, Config};
use crate::error::{Error, Result};
use crate::files;

/// Read for the tokens that end a text, and kept.
const GENERATION: &str = "generation_config.json";
/// Files that are kept where a folder has them.
const KEPT: [&str; 5] = [GENERATION, "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"];
/// Element types as they are called here and in `config.json`.
const TYPES: [(&str, &str); 3] = [("f32", "float32"), ("f16", "float16"), ("bf16", "bfloat16")];
/// Longer configurations are taken for broken files: published ones have a few thousand bytes.
const LARGEST_CONFIG: usize = 512 << 10;
/// Longer files to keep are taken for broken ones: the vocabularies of published models have a few million bytes.
const LARGEST_KEPT: usize = 32 << 20;

/// The configuration of a folder with all its keys, and the files that are kept.
#[derive(Clone)]
pub struct Folder {
    path: Option<PathBuf>,
    config: Value,
    kept: Vec<(&'static str, Vec<u8>)>,
}

impl Folder {
    /// What is saved with a model that comes from no folder.
    pub fn new(config: &Config) -> Self {
        Self { path: None, config: config.to_json(), kept: Vec::new() }
    }

    /// Reads `folder`. The tokens that end a text are those of `generation_config.json`, or if it names none those of `config.json`.
    pub fn load(folder: &Path) -> Result<(Config, Self)> {
        let path = folder.join("config.json");
        let value = Value::Object(json(&path, &files::read_small(&path, LARGEST_CONFIG)?)?);
        let mut config = Config::from_json(&value).map_err(|e| Error::format(&path, e))?;
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
        Ok((config, Self { path: Some(folder.to_path_buf()), config: value, kept }))
    }

    /// The element type that `config.json` names: `f32`, `f16` or `bf16`; `f32` if it names none or another.
    pub fn dtype(&self) -> &'static str {
        let named = ["dtype", "torch_dtype"].iter().find_map(|key| self.config.get(key)?.as_str());
        TYPES.iter().find(|(_, name)| Some(*name) == named).map_or("f32", |(short, _)| short)
    }

    /// Where it was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What `generation_config.json` says; empty where there is none.
    pub fn generation_config(&self) -> Map<String, Value> {
        let bytes = self.kept.iter().find(|(name, _)| *name == GENERATION).map(|(_, bytes)| bytes.as_slice());
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }

    /// Writes `config.json`, as it was but for the element type, which is that of the tensors, and the files that are kept.
    pub fn save(&self, folder: &Path, dtype: &str) -> Result<()> {
        let mut config = self.config.clone();
        if let Some(config) = config.as_object_mut() {
            // Newer releases of transformers write the shorter name.
            let key = if config.contains_key("dtype") { "dtype" } else { "torch_dtype" };
            let name = TYPES.iter().find(|(short, _)| *short == dtype).map_or("float32", |(_, name)| name);
            config.insert(key.into(), name.into());
        }
        files::write(folder.join("config.json"), format!("{config:#}\n").as_bytes())?;
        self.kept.iter().try_for_each(|(name, bytes)| files::write(folder.join(name), bytes))
    }
}

fn json(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|e| Error::format(path, format!("not a JSON object: {}", files::brief(&e))))
}
