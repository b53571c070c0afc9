// y[c] += Σ_r x[r, c]
//
// x: [rows, cols]   y: [cols]
// Grid: one invocation per column, which adds its rows in order.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    value: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, cols]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [cols]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let c = element_index(wg, grid, tid);
    if c >= p.cols {
        return;
    }
    var sum = y[c];
    for (var row = 0u; row < p.rows; row++) {
        sum += x[row * p.cols + c];
    }
    y[c] = sum;
}
