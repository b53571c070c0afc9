//! Evidence attribution over flat arrays, the layout of a kernel.
//!
//! ```text
//! N_t       = Σ_j s_j / n · Σ over the evidence e of question j with step(e) = t:  weight(e)
//! credit(t) = (1 - beta) · r_global / T + beta · N_t
//! ```
//!
//! The weights of a question's evidence sum to 1. A question without evidence has its `s_j / n` spread over all steps, so that
//! `Σ_t credit(t) = r_global` always holds.

/// Writes the credit of every step.
///
/// `scores` `[n]`; `offsets` `[n + 1]`: question `j` has the evidence `offsets[j]..offsets[j + 1]`; `steps` and `weights`
/// `[evidence]`, every step below `T`; `credit` `[T]`. Sums run in the order of the questions, so equal input gives equal bits.
pub fn attribute(scores: &[f64], offsets: &[u32], steps: &[u32], weights: &[f64], beta: f64, credit: &mut [f64]) {
    let questions = scores.len().max(1) as f64;
    let count = credit.len().max(1) as f64;
    let uniform = (1.0 - beta) * scores.iter().sum::<f64>() / questions / count;
    credit.fill(uniform);
    for (j, score) in scores.iter().enumerate() {
        let share = beta * score / questions;
        let evidence = offsets[j] as usize..offsets[j + 1] as usize;
        if evidence.is_empty() {
            credit.iter_mut().for_each(|credit| *credit += share / count);
        }
        for e in evidence {
            credit[steps[e] as usize] += share * weights[e];
        }
    }
}
