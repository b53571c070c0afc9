//! Group advantages: each value minus the mean of its group, or of the group's other members, divided by the group's sample deviation.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel};
use crate::error::Result;

/// Parameters: the number of groups, the epsilon added to the deviation, whether to divide by it, and whether the mean leaves out the value
/// itself.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    groups: u32,
    eps: f32,
    divide: u32,
    leave_one_out: u32,
}

/// Advantages of every group
pub const ZSCORE: Kernel = kernel!("zscore", Params, [In, InU32, InU32, InU32, Out], twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&ZSCORE];

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Baseline {
    /// The mean of its group.
    #[default]
    Mean,
    /// The mean of the other members of its group, which makes `x − mean` `n / (n − 1)` times as large.
    LeaveOneOut,
}

/// Differences up to this share of the largest magnitude are rounding: two f32 computations of one number end a few units in the last place
/// apart, and this is four of the largest such units.
const RELATIVE: f64 = 4.0 * f32::EPSILON as f64;
/// Differences up to this are rounding whatever the magnitude: numbers near 0 may be what is left of terms of order 1 that cancel, whose
/// last place this is.
const ABSOLUTE: f64 = f32::EPSILON as f64;

/// Whether numbers differ by more than rounding. Divided by their deviation, numbers that do not would become noise of order 1.
pub fn differ(values: impl Iterator<Item = f64>) -> bool {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    values.for_each(|value| (low, high) = (low.min(value), high.max(value)));
    high - low > ABSOLUTE.max(RELATIVE * low.abs().max(high.abs()))
}

/// `y[i] = (x[i] − mean) / (deviation + eps)` in groups; 0 in a group that does not vary (our choice, as in verl).
///
/// x, y: `[N]`   members: `[N]`, indices sorted by group   starts: `[G + 1]`   varies: `[G]`, 1 if the group's values [`differ`], else 0
pub fn forward(
    rec: &mut Recorder<'_>,
    x: &Tensor,
    members: &Tensor,
    starts: &Tensor,
    varies: &Tensor,
    baseline: Baseline,
    eps: f32,
    divide: bool,
    y: &Tensor,
) -> Result<()> {
    let groups = starts.len().saturating_sub(1);
    let leave_one_out = (baseline == Baseline::LeaveOneOut).into();
    let params = Params { groups: groups as u32, eps, divide: divide.into(), leave_one_out };
    rec.run(ZSCORE.grid(Grid::Elements(groups)), &params, &[x, members, starts, varies, y])
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (x, members, starts, varies, y) = (a.read(0), a.read_u32(1), a.read_u32(2), a.read_u32(3), a.write(4));
    for g in 0..p.groups as usize {
        let members = &members[starts[g] as usize..starts[g + 1] as usize];
        let n = F::from_f64(members.len() as f64);
        let values = || members.iter().map(|i| x[*i as usize]);
        let mean = values().sum::<F>() / n;
        let squares: F = values().map(|v| (v - mean) * (v - mean)).sum();
        // Equal values can still differ from their rounded mean in the last bit.
        let varies = varies[g] == 1;
        let deviation = (squares / (n - F::ONE).max(F::ONE)).sqrt();
        for i in members {
            let mut centred = if varies { x[*i as usize] - mean } else { F::ZERO };
            if p.leave_one_out == 1 && varies {
                centred *= n / (n - F::ONE);
            }
            y[*i as usize] = if p.divide == 1 { centred / (deviation + F::from_f64(p.eps.into())) } else { centred };
        }
    }
}
