//! Rewards of a rollout, one value per step: the primitives that reward scripts compose.
//!
//! `T` is the number of steps, `n` the number of questions at the end with scores `s_j`, `r_global = (1/n) Σ_j s_j`:
//!
//! | primitive       | value at step t |
//! |-----------------|-----------------|
//! | [`format`]      | valid calls / calls of the step, 0 without a call |
//! | [`chunk_step`]  | mean score of the questions about the step's chunk, asked right after the step; 0 where there are none |
//! | [`evidence`]    | `(1 - beta) · r_global / T + beta · N_t`, see [`crate::ops::attribution`] |
//! | [`compression`] | `1 - memory tokens / input tokens`, the same at every step; negative when the memory outgrows the input |
//! | [`outcome`]     | `r_global`, the same at every step |
//!
//! [`advantage`] turns the sum into group advantages.

pub mod advantage;

pub use advantage::{Advantage, Advantages, Baseline, GroupBy, Grouping, Place};

use crate::device::{DType, Device};
use crate::memory::Item;
use crate::ops::attribution;
use crate::reason::Asked;
use crate::rollout::{Rollout, Step};
use crate::{Error, Result, words};

/// The step of a write that happened before the rollout began, where that goes on from the memory of another one. No step has its credit.
const BEFORE: usize = u32::MAX as usize;

words! {
    /// Who is credited for an item that was updated.
    #[derive(Default)]
    pub enum Update {
        /// The step that wrote it last.
        #[default]
        Last = "last",
        /// The step that inserted it.
        Origin = "origin",
        /// All steps that wrote it, in equal parts.
        Split = "split",
    }
}

/// The share of valid calls.
pub fn format(rollout: &Rollout) -> Vec<f64> {
    let share = |step: &Step| step.calls.iter().filter(|call| call.valid).count() as f64 / step.calls.len().max(1) as f64;
    rollout.steps.iter().map(share).collect()
}

/// The mean score of the questions about the chunk. A chunk without questions has none in any rollout, so its 0 moves no advantage.
///
/// # Errors
/// A question without a score.
pub fn chunk_step(rollout: &Rollout) -> Result<Vec<f64>> {
    rollout.steps.iter().map(|step| mean_score(&step.chunk_answers)).collect()
}

/// The score of the questions at the end, credited in part to the steps that wrote the retrieved items. Sums to the mean score. The parts
/// of items that were written before the rollout's first step are nobody's.
///
/// # Errors
/// A question without a score, evidence of a step that the rollout does not have, a `beta` outside [0, 1].
pub fn evidence(rollout: &Rollout, beta: f64, update: Update) -> Result<Vec<f64>> {
    if !(0.0..=1.0).contains(&beta) {
        return Err(Error::argument(format!("beta is {beta}; it must be between 0 and 1")));
    }
    let count = rollout.steps.len();
    let (mut scores, mut offsets, mut steps, mut weights) = (Vec::new(), vec![0u32], Vec::new(), Vec::new());
    for (at, question) in rollout.answers.iter().enumerate() {
        scores.push(score(question)?);
        for item in &question.evidence {
            let writers =
                writers(rollout, item, update).map_err(|why| Error::argument(format!("question {} has evidence that {why}", at + 1)))?;
            weights.extend(writers.iter().map(|_| 1.0 / (question.evidence.len() * writers.len()) as f64));
            steps.extend(writers.iter().map(|step| *step as u32));
        }
        offsets.push(steps.len() as u32);
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    // A few dozen numbers that Lua made and Lua reads: the kernel's f64 twin keeps the sum of the credits exact.
    let device = Device::cpu_f64();
    let floats = |values: &[f64]| {
        let tensor = device.zeros(DType::F32, &[values.len()])?;
        tensor.write_f64(values)?;
        Ok::<_, Error>(tensor)
    };
    let integers = |values: &[u32]| device.tensor_u32(values, &[values.len()]);
    let reward = device.zeros(DType::F32, &[1, count])?;
    let evidence = attribution::Evidence {
        scores: &floats(&scores)?,
        questions: &integers(&[0, scores.len() as u32])?,
        entries: &integers(&offsets)?,
        steps: &integers(&steps)?,
        shares: &floats(&weights)?,
        lengths: &integers(&[count as u32])?,
    };
    let mut rec = device.record();
    attribution::forward(&mut rec, &evidence, beta as f32, &reward)?;
    rec.submit()?;
    reward.read_f64()
}

/// The places, from 0, of the rollout's steps that are credited for an item.
fn writers(rollout: &Rollout, item: &Item, update: Update) -> Result<Vec<usize>, String> {
    let (first, count) = (rollout.first, rollout.steps.len());
    let place = |step: usize| match step {
        step if step < first => Ok(BEFORE),
        step if step < first + count => Ok(step - first),
        step => Err(format!("was written at step {} of a rollout with {count} steps up to {}", step + 1, first + count)),
    };
    match update {
        Update::Last => Ok(vec![place(item.step)?]),
        Update::Origin => Ok(vec![place(item.created)?]),
        Update::Split => item.writes().into_iter().map(place).collect(),
    }
}

/// How much shorter the memory is than the input, at every step. Without input it is 0.
pub fn compression(rollout: &Rollout) -> Vec<f64> {
    let (memory, input) = (rollout.memory_tokens as f64, rollout.input_tokens as f64);
    vec![if input > 0.0 { 1.0 - memory / input } else { 0.0 }; rollout.steps.len()]
}

/// The mean score of the questions at the end, at every step.
///
/// # Errors
/// A question without a score.
pub fn outcome(rollout: &Rollout) -> Result<Vec<f64>> {
    Ok(vec![mean_score(&rollout.answers)?; rollout.steps.len()])
}

fn mean_score(questions: &[Asked]) -> Result<f64> {
    let sum = questions.iter().try_fold(0.0, |sum, question| Ok::<_, Error>(sum + score(question)?))?;
    Ok(sum / questions.len().max(1) as f64)
}

fn score(question: &Asked) -> Result<f64> {
    let unscored = || Error::argument(format!("the answer to {:?} has no score; a judge has to give it one", question.question));
    question.score.ok_or_else(unscored)
}
