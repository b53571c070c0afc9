//! A model folder's configuration, and the small files that saving writes back unchanged.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{self, Config};
use crate::error::{Error, Result};
use crate::files;

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

/// The configuration with all its keys, and the kept files.
#[derive(Clone)]
pub struct Folder {
    path: Option<PathBuf>,
    config: Value,
    kept: Vec<(&'static str, Vec<u8>)>,
}

impl Folder {
    /// What is saved with a model that was not read from a folder.
    pub fn new(config: &Config) -> Self {
        Self { path: None, config: config.to_json(), kept: Vec::new() }
    }

    /// Reads `folder`. The end tokens are those of `generation_config.json`, or if it has none, those of `config.json`.
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
        files::write(folder.join("config.json"), format!("{config:#}\n").as_bytes())?;
        self.kept.iter().try_for_each(|(name, bytes)| files::write(folder.join(name), bytes))
    }
}

fn json(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|e| {
        let why =
            files::other_encoding(bytes).map_or(format!("not a JSON object: {}", files::brief(&e)), |encoding| format!("it {encoding}"));
        Error::format(path, why)
    })
}
