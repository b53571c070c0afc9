// y[i] = (x[i] − mean) / (deviation + eps) over the group of i; without the division where divide = 0.
// deviation: of the sample, √(Σ (x − mean)² / (n − 1)). y = 0 in a group that does not vary.
// leave_one_out = 1: the mean is that of the other values, so that x − mean becomes n / (n − 1) times as large.
//
// x, y: [N]   members: [N], indices sorted by group   starts: [G + 1]   varies: [G]
// Grid: one invocation per group.

#import grid

struct Params {
    groups: u32,
    eps: f32,
    divide: u32,
    leave_one_out: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [N]
@group(0) @binding(2) var<storage, read> members: array<u32>;   // [N]
@group(0) @binding(3) var<storage, read> starts: array<u32>;    // [G + 1]
@group(0) @binding(4) var<storage, read> varies: array<u32>;    // [G]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;   // [N]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let g = element_index(wg, grid, tid);
    if g >= p.groups {
        return;
    }
    let first = starts[g];
    let end = starts[g + 1u];
    let n = f32(end - first);
    var sum = 0.0;
    for (var i = first; i < end; i++) {
        sum += x[members[i]];
    }
    let mean = sum / n;
    var squares = 0.0;
    for (var i = first; i < end; i++) {
        let d = x[members[i]] - mean;
        squares = fma(d, d, squares);
    }
    let deviation = sqrt(squares / max(n - 1.0, 1.0));
    var factor = select(1.0, 1.0 / (deviation + p.eps), p.divide == 1u);
    if p.leave_one_out == 1u {
        factor *= n / max(n - 1.0, 1.0);
    }
    for (var i = first; i < end; i++) {
        // Equal values can still differ from their rounded mean in the last bit.
        y[members[i]] = select(0.0, (x[members[i]] - mean) * factor, varies[g] == 1u);
    }
}
