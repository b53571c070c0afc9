//! The bias of a linear layer: one number for each column.

use bytemuck::{Pod, Zeroable};

use super::rmsnorm::PARTIAL_ROWS;
use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::Result;

/// Parameters of the kernels of this file.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rows: u32,
    cols: u32,
    /// `bias_bwd`: rows of one partial sum.
    block: u32,
    pad: u32,
}

/// `y[r, c] += b[c]`
pub const BIAS: Kernel = kernel!("bias", Params, [In, Out], twin);
/// `partial[p, c] = Σ_{rows of p} dy[r, c]`
pub const BIAS_BWD: Kernel = kernel!("bias_bwd", Params, [In, Out], bwd_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&BIAS, &BIAS_BWD];

fn params(x: &Tensor) -> Params {
    let (rows, cols) = x.rows_cols();
    Params { rows: rows as u32, cols: cols as u32, block: PARTIAL_ROWS as u32, pad: 0 }
}

/// `y += b` in every row.   b: `[C]`   y: `[rows, C]`
pub fn forward(rec: &mut Recorder<'_>, b: &Tensor, y: &Tensor) -> Result<()> {
    let (rows, cols) = y.rows_cols();
    b.expect("bias b", &[cols])?;
    rec.run(BIAS.grid(Grid::Rows(rows)), &params(y), &[b, y])
}

/// Gradient of the bias, `db += Σ_rows dy`, by partial sums in `partial`: [≥ rows / 64, C].   dy: `[rows, C]`   db: `[C]`
pub fn backward(rec: &mut Recorder<'_>, dy: &Tensor, partial: &Tensor, db: &Tensor) -> Result<()> {
    let (rows, cols) = dy.rows_cols();
    let parts = rows.div_ceil(PARTIAL_ROWS);
    let partial = partial.view(&[parts, cols])?;
    rec.run(BIAS_BWD.grid(Grid::Rows(parts)), &params(dy), &[dy, &partial])?;
    super::elementwise::add_rows(rec, &partial, db)
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (b, y) = (a.read(0), a.write(1));
    let cols = p.cols as usize;
    rows!(y, cols, |_first, y| {
        for y in y.chunks_exact_mut(cols) {
            y.iter_mut().zip(b).for_each(|(y, b)| *y += *b);
        }
    });
}

fn bwd_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dy, partial) = (a.read(0), a.write(1));
    let (cols, rows, block) = (p.cols as usize, p.rows as usize, p.block as usize);
    rows!(partial, cols, |part0, partial| {
        for (i, partial) in partial.chunks_exact_mut(cols).enumerate() {
            partial.fill(F::ZERO);
            let first = (part0 + i) * block;
            for dy in dy[first * cols..rows.min(first + block) * cols].chunks_exact(cols) {
                partial.iter_mut().zip(dy).for_each(|(s, dy)| *s += *dy);
            }
        }
    });
}
