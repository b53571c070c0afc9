//! Rewards of a rollout, one value per step: the primitives that reward scripts compose. Plain data in, plain numbers out.
//!
//! `T` is the number of steps, `n` the number of questions at the end with scores `s_j`, `r_global = (1/n) Σ_j s_j`:
//!
//! | primitive       | value at step t |
//! |-----------------|-----------------|
//! | [`format`](fn@format)      | valid calls / calls of the step, 0 without a call |
//! | [`chunk_step`]  | mean score of the questions about the step's chunk, asked right after the step; 0 where there are none |
//! | [`evidence`]    | `(1 - beta) · r_global / T + beta · N_t`, see [`crate::ops::attribution`] |
//! | [`compression`] | `1 - memory tokens / input tokens`, the same at every step; negative when the memory outgrows the input |
//! | [`outcome`]     | `r_global`, the same at every step |
//!
//! [`advantage`] turns the sum into group advantages.

pub mod advantage;

pub use advantage::{Advantage, Advantages, Baseline, Grouping, Place};

use crate::device::Device;
use crate::ops::attribution;
use crate::{Error, Result};

/// What rewards need to know of a rollout. Steps count from 0.
#[derive(Debug, Clone, Default)]
pub struct Trajectory {
    /// One per chunk.
    pub steps: Vec<Step>,
    /// The questions at the end.
    pub questions: Vec<Answered>,
    /// Length of the final memory.
    pub memory_tokens: f64,
    /// Length of all chunks together.
    pub input_tokens: f64,
}

/// One step of a rollout.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// For every call, whether it was valid and carried out.
    pub calls: Vec<bool>,
    /// The questions about the step's chunk, answered from the memory right after the step.
    pub chunk_questions: Vec<Answered>,
}

/// A question with the score of its answer and the items that were retrieved for it.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// From 0 to 1.
    pub score: f64,
    /// Every retrieved item, whether the answer used it or not.
    pub evidence: Vec<Evidence>,
}

/// The step of a write that happened before the rollout began, where that goes on from the memory of another one. No step has its credit.
pub const BEFORE: usize = u32::MAX as usize;

/// Where a retrieved item comes from.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The step of its last write.
    pub step: usize,
    /// The step of its insert.
    pub created: usize,
    /// The step of every write, the insert and the last one among them.
    pub writes: Vec<usize>,
}

/// Who is credited for an item that was updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Update {
    /// The step that wrote it last.
    #[default]
    Last,
    /// The step that inserted it.
    Origin,
    /// All steps that wrote it, in equal parts.
    Split,
}

impl std::str::FromStr for Update {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "last" => Ok(Self::Last),
            "origin" => Ok(Self::Origin),
            "split" => Ok(Self::Split),
            other => Err(Error::argument(format!("update is {other:?}; it must be \"last\", \"origin\" or \"split\""))),
        }
    }
}

/// The share of valid calls.
pub fn format(trajectory: &Trajectory) -> Vec<f64> {
    let share = |step: &Step| step.calls.iter().filter(|valid| **valid).count() as f64 / step.calls.len().max(1) as f64;
    trajectory.steps.iter().map(share).collect()
}

/// The mean score of the questions about the chunk. A chunk without questions has none in any rollout, so its 0 moves no advantage.
pub fn chunk_step(trajectory: &Trajectory) -> Vec<f64> {
    trajectory.steps.iter().map(|step| mean_score(&step.chunk_questions)).collect()
}

/// The score of the questions at the end, credited in part to the steps that wrote the retrieved items. Sums to the mean score.
/// The parts of items that were written [`BEFORE`] are nobody's. A step beyond the rollout is an error, and so is a `beta` outside [0, 1].
pub fn evidence(trajectory: &Trajectory, beta: f64, update: Update) -> Result<Vec<f64>> {
    if !(0.0..=1.0).contains(&beta) {
        return Err(Error::argument(format!("beta is {beta}; it must be between 0 and 1")));
    }
    let count = trajectory.steps.len();
    let (mut scores, mut offsets, mut steps, mut weights) = (Vec::new(), vec![0u32], Vec::new(), Vec::new());
    for (at, question) in trajectory.questions.iter().enumerate() {
        scores.push(question.score);
        for item in &question.evidence {
            let writers = match update {
                Update::Last => std::slice::from_ref(&item.step),
                Update::Origin => std::slice::from_ref(&item.created),
                Update::Split => &item.writes,
            };
            if let Some(step) = writers.iter().find(|step| (count..BEFORE).contains(*step)) {
                return Err(Error::argument(format!("question {at} has evidence of step {step}, but the rollout has {count} steps")));
            }
            if writers.is_empty() {
                return Err(Error::argument(format!("question {at} has evidence that no step wrote")));
            }
            steps.extend(writers.iter().map(|step| *step as u32));
            weights.extend(writers.iter().map(|_| 1.0 / (question.evidence.len() * writers.len()) as f64));
        }
        offsets.push(steps.len() as u32);
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    // A few dozen numbers that Lua made and Lua reads: the kernel's f64 twin keeps the sum of the credits exact.
    let device = Device::cpu_f64();
    let floats = |values: &[f64]| {
        let tensor = device.zeros(crate::device::DType::F32, &[values.len()])?;
        tensor.write_f64(values)?;
        Ok::<_, Error>(tensor)
    };
    let integers = |values: &[u32]| device.tensor_u32(values, &[values.len()]);
    let reward = device.zeros(crate::device::DType::F32, &[1, count])?;
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

/// How much shorter the memory is than the input, at every step. Without input it is 0.
pub fn compression(trajectory: &Trajectory) -> Vec<f64> {
    let value = if trajectory.input_tokens > 0.0 { 1.0 - trajectory.memory_tokens / trajectory.input_tokens } else { 0.0 };
    vec![value; trajectory.steps.len()]
}

/// The mean score of the questions at the end, at every step.
pub fn outcome(trajectory: &Trajectory) -> Vec<f64> {
    vec![mean_score(&trajectory.questions); trajectory.steps.len()]
}

fn mean_score(questions: &[Answered]) -> f64 {
    questions.iter().fold(0.0, |sum, question| sum + question.score) / questions.len().max(1) as f64
}
