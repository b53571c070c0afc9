//! The shapes of published models.

use super::rope::{Llama3, Stretch};
use super::{Config, ModelType, Weights};
use crate::Result;
use crate::device::DType;

/// The `config.json` of each model. It has no end tokens, because a random model would stop at random.
pub fn shapes() -> [(&'static str, Config); 5] {
    let qwen3 = Config {
        model_type: ModelType::Qwen3,
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        max_position_embeddings: 40_960,
        rope_theta: 1e6,
        rope_scaling: None,
        rms_norm_eps: 1e-6,
        attention_bias: false,
        tie_word_embeddings: true,
        eos_token_id: Vec::new(),
    };
    let stretch = Llama3 { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192 };
    [
        ("qwen3-0.6b", qwen3.clone()),
        ("qwen3-1.7b", Config { hidden_size: 2048, intermediate_size: 6144, ..qwen3.clone() }),
        (
            "qwen3-4b",
            Config { hidden_size: 2560, intermediate_size: 9728, num_hidden_layers: 36, num_attention_heads: 32, ..qwen3.clone() },
        ),
        (
            "llama-3.2-3b",
            Config {
                model_type: ModelType::Llama,
                vocab_size: 128_256,
                hidden_size: 3072,
                intermediate_size: 8192,
                num_attention_heads: 24,
                max_position_embeddings: 131_072,
                rope_theta: 5e5,
                rope_scaling: Some(Stretch::Llama3(stretch)),
                rms_norm_eps: 1e-5,
                ..qwen3.clone()
            },
        ),
        (
            "qwen2.5-7b",
            Config {
                model_type: ModelType::Qwen2,
                vocab_size: 152_064,
                hidden_size: 3584,
                intermediate_size: 18_944,
                num_attention_heads: 28,
                num_key_value_heads: 4,
                max_position_embeddings: 131_072,
                tie_word_embeddings: false,
                ..qwen3
            },
        ),
    ]
}

/// Numbers of parameters.
pub struct Sizes {
    /// Parameters in all tensors.
    pub all: usize,
    /// Parameters in norms and biases, which are always f32.
    pub vectors: usize,
    /// Parameters in the matrices of the blocks.
    pub blocks: usize,
    /// Parameters in the matrix of the head.
    pub head: usize,
}

impl Sizes {
    /// Those of a model with this configuration.
    pub fn of(config: &Config) -> Result<Self> {
        let shapes = Weights::build(config, |_, shape| Ok(shape.to_vec()))?;
        let sum = |keep: &dyn Fn(&str, &[usize]) -> bool| {
            let all = shapes.named();
            all.iter().filter(|(name, shape)| keep(name, shape)).map(|(_, shape)| shape.iter().product::<usize>()).sum()
        };
        Ok(Self {
            all: sum(&|_, _| true),
            vectors: sum(&|_, shape| shape.len() == 1),
            blocks: sum(&|name, shape| shape.len() > 1 && name.contains(".layers.")),
            head: config.vocab_size * config.hidden_size,
        })
    }

    /// Bytes of all weights.
    pub fn bytes(&self, dtype: DType) -> u64 {
        (dtype.bytes(self.all - self.vectors) + DType::F32.bytes(self.vectors)) as u64
    }
}
