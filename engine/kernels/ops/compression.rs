//! How much shorter memories are than their input.

use bytemuck::{Pod, Zeroable};

use crate::device::Tensor;
use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, kernel};
use crate::error::Result;

/// Parameters: number of memories.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    memories: u32,
    pad: [u32; 3],
}

/// The compression of each memory
pub const COMPRESSION: Kernel = kernel!("compression", Params, [In, In, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&COMPRESSION];

/// `y[r] = 1 − memory[r] / input[r]`, negative if the memory is longer than its input, 0 if there is no input.
///
/// memory, input, y: `[R]`
pub fn forward(rec: &mut Recorder<'_>, memory: &Tensor, input: &Tensor, y: &Tensor) -> Result<()> {
    let memories = y.len();
    memory.expect("compression memory", &[memories])?;
    input.expect("compression input", &[memories])?;
    let params = Params { memories: memories as u32, pad: [0; 3] };
    rec.run(COMPRESSION.grid(Grid::Elements(memories)), &params, &[memory, input, y])
}

fn twin<F: Float>(_: &Params, mut a: Args<'_, F>) {
    let (memory, input, y) = (a.read(0), a.read(1), a.write(2));
    for ((y, memory), input) in y.iter_mut().zip(memory).zip(input) {
        *y = if *input > F::ZERO { F::ONE - *memory / *input } else { F::ZERO };
    }
}
