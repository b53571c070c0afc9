// y[r, c] += b[c]
//
// b: [C]   y: [R, C]
// Grid: one workgroup per row; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    block: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> b: array<f32>;        // [C]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [R, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = group_index(wg, grid);
    if row >= p.rows {
        return;
    }
    for (var c = tid; c < p.cols; c += WG) {
        y[row * p.cols + c] += b[c];
    }
}
