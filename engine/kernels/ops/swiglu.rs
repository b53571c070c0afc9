//! SwiGLU: `y = silu(gate) · up` with `silu(x) = x · σ(x)`.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::Result;

/// Parameters: number of elements.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    elements: u32,
    pad: [u32; 3],
}

/// `y = silu(gate) · up`
pub const SWIGLU: Kernel = kernel!("swiglu", Params, [In, In, Out], twin);
/// `dgate = dy · up · silu'(gate)`, `dup = dy · silu(gate)`
pub const SWIGLU_BWD: Kernel = kernel!("swiglu_bwd", Params, [In, In, In, Out, Out], bwd_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&SWIGLU, &SWIGLU_BWD];

/// `y = silu(gate) · up`.   all: the same shape
pub fn forward(rec: &mut Recorder<'_>, gate: &Tensor, up: &Tensor, y: &Tensor) -> Result<()> {
    up.expect("swiglu up", gate.shape())?;
    y.expect("swiglu y", gate.shape())?;
    rec.run(SWIGLU.grid(Grid::Elements(y.len().div_ceil(4))), &Params { elements: y.len() as u32, pad: [0; 3] }, &[gate, up, y])
}

/// Gradients of both inputs.   all: the same shape
pub fn backward(rec: &mut Recorder<'_>, dy: &Tensor, gate: &Tensor, up: &Tensor, dgate: &Tensor, dup: &Tensor) -> Result<()> {
    dgate.expect("swiglu dgate", gate.shape())?;
    let params = Params { elements: dy.len() as u32, pad: [0; 3] };
    rec.run(SWIGLU_BWD.grid(Grid::Elements(dy.len().div_ceil(4))), &params, &[dy, gate, up, dgate, dup])
}

#[inline(always)]
fn sigmoid<F: Float>(x: F) -> F {
    F::ONE / (F::ONE + (-x).exp())
}

fn twin<F: Float>(_: &Params, mut a: Args<'_, F>) {
    let (gate, up, y) = (a.read(0), a.read(1), a.write(2));
    rows!(y, 1, |at, y| {
        for ((y, g), u) in y.iter_mut().zip(&gate[at..]).zip(&up[at..]) {
            *y = *g * sigmoid(*g) * *u;
        }
    });
}

fn bwd_twin<F: Float>(_: &Params, mut a: Args<'_, F>) {
    let (dy, gate, up, dgate, dup) = (a.read(0), a.read(1), a.read(2), a.write(3), a.write(4));
    rows!(dgate, 1, dup, 1, |at, dgate, dup| {
        for ((((dg, du), dy), g), u) in dgate.iter_mut().zip(dup).zip(&dy[at..]).zip(&gate[at..]).zip(&up[at..]) {
            let s = sigmoid(*g);
            *dg = *dy * *u * s * (F::ONE + *g * (F::ONE - s));
            *du = *dy * *g * s;
        }
    });
}
