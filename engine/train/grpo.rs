//! Group-relative policy optimisation (GRPO, arXiv 2402.03300) of a memory manager: every memory step of every rollout is one sample.
//!
//! Group statistics are taken per step of an episode, as in Fine-Mem, or over all steps of an episode, as in Mem-α.

use std::collections::BTreeMap;
use std::path::Path;

use super::learner::{Learner, Loss, Memory, Report, Sample};
use super::log::Checkpoint;
use super::optimizer::{Optimizer, Settings as AdamSettings, expect_trainable};
use super::plan;
use crate::error::{Error, Result};
use crate::model::{Model, Weights};
use crate::ops::policy_loss::Clip;
use crate::random::Rng;
use crate::reward::{Advantages, Grouping};

/// The settings of an update.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Learning rate.
    pub lr: f32,
    /// Which samples are compared.
    pub grouping: Grouping,
    /// Whether advantages are divided by the group's deviation.
    pub divide_by_deviation: bool,
    /// How far the ratio may fall below 1.
    pub clip_low: f32,
    /// How far the ratio may rise above 1.
    pub clip_high: f32,
    /// Bound of the loss for negative advantages; 0 for none.
    pub dual_clip: f32,
    /// Weight of the k3 estimate of KL to the policy that training began with; 0 for none.
    pub kl_coef: f32,
    /// Optimiser steps of one update, each on its part of the samples.
    pub minibatches: usize,
    /// Seed of the order of samples.
    pub seed: u64,
    /// The optimiser.
    pub adam: AdamSettings,
    /// How much memory is used.
    pub memory: Memory,
}

/// One memory step of one rollout.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Index of the rollout in its batch.
    pub rollout: usize,
    /// Index of the episode in its batch.
    pub episode: usize,
    /// The step, from 0.
    pub step: usize,
    /// Prompt tokens.
    pub prompt: Vec<u32>,
    /// Sampled tokens.
    pub completion: Vec<u32>,
    /// Their log-probabilities when sampled.
    pub logprobs: Vec<f32>,
}

/// What an update did, under the names of TRL where it has the same figure.
pub type Stats = BTreeMap<String, f64>;

/// A GRPO trainer.
pub struct Grpo {
    /// Its settings.
    pub settings: Settings,
    /// `None` between updates where its memory is needed for sampling.
    learner: Option<Learner>,
    advantages: Advantages,
    optimizer: Optimizer,
    reference: Option<Weights>,
    updates: u64,
}

impl Grpo {
    /// A trainer for `policy`. If there is a KL term, the reference is its present weights; of a policy with an adapter it is the
    /// policy without it.
    pub fn new(policy: &Model, settings: Settings) -> Result<Self> {
        expect_trainable(policy)?;
        let reference = if settings.kl_coef > 0.0 { Some(frozen(policy)?) } else { None };
        Ok(Self {
            learner: None,
            advantages: Advantages::new(&policy.device),
            optimizer: Optimizer::new(policy, settings.adam)?,
            reference,
            settings,
            updates: 0,
        })
    }

    /// Number of updates done.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Updates the policy. `rewards[i]` belongs to `turns[i]`; `temperature` is that of the rollouts.
    ///
    /// The loss is the mean over all tokens of a minibatch. Turns whose advantage is 0 add nothing to the gradient and are left out
    /// unless there is a KL term.
    ///
    /// # Errors
    /// A reward that is not finite, or a gradient that is not (then the weights are as they were).
    pub fn update(&mut self, policy: &Model, turns: &[Turn], rewards: &[f32], temperature: f32, lr: f32) -> Result<Stats> {
        let s = self.settings;
        let places: Vec<(usize, usize)> = turns.iter().map(|turn| (turn.episode, turn.step)).collect();
        let advantage = self.advantages.compute(rewards, &places, s.grouping, s.divide_by_deviation)?;
        let mut order: Vec<usize> = (0..turns.len()).filter(|i| s.kl_coef > 0.0 || advantage.varies[*i]).collect();
        Rng::new(&[s.seed, self.updates, 0x0DE5]).shuffle(&mut order);
        self.updates += 1;
        let mut samples: Vec<Sample> = order.iter().map(|i| sample(&turns[*i], *i as u32)).collect();
        let mut stats = batch_stats(turns, rewards, &advantage.varies);
        stats.insert("lr".into(), lr.into());
        if samples.is_empty() {
            return Ok(stats);
        }
        let size = samples.len().div_ceil(s.minibatches.max(1));
        let all_tokens: usize = turns.iter().map(|t| t.completion.len()).sum();
        let share = order.len() as f64 / turns.len() as f64;
        let longest = samples.iter().map(|s| s.tokens.len()).max().unwrap_or(0);
        let mut learner = match self.learner.take() {
            Some(learner) => learner,
            None => Learner::new(policy, s.memory.for_sequence(longest), true)?,
        };
        learner.begin(policy, &samples)?;
        for minibatch in samples.chunks_mut(size) {
            // The mean is over the tokens of all turns of the minibatch, also those left out.
            let tokens: usize = minibatch.iter().map(|s| s.targets.len()).sum();
            let left_out = all_tokens as f64 * (1.0 - share) * minibatch.len() as f64 / order.len() as f64;
            let weight = (1.0 / (tokens as f64 + left_out).max(1.0)) as f32;
            minibatch.iter_mut().for_each(|sample| sample.weights.fill(weight));
            let clip = Clip::new(s.clip_low, s.clip_high, s.dual_clip, s.kl_coef);
            let loss = Loss::Policy { clip, advantages: &advantage.values, reference: self.reference.as_ref() };
            learner.run(policy, minibatch, loss, temperature, Some(&self.optimizer.grads))?;
            learner.step(policy, &mut self.optimizer, lr)?;
        }
        let report = learner.finish(policy)?;
        self.learner = (!plan::alternates(policy)).then_some(learner);
        if report.norms.iter().any(|n| !n[0].is_finite()) {
            return Err(Error::argument("the gradient is not finite; the weights are as they were. Lower the learning rate"));
        }
        loss_stats(&samples, &report, size, s.kl_coef > 0.0, &mut stats);
        Ok(stats)
    }
}

fn sample(turn: &Turn, index: u32) -> Sample {
    let start = turn.prompt.len() as u32;
    let tokens = turn.prompt.iter().chain(&turn.completion).copied().collect();
    Sample {
        tokens,
        targets: (start..start + turn.completion.len() as u32).collect(),
        weights: vec![0.0; turn.completion.len()],
        old: turn.logprobs.clone(),
        turn: index,
    }
}

/// Weights that stay as they are: those under an adapter, else a copy.
fn frozen(model: &Model) -> Result<Weights> {
    if model.lora.is_some() {
        return Ok(model.weights.without_adapters());
    }
    model.weights.map(|_, tensor| model.device.tensor(&tensor.read()?, tensor.shape()))
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count().max(1) as f64
}

fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let m = mean(values.clone());
    mean(values.map(|v| (v - m) * (v - m))).sqrt()
}

fn batch_stats(turns: &[Turn], rewards: &[f32], varies: &[bool]) -> Stats {
    let rewards = rewards.iter().map(|r| f64::from(*r));
    let lengths = turns.iter().map(|t| t.completion.len() as f64);
    let zero = varies.iter().filter(|varies| !**varies).count();
    Stats::from([
        ("reward".into(), mean(rewards.clone())),
        ("reward_std".into(), deviation(rewards)),
        ("frac_reward_zero_std".into(), zero as f64 / varies.len().max(1) as f64),
        ("completions/mean_length".into(), mean(lengths.clone())),
        ("completions/max_length".into(), lengths.clone().fold(0.0, f64::max)),
        ("completions/min_length".into(), lengths.fold(f64::INFINITY, f64::min).min(1e9)),
        ("num_tokens".into(), turns.iter().map(|t| (t.prompt.len() + t.completion.len()) as f64).sum()),
    ])
}

fn loss_stats(samples: &[Sample], report: &Report, minibatch: usize, kl: bool, stats: &mut Stats) {
    let terms = |i: usize| report.terms.iter().map(move |t| f64::from(t[i]));
    let clipped = |sign: f64| terms(3).filter(|c| *c == sign).count() as f64 / report.terms.len().max(1) as f64;
    stats.insert("loss".into(), terms(0).sum::<f64>() / report.norms.len().max(1) as f64);
    stats.insert("entropy".into(), mean(report.entropy.iter().map(|e| f64::from(*e))));
    stats.insert("grad_norm".into(), mean(report.norms.iter().map(|n| f64::from(n[0]))));
    stats.insert("clip_ratio/low_mean".into(), clipped(-1.0));
    stats.insert("clip_ratio/high_mean".into(), clipped(1.0));
    stats.insert("clip_ratio/region_mean".into(), clipped(-1.0) + clipped(1.0));
    stats.insert("sampling/importance_sampling_ratio/mean".into(), mean(terms(1)));
    stats.insert("sampling/importance_sampling_ratio/min".into(), terms(1).fold(f64::INFINITY, f64::min));
    stats.insert("sampling/importance_sampling_ratio/max".into(), terms(1).fold(0.0, f64::max));
    if kl {
        stats.insert("kl".into(), mean(terms(2)));
    }
    // Only before the first optimiser step are both log-probabilities of the same weights.
    let first: usize = samples.iter().take(minibatch).map(|s| s.targets.len()).sum();
    let old = samples.iter().flat_map(|s| &s.old);
    let gaps = old.zip(&report.logprob).take(first).map(|(old, new)| f64::from((new - old).abs()));
    stats.insert("sampling/sampling_logp_difference/mean".into(), mean(gaps.clone()));
    stats.insert("sampling/sampling_logp_difference/max".into(), gaps.fold(0.0, f64::max));
}

/// A trainer with the policy it trains, as a run checkpoints it.
pub struct Trained<'a> {
    /// The trainer.
    pub trainer: &'a mut Grpo,
    /// The policy.
    pub policy: &'a Model,
}

impl Checkpoint for Trained<'_> {
    fn save(&self, folder: &Path) -> Result<()> {
        self.policy.save(&folder.join("policy"), "f32")?;
        self.trainer.optimizer.save(&folder.join("optimizer.safetensors"))?;
        let state = serde_json::json!({ "updates": self.trainer.updates });
        crate::files::write(folder.join("trainer.json"), state.to_string().as_bytes())
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join("trainer.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let state: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::format(&path, e))?;
        let updates = state["updates"].as_u64().ok_or_else(|| Error::format(&path, "'updates' is missing"))?;
        self.policy.reload(&folder.join("policy"))?;
        self.trainer.optimizer.load(&folder.join("optimizer.safetensors"))?;
        self.trainer.updates = updates;
        Ok(())
    }
}
