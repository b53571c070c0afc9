// y[r, c] = x[r, c] · rstd[r] · w[c],   rstd[r] = 1 / sqrt(mean_c x[r, c]² + eps)
//
// x, y: [R, C]   w: [C]   rstd: [R], kept for the backward pass.
// Grid: one workgroup per row; its invocations stride over the columns.

#import grid
#import reduce

struct Params {
    rows: u32,
    cols: u32,
    eps: f32,
    mode: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // [R, C]
@group(0) @binding(2) var<storage, read> w: array<f32>;           // [C]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;     // [R, C]
@group(0) @binding(4) var<storage, read_write> rstd: array<f32>;  // [R]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = group_index(wg, grid);
    if row >= p.rows {
        return; // uniform over the workgroup: the barriers below stay legal
    }
    let at = row * p.cols;
    var squares = 0.0;
    for (var c = tid; c < p.cols; c += WG) {
        let v = x[at + c];
        squares = fma(v, v, squares);
    }
    let r = inverseSqrt(workgroup_sum(tid, squares) / f32(p.cols) + p.eps);
    for (var c = tid; c < p.cols; c += WG) {
        y[at + c] = x[at + c] * r * w[c];
    }
    if tid == 0u {
        rstd[row] = r;
    }
}
