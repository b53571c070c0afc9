//! RMSNorm over the last axis, optionally after the residual addition, and per head for QK norm.
//!
//! `rstd` is saved by the forward pass and used by the backward pass.

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, dot};
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::Result;

/// Parameters of the row kernels of this file.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rows: u32,
    cols: u32,
    eps: f32,
    /// `rmsnorm_bwd`: 1 adds to `dx`, 0 replaces it. `rmsnorm_bwd_w`: rows of one partial sum.
    mode: u32,
}

/// `y = x · rstd · w`
pub const RMSNORM: Kernel = kernel!("rmsnorm", Params, [In, In, Out, Out], twin);
/// `sum = x + delta`, `y = sum · rstd · w`
pub const RESIDUAL_RMSNORM: Kernel = kernel!("residual_rmsnorm", Params, [In, In, In, Out, Out, Out], residual_twin);
/// `dx (+)= rstd · (dy · w − x · rstd² · mean(dy · w · x))`
pub const RMSNORM_BWD: Kernel = kernel!("rmsnorm_bwd", Params, [In, In, In, In, Out], bwd_twin);
/// `partial[p] = Σ_{rows of p} dy · x · rstd`
pub const RMSNORM_BWD_W: Kernel = kernel!("rmsnorm_bwd_w", Params, [In, In, In, Out], bwd_w_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&RMSNORM, &RESIDUAL_RMSNORM, &RMSNORM_BWD, &RMSNORM_BWD_W];

/// Rows that one partial sum of the weight gradient covers.
pub const PARTIAL_ROWS: usize = 64;

fn params(x: &Tensor, eps: f32, mode: usize) -> Params {
    let (rows, cols) = x.rows_cols();
    Params { rows: rows as u32, cols: cols as u32, eps, mode: mode as u32 }
}

/// `y = x · rstd(x) · w`.   x, y: `[rows, C]`   w: `[C]`   rstd: `[rows]`
pub fn forward(rec: &mut Recorder<'_>, x: &Tensor, w: &Tensor, y: &Tensor, rstd: &Tensor, eps: f32) -> Result<()> {
    let (rows, cols) = x.rows_cols();
    w.expect("rmsnorm w", &[cols])?;
    rec.run(RMSNORM.grid(Grid::Rows(rows)), &params(x, eps, 0), &[x, w, y, rstd])
}

/// `sum = x + delta`, `y = sum · rstd(sum) · w`.   x, delta, sum, y: `[rows, C]`   w: `[C]`   rstd: `[rows]`
pub fn residual_forward(
    rec: &mut Recorder<'_>,
    x: &Tensor,
    delta: &Tensor,
    w: &Tensor,
    sum: &Tensor,
    y: &Tensor,
    rstd: &Tensor,
    eps: f32,
) -> Result<()> {
    let (rows, cols) = x.rows_cols();
    w.expect("residual_rmsnorm w", &[cols])?;
    rec.run(RESIDUAL_RMSNORM.grid(Grid::Rows(rows)), &params(x, eps, 0), &[x, delta, w, sum, y, rstd])
}

/// Gradient of the input. With `accumulate` (the residual stream) it is added to `dx`, else it replaces `dx`.
///
/// dy, x, dx: `[rows, C]`   w: `[C]`   rstd: `[rows]`
pub fn backward(rec: &mut Recorder<'_>, dy: &Tensor, x: &Tensor, w: &Tensor, rstd: &Tensor, dx: &Tensor, accumulate: bool) -> Result<()> {
    let (rows, _) = x.rows_cols();
    rec.run(RMSNORM_BWD.grid(Grid::Rows(rows)), &params(x, 0.0, accumulate.into()), &[dy, x, w, rstd, dx])
}

/// Gradient of the weight, `dw += Σ_rows dy · x · rstd`, by partial sums in `partial`: [≥ rows / 64, C].
pub fn backward_weight(rec: &mut Recorder<'_>, dy: &Tensor, x: &Tensor, rstd: &Tensor, partial: &Tensor, dw: &Tensor) -> Result<()> {
    let (rows, cols) = x.rows_cols();
    let parts = rows.div_ceil(PARTIAL_ROWS);
    let partial = partial.view(&[parts, cols])?;
    rec.run(RMSNORM_BWD_W.grid(Grid::Rows(parts)), &params(x, 0.0, PARTIAL_ROWS), &[dy, x, rstd, &partial])?;
    super::elementwise::add_rows(rec, &partial, dw)
}

#[inline(always)]
fn normalise<F: Float>(x: &[F], w: &[F], eps: f32, y: &mut [F]) -> F {
    let mean = dot(x, x) / F::from_f64(x.len() as f64);
    let rstd = F::ONE / (mean + F::from_f64(eps.into())).sqrt();
    for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
        *y = *x * rstd * *w;
    }
    rstd
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, w, y, rstd) = (a.read(0), a.read(1), a.write(2), a.write(3));
    let cols = p.cols as usize;
    rows!(y, cols, rstd, 1, |row0, y, rstd| {
        for (i, (y, rstd)) in y.chunks_exact_mut(cols).zip(rstd).enumerate() {
            *rstd = normalise(&x[(row0 + i) * cols..][..cols], w, p.eps, y);
        }
    });
}

fn residual_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, delta, w, sum, y, rstd) = (a.read(0), a.read(1), a.read(2), a.write(3), a.write(4), a.write(5));
    let cols = p.cols as usize;
    rows!(sum, cols, y, cols, rstd, 1, |row0, sum, y, rstd| {
        for (i, ((sum, y), rstd)) in sum.chunks_exact_mut(cols).zip(y.chunks_exact_mut(cols)).zip(rstd).enumerate() {
            let at = (row0 + i) * cols;
            for ((s, x), d) in sum.iter_mut().zip(&x[at..at + cols]).zip(&delta[at..at + cols]) {
                *s = *x + *d;
            }
            *rstd = normalise(sum, w, p.eps, y);
        }
    });
}

fn bwd_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dy, x, w, rstd, dx) = (a.read(0), a.read(1), a.read(2), a.read(3), a.write(4));
    let cols = p.cols as usize;
    rows!(dx, cols, |row0, dx| {
        let mut g = vec![F::ZERO; cols];
        for (i, dx) in dx.chunks_exact_mut(cols).enumerate() {
            let (row, at) = (row0 + i, (row0 + i) * cols);
            let (x, dy, r) = (&x[at..at + cols], &dy[at..at + cols], rstd[row]);
            for ((g, dy), w) in g.iter_mut().zip(dy).zip(w) {
                *g = *dy * *w;
            }
            let mean = dot(&g, x) * r * r / F::from_f64(cols as f64);
            if p.mode == 1 {
                for ((dx, g), x) in dx.iter_mut().zip(&g).zip(x) {
                    *dx += r * (*g - *x * mean);
                }
            } else {
                for ((dx, g), x) in dx.iter_mut().zip(&g).zip(x) {
                    *dx = r * (*g - *x * mean);
                }
            }
        }
    });
}

fn bwd_w_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dy, x, rstd, partial) = (a.read(0), a.read(1), a.read(2), a.write(3));
    let (cols, rows, block) = (p.cols as usize, p.rows as usize, p.mode as usize);
    rows!(partial, cols, |part0, partial| {
        for (i, partial) in partial.chunks_exact_mut(cols).enumerate() {
            partial.fill(F::ZERO);
            let first = (part0 + i) * block;
            for row in first..rows.min(first + block) {
                let at = row * cols;
                let r = rstd[row];
                for ((s, dy), x) in partial.iter_mut().zip(&dy[at..at + cols]).zip(&x[at..at + cols]) {
                    *s += *dy * *x * r;
                }
            }
        }
    });
}
