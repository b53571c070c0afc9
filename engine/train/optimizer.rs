//! Gradients of all parameters and the AdamW state.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::device::{Device, Recorder};
use crate::error::{Error, Result};
use crate::model::{Config, Weights};
use crate::ops::adamw::{self, AdamW};
use crate::tensor::{DType, Tensor};

/// What an optimiser can be set to.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f32,
    /// Largest norm of the whole gradient; 0 for no clipping.
    pub max_grad_norm: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0, max_grad_norm: 1.0 }
    }
}

/// AdamW over every parameter of a model.
pub struct Optimizer {
    /// Gradients; the backward passes add to them, a step leaves zeros.
    pub grads: Weights,
    m: Weights,
    v: Weights,
    partial: Tensor,
    /// Norm of the gradient of the last step, and the factor it was scaled by (0: it was not finite, and nothing was changed).
    pub norm: Tensor,
    /// Number of steps taken.
    pub steps: u64,
    settings: Settings,
}

impl Optimizer {
    /// Zero gradients and moments.
    pub fn new(config: &Config, device: &Device, settings: Settings) -> Result<Self> {
        let grads = Weights::zeros(config, device)?;
        let slots = grads.named().len();
        Ok(Self {
            m: Weights::zeros(config, device)?,
            v: Weights::zeros(config, device)?,
            partial: device.zeros(DType::F32, &[slots])?,
            norm: device.zeros(DType::F32, &[2])?,
            grads,
            steps: 0,
            settings,
        })
    }

    /// Records one update of `weights`.
    pub fn step(&mut self, rec: &mut Recorder<'_>, weights: &Weights, lr: f32) -> Result<()> {
        let s = self.settings;
        self.steps += 1;
        let grads = self.grads.named();
        for (slot, (_, g)) in grads.iter().enumerate() {
            adamw::sum_squares(rec, g, slot, &self.partial)?;
        }
        adamw::clip_scale(rec, &self.partial, s.max_grad_norm, &self.norm)?;
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(self.steps.min(1 << 30) as i32)) as f32;
        let (m, v) = (self.m.named(), self.v.named());
        for (i, (_, w)) in weights.named().into_iter().enumerate() {
            let weight_decay = if w.shape().len() > 1 { s.weight_decay } else { 0.0 };
            let params = AdamW {
                elements: 0,
                lr,
                beta1: s.beta1,
                beta2: s.beta2,
                eps: s.eps,
                weight_decay,
                correction1: correction(s.beta1),
                correction2: correction(s.beta2),
            };
            adamw::step(rec, params, &self.norm, w, grads[i].1, m[i].1, v[i].1)?;
        }
        Ok(())
    }

    /// Writes moments and step count.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (prefix, weights) in [("m", &self.m), ("v", &self.v)] {
            for (name, tensor) in weights.named() {
                let bytes = tensor.read()?.iter().flat_map(|v| v.to_le_bytes()).collect();
                data.push((format!("{prefix}.{name}"), tensor.shape().to_vec(), bytes));
            }
        }
        let views: Vec<(&str, TensorView<'_>)> = data
            .iter()
            .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
            .map_err(|e| Error::format(path, e))?;
        let metadata = std::collections::HashMap::from([("steps".to_string(), self.steps.to_string())]);
        crate::files::write(path, &safetensors::serialize(views, Some(metadata)).map_err(|e| Error::format(path, e))?)
    }

    /// Reads what [`Optimizer::save`] wrote.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let broken = |e: String| Error::format(path, format!("not a whole optimiser state: {e}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(e.to_string()))?;
        let steps = header.metadata().as_ref().and_then(|m| m.get("steps")).and_then(|s| s.parse().ok());
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
        for (prefix, weights) in [("m", &self.m), ("v", &self.v)] {
            for (name, tensor) in weights.named() {
                let view = tensors.tensor(&format!("{prefix}.{name}")).map_err(|e| broken(e.to_string()))?;
                if view.shape() != tensor.shape() || view.dtype() != Dtype::F32 {
                    return Err(broken(format!("{prefix}.{name} has another shape or type")));
                }
                let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                tensor.write(&values)?;
            }
        }
        self.steps = steps.ok_or_else(|| broken("the step count is missing".into()))?;
        Ok(())
    }
}
