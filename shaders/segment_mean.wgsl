// y[g] = (1 / n) · Σ_{i < n} x[starts[g] + i],   n = starts[g + 1] − starts[g];   0 where n = 0
//
// x: [≥ N]   starts: [G + 1], rising, the last is N   y: [G]
// Grid: one invocation per segment, which walks its values.

#import grid

struct Params {
    segments: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [≥ N]
@group(0) @binding(2) var<storage, read> starts: array<u32>;    // [G + 1]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [G]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let g = element_index(wg, grid, tid);
    if g >= p.segments {
        return;
    }
    let first = starts[g];
    let end = starts[g + 1u];
    var sum = 0.0;
    for (var i = first; i < end; i++) {
        sum += x[i];
    }
    y[g] = sum / f32(max(end - first, 1u));
}
