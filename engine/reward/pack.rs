//! The numbers of a batch that its rewards are computed from, in the form that the kernels take: concatenated lists, with where each
//! begins.

use super::{Rules, Update};
use crate::memory::Item;
use crate::reason::Asked;
use crate::rollout::{Rollout, Step};
use crate::{Error, Result};

/// The step of a write that happened before the rollout began, if it continues another rollout's memory. No step is credited for it.
const BEFORE: usize = u32::MAX as usize;

/// The input of the kernels. `R` is the number of rollouts, `S` the number of all their steps.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Numbers {
    /// Scores of the final questions, then the value of each step's calls, then scores of each step's questions: `[N]`
    pub(super) values: Vec<f64>,
    /// Where the lists of the R rollouts, of the S steps' calls and of the S steps' questions begin in the values, and the end: `[R + 2 S +
    /// 1]`
    pub(super) starts: Vec<u32>,
    /// First evidence entry of each final question, and the end: `[Q + 1]`
    pub(super) entries: Vec<u32>,
    /// The step that each entry credits: `[E]`
    pub(super) steps: Vec<u32>,
    /// Its share of the question; the shares of a question add up to 1: `[E]`
    pub(super) shares: Vec<f64>,
    /// Steps of each rollout: `[R]`
    pub(super) lengths: Vec<u32>,
    /// Tokens of the memory at the end, and of all chunks: `[R]`
    pub(super) memory: Vec<f64>,
    pub(super) input: Vec<f64>,
}

/// Why some parts of a batch are missing. The other parts are not affected.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems {
    /// The first final question without a score.
    pub(super) outcome: Option<Error>,
    /// The first question of a chunk without a score.
    pub(super) chunk_step: Option<Error>,
    /// The first final question without a score, or with evidence from a step that its rollout does not have.
    pub(super) evidence: Option<Error>,
}

impl Numbers {
    /// The numbers of a batch.
    pub(super) fn of(rollouts: &[Rollout], rules: Rules) -> (Self, Problems) {
        let (mut numbers, mut problems) = (Self::default(), Problems::default());
        let steps = || rollouts.iter().flat_map(|rollout| &rollout.steps);
        for rollout in rollouts {
            numbers.lengths.push(rollout.steps.len() as u32);
            numbers.memory.push(rollout.memory_tokens as f64);
            numbers.input.push(rollout.input_tokens as f64);
            numbers.starts.push(numbers.values.len() as u32);
            numbers.scores(&rollout.answers, &mut problems.outcome);
            if let Err(error) = numbers.evidence(rollout, rules.update) {
                problems.evidence.get_or_insert(error);
            }
        }
        numbers.entries.push(numbers.steps.len() as u32);
        for Step { calls, untagged, .. } in steps() {
            numbers.starts.push(numbers.values.len() as u32);
            let worth = if *untagged > 0 { rules.untagged } else { 1.0 };
            numbers.values.extend(calls.iter().map(|call| if call.valid { worth } else { 0.0 }));
        }
        for step in steps() {
            numbers.starts.push(numbers.values.len() as u32);
            numbers.scores(&step.chunk_answers, &mut problems.chunk_step);
        }
        numbers.starts.push(numbers.values.len() as u32);
        (numbers, problems)
    }

    /// The number of steps in all rollouts.
    pub(super) fn steps_in_all(&self) -> usize {
        self.lengths.iter().sum::<u32>() as usize
    }

    /// Adds the scores of some questions, and notes the first question without one.
    fn scores(&mut self, questions: &[Asked], problem: &mut Option<Error>) {
        for question in questions {
            self.values.push(question.score.unwrap_or(0.0));
            if let Err(error) = score(question) {
                problem.get_or_insert(error);
            }
        }
    }

    /// Adds the evidence of a rollout's questions. Every question gets an entry in `entries`, even after an error.
    fn evidence(&mut self, rollout: &Rollout, update: Update) -> Result<()> {
        let mut result = Ok(());
        for (at, question) in rollout.answers.iter().enumerate() {
            self.entries.push(self.steps.len() as u32);
            if result.is_ok() {
                result = self.evidence_of(rollout, at, question, update);
            }
        }
        result
    }

    fn evidence_of(&mut self, rollout: &Rollout, at: usize, question: &Asked, update: Update) -> Result<()> {
        score(question)?;
        for item in &question.evidence {
            let writers =
                writers(rollout, item, update).map_err(|why| Error::argument(format!("question {} has evidence that {why}", at + 1)))?;
            self.shares.extend(writers.iter().map(|_| 1.0 / (question.evidence.len() * writers.len()) as f64));
            self.steps.extend(writers.iter().map(|step| *step as u32));
        }
        Ok(())
    }
}

/// The indices of the rollout's steps that are credited for an item.
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

fn score(question: &Asked) -> Result<f64> {
    let unscored = || Error::argument(format!("the answer to {:?} has no score; a judge has to give it one", question.question));
    question.score.ok_or_else(unscored)
}
