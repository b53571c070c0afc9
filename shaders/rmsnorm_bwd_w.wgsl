// partial[b, c] = Σ_{r in block b} dy[r, c] · x[r, c] · rstd[r],   block b = rows b·mode … (b + 1)·mode − 1
//
// dy, x: [R, C]   rstd: [R]   partial: [⌈R / mode⌉, C], summed into dw by add_rows: no atomics, one order of additions.
// Grid: one workgroup per block of rows; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    eps: f32,
    mode: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;             // [R, C]
@group(0) @binding(2) var<storage, read> x: array<f32>;              // [R, C]
@group(0) @binding(3) var<storage, read> rstd: array<f32>;           // [R]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;  // [⌈R / mode⌉, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let block = group_index(wg, grid);
    let first = block * p.mode;
    if first >= p.rows {
        return;
    }
    let last = min(first + p.mode, p.rows);
    for (var c = tid; c < p.cols; c += WG) {
        var sum = 0.0;
        for (var row = first; row < last; row++) {
            let i = row * p.cols + c;
            sum = fma(dy[i] * x[i], rstd[row], sum);
        }
        partial[block * p.cols + c] = sum;
    }
}
