//! Gradients of the trained parameters, and the AdamW state.

use std::path::Path;

use safetensors::tensor::Dtype;

use crate::device::{DType, Recorder, Tensor};
use crate::error::{Error, Result};
use crate::model::tensor_files::{self, TensorFiles};
use crate::model::weights::EMBED;
use crate::model::{Gradients, Model, Weights, lora};
use crate::ops::adamw::{self, AdamW};
use crate::record;
use crate::schema::defaults;

record! {
    /// Settings of AdamW.
    #[derive(Copy)]
    pub struct Settings {
        /// decay of the first moment
        pub beta1: f64 = 0.9,
        /// decay of the second moment
        pub beta2: f64 = 0.95,
        /// added to the root of the second moment
        pub eps: f64 = 1e-8,
        /// decoupled weight decay of matrices
        pub weight_decay: f64 = 0.0,
        /// largest norm of the gradient; 0 for no clipping
        pub max_grad_norm: f64 = 1.0,
        /// keep the embedding, and a head that is tied to it, as it is
        pub freeze_embedding: bool = false,
    }
}

impl Default for Settings {
    fn default() -> Self {
        defaults()
    }
}

/// AdamW over the trained parameters of a model. `None` marks an untrained parameter.
pub struct Optimizer {
    /// Gradients; the backward passes add to them, a step resets them to zero.
    pub grads: Gradients,
    m: Gradients,
    v: Gradients,
    partial: Tensor,
    /// Norm of the gradient of the last step, and the factor it was scaled by (0: the norm was not finite, and nothing was changed).
    pub norm: Tensor,
    /// Number of steps taken.
    pub steps: u64,
    settings: Settings,
}

/// Whether a parameter of the model is trained: those of its adapter are, or all without an adapter, but for a frozen embedding.
fn trained(model: &Model, settings: &Settings, name: &str) -> bool {
    match model.lora {
        Some(_) => lora::is_adapter(name),
        None => !(settings.freeze_embedding && name == EMBED),
    }
}

/// Fails if a parameter to be trained is kept in 16 bits.
pub(super) fn expect_trainable(model: &Model, settings: &Settings) -> Result<()> {
    match model.weights.named().iter().find(|(name, tensor)| trained(model, settings, name) && tensor.dtype() != DType::F32) {
        Some((name, tensor)) => Err(Error::argument(format!(
            "{name} is kept in {}, and weights are trained in f32: load the model with dtype = \"f32\", or train an adapter",
            tensor.dtype().name()
        ))),
        None => Ok(()),
    }
}

impl Optimizer {
    /// Zero gradients and moments: for the adapters if the model has any, else for every parameter, but for a frozen embedding.
    pub fn new(model: &Model, settings: Settings) -> Result<Self> {
        let (device, weights) = (&model.device, &model.weights);
        let zeros = || {
            weights.map(|name, tensor| {
                let zeros = || device.zeros(DType::F32, tensor.shape()).map_err(|e| e.of_tensor(&format!("the gradient of {name}")));
                trained(model, &settings, name).then(zeros).transpose()
            })
        };
        let grads = zeros()?;
        let slots = grads.trained().len();
        Ok(Self {
            m: zeros()?,
            v: zeros()?,
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
        let [beta1, beta2, eps, max_grad_norm] = [s.beta1, s.beta2, s.eps, s.max_grad_norm].map(|setting| setting as f32);
        self.steps += 1;
        for (slot, (_, g)) in self.grads.trained().into_iter().enumerate() {
            adamw::sum_squares(rec, g, slot, &self.partial)?;
        }
        adamw::clip_scale(rec, &self.partial, max_grad_norm, &self.norm)?;
        let correction = |beta: f32| (1.0 - f64::from(beta).powi(self.steps.min(1 << 30) as i32)) as f32;
        let moments = self.m.named().into_iter().zip(self.v.named());
        let state = self.grads.named().into_iter().zip(moments);
        for ((_, w), ((_, g), ((_, m), (_, v)))) in weights.named().into_iter().zip(state) {
            let (Some(g), Some(m), Some(v)) = (g, m, v) else { continue };
            let weight_decay = if w.shape().len() > 1 { s.weight_decay as f32 } else { 0.0 };
            let params =
                AdamW { elements: 0, lr, beta1, beta2, eps, weight_decay, correction1: correction(beta1), correction2: correction(beta2) };
            adamw::step(rec, params, &self.norm, w, g, m, v)?;
        }
        Ok(())
    }

    /// Every moment with its name in a file.
    fn moments(&self) -> Vec<(String, &Tensor)> {
        let prefixed = |prefix: &'static str, weights| {
            let named: Vec<(String, &Tensor)> = Weights::trained(weights);
            named.into_iter().map(move |(name, tensor)| (format!("{prefix}.{name}"), tensor))
        };
        prefixed("m", &self.m).chain(prefixed("v", &self.v)).collect()
    }

    /// Writes the state and the trained model into the folder of a checkpoint.
    pub fn checkpoint(&self, model: &Model, folder: &Path) -> Result<()> {
        model.save(&folder.join("policy"), "f32")?;
        self.save(&folder.join("optimizer.safetensors"))
    }

    /// Reads what [`Optimizer::checkpoint`] wrote.
    pub fn restore(&mut self, model: &Model, folder: &Path) -> Result<()> {
        model.reload(&folder.join("policy"))?;
        self.load(&folder.join("optimizer.safetensors"))
    }

    /// Writes moments and step count.
    pub fn save(&self, path: &Path) -> Result<()> {
        tensor_files::write(path, &self.moments(), Dtype::F32, &[("steps", &self.steps.to_string())])
    }

    /// Reads what [`Optimizer::save`] wrote.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let file = TensorFiles::open(path)?;
        let moments = self.moments();
        moments.iter().try_for_each(|(name, tensor)| file.expect(name, tensor.shape()))?;
        moments.iter().try_for_each(|(name, tensor)| file.read(name, tensor))?;
        let steps = file.metadata("steps").and_then(|steps| steps.parse().ok());
        self.steps = steps.ok_or_else(|| Error::format(path, "the step count is missing"))?;
        Ok(())
    }
}
