//! Choosing the next token on the device: temperature, top-k, top-p, min-p or greedy, with counter-based random numbers.
//!
//! Top-k and top-p are thresholds on the logit, found by bisection over the ordered bits of a float, so nothing is sorted. Tokens that tie
//! with the threshold are kept. Top-p counts the mass of what top-k kept. Min-p (arXiv 2407.01082) is itself a threshold.

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, largest, sum};
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, simd};
use crate::error::Result;
use crate::random::philox4x32;

/// Parameters, the same for the whole batch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Sampling {
    /// Number of sequences; set by [`forward`].
    pub rows: u32,
    /// Size of the vocabulary; set by [`forward`].
    pub vocab: u32,
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the tokens of the `top_k` largest logits; 0 keeps all.
    pub top_k: u32,
    /// Keep the smallest set of likely tokens with at least this probability; 1 keeps all.
    pub top_p: f32,
    /// How far a logit may lie below the largest: min-p as a distance.
    pub gap: f32,
    /// Padding.
    pub pad: [u32; 2],
}

impl Sampling {
    /// The parameters for these settings. `min_p` keeps tokens whose probability is at least this share of the likeliest one's; 0 keeps
    /// all.
    pub fn new(temperature: f32, top_k: u32, top_p: f32, min_p: f32) -> Self {
        let gap = if min_p > 0.0 { -min_p.ln() * temperature } else { f32::MAX };
        Self { rows: 0, vocab: 0, temperature, top_k, top_p, gap, pad: [0; 2] }
    }
}

/// Words of a stream: Philox key (2), counter words 1 to 3, and the token number, which is counter word 0.
pub const STREAM: usize = 6;

/// The token and the bits of its log-probability for each row, so that one readback has both
pub const SAMPLE: Kernel = kernel!("sample", Sampling, [In, InU32, OutU32], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&SAMPLE];

/// Draws one token per row. The log-probability is that of the distribution at the temperature (1 for greedy), before top-k, top-p and
/// min-p.
///
/// logits: [M, V]   streams: [M, 6]   drawn: [M, 2], the token and its log-probability as f32 bits
pub fn forward(rec: &mut Recorder<'_>, sampling: Sampling, logits: &Tensor, streams: &Tensor, drawn: &Tensor) -> Result<()> {
    let (rows, vocab) = logits.rows_cols();
    streams.expect("sample streams", &[rows, STREAM])?;
    let params = Sampling { rows: rows as u32, vocab: vocab as u32, ..sampling };
    rec.run(SAMPLE.grid(Grid::Rows(rows)), &params, &[logits, streams, drawn])
}

/// An unsigned integer with the order of the float.
#[inline(always)]
fn key<F: Float>(value: F) -> u32 {
    let bits = (value.to_f64() as f32).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The largest threshold for which `enough(threshold)` holds, if it holds for 0 and is monotone.
fn bisect(enough: impl Fn(u32) -> bool) -> u32 {
    let mut threshold = 0u32;
    for bit in (0..32).rev() {
        let candidate = threshold | 1 << bit;
        if enough(candidate) {
            threshold = candidate;
        }
    }
    threshold
}

fn twin<F: Float>(p: &Sampling, mut a: Args<'_, F>) {
    let (logits, streams, drawn) = (a.read(0), a.read_u32(1), a.write_u32(2));
    let vocab = p.vocab as usize;
    let greedy = p.temperature == 0.0;
    let inverse = F::from_f64(if greedy { 1.0 } else { 1.0 / f64::from(p.temperature) });
    simd!(F, {
        let mut mass = vec![F::ZERO; vocab];
        for row in 0..p.rows as usize {
            let l = &logits[row * vocab..][..vocab];
            let top = largest(l);
            let best = l.iter().position(|v| *v == top).unwrap_or(0);
            for (m, l) in mass.iter_mut().zip(l) {
                *m = ((*l - top) * inverse).exp();
            }
            let total: F = sum(&mass);
            let token = if greedy { best } else { draw(p, l, top, &mass, total, &streams[row * STREAM..][..STREAM]) };
            let logprob = (l[token] - top) * inverse - total.ln();
            drawn[2 * row] = token as u32;
            drawn[2 * row + 1] = (logprob.to_f64() as f32).to_bits();
        }
    });
}

fn draw<F: Float>(p: &Sampling, logits: &[F], top: F, mass: &[F], total: F, stream: &[u32]) -> usize {
    let mut threshold = 0;
    let mut kept = total;
    if p.top_k > 0 {
        threshold = bisect(|t| logits.iter().filter(|l| key(**l) >= t).count() >= p.top_k as usize);
    }
    let mass_from = |t: u32| logits.iter().zip(mass).filter(|(l, _)| key(**l) >= t).map(|(_, m)| *m).sum::<F>();
    if threshold > 0 {
        kept = mass_from(threshold);
    }
    if p.top_p < 1.0 {
        let wanted = kept * F::from_f64(p.top_p.into());
        threshold = threshold.max(bisect(|t| mass_from(t.max(threshold)) >= wanted));
        kept = mass_from(threshold);
    }
    if p.gap < f32::MAX {
        threshold = threshold.max(key(top - F::from_f64(p.gap.into())));
        kept = mass_from(threshold);
    }
    let word = philox4x32([stream[0], stream[1]], [stream[5], stream[2], stream[3], stream[4]])[0];
    // 24 bits: every value is exact in f32, and below 1.
    let target = F::from_f64(f64::from(word >> 8) / f64::from(1u32 << 24)) * kept;
    let (mut sum, mut last) = (F::ZERO, 0);
    for (i, m) in mass.iter().enumerate() {
        if threshold == 0 || key(logits[i]) >= threshold {
            sum += *m;
            last = i;
            if sum > target {
                break;
            }
        }
    }
    last
}
