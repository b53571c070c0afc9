//! Rotary position embedding with rotated halves: element `i` of a head rotates with element `i + D/2`.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::{Error, Result};

/// Parameters: tokens, heads and half of the head size.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    tokens: u32,
    heads: u32,
    half: u32,
    /// Of the rotation: 1 rotates forward, −1 back (the backward pass).   Of the table: all of it is multiplied by this.
    factor: f32,
}

/// `table[t, i] = factor · cos(position[t] · frequency[i])`, `table[t, D/2 + i] = factor · sin(…)`
pub const ROPE_TABLE: Kernel = kernel!("rope_table", Params, [InU32, In, Out], table_twin);
/// `(x[i], x[i + D/2]) ← rotated by the angle of (t, i)`, in place
pub const ROPE: Kernel = kernel!("rope", Params, [In, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&ROPE_TABLE, &ROPE];

/// Cosines and sines of a batch, multiplied by `factor`.   positions: `[T]`   frequencies: `[D/2]`   table: `[T, D]`
pub fn table(rec: &mut Recorder<'_>, positions: &Tensor, frequencies: &Tensor, factor: f64, table: &Tensor) -> Result<()> {
    let (tokens, half) = (positions.len(), frequencies.len());
    table.expect("rope table", &[tokens, 2 * half])?;
    let params = Params { tokens: tokens as u32, heads: 1, half: half as u32, factor: factor as f32 };
    rec.run(ROPE_TABLE.grid(Grid::Elements(tokens * half)), &params, &[positions, frequencies, table])
}

/// Rotates every head of `x` in place; with `backward`, rotates it back.   table: [T, D]   x: [T, H · D]
pub fn apply(rec: &mut Recorder<'_>, table: &Tensor, x: &Tensor, backward: bool) -> Result<()> {
    let ((tokens, dim), (rows, width)) = (table.rows_cols(), x.rows_cols());
    if rows != tokens || width % dim != 0 {
        return Err(Error::Shape(format!("rope: table {:?}, x {:?}", table.shape(), x.shape())));
    }
    let (heads, half) = (width / dim, dim / 2);
    let params = Params { tokens: tokens as u32, heads: heads as u32, half: half as u32, factor: if backward { -1.0 } else { 1.0 } };
    rec.run(ROPE.grid(Grid::Elements(tokens * heads * half)), &params, &[table, x])
}

fn table_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (positions, frequencies, table) = (a.read_u32(0), a.read(1), a.write(2));
    let (half, factor) = (p.half as usize, F::from_f64(p.factor.into()));
    // A sine costs about as much as 32 simple operations.
    rows!(table, 2 * half, |t0, table| {
        for (table, position) in table.chunks_exact_mut(2 * half).zip(&positions[t0..]) {
            let (cos, sin) = table.split_at_mut(half);
            for i in 0..half {
                let (s, c) = (F::from_f64(f64::from(*position)) * frequencies[i]).sin_cos();
                (sin[i], cos[i]) = (factor * s, factor * c);
            }
        }
    });
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (table, x) = (a.read(0), a.write(1));
    let (heads, half, sign) = (p.heads as usize, p.half as usize, F::from_f64(p.factor.into()));
    rows!(x, heads * 2 * half, |t0, x| {
        for (x, table) in x.chunks_exact_mut(heads * 2 * half).zip(table[t0 * 2 * half..].chunks_exact(2 * half)) {
            let (cos, sin) = table.split_at(half);
            for x in x.chunks_exact_mut(2 * half) {
                let (lo, hi) = x.split_at_mut(half);
                for i in 0..half {
                    let (l, h, s) = (lo[i], hi[i], sign * sin[i]);
                    lo[i] = l * cos[i] - h * s;
                    hi[i] = h * cos[i] + l * s;
                }
            }
        }
    });
}
