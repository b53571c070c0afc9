//! Evidence-anchored reward attribution (Fine-Mem, arXiv 2601.08435): the score of a question goes to the steps that wrote the items
//! retrieved for it.
//!
//! `credit[r, t] = N_t = (1 / n) · Σ_j s_j · Σ_{m ∈ M_j, φ(m) = t} share(m)`, over the n questions of rollout r

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel};
use crate::error::Result;

/// Parameters: rollouts, and columns of the output.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rollouts: u32,
    columns: u32,
    pad: [u32; 2],
}

/// Credits of every rollout and step
pub const ATTRIBUTION: Kernel = kernel!("attribution", Params, [In, InU32, InU32, InU32, In, InU32, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&ATTRIBUTION];

/// What the kernel reads, in compressed rows: rollouts own questions, questions own evidence.
pub struct Evidence<'a> {
    /// Score of each question: `[≥ Q]`
    pub scores: &'a Tensor,
    /// First question of each rollout, and the end: `[R + 1]`
    pub questions: &'a Tensor,
    /// First evidence entry of each question, and the end: `[≥ Q + 1]`
    pub entries: &'a Tensor,
    /// The step that each entry credits. A step that the rollout does not have credits nothing: `[≥ E]`
    pub steps: &'a Tensor,
    /// The entry's share of its question. The shares of a question add up to 1: `[≥ E]`
    pub shares: &'a Tensor,
    /// Number of steps of each rollout: `[R]`
    pub lengths: &'a Tensor,
}

/// `credit[r, t]`, 0 beyond a rollout's length. A question without evidence credits all steps equally, so that a rollout's credits add up
/// to its mean score.   credit: `[R, columns]`
pub fn forward(rec: &mut Recorder<'_>, evidence: &Evidence<'_>, credit: &Tensor) -> Result<()> {
    let e = evidence;
    let (rollouts, columns) = credit.rows_cols();
    e.questions.expect("attribution questions", &[rollouts + 1])?;
    e.lengths.expect("attribution lengths", &[rollouts])?;
    let params = Params { rollouts: rollouts as u32, columns: columns as u32, pad: [0; 2] };
    let bindings = [e.scores, e.questions, e.entries, e.steps, e.shares, e.lengths, credit];
    rec.run(ATTRIBUTION.grid(Grid::Elements(rollouts * columns)), &params, &bindings)
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (scores, questions, entries) = (a.read(0), a.read_u32(1), a.read_u32(2));
    let (steps, shares, lengths, credit) = (a.read_u32(3), a.read(4), a.read_u32(5), a.write(6));
    for (i, credit) in credit[..(p.rollouts * p.columns) as usize].iter_mut().enumerate() {
        let (r, t) = (i / p.columns as usize, i as u32 % p.columns);
        *credit = F::ZERO;
        let (first, end) = (questions[r] as usize, questions[r + 1] as usize);
        if t >= lengths[r] || first == end {
            continue;
        }
        let mut sum = F::ZERO;
        for q in first..end {
            let (from, to) = (entries[q] as usize, entries[q + 1] as usize);
            let mut share = if from == to { F::ONE / F::from_f64(lengths[r].into()) } else { F::ZERO };
            for e in from..to {
                if steps[e] == t {
                    share += shares[e];
                }
            }
            sum += scores[q] * share;
        }
        *credit = sum / F::from_f64((end - first) as f64);
    }
}
