//! Log-probability and entropy of chosen tokens from a chunk of logits, and the gradient back into the logits, in place.
//!
//! A chunk is a few hundred rows: the logits of a whole batch never exist (see `model/head.rs`).

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, sum};
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, parallel, rows, simd};
use crate::error::Result;

/// Parameters: rows and columns of the logits, and the sampling temperature that divides them.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rows: u32,
    vocab: u32,
    inverse_temperature: f32,
    pad: u32,
}

/// `lse = log Σ exp(l / T)`, `logprob = l[target] / T − lse`, `entropy = lse − Σ p · l / T`
pub const LOGPROB: Kernel = kernel!("logprob", Params, [In, InU32, Out, Out, Out], twin);
/// `l ← coefficient · (onehot(target) − softmax(l / T)) / T`
pub const LOGPROB_BWD: Kernel = kernel!("logprob_bwd", Params, [InU32, In, In, Out], bwd_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&LOGPROB, &LOGPROB_BWD];

fn params(logits: &Tensor, temperature: f32) -> Params {
    let (rows, vocab) = logits.rows_cols();
    Params { rows: rows as u32, vocab: vocab as u32, inverse_temperature: 1.0 / temperature, pad: 0 }
}

/// Log-probabilities and entropies.   logits: `[R, V]`   targets, logprob, entropy, lse: `[R]`
pub fn forward(
    rec: &mut Recorder<'_>,
    logits: &Tensor,
    targets: &Tensor,
    temperature: f32,
    logprob: &Tensor,
    entropy: &Tensor,
    lse: &Tensor,
) -> Result<()> {
    let rows = logits.rows_cols().0;
    targets.expect("logprob targets", &[rows])?;
    rec.run(LOGPROB.grid(Grid::Rows(rows)), &params(logits, temperature), &[logits, targets, logprob, entropy, lse])
}

/// Replaces the logits by the gradient of `Σ coefficient · logprob`.   coefficient, lse: `[R]`   logits: `[R, V]`
pub fn backward(
    rec: &mut Recorder<'_>,
    targets: &Tensor,
    lse: &Tensor,
    coefficient: &Tensor,
    temperature: f32,
    logits: &Tensor,
) -> Result<()> {
    let rows = logits.rows_cols().0;
    rec.run(LOGPROB_BWD.grid(Grid::Rows(rows)), &params(logits, temperature), &[targets, lse, coefficient, logits])
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (logits, targets) = (a.read(0), a.read_u32(1));
    let (logprob, entropy, lse) = (a.write(2), a.write(3), a.write(4));
    let vocab = p.vocab as usize;
    let inverse = F::from_f64(p.inverse_temperature.into());
    let block = parallel::block_rows(vocab);
    rayon::scope(|scope| {
        let parts = logprob.chunks_mut(block).zip(entropy.chunks_mut(block)).zip(lse.chunks_mut(block));
        for (b, ((logprob, entropy), lse)) in parts.enumerate() {
            scope.spawn(move |_| {
                simd!(F, {
                    let mut exps = vec![F::ZERO; vocab];
                    for i in 0..lse.len() {
                        let row = b * block + i;
                        let l = &logits[row * vocab..][..vocab];
                        let mut top = l[0];
                        for l in l {
                            top = top.max(*l);
                        }
                        for (e, l) in exps.iter_mut().zip(l) {
                            *e = ((*l - top) * inverse).exp();
                        }
                        let total = sum(&exps);
                        for (e, l) in exps.iter_mut().zip(l) {
                            *e *= (*l - top) * inverse;
                        }
                        let log_total = total.ln();
                        lse[i] = top * inverse + log_total;
                        entropy[i] = log_total - sum(&exps) / total;
                        logprob[i] = (l[targets[row] as usize] - top) * inverse - log_total;
                    }
                })
            });
        }
    });
}

fn bwd_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (targets, lse, coefficient, logits) = (a.read_u32(0), a.read(1), a.read(2), a.write(3));
    let vocab = p.vocab as usize;
    let inverse = F::from_f64(p.inverse_temperature.into());
    rows!(logits, vocab, |row0, logits| {
        for (i, l) in logits.chunks_exact_mut(vocab).enumerate() {
            let (c, lse) = (coefficient[row0 + i] * inverse, lse[row0 + i]);
            for l in l.iter_mut() {
                *l = -c * (*l * inverse - lse).exp();
            }
            l[targets[row0 + i] as usize] += c;
        }
    });
}
