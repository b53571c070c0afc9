//! A small model with data, for tests of the whole.

use finemem::device::{Device, Tensor};
use finemem::model::{Config, Model, ModelType, Tokenizer, Weights};
use finemem::ops::policy_loss::PolicyLoss;
use finemem::random::Rng;
use finemem::train::learner::{Budget, Learner, Loss, Sample};
use finemem::train::optimizer::{Optimizer, Settings};

/// Odd sizes, grouped heads; an untied model also has biases.
pub fn config(tied: bool) -> Config {
    Config {
        model_type: ModelType::Qwen3,
        vocab_size: 300,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 10,
        max_position_embeddings: 512,
        rope_theta: 10_000.0,
        rope_scaling: None,
        rms_norm_eps: 1e-6,
        attention_bias: !tied,
        tie_word_embeddings: tied,
        eos_token_id: vec![256],
    }
}

/// A model with random weights, the same on every device.
pub fn model(device: &Device, tied: bool) -> Model {
    let tokenizer = Tokenizer::train(vec!["a b".into()], 258, &[], "<|im_end|>").unwrap();
    let model = Model::random(config(tied), tokenizer, device, 3).unwrap();
    // Weights of published size, so that every part of the model matters to the loss.
    let mut rng = Rng::new(&[5]);
    for (_, w) in model.weights.named() {
        let values: Vec<f64> = w.read_f64().unwrap().iter().map(|v| v * 4.0 + 0.1 * (rng.number() - 0.5)).collect();
        w.write_f64(&values).unwrap();
    }
    model
}

/// Sequences of different lengths, with numbers for the weighted and the policy loss.
pub fn samples() -> Vec<Sample> {
    let mut rng = Rng::new(&[11]);
    (0..)
        .zip([7u32, 1, 70, 13])
        .map(|(turn, len)| {
            let tokens: Vec<u32> = (0..len).map(|_| rng.next_u32() % 300).collect();
            let targets: Vec<u32> = (1..len).filter(|i| i % 3 != 0).collect();
            let weights = targets.iter().map(|_| rng.number() as f32 - 0.4).collect();
            let old = targets.iter().map(|_| -5.7 + 0.1 * rng.number() as f32).collect();
            Sample { tokens, targets, weights, old, turn }
        })
        .collect()
}

/// Sequences that begin like the first one: 128, 64 and 192 tokens of it can be shared.
pub fn alike() -> Vec<Sample> {
    let mut rng = Rng::new(&[12]);
    let mut draw = |count: u32| -> Vec<u32> { (0..count).map(|_| rng.next_u32() % 300).collect() };
    let long = draw(200);
    let mut behind = |same: usize, own: u32| [&long[..same], &draw(own)].concat();
    let sequences = [(long.clone(), 150), (behind(140, 20), 142), (behind(64, 70), 65), (behind(195, 3), 193), (behind(0, 1), 1)];
    (0..)
        .zip(sequences)
        .map(|(i, (tokens, first))| {
            let targets: Vec<u32> = (first..tokens.len() as u32).collect();
            let weights = targets.iter().map(|target| (*target as f32).sin()).collect();
            let old = targets.iter().map(|target| -5.7 + 0.1 * (*target as f32).cos()).collect();
            Sample { tokens, targets, weights, old, turn: i % 4 }
        })
        .collect()
}

/// What the policy loss needs besides [`samples`]: their advantages, and a reference policy.
pub struct Against {
    advantages: Tensor,
    reference: Weights,
}

impl Against {
    /// On the device of the model.
    pub fn new(model: &Model) -> Self {
        let reference = Weights::build(&model.config, |name, shape| {
            let mut rng = Rng::new(&[23, name.len() as u64]);
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.number() as f32 - 0.5).collect();
            model.device.tensor(&values, shape)
        });
        Self { advantages: model.device.tensor(&[0.5, 1.0, -0.75, 0.25], &[4]).unwrap(), reference: reference.unwrap() }
    }

    /// This policy loss.
    pub fn loss(&self, policy: PolicyLoss) -> Loss<'_> {
        Loss::Policy { policy, advantages: &self.advantages, reference: Some(&self.reference) }
    }

    /// The clipped policy loss with a KL term.
    pub fn policy_loss(&self) -> Loss<'_> {
        self.loss(PolicyLoss { clip_high: 0.3, dual_clip: 3.0, kl_coef: 0.05, ..PolicyLoss::default() })
    }
}

/// The gradient of every parameter.
pub fn gradients(model: &Model, samples: &[Sample], loss: Loss<'_>, memory: Budget) -> Vec<(String, Vec<f64>)> {
    let mut learner = Learner::new(model, memory, true).unwrap();
    let optimizer = Optimizer::new(model, Settings::default()).unwrap();
    learner.begin(model, samples).unwrap();
    learner.run(model, samples, loss, 1.3, Some(&optimizer.grads)).unwrap();
    optimizer.grads.trained().into_iter().map(|(name, g)| (name, g.read_f64().unwrap())).collect()
}
