//! Means of the segments of a list.

use bytemuck::{Pod, Zeroable};

use crate::device::Tensor;
use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, kernel};
use crate::error::Result;

/// Parameters: number of segments.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    segments: u32,
    pad: [u32; 3],
}

/// The mean of every segment
pub const SEGMENT_MEAN: Kernel = kernel!("segment_mean", Params, [In, InU32, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&SEGMENT_MEAN];

/// `y[g] = mean(x[starts[g]], …, x[starts[g + 1] − 1])`, 0 for a segment without values.
///
/// x: `[≥ N]`   starts: `[G + 1]`, rising, the last is N   y: `[G]`
pub fn forward(rec: &mut Recorder<'_>, x: &Tensor, starts: &Tensor, y: &Tensor) -> Result<()> {
    let segments = y.len();
    starts.expect("segment_mean starts", &[segments + 1])?;
    let params = Params { segments: segments as u32, pad: [0; 3] };
    rec.run(SEGMENT_MEAN.grid(Grid::Elements(segments)), &params, &[x, starts, y])
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, starts, y) = (a.read(0), a.read_u32(1), a.write(2));
    for g in 0..p.segments as usize {
        let segment = &x[starts[g] as usize..starts[g + 1] as usize];
        let sum = segment.iter().copied().sum::<F>();
        y[g] = sum / F::from_f64(segment.len().max(1) as f64);
    }
}
