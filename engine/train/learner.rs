//! Forward, loss and backward over any number of samples, in micro-batches, with one readback at the end.

use std::ops::Range;

use crate::device::{DType, Device, Tensor};
use crate::error::{Error, Result};
use crate::model::activations::{Activations, Recompute};
use crate::model::batch::{Buffers, KEYS, Packing};
use crate::model::blocks::{self, Backward, Keys};
use crate::model::head::{Head, Objective, Targets};
use crate::model::{Gradients, Model, Weights};
use crate::ops::elementwise;
use crate::ops::policy_loss::{self, Level, PolicyLoss, Sampled, TERMS};
use crate::schema::defaults;
use crate::{progress, record};

/// A sequence, and which of its tokens count.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The whole sequence.
    pub tokens: Vec<u32>,
    /// Indices of the tokens whose log-probability counts; at least 1, increasing.
    pub targets: Vec<u32>,
    /// The weight of each target in the loss.
    pub weights: Vec<f32>,
    /// The log-probability of each target when it was sampled; only [`Loss::Policy`] needs it.
    pub old: Vec<f32>,
    /// Index of this sample's advantage; only [`Loss::Policy`] needs it.
    pub turn: u32,
}

/// Puts samples that begin alike next to one another. They can then share tokens in a micro-batch.
pub fn sort(samples: &mut [Sample]) {
    samples.sort_by(|a, b| a.tokens.cmp(&b.tokens));
}

/// The use of the log-probabilities.
#[derive(Clone, Copy)]
pub enum Loss<'a> {
    /// They are only reported.
    None,
    /// `Σ weight · logprob`
    Weighted,
    /// A policy loss.
    Policy {
        /// The loss of a token.
        policy: PolicyLoss,
        /// Advantages, which samples refer to by index: `[turns]`
        advantages: &'a Tensor,
        /// Weights of the reference policy of the KL term.
        reference: Option<&'a Weights>,
    },
}

/// Results for every target, in the order of the samples and their targets.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Log-probabilities.
    pub logprob: Vec<f32>,
    /// Entropies of their distributions.
    pub entropy: Vec<f32>,
    /// Loss, ratio, KL estimate and clip sign ([`Loss::Policy`] only).
    pub terms: Vec<[f32; TERMS]>,
    /// Gradient norm and clip factor of each optimiser step.
    pub norms: Vec<[f32; 2]>,
    /// Tokens that did not go through the model because they were shared.
    pub shared: usize,
}

record! {
    /// How much memory a learner uses, and for which purpose.
    #[derive(Copy)]
    pub struct Budget {
        /// tokens that go through the model at a time; a longer sequence forms its own micro-batch
        pub micro_tokens: usize = 4096,
        /// what the backward pass recomputes to save memory: nothing, the attention part of the blocks, or whole blocks
        pub recompute: Recompute = Recompute::None,
    }
}

impl Budget {
    /// The budget with room for one sequence of `longest` tokens.
    pub fn for_sequence(self, longest: usize) -> Self {
        Self { micro_tokens: self.micro_tokens.max(longest.next_multiple_of(256)), ..self }
    }
}

impl Default for Budget {
    fn default() -> Self {
        defaults()
    }
}

/// The numbers of a micro-batch's targets on the device.
struct Rows {
    /// Rows of the hidden states, tokens, and turns: `[N]`
    index: Tensor,
    tokens: Tensor,
    turns: Tensor,
    /// Where the rows of each sample start: [samples + 1]
    starts: Tensor,
    /// Weights, log-probabilities when sampled and of the reference, log-ratios of sequences, and derivatives: `[N]`
    weights: Tensor,
    old: Tensor,
    reference: Tensor,
    ratio: Tensor,
    coefficient: Tensor,
}

/// Results of micro-batches that are not read back yet.
struct Results {
    logprob: Tensor,
    entropy: Tensor,
    terms: Tensor,
    norms: Tensor,
    all: Tensor,
}

/// Slices of results start on 256-byte boundaries, as bindings require.
const ALIGN: usize = 64;
/// Optimiser steps of one update.
const MAX_STEPS: usize = 64;
/// Targets between two readbacks, unless one micro-batch has more. This keeps memory independent of the number of samples.
const MAX_ROWS: usize = 1 << 16;

/// Runs samples through a model.
pub struct Learner {
    memory: Budget,
    differentiates: bool,
    capacity: usize,
    acts: Activations,
    back: Option<Backward>,
    head: Head,
    buffers: Buffers,
    rows: Rows,
    results: Results,
    used: Vec<Range<usize>>,
    steps: usize,
    /// Results read back so far.
    report: Report,
}

impl Learner {
    /// A learner for `model`, or, unless it differentiates, a scorer without memory for gradients.
    pub fn new(model: &Model, memory: Budget, differentiates: bool) -> Result<Self> {
        let capacity = memory.micro_tokens.max(ALIGN);
        let (device, config) = (&model.device, &model.config);
        Ok(Self {
            memory,
            differentiates,
            capacity,
            acts: Activations::new(device, config, capacity, differentiates.then_some(memory.recompute), true)?,
            back: if differentiates { Some(Backward::new(device, config, capacity)?) } else { None },
            head: Head::new(device, config.vocab_size, config.hidden_size)?,
            buffers: Buffers::new(device, capacity, true)?,
            rows: Rows::new(device, KEYS * capacity)?,
            results: Results::new(device, MAX_ROWS.max((KEYS * capacity).next_multiple_of(ALIGN)))?,
            used: Vec::new(),
            steps: 0,
            report: Report::default(),
        })
    }

    /// Starts an update on `samples`: allocates memory before the first micro-batch.
    pub fn begin(&mut self, model: &Model, samples: &[Sample]) -> Result<()> {
        for sample in samples {
            model.check(&sample.tokens)?;
            let fine = |p: &u32| *p > 0 && (*p as usize) < sample.tokens.len();
            let (n, old) = (sample.targets.len(), sample.old.len());
            if !sample.targets.iter().all(fine) || sample.weights.len() != n || ![0, n].contains(&old) {
                return Err(Error::argument("a sample's targets must be indices of its tokens past the first, with a weight each"));
            }
        }
        let longest = samples.iter().map(|s| s.tokens.len()).max().unwrap_or(0);
        if longest > self.capacity {
            *self = Self::new(model, self.memory.for_sequence(longest), self.differentiates)?;
        }
        self.used.clear();
        self.steps = 0;
        self.report = Report::default();
        Ok(())
    }

    /// Runs `samples`, adding gradients to `grads` unless the loss is [`Loss::None`].
    pub fn run(&mut self, model: &Model, samples: &[Sample], loss: Loss<'_>, temperature: f32, grads: Option<&Gradients>) -> Result<()> {
        self.run_weights(model, &model.weights, samples, loss, temperature, grads)
    }

    /// [`Learner::run`] with weights other than the model's.
    fn run_weights<'s>(
        &mut self,
        model: &Model,
        weights: &Weights,
        samples: &'s [Sample],
        loss: Loss<'_>,
        temperature: f32,
        grads: Option<&Gradients>,
    ) -> Result<()> {
        let _work = progress::begin(if grads.is_some() { "update" } else { "scoring" }, "sequences");
        let (mut rest, all) = (samples, samples.len());
        while !rest.is_empty() {
            let mut packing = Packing::default();
            let full = |sample: &'s Sample| {
                // A row has the gradient of one target, so those behind the first target's are a sample's own.
                let first = sample.targets.first().filter(|_| grads.is_some());
                let sharable = first.map_or(sample.tokens.len(), |first| *first as usize - 1);
                !packing.add(&sample.tokens, sharable, self.capacity)
            };
            let (samples, more) = rest.split_at(rest.iter().position(full).unwrap_or(rest.len()));
            self.micro_batch(model, weights, samples, &packing, loss, temperature, grads)?;
            rest = more;
            progress::parts(all - rest.len(), all, packing.tokens());
        }
        Ok(())
    }

    fn micro_batch(
        &mut self,
        model: &Model,
        weights: &Weights,
        samples: &[Sample],
        packing: &Packing<'_>,
        loss: Loss<'_>,
        temperature: f32,
        grads: Option<&Gradients>,
    ) -> Result<()> {
        let rows = self.rows.fill(samples, packing)?;
        let n = rows.index.len();
        let mut start = self.rows_used();
        if start + n > self.results.logprob.len() {
            self.collect(model)?;
            start = 0;
        }
        self.used.push(start..start + n);
        self.report.shared += packing.saved();
        let batch = self.buffers.pack(packing)?;
        let results = &self.results;
        let out = start..start + n;
        let (logprob, entropy) = (&results.logprob.slice(out.clone())?, &results.entropy.slice(out.clone())?);
        let targets = Targets { rows: &rows.index, tokens: &rows.tokens, temperature, logprob, entropy };
        let mut rec = model.device.record();
        let config = &model.config;
        let hidden = self.acts.hidden(batch.tokens)?;
        if let Loss::Policy { reference: Some(reference), .. } = loss {
            blocks::forward(&mut rec, config, reference, &self.acts, &batch, &Keys::Packed)?;
            // There are no derivatives yet; their buffer takes the entropies, which are not needed.
            let targets = Targets { logprob: &rows.reference, entropy: &rows.coefficient, ..targets };
            self.head.score(&mut rec, reference, &hidden, &targets)?;
        }
        blocks::forward(&mut rec, config, weights, &self.acts, &batch, &Keys::Packed)?;
        if let Loss::Policy { policy: PolicyLoss { level: Level::Sequence, .. }, .. } = loss {
            // A sequence's ratio needs all its log-probabilities before the gradient of the first token.
            self.head.score(&mut rec, weights, &hidden, &targets)?;
            policy_loss::sequence_ratio(&mut rec, logprob, &rows.old, &rows.starts, &rows.ratio)?;
        }
        let terms = results.terms.slice(out)?;
        let objective = match loss {
            Loss::None => None,
            Loss::Weighted => Some(Objective::Coefficients(&rows.weights)),
            Loss::Policy { policy, advantages, reference } => Some(Objective::Policy {
                loss: policy,
                sampled: Sampled {
                    old: if policy.level == Level::Sequence { &rows.ratio } else { &rows.old },
                    // Without a KL term the kernel's result does not depend on it.
                    reference: if reference.is_some() { &rows.reference } else { &rows.old },
                    turn: &rows.turns,
                    advantages,
                    weight: &rows.weights,
                },
                coefficient: &rows.coefficient,
                terms: &terms,
            }),
        };
        match (objective, &self.back, grads) {
            (Some(objective), Some(back), Some(grads)) => {
                let d_hidden = back.hidden.slice(0..batch.tokens)?;
                self.head.score_and_differentiate(&mut rec, weights, &hidden, &targets, &objective, &d_hidden, grads.head().as_ref())?;
                blocks::backward(&mut rec, config, weights, &self.acts, &batch, back, grads)?;
            }
            (None, _, _) => self.head.score(&mut rec, weights, &hidden, &targets)?,
            _ => return Err(Error::argument("this learner has no memory for gradients")),
        }
        rec.submit()
    }

    /// Takes an optimiser step with the accumulated gradients.
    pub fn step(&mut self, model: &Model, optimizer: &mut super::optimizer::Optimizer, lr: f32) -> Result<()> {
        if self.steps == MAX_STEPS {
            return Err(Error::argument(format!("an update has at most {MAX_STEPS} minibatches")));
        }
        let mut rec = model.device.record();
        optimizer.step(&mut rec, &model.weights, lr)?;
        let at = self.steps * ALIGN;
        elementwise::copy(&mut rec, &optimizer.norm, &self.results.norms.slice(at..at + 2)?)?;
        self.steps += 1;
        rec.submit()
    }

    /// Ends the update: reads back the remaining results.
    pub fn finish(&mut self, model: &Model) -> Result<Report> {
        self.collect(model)?;
        Ok(std::mem::take(&mut self.report))
    }

    /// Used rows of the results, up to where the next may begin.
    fn rows_used(&self) -> usize {
        self.used.last().map_or(0, |r| r.end.next_multiple_of(ALIGN))
    }

    /// Reads all results back at once, and makes room for new ones.
    fn collect(&mut self, model: &Model) -> Result<()> {
        let (results, rows) = (&self.results, self.rows_used());
        let norms = self.steps * ALIGN;
        let mut rec = model.device.record();
        let parts = [
            (results.norms.slice(0..norms)?, 0, norms),
            (results.logprob.slice(0..rows)?, norms, rows),
            (results.entropy.slice(0..rows)?, norms + rows, rows),
            (results.terms.slice(0..rows)?, norms + 2 * rows, TERMS * rows),
        ];
        for (from, at, len) in &parts {
            if *len > 0 {
                elementwise::copy(&mut rec, from, &results.all.slice(*at..at + len)?)?;
            }
        }
        let all = rec.submit_and_read(&results.all.slice(0..norms + (2 + TERMS) * rows)?)?;
        let report = &mut self.report;
        report.norms = (0..self.steps).map(|i| [all[i * ALIGN], all[i * ALIGN + 1]]).collect();
        for range in self.used.drain(..) {
            report.logprob.extend_from_slice(&all[norms + range.start..norms + range.end]);
            report.entropy.extend_from_slice(&all[norms + rows + range.start..norms + rows + range.end]);
            let terms = &all[norms + 2 * rows..];
            report.terms.extend(range.map(|r| std::array::from_fn(|i| terms[TERMS * r + i])));
        }
        Ok(())
    }

    /// The loss of everything run since [`Learner::begin`], in the precision of the device, for finite differences.
    pub fn loss_f64(&self, loss: Loss<'_>, samples: &[Sample]) -> Result<f64> {
        let (logprob, terms) = (self.results.logprob.read_f64()?, self.results.terms.read_f64()?);
        let rows = self.used.iter().flat_map(Clone::clone);
        let weights = samples.iter().flat_map(|s| &s.weights);
        Ok(rows
            .zip(weights)
            .map(|(row, weight)| match loss {
                Loss::None => 0.0,
                Loss::Weighted => f64::from(*weight) * logprob[row],
                Loss::Policy { .. } => terms[TERMS * row],
            })
            .sum())
    }

    /// Log-probabilities and entropies of the targets of `samples`.
    pub fn score(&mut self, model: &Model, samples: &[Sample], temperature: f32) -> Result<Report> {
        self.score_weights(model, &model.weights, samples, temperature)
    }

    /// The log-probability of every token after the first, for many sequences. A sequence's values do not depend on the others.
    ///
    /// # Errors
    /// A sequence that does not fit the model.
    pub fn logprobs(&mut self, model: &Model, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        if sequences.is_empty() {
            return Ok(Vec::new());
        }
        let sample = |tokens: &Vec<u32>| {
            let targets: Vec<u32> = (1..tokens.len() as u32).collect();
            Sample { tokens: tokens.clone(), weights: vec![1.0; targets.len()], targets, ..Sample::default() }
        };
        let samples: Vec<Sample> = sequences.iter().map(sample).collect();
        let mut found = self.score(model, &samples, 1.0)?.logprob.into_iter();
        Ok(samples.iter().map(|sample| found.by_ref().take(sample.targets.len()).collect()).collect())
    }

    /// [`Learner::score`] with weights other than the model's.
    pub fn score_weights(&mut self, model: &Model, weights: &Weights, samples: &[Sample], temperature: f32) -> Result<Report> {
        self.begin(model, samples)?;
        self.run_weights(model, weights, samples, Loss::None, temperature, None)?;
        self.finish(model)
    }
}

impl Rows {
    fn new(device: &Device, capacity: usize) -> Result<Self> {
        let floats = || device.zeros(DType::F32, &[capacity]);
        let integers = || device.zeros(DType::U32, &[capacity]);
        Ok(Self {
            index: integers()?,
            tokens: integers()?,
            turns: integers()?,
            starts: device.zeros(DType::U32, &[capacity + 1])?,
            weights: floats()?,
            old: floats()?,
            reference: floats()?,
            ratio: floats()?,
            coefficient: floats()?,
        })
    }

    /// Writes the concatenated targets of the packed `samples`, and returns the part of the memory that they take.
    fn fill(&self, samples: &[Sample], packing: &Packing<'_>) -> Result<Self> {
        let (mut index, mut tokens, mut turns) = (Vec::new(), Vec::new(), Vec::new());
        let (mut weights, mut old, mut starts) = (Vec::new(), Vec::new(), vec![0]);
        for (i, sample) in samples.iter().enumerate() {
            let (targets, places) = (sample.targets.iter(), packing.rows(i));
            index.extend(targets.clone().map(|p| places[*p as usize - 1]));
            tokens.extend(targets.clone().map(|p| sample.tokens[*p as usize]));
            turns.extend(targets.map(|_| sample.turn));
            weights.extend(&sample.weights);
            old.extend(&sample.old);
            starts.push(index.len() as u32);
        }
        let n = index.len();
        let part = |tensor: &Tensor| tensor.slice(0..n);
        let rows = Self {
            index: part(&self.index)?,
            tokens: part(&self.tokens)?,
            turns: part(&self.turns)?,
            starts: self.starts.slice(0..starts.len())?,
            weights: part(&self.weights)?,
            old: part(&self.old)?,
            reference: part(&self.reference)?,
            ratio: part(&self.ratio)?,
            coefficient: part(&self.coefficient)?,
        };
        rows.index.write_u32(&index)?;
        rows.tokens.write_u32(&tokens)?;
        rows.turns.write_u32(&turns)?;
        rows.starts.write_u32(&starts)?;
        rows.weights.write(&weights)?;
        if old.len() == n {
            rows.old.write(&old)?;
        }
        Ok(rows)
    }
}

impl Results {
    fn new(device: &Device, rows: usize) -> Result<Self> {
        let t = |shape: &[usize]| device.zeros(DType::F32, shape);
        let norms = MAX_STEPS * ALIGN;
        Ok(Self {
            logprob: t(&[rows])?,
            entropy: t(&[rows])?,
            terms: t(&[rows, TERMS])?,
            norms: t(&[norms])?,
            all: t(&[norms + (2 + TERMS) * rows])?,
        })
    }
}
