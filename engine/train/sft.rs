//! Supervised training: the weighted log-likelihood of given sequences.

use std::path::Path;

use super::learner::{self, Budget, Learner, Loss, Report, Sample};
use super::log::Checkpoint;
use super::optimizer::{Optimizer, Settings, expect_trainable};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::record;

record! {
    /// Tokens, and how much the prediction of each counts.
    pub struct Weighted as "Sequence", checked {
        /// token ids
        pub tokens: Vec<u32>,
        /// one less than the tokens: `weights[i]` belongs to `tokens[i + 1]`
        pub weights: Vec<f32>,
    }
}

/// The samples for `loss = −Σ weight · logprob / count(weight ≠ 0)`.
pub fn samples(sequences: &[Weighted]) -> Result<Vec<Sample>> {
    let count = sequences.iter().flat_map(|s| &s.weights).filter(|w| **w != 0.0).count().max(1) as f32;
    let sample = |(i, s): (usize, &Weighted)| {
        if s.weights.len() + 1 != s.tokens.len() {
            let (weights, tokens) = (s.weights.len(), s.tokens.len());
            return Err(Error::argument(format!(
                "sequence {} has {tokens} tokens and {weights} weights, but needs one weight fewer than tokens",
                i + 1
            )));
        }
        let counted = || s.weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
        Ok(Sample {
            tokens: s.tokens.clone(),
            targets: counted().map(|(i, _)| i as u32 + 1).collect(),
            weights: counted().map(|(_, w)| -w / count).collect(),
            ..Sample::default()
        })
    };
    sequences.iter().enumerate().map(sample).collect()
}

/// The loss in a report on [`samples`].
pub fn loss(samples: &[Sample], report: &Report) -> f64 {
    samples.iter().flat_map(|s| &s.weights).zip(&report.logprob).map(|(w, lp)| f64::from(*w) * f64::from(*lp)).sum()
}

/// One optimiser step on [`samples`], which are [sorted](learner::sort).
///
/// # Errors
/// Samples that do not fit the model, or a gradient that is not finite. In the latter case the weights do not change.
pub(super) fn learn(learner: &mut Learner, optimizer: &mut Optimizer, model: &Model, samples: &mut [Sample], lr: f32) -> Result<Report> {
    learner::sort(samples);
    learner.begin(model, samples)?;
    learner.run(model, samples, Loss::Weighted, 1.0, Some(&optimizer.grads))?;
    learner.step(model, optimizer, lr)?;
    let report = learner.finish(model)?;
    if report.norms[0][0].is_finite() {
        return Ok(report);
    }
    let (step, loss) = (optimizer.steps, loss(samples, &report));
    Err(Error::argument(format!("the gradient of step {step} is not finite (loss {loss}): lower the learning rate")))
}

record! {
    /// What a step did.
    #[derive(Copy)]
    pub struct Stats {
        /// weighted mean of the negative log-likelihood, before the step
        pub loss: f64,
        /// mean entropy of the predictions
        pub entropy: f64,
        /// norm of the gradient before clipping
        pub grad_norm: f64,
        /// number of tokens
        pub tokens: usize,
        /// how many of them did not go through the model, because sequences that begin alike share them
        pub shared: usize,
    }
}

/// A supervised trainer.
pub struct Supervised {
    learner: Learner,
    optimizer: Optimizer,
}

impl Supervised {
    /// A trainer for `model`.
    pub fn new(model: &Model, memory: Budget, settings: Settings) -> Result<Self> {
        expect_trainable(model, &settings)?;
        Ok(Self { learner: Learner::new(model, memory, true)?, optimizer: Optimizer::new(model, settings)? })
    }

    /// One optimiser step on `sequences`.
    ///
    /// # Errors Sequences that do not fit the model, or a loss that is not finite. In the latter case the weights do not change.
    pub fn step(&mut self, model: &Model, sequences: &[Weighted], lr: f32) -> Result<Stats> {
        let mut samples = samples(sequences)?;
        let report = learn(&mut self.learner, &mut self.optimizer, model, &mut samples, lr)?;
        Ok(Stats {
            loss: loss(&samples, &report),
            entropy: report.entropy.iter().map(|e| f64::from(*e)).sum::<f64>() / report.entropy.len().max(1) as f64,
            grad_norm: report.norms[0][0].into(),
            tokens: samples.iter().map(|s| s.tokens.len()).sum(),
            shared: report.shared,
        })
    }
}

/// A trainer with its model, as a checkpoint holds them.
pub struct Trained<'a> {
    /// The trainer.
    pub trainer: &'a mut Supervised,
    /// The model.
    pub model: &'a Model,
}

impl Checkpoint for Trained<'_> {
    fn save(&self, folder: &Path) -> Result<()> {
        self.trainer.optimizer.checkpoint(self.model, folder)
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        self.trainer.optimizer.restore(self.model, folder)
    }
}
