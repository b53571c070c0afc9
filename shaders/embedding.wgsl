// x[t, c] = table[ids[t], c]
//
// ids: [T]   table: [V, C]   x: [T, C]
// Grid: one workgroup per row t; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;      // [T]
@group(0) @binding(2) var<storage, read> table: array<f32>;    // [V, C]
@group(0) @binding(3) var<storage, read_write> x: array<f32>;  // [T, C]

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
    let source = ids[row] * p.cols;
    for (var c = tid; c < p.cols; c += WG) {
        x[row * p.cols + c] = table[source + c];
    }
}
