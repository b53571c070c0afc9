// y[to[i], c] = x[source[i], c]
//
// x, y: [·, cols]   source, to: [rows]; no row of y is written twice.
// Grid: one workgroup per moved row; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    value: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [·, cols]
@group(0) @binding(2) var<storage, read> source: array<u32>;   // [rows]
@group(0) @binding(3) var<storage, read> to: array<u32>;       // [rows]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [·, cols]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = group_index(wg, grid);
    if i >= p.rows {
        return;
    }
    for (var c = tid; c < p.cols; c += WG) {
        y[to[i] * p.cols + c] = x[source[i] * p.cols + c];
    }
}
