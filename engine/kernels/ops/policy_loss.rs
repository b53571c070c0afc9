//! Policy-gradient losses, one row for each token, with an estimate of the KL divergence from a reference policy.
//!
//! `loss = w · (surrogate + kl_coef · k)` with advantage `A`, ratio `r = exp(logprob − old)` and bounds `1 − clip_low`, `1 + clip_high`:
//!
//! | form | surrogate | source |
//! |---|---|---|
//! | [`Form::Clip`] | `−min(r·A, clip(r)·A)`, for `A < 0` at most `−dual_clip·A` | PPO, arXiv 1707.06347, eq. 7; dual clip, arXiv 1912.09729, eq. 5 |
//! | [`Form::Weight`] | `−constant(clip(r))·A·logprob` | CISPO, arXiv 2506.13585, eq. 4–5 |
//! | [`Form::LogProb`] | `−A·logprob` | REINFORCE, Williams 1992 |
//!
//! With [`Level::Sequence`] the ratio is that of the whole turn: the exponential of the mean of its tokens' log-ratios (GSPO, arXiv
//! 2507.18071, eq. 7). A token's derivative is that of GSPO-token (eq. 13–14), which equals that of the turn's loss (eq. 5) if its tokens
//! have equal weights.
//!
//! KL estimators, with `d = logprob − reference` (Schulman, "Approximating KL divergence"), and what each is the derivative of:
//!
//! | estimator | value | derivative by logprob | in the loss |
//! |---|---|---|---|
//! | [`Estimator::K1`] | `d` | `1` | its expected gradient is 0: it restrains nothing (verl's `kl`) |
//! | [`Estimator::K2`] | `d² / 2` | `d` | on samples of the policy, the gradient of KL(policy ‖ reference) (verl's `mse`) |
//! | [`Estimator::K3`] | `exp(−d) + d − 1` | `1 − exp(−d)` | that of KL(reference ‖ policy) (verl's `low_var_kl`; the one of TRL and GRPO) |
//!
//! The derivative here is always that of the value, as in TRL, and as in verl under these names. verl's names with a `+` combine one
//! estimator's value with the derivative of K2. Log-ratios are clamped to ±20, as in verl, so that no exponential overflows.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel};
use crate::error::Result;

/// How ratio and advantage make a loss.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The smaller of advantage times ratio and advantage times clipped ratio.
    Clip = 0,
    /// The log-probability, weighted by the advantage and by the clipped ratio as a constant.
    Weight = 1,
    /// The log-probability, weighted by the advantage. There is no ratio.
    LogProb = 2,
}

/// What a ratio is of.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Each token.
    Token = 0,
    /// All tokens of a turn: their geometric mean.
    Sequence = 1,
}

/// An estimate of KL from one sample of the policy.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// The log-ratio: unbiased, with a large variance and either sign.
    K1 = 1,
    /// Half its square.
    K2 = 2,
    /// `exp(−d) + d − 1`: unbiased, never negative.
    K3 = 3,
}

impl Estimator {
    /// The estimate for `d = logprob − reference`.
    pub fn value(self, d: f64) -> f64 {
        let d = d.clamp(-20.0, 20.0);
        match self {
            Self::K1 => d,
            Self::K2 => 0.5 * d * d,
            Self::K3 => (-d).exp() + d - 1.0,
        }
    }
}

/// The loss of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyLoss {
    /// How ratio and advantage make a loss.
    pub form: Form,
    /// What the ratio is of.
    pub level: Level,
    /// How far below 1 the ratio may be.
    pub clip_low: f32,
    /// How far above 1 the ratio may be.
    pub clip_high: f32,
    /// Bound of [`Form::Clip`] for negative advantages, in advantages; 0 switches it off.
    pub dual_clip: f32,
    /// Weight of the KL term; 0 switches it off.
    pub kl_coef: f32,
    /// The KL term.
    pub estimator: Estimator,
}

impl Default for PolicyLoss {
    /// PPO's, without KL.
    fn default() -> Self {
        let (form, level, estimator) = (Form::Clip, Level::Token, Estimator::K3);
        Self { form, level, clip_low: 0.2, clip_high: 0.2, dual_clip: 0.0, kl_coef: 0.0, estimator }
    }
}

/// Parameters of `policy_loss`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rows: u32,
    form: u32,
    level: u32,
    estimator: u32,
    low: f32,
    high: f32,
    dual: f32,
    kl_coef: f32,
}

/// Parameters of `sequence_ratio`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct RatioParams {
    sequences: u32,
    pad: [u32; 3],
}

/// The numbers that the kernel writes for each token: loss, ratio, KL estimate, and −1, 0 or 1 for a ratio that was clipped from below, not
/// clipped, or clipped from above.
pub const TERMS: usize = 4;

/// Loss terms and `coefficient = ∂loss/∂logprob`
pub const POLICY_LOSS: Kernel = kernel!("policy_loss", Params, [In, In, In, InU32, In, In, Out, Out], twin);
/// `ratio = mean of (logprob − old)` over a sequence
pub const SEQUENCE_RATIO: Kernel = kernel!("sequence_ratio", RatioParams, [In, In, InU32, Out], ratio_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&POLICY_LOSS, &SEQUENCE_RATIO];

/// What the loss knows of each token beside its log-probability.
#[derive(Clone, Copy)]
pub struct Sampled<'a> {
    /// Log-probabilities when sampled, or with [`Level::Sequence`] the log-ratios from [`sequence_ratio`]: `[R]`
    pub old: &'a Tensor,
    /// Log-probabilities of the reference policy: `[R]`
    pub reference: &'a Tensor,
    /// Index of the token's advantage: `[R]`
    pub turn: &'a Tensor,
    /// Advantages of the turns: `[turns]`
    pub advantages: &'a Tensor,
    /// Weights of the tokens in the loss: `[R]`
    pub weight: &'a Tensor,
}

/// Loss and its derivative by the log-probability. All tokens of a turn have its advantage: `A = advantages[turn[i]]`.
///
/// logprob, coefficient: `[R]`   terms: `[R, 4]`
pub fn forward(
    rec: &mut Recorder<'_>,
    loss: PolicyLoss,
    logprob: &Tensor,
    sampled: &Sampled<'_>,
    coefficient: &Tensor,
    terms: &Tensor,
) -> Result<()> {
    let Sampled { old, reference, turn, advantages, weight } = *sampled;
    let rows = logprob.len();
    terms.expect("policy_loss terms", &[rows, TERMS])?;
    let params = Params {
        rows: rows as u32,
        form: loss.form as u32,
        level: loss.level as u32,
        estimator: loss.estimator as u32,
        low: loss.clip_low,
        high: loss.clip_high,
        dual: loss.dual_clip,
        kl_coef: loss.kl_coef,
    };
    rec.run(POLICY_LOSS.grid(Grid::Elements(rows)), &params, &[logprob, old, reference, turn, advantages, weight, coefficient, terms])
}

/// The log-ratio of each token's sequence: the mean over its tokens of `logprob − old`.
///
/// logprob, old, ratio: `[R]`   starts: `[sequences + 1]`, the first row of each and the end
pub fn sequence_ratio(rec: &mut Recorder<'_>, logprob: &Tensor, old: &Tensor, starts: &Tensor, ratio: &Tensor) -> Result<()> {
    let sequences = starts.len().saturating_sub(1);
    let params = RatioParams { sequences: sequences as u32, pad: [0; 3] };
    rec.run(SEQUENCE_RATIO.grid(Grid::Rows(sequences)), &params, &[logprob, old, starts, ratio])
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (logprob, old, reference, turn) = (a.read(0), a.read(1), a.read(2), a.read_u32(3));
    let (advantages, weight) = (a.read(4), a.read(5));
    let (coefficient, terms) = (a.write(6), a.write(7));
    let [low, high, dual, kl_coef] = [p.low, p.high, p.dual, p.kl_coef].map(|v| F::from_f64(v.into()));
    let (bound, half) = (F::from_f64(20.0), F::from_f64(0.5));
    for i in 0..p.rows as usize {
        let (adv, w) = (advantages[turn[i] as usize], weight[i]);
        let log_ratio = if p.level == Level::Sequence as u32 { old[i] } else { logprob[i] - old[i] };
        let ratio = log_ratio.max(-bound).min(bound).exp();
        let (mut loss, mut slope, mut clipped) = (-ratio * adv, -ratio * adv, F::ZERO);
        if p.form == Form::Clip as u32 {
            if adv > F::ZERO && ratio > F::ONE + high {
                (loss, slope, clipped) = (-(F::ONE + high) * adv, F::ZERO, F::ONE);
            } else if adv < F::ZERO && ratio < F::ONE - low {
                (loss, slope, clipped) = (-(F::ONE - low) * adv, F::ZERO, -F::ONE);
            } else if adv < F::ZERO && dual > F::ZERO && ratio > dual {
                (loss, slope, clipped) = (-dual * adv, F::ZERO, F::ONE);
            }
        } else {
            let mut factor = F::ONE;
            if p.form == Form::Weight as u32 {
                factor = ratio.max(F::ONE - low).min(F::ONE + high);
                clipped = if ratio > factor { F::ONE } else { F::ZERO };
                clipped = if ratio < factor { -F::ONE } else { clipped };
            }
            (loss, slope) = (-factor * adv * logprob[i], -factor * adv);
        }
        let gap = (reference[i] - logprob[i]).max(-bound).min(bound);
        let (kl, kl_slope) = match p.estimator {
            1 => (-gap, F::ONE),
            2 => (half * gap * gap, -gap),
            _ => (gap.exp() - gap - F::ONE, F::ONE - gap.exp()),
        };
        coefficient[i] = w * (slope + kl_coef * kl_slope);
        terms[TERMS * i] = w * (loss + kl_coef * kl);
        terms[TERMS * i + 1] = ratio;
        terms[TERMS * i + 2] = kl;
        terms[TERMS * i + 3] = clipped;
    }
}

fn ratio_twin<F: Float>(p: &RatioParams, mut a: Args<'_, F>) {
    let (logprob, old, starts, ratio) = (a.read(0), a.read(1), a.read_u32(2), a.write(3));
    for s in 0..p.sequences as usize {
        let rows = starts[s] as usize..starts[s + 1] as usize;
        let total: F = rows.clone().map(|i| logprob[i] - old[i]).sum();
        let mean = total / F::from_f64(rows.len().max(1) as f64);
        ratio[rows].fill(mean);
    }
}
