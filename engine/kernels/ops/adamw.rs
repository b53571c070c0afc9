//! AdamW (arXiv 1711.05101, algorithm 2) with global-norm clipping, all on the device.
//!
//! The squares of all gradients are added up in partial sums. The root of their sum and the clip factor go to a tensor of two numbers,
//! which the update reads. If a gradient is not finite, the factor is 0 and the update changes nothing.

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, dot};
use crate::device::{Args, DType, Grid, Kernel, Recorder, Tensor, kernel, simd};
use crate::error::Result;

/// Parameters of `sum_squares` and `clip_scale`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct NormParams {
    /// Elements of the gradient, or number of partial sums.
    elements: u32,
    /// The slot for this gradient's sum.
    slot: u32,
    /// Norms above this are clipped; 0 clips nothing.
    max_norm: f32,
    /// 1 adds to the slot, 0 replaces it.
    accumulate: u32,
}

/// Parameters of the update.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct AdamW {
    /// Number of elements; set by [`step`].
    pub elements: u32,
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f32,
    /// `1 − beta1^t`
    pub correction1: f32,
    /// `1 − beta2^t`
    pub correction2: f32,
}

/// `partial[slot] (+)= Σ g²`
pub const SUM_SQUARES: Kernel = kernel!("sum_squares", NormParams, [In, Out], sum_squares_twin);
/// `out[0] = √Σ partial`, `out[1] = min(1, max_norm / out[0])`, or 0 if it is not finite
pub const CLIP_SCALE: Kernel = kernel!("clip_scale", NormParams, [In, Out], clip_scale_twin);
/// `m, v, w` after one step; sets the gradient to 0
pub const ADAMW: Kernel = kernel!("adamw", AdamW, [In, Out, Out, Out, Out], adamw_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&SUM_SQUARES, &CLIP_SCALE, &ADAMW];

/// `partial[slot] = Σ g²`.   g: any shape   partial: `[slots]`
pub fn sum_squares(rec: &mut Recorder<'_>, g: &Tensor, slot: usize, partial: &Tensor) -> Result<()> {
    for (first, piece) in g.pieces()? {
        let params = NormParams { elements: piece.len() as u32, slot: slot as u32, max_norm: 0.0, accumulate: (first > 0).into() };
        rec.run(SUM_SQUARES.grid(Grid::Groups(1, 1, 1)), &params, &[&piece, partial])?;
    }
    Ok(())
}

/// Norm and clip factor.   partial: `[slots]`   out: `[2]`
pub fn clip_scale(rec: &mut Recorder<'_>, partial: &Tensor, max_norm: f32, out: &Tensor) -> Result<()> {
    out.expect("clip_scale out", &[2])?;
    let params = NormParams { elements: partial.len() as u32, slot: 0, max_norm, accumulate: 0 };
    rec.run(CLIP_SCALE.grid(Grid::Groups(1, 1, 1)), &params, &[partial, out])
}

/// One update of `w` by `scale[1] · g`; sets `g` to zero.   w, g, m, v: the same shape   scale: `[2]`
pub fn step(rec: &mut Recorder<'_>, adamw: AdamW, scale: &Tensor, w: &Tensor, g: &Tensor, m: &Tensor, v: &Tensor) -> Result<()> {
    [g, m, v].iter().try_for_each(|state| state.expect("adamw state", w.shape()))?;
    w.expect_dtype(DType::F32)?;
    let pieces = w.pieces()?.into_iter().zip(g.pieces()?).zip(m.pieces()?.into_iter().zip(v.pieces()?));
    for (((_, w), (_, g)), ((_, m), (_, v))) in pieces {
        let params = AdamW { elements: w.len() as u32, ..adamw };
        rec.run(ADAMW.grid(Grid::Elements(w.len().div_ceil(4))), &params, &[scale, &w, &g, &m, &v])?;
    }
    Ok(())
}

fn sum_squares_twin<F: Float>(p: &NormParams, mut a: Args<'_, F>) {
    let (g, partial) = (a.read(0), a.write(1));
    let before = if p.accumulate == 1 { partial[p.slot as usize] } else { F::ZERO };
    partial[p.slot as usize] = before + simd!(F, dot(g, g));
}

fn clip_scale_twin<F: Float>(p: &NormParams, mut a: Args<'_, F>) {
    let (partial, out) = (a.read(0), a.write(1));
    let norm = partial.iter().copied().sum::<F>().sqrt();
    let max_norm = F::from_f64(p.max_norm.into());
    out[0] = norm;
    out[1] = if !norm.to_f64().is_finite() {
        F::ZERO
    } else if p.max_norm > 0.0 && norm > max_norm {
        max_norm / norm
    } else {
        F::ONE
    };
}

fn adamw_twin<F: Float>(p: &AdamW, mut a: Args<'_, F>) {
    let (scale, w, g, m, v) = (a.read(0)[1], a.write(1), a.write(2), a.write(3), a.write(4));
    if scale == F::ZERO {
        return g.fill(F::ZERO);
    }
    let f = |value: f32| F::from_f64(value.into());
    let (lr, b1, b2, eps, decay) = (f(p.lr), f(p.beta1), f(p.beta2), f(p.eps), F::ONE - f(p.lr) * f(p.weight_decay));
    let (c1, c2) = (F::ONE / f(p.correction1), F::ONE / f(p.correction2));
    simd!(F, {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let grad = *g * scale;
            *m = b1 * *m + (F::ONE - b1) * grad;
            *v = b2 * *v + (F::ONE - b2) * grad * grad;
            *w = *w * decay - lr * (*m * c1) / ((*v * c2).sqrt() + eps);
            *g = F::ZERO;
        }
    });
}
