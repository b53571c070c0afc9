//! Evidence-anchored reward attribution (Fine-Mem, arXiv 2601.08435): the score of a question goes back to the steps that wrote the
//! items which were retrieved for it.
//!
//! `reward[r, t] = (1 − β) · mean(s) / T + β · N[t]`, `N[t] = Σ_j Σ_{m ∈ M_j, φ(m) = t} s_j · share(m) / (|M_j| · n)`

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel};
use crate::error::Result;

/// Parameters: rollouts, columns of the output, and the share β that follows the evidence.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rollouts: u32,
    columns: u32,
    beta: f32,
    pad: u32,
}

/// Rewards of every rollout and step
pub const ATTRIBUTION: Kernel = kernel!("attribution", Params, [In, InU32, InU32, InU32, In, InU32, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&ATTRIBUTION];

/// What the kernel reads, in compressed rows: rollouts own questions, questions own evidence.
pub struct Evidence<'a> {
    /// Score of each question: `[Q]`
    pub scores: &'a Tensor,
    /// First question of each rollout, and the end: [R + 1]
    pub questions: &'a Tensor,
    /// First evidence entry of each question, and the end: [Q + 1]
    pub entries: &'a Tensor,
    /// The step each entry credits: `[E]`
    pub steps: &'a Tensor,
    /// The entry's part of its question; a question's parts add up to 1: `[E]`
    pub shares: &'a Tensor,
    /// Number of steps of each rollout: `[R]`
    pub lengths: &'a Tensor,
}

/// `reward[r, t]`, 0 beyond a rollout's length. A question without evidence credits all steps alike, so that a rollout's rewards
/// add up to its mean score.   reward: [R, columns]
pub fn forward(rec: &mut Recorder<'_>, evidence: &Evidence<'_>, beta: f32, reward: &Tensor) -> Result<()> {
    let e = evidence;
    let (rollouts, columns) = reward.rows_cols();
    e.lengths.expect("attribution lengths", &[rollouts])?;
    let params = Params { rollouts: rollouts as u32, columns: columns as u32, beta, pad: 0 };
    let bindings = [e.scores, e.questions, e.entries, e.steps, e.shares, e.lengths, reward];
    rec.run(ATTRIBUTION.grid(Grid::Elements(rollouts * columns)), &params, &bindings)
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (scores, questions, entries) = (a.read(0), a.read_u32(1), a.read_u32(2));
    let (steps, shares, lengths, reward) = (a.read_u32(3), a.read(4), a.read_u32(5), a.write(6));
    let beta = F::from_f64(p.beta.into());
    for (i, reward) in reward[..(p.rollouts * p.columns) as usize].iter_mut().enumerate() {
        let (r, t) = (i / p.columns as usize, i as u32 % p.columns);
        *reward = F::ZERO;
        if t >= lengths[r] {
            continue;
        }
        let length = F::from_f64(lengths[r].into());
        let (first, end) = (questions[r] as usize, questions[r + 1] as usize);
        let (mut total, mut credit) = (F::ZERO, F::ZERO);
        for q in first..end {
            let (from, to) = (entries[q] as usize, entries[q + 1] as usize);
            let mut share = F::ZERO;
            for e in from..to {
                if steps[e] == t {
                    share += shares[e];
                }
            }
            if from == to {
                share = F::ONE / length;
            }
            total += scores[q];
            credit += scores[q] * share;
        }
        if end > first {
            let n = F::from_f64((end - first) as f64);
            *reward = (F::ONE - beta) * total / (n * length) + beta * credit / n;
        }
    }
}
