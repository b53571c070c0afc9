// g[r, c] = dy[r, c] · w[c]
// dx[r, c] (+)= rstd[r] · (g[r, c] − x[r, c] · rstd[r]² · mean_c(g[r, c] · x[r, c]))
//
// dy, x, dx: [R, C]   w: [C]   rstd: [R]   mode: 1 adds to dx (the residual stream), 0 replaces it
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
@group(0) @binding(1) var<storage, read> dy: array<f32>;         // [R, C]
@group(0) @binding(2) var<storage, read> x: array<f32>;          // [R, C]
@group(0) @binding(3) var<storage, read> w: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;       // [R]
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;   // [R, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = group_index(wg, grid);
    if row >= p.rows {
        return; // uniform over the workgroup
    }
    let at = row * p.cols;
    var product = 0.0;
    for (var c = tid; c < p.cols; c += WG) {
        product = fma(dy[at + c] * w[c], x[at + c], product);
    }
    let r = rstd[row];
    let mean = workgroup_sum(tid, product) * r * r / f32(p.cols);
    for (var c = tid; c < p.cols; c += WG) {
        let i = at + c;
        var d = r * (dy[i] * w[c] - x[i] * mean);
        if p.mode == 1u {
            d += dx[i];
        }
        dx[i] = d;
    }
}
