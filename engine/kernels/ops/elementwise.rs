//! Small helpers over whole tensors and rows: fill, add, sum of rows, moving rows.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::{Error, Result};

/// Parameters of the kernels of this file.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    /// Elements (`fill`, `add`), or rows.
    rows: u32,
    cols: u32,
    /// The value of `fill`.
    value: f32,
    pad: u32,
}

/// `y[i] = value`
pub const FILL: Kernel = kernel!("fill", Params, [Out], fill_twin);
/// `y[i] = x[i]`
pub const COPY: Kernel = kernel!("copy", Params, [In, Out], copy_twin);
/// `y[i] += x[i]`
pub const ADD: Kernel = kernel!("add", Params, [In, Out], add_twin);
/// `y[c] += Σ_r x[r, c]`
pub const ADD_ROWS: Kernel = kernel!("add_rows", Params, [In, Out], add_rows_twin);
/// `y[to[i]] = x[from[i]]`, rows
pub const MOVE_ROWS: Kernel = kernel!("move_rows", Params, [In, InU32, InU32, Out], move_rows_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&FILL, &COPY, &ADD, &ADD_ROWS, &MOVE_ROWS];

fn elements(x: &Tensor, value: f32) -> Params {
    Params { rows: x.len() as u32, cols: 1, value, pad: 0 }
}

/// `y = value`.   y: any shape
pub fn fill(rec: &mut Recorder<'_>, y: &Tensor, value: f32) -> Result<()> {
    for (_, y) in y.pieces()? {
        rec.run(FILL.grid(Grid::Elements(y.len().div_ceil(4))), &elements(&y, value), &[&y])?;
    }
    Ok(())
}

/// `y = x`.   x, y: the same number of elements
pub fn copy(rec: &mut Recorder<'_>, x: &Tensor, y: &Tensor) -> Result<()> {
    y.view(x.shape())?.expect("copy y", x.shape())?;
    rec.run(COPY.grid(Grid::Elements(x.len().div_ceil(4))), &elements(x, 0.0), &[x, y])
}

/// `y += x`.   x, y: the same shape
pub fn add(rec: &mut Recorder<'_>, x: &Tensor, y: &Tensor) -> Result<()> {
    y.expect("add y", x.shape())?;
    rec.run(ADD.grid(Grid::Elements(x.len().div_ceil(4))), &elements(x, 0.0), &[x, y])
}

/// `y[c] += Σ_r x[r, c]`.   x: `[R, C]`   y: `[C]`
pub fn add_rows(rec: &mut Recorder<'_>, x: &Tensor, y: &Tensor) -> Result<()> {
    let (rows, cols) = x.rows_cols();
    y.expect("add_rows y", &[cols])?;
    rec.run(ADD_ROWS.grid(Grid::Elements(cols)), &Params { rows: rows as u32, cols: cols as u32, value: 0.0, pad: 0 }, &[x, y])
}

/// Copies rows: `y[to[i]] = x[from[i]]`. No row may be written twice.   x: `[·, C]`   from, to: `[n]`   y: `[·, C]`
pub fn move_rows(rec: &mut Recorder<'_>, x: &Tensor, from: &Tensor, to: &Tensor, y: &Tensor) -> Result<()> {
    let (n, cols) = (from.len(), x.rows_cols().1);
    if y.rows_cols().1 != cols || to.len() != n {
        return Err(Error::Shape(format!("move_rows: {:?} to {:?} by {n} and {} rows", x.shape(), y.shape(), to.len())));
    }
    rec.run(MOVE_ROWS.grid(Grid::Rows(n)), &Params { rows: n as u32, cols: cols as u32, value: 0.0, pad: 0 }, &[x, from, to, y])
}

fn fill_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    a.write(0).fill(F::from_f64(p.value.into()));
}

fn copy_twin<F: Float>(_: &Params, mut a: Args<'_, F>) {
    let (x, y) = (a.read(0), a.write(1));
    y[..x.len()].copy_from_slice(x);
}

fn add_twin<F: Float>(_: &Params, mut a: Args<'_, F>) {
    let (x, y) = (a.read(0), a.write(1));
    rows!(y, 1, |at, y| y.iter_mut().zip(&x[at..]).for_each(|(y, x)| *y += *x));
}

fn add_rows_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, y) = (a.read(0), a.write(1));
    for x in x.chunks_exact(p.cols as usize) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += *x);
    }
}

fn move_rows_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, from, to, y) = (a.read(0), a.read_u32(1), a.read_u32(2), a.write(3));
    let cols = p.cols as usize;
    for (from, to) in from.iter().zip(to) {
        y[*to as usize * cols..][..cols].copy_from_slice(&x[*from as usize * cols..][..cols]);
    }
}
