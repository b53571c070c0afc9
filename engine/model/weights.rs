//! The parameters of a model under their published names, and `model.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::config::Config;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files;
use crate::random::Rng;
use crate::tensor::{DType, Tensor};

/// One tensor for every parameter of a model: the weights themselves, their gradients, or an optimiser's moments.
#[derive(Clone)]
pub struct Weights {
    /// Token embedding: [V, C]
    pub embed: Tensor,
    /// The blocks.
    pub layers: Vec<Layer>,
    /// Final norm: [C]
    pub norm: Tensor,
    /// Head: [V, C]; `None` when tied to the embedding.
    pub head: Option<Tensor>,
}

/// Parameters of one block.
#[derive(Clone)]
pub struct Layer {
    /// Norm before attention: [C]
    pub input_norm: Tensor,
    /// [H · D, C]
    pub q: Tensor,
    /// [KV · D, C]
    pub k: Tensor,
    /// [KV · D, C]
    pub v: Tensor,
    /// QK norm of the queries: [D]
    pub q_norm: Tensor,
    /// QK norm of the keys: [D]
    pub k_norm: Tensor,
    /// [C, H · D]
    pub o: Tensor,
    /// Norm before the SwiGLU layer: [C]
    pub post_norm: Tensor,
    /// [F, C]
    pub gate: Tensor,
    /// [F, C]
    pub up: Tensor,
    /// [C, F]
    pub down: Tensor,
}

impl Weights {
    /// Makes every parameter of `config` by `make(name, shape)`, in the order of the published files.
    pub fn build(config: &Config, mut make: impl FnMut(&str, &[usize]) -> Result<Tensor>) -> Result<Self> {
        let (v, c, f) = (config.vocab_size, config.hidden_size, config.intermediate_size);
        let d = config.head_dim;
        let (q, kv) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let embed = make("model.embed_tokens.weight", &[v, c])?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| {
                let mut layer = |name: &str, shape: &[usize]| make(&format!("model.layers.{i}.{name}.weight"), shape);
                Ok(Layer {
                    input_norm: layer("input_layernorm", &[c])?,
                    q: layer("self_attn.q_proj", &[q, c])?,
                    k: layer("self_attn.k_proj", &[kv, c])?,
                    v: layer("self_attn.v_proj", &[kv, c])?,
                    q_norm: layer("self_attn.q_norm", &[d])?,
                    k_norm: layer("self_attn.k_norm", &[d])?,
                    o: layer("self_attn.o_proj", &[c, q])?,
                    post_norm: layer("post_attention_layernorm", &[c])?,
                    gate: layer("mlp.gate_proj", &[f, c])?,
                    up: layer("mlp.up_proj", &[f, c])?,
                    down: layer("mlp.down_proj", &[c, f])?,
                })
            })
            .collect::<Result<_>>()?;
        let norm = make("model.norm.weight", &[c])?;
        let head = if config.tie_word_embeddings { None } else { Some(make("lm_head.weight", &[v, c])?) };
        Ok(Self { embed, layers, norm, head })
    }

    /// All zeros.
    pub fn zeros(config: &Config, device: &Device) -> Result<Self> {
        Self::build(config, |_, shape| device.zeros(DType::F32, shape))
    }

    /// Norms at 1, matrices normal with deviation 0.02, those that write to the residual stream divided by `√(2 · layers)`
    /// (GPT-2's initialisation).
    pub fn random(config: &Config, device: &Device, seed: u64) -> Result<Self> {
        let mut index = 0;
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self::build(config, |name, shape| {
            index += 1;
            let mut rng = Rng::new(&[seed, index]);
            let std = if name.contains("o_proj") || name.contains("down_proj") { residual } else { 0.02 };
            let values: Vec<f32> = match shape {
                [n] => vec![1.0; *n],
                _ => (0..shape.iter().product()).map(|_| (normal(&mut rng) * std) as f32).collect(),
            };
            device.tensor(&values, shape)
        })
    }

    /// Every parameter with its published name, in a fixed order.
    pub fn named(&self) -> Vec<(String, &Tensor)> {
        let mut all = vec![("model.embed_tokens.weight".to_string(), &self.embed)];
        for (i, l) in self.layers.iter().enumerate() {
            let parts = [
                ("input_layernorm", &l.input_norm),
                ("self_attn.q_proj", &l.q),
                ("self_attn.k_proj", &l.k),
                ("self_attn.v_proj", &l.v),
                ("self_attn.q_norm", &l.q_norm),
                ("self_attn.k_norm", &l.k_norm),
                ("self_attn.o_proj", &l.o),
                ("post_attention_layernorm", &l.post_norm),
                ("mlp.gate_proj", &l.gate),
                ("mlp.up_proj", &l.up),
                ("mlp.down_proj", &l.down),
            ];
            all.extend(parts.map(|(name, tensor)| (format!("model.layers.{i}.{name}.weight"), tensor)));
        }
        all.push(("model.norm.weight".to_string(), &self.norm));
        all.extend(self.head.as_ref().map(|head| ("lm_head.weight".to_string(), head)));
        all
    }

    /// The matrix of the head: [V, C].
    pub fn head(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embed)
    }

    /// Number of parameters.
    pub fn count(&self) -> usize {
        self.named().iter().map(|(_, t)| t.len()).sum()
    }

    /// Reads a safetensors file (f32, f16 or bf16). Every parameter must be there with its shape, and nothing else.
    pub fn load(config: &Config, device: &Device, path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        // SAFETY: the map is only read; a file that another program changes meanwhile gives wrong numbers, not unsoundness in practice,
        // which is what every reader of this format accepts.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
        let tensors = SafeTensors::deserialize(&map).map_err(|e| Error::format(path, format!("not a whole safetensors file: {e}")))?;
        let mut left: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
        if config.tie_word_embeddings {
            // Some writers store the tied head a second time.
            left.remove("lm_head.weight");
        }
        let weights = Self::build(config, |name, shape| {
            let view = left.remove(name).ok_or_else(|| Error::format(path, format!("tensor {name} is missing")))?;
            if view.shape() != shape {
                return Err(Error::format(path, format!("tensor {name} has shape {:?}, config.json says {shape:?}", view.shape())));
            }
            device.tensor(&widen(&view).map_err(|e| Error::format(path, format!("tensor {name}: {e}")))?, shape)
        })?;
        match left.keys().next() {
            Some(name) => Err(Error::format(path, format!("tensor {name} does not belong to this model"))),
            None => Ok(weights),
        }
    }

    /// Writes a safetensors file in `dtype` (`f32` or `f16`), through a temporary file in the same folder.
    pub fn save(&self, path: &Path, dtype: &str) -> Result<()> {
        let half = match dtype {
            "f32" => false,
            "f16" => true,
            other => return Err(Error::argument(format!("dtype '{other}' is not known; known: f32, f16"))),
        };
        let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, tensor) in self.named() {
            let values = tensor.read()?;
            let bytes = if half {
                values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
            } else {
                values.iter().flat_map(|v| v.to_le_bytes()).collect()
            };
            data.push((name, tensor.shape().to_vec(), bytes));
        }
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let views: Vec<(&str, TensorView<'_>)> = data
            .iter()
            .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.clone(), bytes)?)))
            .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
            .map_err(|e| Error::format(path, e))?;
        let metadata = Some(std::collections::HashMap::from([("format".to_string(), "pt".to_string())]));
        let bytes = safetensors::serialize(views, metadata).map_err(|e| Error::format(path, e))?;
        files::write(path, &bytes)
    }
}

fn widen(view: &TensorView<'_>) -> std::result::Result<Vec<f32>, String> {
    let data = view.data();
    let pairs = || data.chunks_exact(2).map(|b| [b[0], b[1]]);
    Ok(match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => pairs().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(format!("element type {other:?} is not supported; supported: F32, F16, BF16")),
    })
}

/// A standard normal number (Box and Muller).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.number()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.number()).cos()
}
