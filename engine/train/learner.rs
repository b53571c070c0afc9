//! Forward, loss and backward over any number of samples, in micro-batches, with one readback at the end.

use std::ops::Range;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::batch::Buffers;
use crate::model::blocks::{self, Activations, Backward, Keep, Keys};
use crate::model::head::{Head, Objective, Targets};
use crate::model::{Model, Weights};
use crate::ops::elementwise;
use crate::ops::policy_loss::{Clip, TERMS};
use crate::tensor::{DType, Tensor};

/// A sequence, and the tokens of it that count.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The whole sequence.
    pub tokens: Vec<u32>,
    /// Indices of the tokens whose log-probability counts; at least 1, rising.
    pub targets: Vec<u32>,
    /// Numbers of each target: `[coefficient, 0, 0, 0]` for [`Loss::Weighted`], `[old log-probability, reference log-probability,
    /// advantage, weight]` for [`Loss::Policy`], anything for [`Loss::None`].
    pub values: Vec<[f32; 4]>,
}

/// What is done with the log-probabilities.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// They are only reported.
    None,
    /// `Σ coefficient · logprob`
    Weighted,
    /// The clipped policy loss.
    Policy(Clip),
}

/// What is known of every target afterwards, in the order of the samples and their targets.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Log-probabilities.
    pub logprob: Vec<f32>,
    /// Entropies of the distributions they come from.
    pub entropy: Vec<f32>,
    /// Loss, ratio, KL estimate and clip sign ([`Loss::Policy`] only).
    pub terms: Vec<[f32; TERMS]>,
    /// Gradient norm and clip factor of each optimiser step.
    pub norms: Vec<[f32; 2]>,
}

/// How a learner uses memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Tokens that go through the model at a time; a longer sequence goes alone.
    pub micro_tokens: usize,
    /// Whether the backward pass computes block activations again instead of keeping them.
    pub recompute: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { micro_tokens: 4096, recompute: false }
    }
}

/// The numbers of a micro-batch's targets on the device.
struct Rows {
    index: Tensor,
    tokens: Tensor,
    values: [Tensor; 4],
    coefficient: Tensor,
}

/// Results of all micro-batches since [`Learner::begin`].
struct Results {
    logprob: Tensor,
    entropy: Tensor,
    terms: Tensor,
    norms: Tensor,
    all: Tensor,
}

/// Slices of results start on 256-byte boundaries, which bindings need.
const ALIGN: usize = 64;
/// Optimiser steps between two readbacks.
const MAX_STEPS: usize = 64;

/// Runs samples through a model.
pub struct Learner {
    memory: Memory,
    differentiates: bool,
    capacity: usize,
    acts: Activations,
    back: Option<Backward>,
    head: Head,
    buffers: Buffers,
    rows: Rows,
    results: Option<Results>,
    used: Vec<Range<usize>>,
    steps: usize,
}

impl Learner {
    /// A learner for `model`, or a scorer without memory for gradients.
    pub fn new(model: &Model, memory: Memory, differentiates: bool) -> Result<Self> {
        let capacity = memory.micro_tokens.max(ALIGN);
        let keep = match (differentiates, memory.recompute) {
            (false, _) => Keep::Nothing,
            (true, true) => Keep::Inputs,
            (true, false) => Keep::Everything,
        };
        let (device, config) = (&model.device, &model.config);
        let floats = || device.zeros(DType::F32, &[capacity]);
        let integers = || device.zeros(DType::U32, &[capacity]);
        Ok(Self {
            memory,
            differentiates,
            capacity,
            acts: Activations::new(device, config, capacity, keep)?,
            back: if differentiates { Some(Backward::new(device, config, capacity)?) } else { None },
            head: Head::new(device, config.vocab_size, config.hidden_size)?,
            buffers: Buffers::new(device, capacity)?,
            rows: Rows {
                index: integers()?,
                tokens: integers()?,
                values: [floats()?, floats()?, floats()?, floats()?],
                coefficient: floats()?,
            },
            results: None,
            used: Vec::new(),
            steps: 0,
        })
    }

    /// Starts an update that will see `samples`, so that memory is there before the first micro-batch.
    pub fn begin(&mut self, model: &Model, samples: &[Sample]) -> Result<()> {
        let mut targets = 0;
        for sample in samples {
            model.check(&sample.tokens)?;
            let fine = |p: &u32| *p > 0 && (*p as usize) < sample.tokens.len();
            if !sample.targets.iter().all(fine) || sample.values.len() != sample.targets.len() {
                return Err(Error::argument("a sample's targets must be indices of its tokens past the first, with a value each"));
            }
            targets += sample.targets.len();
        }
        let longest = samples.iter().map(|s| s.tokens.len()).max().unwrap_or(0);
        if longest > self.capacity {
            let memory = Memory { micro_tokens: longest.next_multiple_of(256), ..self.memory };
            *self = Self::new(model, memory, self.differentiates)?;
        }
        // Every micro-batch may waste up to ALIGN rows.
        let tokens: usize = samples.iter().map(|s| s.tokens.len()).sum();
        let rows = (targets + ALIGN * (2 * tokens / self.capacity + 2)).max(4096).next_power_of_two();
        if self.results.as_ref().is_none_or(|r| r.logprob.len() < rows) {
            self.results = Some(Results::new(&model.device, rows)?);
        }
        self.used.clear();
        self.steps = 0;
        Ok(())
    }

    /// Runs `samples`, adding gradients to `grads` unless the loss is [`Loss::None`].
    pub fn run(
        &mut self,
        model: &Model,
        samples: &[Sample],
        loss: Loss,
        temperature: f32,
        grads: Option<&Weights<Option<Tensor>>>,
    ) -> Result<()> {
        let mut first = 0;
        while first < samples.len() {
            let (mut end, mut tokens) = (first, 0);
            while end < samples.len() && (end == first || tokens + samples[end].tokens.len() <= self.capacity) {
                tokens += samples[end].tokens.len();
                end += 1;
            }
            self.micro_batch(model, &samples[first..end], loss, temperature, grads)?;
            first = end;
        }
        Ok(())
    }

    fn micro_batch(
        &mut self,
        model: &Model,
        samples: &[Sample],
        loss: Loss,
        temperature: f32,
        grads: Option<&Weights<Option<Tensor>>>,
    ) -> Result<()> {
        let (mut index, mut tokens, mut values) = (Vec::new(), Vec::new(), [const { Vec::new() }; 4]);
        let mut offset = 0;
        for sample in samples {
            for (p, v) in sample.targets.iter().zip(&sample.values) {
                index.push(offset + p - 1);
                tokens.push(sample.tokens[*p as usize]);
                values.iter_mut().zip(v).for_each(|(all, v)| all.push(*v));
            }
            offset += sample.tokens.len() as u32;
        }
        let n = index.len();
        let start = self.used.last().map_or(0, |r| r.end.next_multiple_of(ALIGN));
        self.used.push(start..start + n);
        let sequences: Vec<&[u32]> = samples.iter().map(|s| s.tokens.as_slice()).collect();
        let batch = self.buffers.pack(&sequences)?;
        let rows = &self.rows;
        let (index_t, tokens_t) = (rows.index.slice(0..n)?, rows.tokens.slice(0..n)?);
        index_t.write_u32(&index)?;
        tokens_t.write_u32(&tokens)?;
        let mut given = Vec::new();
        for (tensor, values) in rows.values.iter().zip(&values) {
            let tensor = tensor.slice(0..n)?;
            tensor.write(values)?;
            given.push(tensor);
        }
        let results = self.results.as_ref().ok_or_else(|| Error::argument("an update must begin before it runs"))?;
        let out = start..start + n;
        let targets = Targets {
            rows: &index_t,
            tokens: &tokens_t,
            temperature,
            logprob: &results.logprob.slice(out.clone())?,
            entropy: &results.entropy.slice(out.clone())?,
        };
        let mut rec = model.device.record();
        let (config, weights) = (&model.config, &model.weights);
        blocks::forward(&mut rec, config, weights, &self.acts, &batch, &Keys::Packed)?;
        let hidden = self.acts.hidden(batch.tokens)?;
        let coefficient = rows.coefficient.slice(0..n)?;
        let terms = results.terms.slice(out)?;
        let objective = match loss {
            Loss::None => None,
            Loss::Weighted => Some(Objective::Coefficients(&given[0])),
            Loss::Policy(clip) => Some(Objective::Policy {
                clip,
                old: &given[0],
                reference: &given[1],
                advantage: &given[2],
                weight: &given[3],
                coefficient: &coefficient,
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

    /// Takes an optimiser step with the gradients so far.
    pub fn step(&mut self, model: &Model, optimizer: &mut super::optimizer::Optimizer, lr: f32) -> Result<()> {
        let results = self.results.as_ref().ok_or_else(|| Error::argument("an update must begin before it runs"))?;
        if self.steps == MAX_STEPS {
            return Err(Error::argument(format!("an update has at most {MAX_STEPS} minibatches")));
        }
        let mut rec = model.device.record();
        optimizer.step(&mut rec, &model.weights, lr)?;
        let at = self.steps * ALIGN;
        elementwise::copy(&mut rec, &optimizer.norm, &results.norms.slice(at..at + 2)?)?;
        self.steps += 1;
        rec.submit()
    }

    /// Ends the update: reads everything back at once.
    pub fn finish(&mut self, model: &Model) -> Result<Report> {
        let results = self.results.as_ref().ok_or_else(|| Error::argument("an update must begin before it ends"))?;
        let rows = self.used.last().map_or(0, |r| r.end.next_multiple_of(ALIGN));
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
        let mut report = Report { norms: (0..self.steps).map(|i| [all[i * ALIGN], all[i * ALIGN + 1]]).collect(), ..Report::default() };
        for range in &self.used {
            report.logprob.extend_from_slice(&all[norms + range.start..norms + range.end]);
            report.entropy.extend_from_slice(&all[norms + rows + range.start..norms + rows + range.end]);
            let terms = &all[norms + 2 * rows..];
            report.terms.extend(range.clone().map(|r| std::array::from_fn(|i| terms[TERMS * r + i])));
        }
        Ok(report)
    }

    /// The loss of what ran since [`Learner::begin`], in the precision of the device: what finite differences are taken of.
    pub fn loss_f64(&self, loss: Loss, samples: &[Sample]) -> Result<f64> {
        let results = self.results.as_ref().ok_or_else(|| Error::argument("an update must begin before its loss is read"))?;
        let (logprob, terms) = (results.logprob.read_f64()?, results.terms.read_f64()?);
        let rows = self.used.iter().flat_map(Clone::clone);
        let values = samples.iter().flat_map(|s| &s.values);
        Ok(rows
            .zip(values)
            .map(|(row, value)| match loss {
                Loss::None => 0.0,
                Loss::Weighted => f64::from(value[0]) * logprob[row],
                Loss::Policy(_) => terms[TERMS * row],
            })
            .sum())
    }

    /// Log-probabilities and entropies of the targets of `samples`.
    pub fn score(&mut self, model: &Model, samples: &[Sample], temperature: f32) -> Result<Report> {
        self.begin(model, samples)?;
        self.run(model, samples, Loss::None, temperature, None)?;
        self.finish(model)
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
