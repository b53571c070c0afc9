// partial[k, c] = Σ_{r in block k} dy[r, c],   block k = rows k·block … (k + 1)·block − 1
//
// dy: [R, C]   partial: [⌈R / block⌉, C], summed into db by add_rows: no atomics, one order of additions.
// Grid: one workgroup per block of rows; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    block: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;             // [R, C]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;  // [⌈R / block⌉, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let k = group_index(wg, grid);
    let first = k * p.block;
    if first >= p.rows {
        return;
    }
    let last = min(first + p.block, p.rows);
    for (var c = tid; c < p.cols; c += WG) {
        var sum = 0.0;
        for (var row = first; row < last; row++) {
            sum += dy[row * p.cols + c];
        }
        partial[k * p.cols + c] = sum;
    }
}
