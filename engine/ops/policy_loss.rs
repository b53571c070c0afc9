//! The clipped policy-gradient loss of GRPO and PPO, a token a row, with the k3 estimate of KL to a reference policy.
//!
//! `loss = w · (−min(r·A, clip(r, 1−low, 1+high)·A) + kl_coef · k3)`, `r = exp(logp − old)`, `k3 = exp(ref − logp) − (ref − logp) − 1`
//! (PPO, arXiv 1707.06347, eq. 7; GRPO, arXiv 2402.03300, eq. 3–4). Dual clip bounds the first term by `−dual · A` where `A < 0`
//! (arXiv 1912.09729, eq. 5).

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, kernel};
use crate::error::Result;
use crate::tensor::Tensor;

/// The knobs of the loss.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Clip {
    /// Number of tokens; set by [`forward`].
    pub rows: u32,
    /// How far the ratio may fall below 1.
    pub low: f32,
    /// How far the ratio may rise above 1.
    pub high: f32,
    /// Bound of the loss for negative advantages, in advantages; 0 switches it off.
    pub dual: f32,
    /// Weight of the KL term; 0 switches it off.
    pub kl_coef: f32,
    /// Padding.
    pub pad: [u32; 3],
}

impl Clip {
    /// The loss with these bounds.
    pub fn new(low: f32, high: f32, dual: f32, kl_coef: f32) -> Self {
        Self { rows: 0, low, high, dual, kl_coef, pad: [0; 3] }
    }
}

/// Numbers that the kernel writes for every token: loss, ratio, KL estimate, and −1, 0 or 1 as the ratio was clipped from below, not, or above.
pub const TERMS: usize = 4;

/// Loss terms and `coefficient = ∂loss/∂logp`
pub const POLICY_LOSS: Kernel = kernel!("policy_loss", Clip, [In, In, In, InU32, In, In, Out, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&POLICY_LOSS];

/// Loss and its derivative by the log-probability. All tokens of a turn have its advantage: `A = advantages[turn[i]]`.
///
/// logprob, old, reference, turn, weight, coefficient: [R]   advantages: [turns]   terms: [R, 4]
pub fn forward(
    rec: &mut Recorder<'_>,
    clip: Clip,
    logprob: &Tensor,
    old: &Tensor,
    reference: &Tensor,
    turn: &Tensor,
    advantages: &Tensor,
    weight: &Tensor,
    coefficient: &Tensor,
    terms: &Tensor,
) -> Result<()> {
    let rows = logprob.len();
    terms.expect("policy_loss terms", &[rows, TERMS])?;
    let params = Clip { rows: rows as u32, ..clip };
    rec.run(POLICY_LOSS.grid(Grid::Elements(rows)), &params, &[logprob, old, reference, turn, advantages, weight, coefficient, terms])
}

fn twin<F: Float>(p: &Clip, mut a: Args<'_, F>) {
    let (logprob, old, reference, turn) = (a.read(0), a.read(1), a.read(2), a.read_u32(3));
    let (advantages, weight) = (a.read(4), a.read(5));
    let (coefficient, terms) = (a.write(6), a.write(7));
    let [low, high, dual, kl_coef] = [p.low, p.high, p.dual, p.kl_coef].map(|v| F::from_f64(v.into()));
    let bound = F::from_f64(20.0);
    for i in 0..p.rows as usize {
        let (adv, w) = (advantages[turn[i] as usize], weight[i]);
        let ratio = (logprob[i] - old[i]).max(-bound).min(bound).exp();
        let (mut loss, mut slope, mut clipped) = (-ratio * adv, -ratio * adv, F::ZERO);
        if adv > F::ZERO && ratio > F::ONE + high {
            (loss, slope, clipped) = (-(F::ONE + high) * adv, F::ZERO, F::ONE);
        } else if adv < F::ZERO && ratio < F::ONE - low {
            (loss, slope, clipped) = (-(F::ONE - low) * adv, F::ZERO, -F::ONE);
        } else if adv < F::ZERO && dual > F::ZERO && ratio > dual {
            (loss, slope, clipped) = (-dual * adv, F::ZERO, F::ONE);
        }
        let gap = (reference[i] - logprob[i]).max(-bound).min(bound);
        let kl = gap.exp() - gap - F::ONE;
        coefficient[i] = w * (slope + kl_coef * (F::ONE - gap.exp()));
        terms[TERMS * i] = w * (loss + kl_coef * kl);
        terms[TERMS * i + 1] = ratio;
        terms[TERMS * i + 2] = kl;
        terms[TERMS * i + 3] = clipped;
    }
}
