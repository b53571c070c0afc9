//! The policy: a decoder-only transformer of the Qwen3 family, from and to a Hugging Face folder.

pub mod batch;
pub mod blocks;
pub mod config;
pub mod head;
pub mod init;
mod jinja;
mod python;
pub mod template;
pub mod tokenizer;
pub mod weights;

use std::path::Path;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::files;
pub use config::Config;
pub use template::{Chat, ChatTemplate};
pub use tokenizer::Tokenizer;
pub use weights::Weights;

/// A model on a device.
pub struct Model {
    /// Sizes.
    pub config: Config,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Messages to text.
    pub chat_template: ChatTemplate,
    /// Parameters.
    pub weights: Weights,
    /// Where the parameters are.
    pub device: Device,
}

impl Model {
    /// Reads `config.json`, `tokenizer.json`, chat templates and `model.safetensors` in `folder`.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::io(folder, "there is no such model folder"));
        }
        let config = Config::load(folder)?;
        let file = folder.join("tokenizer.json");
        let tokenizer = Tokenizer::load(&file)?;
        Self::fits(&config, &tokenizer).map_err(|e| Error::format(&file, e))?;
        let chat_template = ChatTemplate::load(folder)?;
        let weights = Weights::load(&config, device, &folder.join("model.safetensors"))?;
        Ok(Self { config, tokenizer, chat_template, weights, device: device.clone() })
    }

    /// A model with random weights.
    pub fn random(config: Config, tokenizer: Tokenizer, device: &Device, seed: u64) -> Result<Self> {
        Self::fits(&config, &tokenizer)?;
        let weights = Weights::random(&config, device, seed)?;
        Ok(Self { config, tokenizer, chat_template: ChatTemplate::default(), weights, device: device.clone() })
    }

    /// A model with random weights that can copy (see [`init`]).
    pub fn copying(config: Config, tokenizer: Tokenizer, device: &Device, seed: u64) -> Result<Self> {
        Self::fits(&config, &tokenizer)?;
        let weights = Weights::copying(&config, device, seed)?;
        Ok(Self { config, tokenizer, chat_template: ChatTemplate::default(), weights, device: device.clone() })
    }

    fn fits(config: &Config, tokenizer: &Tokenizer) -> Result<()> {
        if tokenizer.vocab_size() > config.vocab_size {
            return Err(Error::argument(format!(
                "the tokenizer has {} tokens but vocab_size is {}",
                tokenizer.vocab_size(),
                config.vocab_size
            )));
        }
        Ok(())
    }

    /// Writes the folder that [`Model::load`] reads. `dtype` is `f32` or `f16`.
    pub fn save(&self, folder: &Path, dtype: &str) -> Result<()> {
        let config = serde_json::to_string_pretty(&self.config.to_json()).map_err(|e| Error::format(folder, e))?;
        self.weights.save(&folder.join("model.safetensors"), dtype)?;
        self.tokenizer.save(&folder.join("tokenizer.json"))?;
        self.chat_template.save(folder)?;
        files::write(folder.join("config.json"), config.as_bytes())
    }

    /// An error unless every id is a token of this model.
    pub fn check_ids(&self, tokens: &[u32]) -> Result<()> {
        match tokens.iter().find(|id| **id as usize >= self.config.vocab_size) {
            Some(id) => Err(Error::argument(format!("token {id} is outside the vocabulary of {}", self.config.vocab_size))),
            None => Ok(()),
        }
    }

    /// An error unless every id is a token of this model and the sequence is not longer than the model allows.
    pub fn check(&self, tokens: &[u32]) -> Result<()> {
        self.check_ids(tokens)?;
        let longest = self.config.max_position_embeddings;
        if tokens.len() > longest {
            return Err(Error::argument(format!("a sequence of {} tokens is longer than the model's {longest}", tokens.len())));
        }
        Ok(())
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let c = &self.config;
        let millions = self.weights.count() as f64 / 1e6;
        write!(
            f,
            "Qwen3 model, {millions:.2} M parameters ({} layers of {}, vocabulary {}) on {}",
            c.num_hidden_layers,
            c.hidden_size,
            c.vocab_size,
            self.device.describe()
        )
    }
}
