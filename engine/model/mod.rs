//! The policy: a decoder-only transformer (Qwen3, Qwen2, Llama), read from and written to a Hugging Face folder.

pub mod activations;
pub mod batch;
pub mod blocks;
pub mod carries;
pub mod config;
pub mod folder;
mod gguf;
pub mod head;
pub mod init;
mod jinja;
mod keys;
mod linear;
pub mod lora;
mod peft;
pub mod plain;
mod redraw;
pub mod rope;
pub mod shapes;
pub mod template;
pub mod tensor_files;
pub mod tokenizer;
pub mod weights;

use std::path::Path;

use crate::device::{DType, Device, Quant};
use crate::error::{Error, Result};
use crate::words;
pub use config::{Config, ModelType};
use folder::Folder;
use gguf::Gguf;
pub use init::Start;
pub use jinja::{read_json, strftime};
pub use lora::Lora;
pub use template::{Chat, ChatTemplate};
pub use tokenizer::Tokenizer;
pub use weights::{Gradients, Weights};

words! {
    /// How the numbers of weights are saved.
    pub enum Precision {
        /// 32 bits.
        F32 = "f32",
        /// The upper half of 32 bits.
        Bf16 = "bf16",
        /// IEEE 754 binary16.
        F16 = "f16",
    }
}

words! {
    /// How the numbers of matrices are kept.
    pub enum Kept {
        /// 32 bits, in which they can be trained.
        F32 = "f32",
        /// The upper half of 32 bits.
        Bf16 = "bf16",
        /// IEEE 754 binary16.
        F16 = "f16",
        /// 8 bits, and a scale for 32 numbers.
        Q8_0 = "q8_0",
        /// 4 bits, and scales and offsets for 32 numbers.
        Q4K = "q4_k",
    }
}

impl From<Kept> for DType {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::F32 => Self::F32,
            Kept::Bf16 => Self::BF16,
            Kept::F16 => Self::F16,
            Kept::Q8_0 => Self::Quant(Quant::Q8_0),
            Kept::Q4K => Self::Quant(Quant::Q4K),
        }
    }
}

/// A model on a device.
pub struct Model {
    /// Sizes.
    pub config: Config,
    /// Converts text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Renders messages as text.
    pub chat_template: ChatTemplate,
    /// Parameters, with those of the adapter if there is one.
    pub weights: Weights,
    /// The settings of its adapter. If a model has an adapter, only that is trained and saved.
    pub lora: Option<Lora>,
    /// The device of the parameters.
    pub device: Device,
    /// The files that are saved with it.
    pub folder: Folder,
}

impl Model {
    /// Reads `config.json`, `tokenizer.json`, chat templates, and `model.safetensors` or its shards, in `folder`. Weights become f32, so
    /// that they can be trained.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Self::load_as(folder, device, Some(DType::F32))
    }

    /// What `folder`, which may be a GGUF file, has besides the numbers: configuration, tokenizer, and the types of its tensors.
    pub fn describe(folder: &Path) -> Result<(Config, Tokenizer, Weights<DType>)> {
        if gguf::is(folder) {
            let Gguf { config, tokenizer, tensors, .. } = Gguf::open(folder)?;
            weights::check(&config, &tensors)?;
            let types = Weights::build(&config, |name, _| tensors.kept(name, None))?;
            return Ok((config, tokenizer, types));
        }
        let (config, kept) = Folder::load(folder)?;
        let types = Weights::types(&config, DType::of_weights(kept.dtype())?)?;
        Ok((config, Tokenizer::load(&folder.join("tokenizer.json"))?, types))
    }

    /// [`Model::load`] with matrices in `dtype`, or in their stored type. The folder may be a GGUF file.
    pub fn load_as(folder: &Path, device: &Device, dtype: Option<DType>) -> Result<Self> {
        if gguf::is(folder) {
            let Gguf { config, tokenizer, chat_template, tensors } = Gguf::open(folder)?;
            Self::fits(&config, &tokenizer).map_err(|e| Error::format(folder, e))?;
            weights::check(&config, &tensors)?;
            let (weights, kept) = (Weights::load(&config, device, &tensors, dtype)?, Folder::new(&config));
            return Ok(Self { config, tokenizer, chat_template, weights, lora: None, device: device.clone(), folder: kept });
        }
        if !folder.is_dir() {
            return Err(Error::io(folder, "no such model folder"));
        }
        folder::complete(folder)?;
        let (mut config, mut kept) = Folder::load(folder)?;
        let file = folder.join("tokenizer.json");
        let tokenizer = Tokenizer::load(&file)?;
        Self::fits(&config, &tokenizer).map_err(|e| Error::format(&file, e))?;
        let chat_template = ChatTemplate::load(folder)?;
        let (tied, tensors) = (config.tie_word_embeddings, weights::open(&mut config, folder)?);
        if tied && !config.tie_word_embeddings {
            kept.untie(tensors.path_of(weights::HEAD));
        }
        kept.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        let weights = Weights::load(&config, device, &tensors, dtype)?;
        Ok(Self { config, tokenizer, chat_template, weights, lora: None, device: device.clone(), folder: kept })
    }

    /// A model with random weights.
    pub fn random(config: Config, tokenizer: Tokenizer, device: &Device, seed: u64) -> Result<Self> {
        Self::new(config, tokenizer, device, |config| Weights::random(config, device, seed))
    }

    /// A model of zeros whose tensors have these types, for a planned device.
    pub fn zeros(config: Config, tokenizer: Tokenizer, device: &Device, types: &Weights<DType>) -> Result<Self> {
        let types = types.named();
        let mut types = types.iter().map(|(_, dtype)| **dtype);
        Self::new(config, tokenizer, device, |config| {
            Weights::build(config, |_, shape| device.zeros(types.next().unwrap_or(DType::F32), shape))
        })
    }

    /// A model with random weights that can copy, see [`init`].
    pub fn copying(config: Config, tokenizer: Tokenizer, device: &Device, seed: u64) -> Result<Self> {
        Self::new(config, tokenizer, device, |config| Weights::copying(config, device, seed))
    }

    /// A model with the weights that `make` returns for its sizes.
    pub fn new(config: Config, tokenizer: Tokenizer, device: &Device, make: impl FnOnce(&Config) -> Result<Weights>) -> Result<Self> {
        Self::fits(&config, &tokenizer)?;
        let (weights, folder) = (make(&config)?, Folder::new(&config));
        Ok(Self { tokenizer, chat_template: ChatTemplate::default(), weights, lora: None, device: device.clone(), folder, config })
    }

    /// The model without its adapter; it shares the tensors.
    pub fn base(&self) -> Self {
        Self {
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
            chat_template: self.chat_template.clone(),
            weights: self.weights.without_adapters(),
            lora: None,
            device: self.device.clone(),
            folder: self.folder.clone(),
        }
    }

    /// A chat as the text of a prompt. Nothing that it says is lost or acts as a control token: see [`ChatTemplate::fit`] and
    /// [`Chat::marked`]. The text has marks, which [`Tokenizer::encode`] knows.
    pub fn prompt(&self, chat: &Chat) -> Result<String> {
        self.chat_template.render(&self.chat_template.fit(chat.marked(self.tokenizer.guard()))?)
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

    /// Writes a folder for [`Model::load`] and Python tools; for a model with an adapter, the adapter's folder for [`Model::load_lora`] and
    /// PEFT. `dtype` is `f32`, `f16` or `bf16`.
    pub fn save(&self, folder: &Path, dtype: &str) -> Result<()> {
        self.save_in_shards(folder, dtype, tensor_files::LARGEST_SHARD)
    }

    /// [`Model::save`] with shards of at most `largest` bytes.
    pub fn save_in_shards(&self, folder: &Path, dtype: &str, largest: u64) -> Result<()> {
        if let Some(lora) = &self.lora {
            return self.save_lora(lora, folder, dtype);
        }
        self.weights.save(folder, dtype, largest)?;
        self.tokenizer.save(&folder.join("tokenizer.json"))?;
        self.chat_template.save(folder)?;
        self.folder.save(folder, dtype)
    }

    /// Writes a GGUF file for [`Model::load`] and llama.cpp. `dtype` is `f32`, `f16`, `bf16` or `q8_0`; a matrix whose rows have no whole
    /// blocks is written in f16, and vectors in f32.
    ///
    /// # Errors A model with an adapter, which has to be merged first, and one whose tokenizer llama.cpp does not have.
    pub fn save_gguf(&self, path: &Path, dtype: &str) -> Result<()> {
        gguf::write(path, self, dtype)
    }

    /// Fails unless every id is a token of this model.
    pub fn check_ids(&self, tokens: &[u32]) -> Result<()> {
        match tokens.iter().find(|id| **id as usize >= self.config.vocab_size) {
            Some(id) => Err(Error::argument(format!("token {id} is outside the vocabulary of {}", self.config.vocab_size))),
            None => Ok(()),
        }
    }

    /// Fails unless every id is a token of this model and the sequence is within the model's longest.
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
            "{:?} model, {millions:.2} M parameters ({} layers of {}, vocabulary {}) on {}",
            c.model_type,
            c.num_hidden_layers,
            c.hidden_size,
            c.vocab_size,
            self.device.describe()
        )?;
        self.lora.as_ref().map_or(Ok(()), |lora| write!(f, ", with {lora}"))
    }
}
