//! Group-relative policy optimisation of a memory manager: every memory step of every rollout is one sample.
//!
//! An update learns from [`Credit`]: rewards, which it turns into group advantages, or given advantages. The loss is a [`Recipe`].

use std::collections::BTreeMap;
use std::path::Path;

use super::learner::{self, Budget, Learner, Loss, Report, Sample};
use super::log::Checkpoint;
use super::losses::Recipe;
use super::optimizer::{Optimizer, Settings as AdamSettings, expect_trainable};
use super::sft;
use crate::error::{Error, Result};
use crate::model::{Model, Weights};
use crate::ops::policy_loss::{Form, Level, TERMS};
use crate::random::Rng;
use crate::reward::{Advantage, Advantages, Grouping, Place};
use crate::rollout::Turn;

/// Sampling and scoring run a sequence through the same weights in different orders of addition. Their log-probabilities of a token differ by
/// 1e-5 at most in shallow models, and by up to 1e-4 in random models of 24 and 36 layers. Up to five times that, a policy counts as its own
/// reference.
const SAME: f32 = 5e-4;

/// The settings of a trainer.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Learning rate.
    pub lr: f32,
    /// The loss.
    pub loss: Recipe,
    /// Optimiser steps of one update, each on its share of the samples.
    pub minibatches: usize,
    /// Seed of the order of samples.
    pub seed: u64,
    /// The optimiser.
    pub adam: AdamSettings,
    /// How much memory to use.
    pub memory: Budget,
}

fn place(turn: &Turn) -> Place {
    Place { episode: turn.episode, rollout: turn.rollout, step: turn.step }
}

/// What an update learns from. Lists have one entry per turn.
#[derive(Clone, Debug, Default)]
pub struct Credit {
    /// Rewards. If advantages are given too, rewards are only reported.
    pub rewards: Option<Vec<f32>>,
    /// Advantages, used as they are.
    pub advantages: Option<Vec<f32>>,
    /// The weight of each token of a turn, including its KL term, at least 0; `None`: 1. Weights do not change the divisors of means.
    pub weights: Option<Vec<Vec<f32>>>,
    /// Which rewards are compared.
    pub grouping: Grouping,
    /// Whether advantages are divided by the deviation; `None`: as the loss says.
    pub divide_by_deviation: Option<bool>,
}

impl Credit {
    /// Credit from rewards, compared step by step.
    pub fn rewards(rewards: &[f32]) -> Self {
        Self { rewards: Some(rewards.to_vec()), ..Self::default() }
    }

    fn check(&self, turns: &[Turn], kl_in_reward: bool) -> Result<()> {
        if turns.is_empty() {
            return Err(Error::argument("the batch has no step to learn from"));
        }
        if let Some(turn) = turns.iter().find(|turn| turn.logprobs.len() != turn.completion.len()) {
            return Err(Error::argument(format!(
                "{} was answered by a teacher, not sampled: such a batch can only be imitated",
                place(turn)
            )));
        }
        let finite = |what: &str, values: &Option<Vec<f32>>| {
            let Some(values) = values else { return Ok(()) };
            if values.len() != turns.len() {
                return Err(Error::argument(format!("{} {what}s for {} turns", values.len(), turns.len())));
            }
            match turns.iter().zip(values).find(|(_, value)| !value.is_finite()) {
                Some((turn, value)) => Err(Error::argument(format!("the {what} of {} is {value}", place(turn)))),
                None => Ok(()),
            }
        };
        finite("reward", &self.rewards)?;
        finite("advantage", &self.advantages)?;
        match (&self.rewards, &self.advantages) {
            (None, None) => return Err(Error::argument("an update needs rewards or advantages")),
            (_, Some(_)) if kl_in_reward => {
                return Err(Error::argument(
                    "a KL term in the reward does not affect given advantages: put it in the loss, or give rewards",
                ));
            }
            _ => {}
        }
        let Some(weights) = &self.weights else { return Ok(()) };
        if weights.len() != turns.len() {
            return Err(Error::argument(format!("{} lists of weights for {} turns", weights.len(), turns.len())));
        }
        for (turn, weights) in turns.iter().zip(weights) {
            let (found, tokens) = (weights.len(), turn.completion.len());
            if found != tokens {
                return Err(Error::argument(format!("{} has {tokens} tokens and {found} weights", place(turn))));
            }
            if let Some(weight) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
                return Err(Error::argument(format!("a weight of {} is {weight}; it must be at least 0", place(turn))));
            }
        }
        Ok(())
    }
}

/// Figures of an update, under TRL's names where TRL has the same figure.
pub type Stats = BTreeMap<String, f64>;

/// A GRPO trainer.
pub struct Grpo {
    /// Its settings.
    pub settings: Settings,
    /// `None` before the first update, and after [`Grpo::release`].
    learner: Option<Learner>,
    advantages: Advantages,
    optimizer: Optimizer,
    reference: Option<Weights>,
    updates: u64,
}

impl Grpo {
    /// A trainer for `policy`. If there is a KL term, the reference is the policy's present weights, or, with an adapter, the policy
    /// without it.
    ///
    /// # Errors
    /// A loss with conflicting settings, or no room for gradients.
    pub fn new(policy: &Model, settings: Settings) -> Result<Self> {
        expect_trainable(policy, &settings.adam)?;
        settings.loss.check()?;
        let reference = if settings.loss.policy.kl_coef > 0.0 { Some(frozen(policy)?) } else { None };
        Ok(Self {
            learner: None,
            advantages: Advantages::new(&policy.device),
            optimizer: Optimizer::new(policy, settings.adam)?,
            reference,
            settings,
            updates: 0,
        })
    }

    /// Frees the memory of updates, which the next one allocates again.
    pub fn release(&mut self) {
        self.learner = None;
    }

    /// Number of updates done.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Updates the policy from the `credit` of `turns`; `temperature` is that of the rollouts.
    ///
    /// Turns whose advantage is 0, or whose weights are all 0, add nothing to the gradient and are left out unless there is a KL term in
    /// the loss; means still count them. A KL term in the reward costs a second readback, for the log-probabilities of the reference.
    ///
    /// # Errors
    /// Credit that does not match the turns or is not finite (then nothing changes), or a gradient that is not finite (then the weights do
    /// not change).
    pub fn update(&mut self, policy: &Model, turns: &[Turn], credit: &Credit, temperature: f32, lr: f32) -> Result<Stats> {
        let s = self.settings;
        credit.check(turns, s.loss.kl_in_reward() > 0.0)?;
        let (advantage, kl) = self.advantage(policy, turns, credit, temperature)?;
        let kl_in_loss = s.loss.kl_in_loss() > 0.0;
        let counts = |i: &usize| credit.weights.as_ref().is_none_or(|weights| weights[*i].iter().any(|weight| *weight > 0.0));
        let mut order: Vec<usize> = (0..turns.len()).filter(|i| (kl_in_loss || advantage.varies[*i]) && counts(i)).collect();
        Rng::new(&[s.seed, self.updates, 0x0DE5]).shuffle(&mut order);
        self.updates += 1;
        let weights = |i: usize| credit.weights.as_ref().map(|weights| weights[i].clone());
        let mut samples: Vec<Sample> = order.iter().map(|i| sample(&turns[*i], advantage.index[*i], weights(*i))).collect();
        let mut stats = batch_stats(turns);
        if let Some(rewards) = &credit.rewards {
            reward_stats(rewards, credit.advantages.is_none().then_some(&advantage.varies), &mut stats);
        }
        stats.insert("lr".into(), lr.into());
        if let Some(kl) = kl {
            stats.insert("kl".into(), kl);
        }
        if samples.is_empty() {
            return Ok(stats);
        }
        let size = samples.len().div_ceil(s.minibatches.max(1));
        let tokens = |samples: &[Sample]| samples.iter().map(|s| s.targets.len()).sum::<usize>() as f64;
        let left_out = turns.iter().map(|t| t.completion.len()).sum::<usize>() as f64 - tokens(&samples);
        let all = samples.len() as f64;
        let mut learner = self.learner(policy, turns)?;
        learner.begin(policy, &samples)?;
        for minibatch in samples.chunks_mut(size) {
            learner::sort(minibatch);
            // Means are over all turns, including those left out; each minibatch has its share of these.
            let part = minibatch.len() as f64 / all;
            let (of_turns, of_tokens) = (part * turns.len() as f64, tokens(minibatch) + part * left_out);
            for sample in minibatch.iter_mut() {
                let weight = s.loss.aggregation.weight(of_turns, of_tokens, sample.targets.len()) as f32;
                sample.weights.iter_mut().for_each(|w| *w *= weight);
            }
            let reference = self.reference.as_ref().filter(|_| kl_in_loss);
            let loss = Loss::Policy { policy: s.loss.token_loss(), advantages: &advantage.values, reference };
            learner.run(policy, minibatch, loss, temperature, Some(&self.optimizer.grads))?;
            learner.step(policy, &mut self.optimizer, lr)?;
        }
        let report = learner.finish(policy)?;
        stats.insert("num_tokens_shared".into(), report.shared as f64);
        self.learner = Some(learner);
        if report.norms.iter().any(|n| !n[0].is_finite()) {
            return Err(Error::argument("the gradient is not finite; the weights are unchanged. Lower the learning rate"));
        }
        loss_stats(&samples, &report, size, &s.loss, &mut stats);
        Ok(stats)
    }

    /// A supervised update: makes the completions of `turns` likelier, whoever wrote them. The loss is the mean negative log-likelihood of
    /// their tokens.
    ///
    /// # Errors
    /// No turns, or a gradient that is not finite (then the weights do not change).
    pub fn imitate(&mut self, policy: &Model, turns: &[Turn], lr: f32) -> Result<Stats> {
        let tokens: usize = turns.iter().map(|turn| turn.completion.len()).sum();
        if tokens == 0 {
            return Err(Error::argument("the batch has no step to learn from"));
        }
        let weights = |turn: &Turn| vec![-1.0 / tokens as f32; turn.completion.len()];
        let mut samples: Vec<Sample> = turns.iter().map(|turn| sample(turn, 0, Some(weights(turn)))).collect();
        self.updates += 1;
        let mut learner = self.learner(policy, turns)?;
        let report = sft::learn(&mut learner, &mut self.optimizer, policy, &mut samples, lr);
        self.learner = Some(learner);
        let report = report?;
        let mut stats = batch_stats(turns);
        stats.extend([
            ("loss".into(), sft::loss(&samples, &report)),
            ("entropy".into(), mean(report.entropy.iter().map(|e| f64::from(*e)))),
            ("grad_norm".into(), report.norms[0][0].into()),
            ("num_tokens_shared".into(), report.shared as f64),
            ("lr".into(), lr.into()),
        ]);
        Ok(stats)
    }

    /// The learner of the last update, or a new one with room for the longest turn.
    fn learner(&mut self, policy: &Model, turns: &[Turn]) -> Result<Learner> {
        let longest = turns.iter().map(|t| t.prompt.len() + t.completion.len()).max().unwrap_or(0);
        match self.learner.take() {
            Some(learner) => Ok(learner),
            None => Learner::new(policy, self.settings.memory.for_sequence(longest), true),
        }
    }

    /// Advantages, and the mean KL of a token if KL is in the reward.
    fn advantage(&mut self, policy: &Model, turns: &[Turn], credit: &Credit, temperature: f32) -> Result<(Advantage, Option<f64>)> {
        let places: Vec<Place> = turns.iter().map(place).collect();
        if let Some(advantages) = &credit.advantages {
            return Ok((self.advantages.given(advantages, &places)?, None));
        }
        let loss = self.settings.loss;
        let mut rewards = credit.rewards.clone().unwrap_or_default();
        let mut certain = rewards.clone();
        let mut kl = None;
        if loss.kl_in_reward() > 0.0 {
            let samples: Vec<Sample> = turns.iter().map(|turn| sample(turn, 0, None)).collect();
            let mut learner = self.learner(policy, turns)?;
            let reference = self.reference.as_ref().unwrap_or(&policy.weights);
            let report = learner.score_weights(policy, reference, &samples, temperature)?;
            self.learner = Some(learner);
            let (mut rest, mut total) = (report.logprob.as_slice(), 0.0);
            for ((reward, certain), turn) in rewards.iter_mut().zip(&mut certain).zip(turns) {
                let (reference, others) = rest.split_at(turn.completion.len());
                rest = others;
                let penalty = loss.penalty(&turn.logprobs, reference);
                *reward -= (f64::from(loss.kl_in_reward()) * penalty) as f32;
                if turn.logprobs.iter().zip(reference).any(|(old, reference)| (old - reference).abs() > SAME) {
                    *certain = *reward;
                }
                total += penalty;
            }
            kl = Some(total / report.logprob.len().max(1) as f64);
        }
        let divide = credit.divide_by_deviation.unwrap_or(loss.divide_by_deviation);
        Ok((self.advantages.compute(&rewards, &certain, &places, &credit.grouping, loss.baseline, divide)?, kl))
    }
}

fn sample(turn: &Turn, index: u32, weights: Option<Vec<f32>>) -> Sample {
    let start = turn.prompt.len() as u32;
    let tokens = turn.prompt.iter().chain(&turn.completion).copied().collect();
    Sample {
        tokens,
        targets: (start..start + turn.completion.len() as u32).collect(),
        weights: weights.unwrap_or_else(|| vec![1.0; turn.completion.len()]),
        old: turn.logprobs.clone(),
        turn: index,
    }
}

/// Frozen weights: those under an adapter, else a copy.
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

fn batch_stats(turns: &[Turn]) -> Stats {
    let lengths = turns.iter().map(|t| t.completion.len() as f64);
    Stats::from([
        ("completions/mean_length".into(), mean(lengths.clone())),
        ("completions/max_length".into(), lengths.clone().fold(0.0, f64::max)),
        ("completions/min_length".into(), lengths.fold(f64::INFINITY, f64::min).min(1e9)),
        ("num_tokens".into(), turns.iter().map(|t| (t.prompt.len() + t.completion.len()) as f64).sum()),
    ])
}

fn reward_stats(rewards: &[f32], varies: Option<&Vec<bool>>, stats: &mut Stats) {
    let rewards = rewards.iter().map(|r| f64::from(*r));
    stats.insert("reward".into(), mean(rewards.clone()));
    stats.insert("reward_std".into(), deviation(rewards));
    if let Some(varies) = varies {
        let zero = varies.iter().filter(|varies| !**varies).count();
        stats.insert("frac_reward_zero_std".into(), zero as f64 / varies.len().max(1) as f64);
    }
}

fn loss_stats(samples: &[Sample], report: &Report, minibatch: usize, loss: &Recipe, stats: &mut Stats) {
    let terms = |i: usize| report.terms.iter().map(move |t| f64::from(t[i]));
    stats.insert("loss".into(), terms(0).sum::<f64>() / report.norms.len().max(1) as f64);
    stats.insert("entropy".into(), mean(report.entropy.iter().map(|e| f64::from(*e))));
    stats.insert("grad_norm".into(), mean(report.norms.iter().map(|n| f64::from(n[0]))));
    if loss.policy.form != Form::LogProb {
        clip_stats(samples, report, loss.policy.level, stats);
    }
    stats.insert("sampling/importance_sampling_ratio/mean".into(), mean(terms(1)));
    stats.insert("sampling/importance_sampling_ratio/min".into(), terms(1).fold(f64::INFINITY, f64::min));
    stats.insert("sampling/importance_sampling_ratio/max".into(), terms(1).fold(0.0, f64::max));
    if loss.kl_in_loss() > 0.0 {
        stats.insert("kl".into(), mean(terms(2)));
    }
    // Both log-probabilities are of the same weights only before the first optimiser step.
    let first: usize = samples.iter().take(minibatch).map(|s| s.targets.len()).sum();
    let old = samples.iter().flat_map(|s| &s.old);
    let gaps = old.zip(&report.logprob).take(first).map(|(old, new)| f64::from((new - old).abs()));
    stats.insert("sampling/sampling_logp_difference/mean".into(), mean(gaps.clone()));
    stats.insert("sampling/sampling_logp_difference/max".into(), gaps.fold(0.0, f64::max));
}

/// Shares that were clipped: of tokens, or of turns if the ratio is per turn; and the smallest and largest share in a turn.
fn clip_stats(samples: &[Sample], report: &Report, level: Level, stats: &mut Stats) {
    let share = |terms: &[[f32; TERMS]], sign: f32| terms.iter().filter(|t| t[3] == sign).count() as f64 / terms.len().max(1) as f64;
    let mut rest = report.terms.as_slice();
    let mut turns = Vec::new();
    for sample in samples {
        let (terms, others) = rest.split_at(sample.targets.len());
        turns.push([share(terms, -1.0), share(terms, 1.0)]);
        rest = others;
    }
    let means = match level {
        Level::Token => [share(&report.terms, -1.0), share(&report.terms, 1.0)],
        Level::Sequence => [0, 1].map(|i| mean(turns.iter().map(move |turn| turn[i]))),
    };
    stats.insert("clip_ratio/low_mean".into(), means[0]);
    stats.insert("clip_ratio/low_min".into(), turns.iter().map(|turn| turn[0]).fold(1.0, f64::min));
    stats.insert("clip_ratio/high_mean".into(), means[1]);
    stats.insert("clip_ratio/high_max".into(), turns.iter().map(|turn| turn[1]).fold(0.0, f64::max));
    stats.insert("clip_ratio/region_mean".into(), means[0] + means[1]);
}

/// A trainer with the policy it trains, in the form that a run checkpoints.
pub struct Trained<'a> {
    /// The trainer.
    pub trainer: &'a mut Grpo,
    /// The policy.
    pub policy: &'a Model,
}

impl Checkpoint for Trained<'_> {
    fn save(&self, folder: &Path) -> Result<()> {
        self.trainer.optimizer.checkpoint(self.policy, folder)?;
        let state = serde_json::json!({ "updates": self.trainer.updates });
        crate::files::write(folder.join("trainer.json"), state.to_string().as_bytes())
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join("trainer.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let state: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::format(&path, e))?;
        let updates = state["updates"].as_u64().ok_or_else(|| Error::format(&path, "'updates' is missing"))?;
        self.trainer.optimizer.restore(self.policy, folder)?;
        self.trainer.updates = updates;
        Ok(())
    }
}
