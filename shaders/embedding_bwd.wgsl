// dtable[tokens[u] - first, c] += Σ_{starts[u] ≤ i < starts[u + 1]} dx[order[i], c] where dtable has that row
//
// The host sorts the positions by token, so every row of the table has one writer and a fixed order of additions: no atomics.
// dx: [T, C]   order: [T]   tokens: [U], distinct   starts: [U + 1]   dtable: [count, C]
// Grid: one workgroup per distinct token u; its invocations stride over the columns.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    first: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dx: array<f32>;            // [T, C]
@group(0) @binding(2) var<storage, read> order: array<u32>;         // [T]
@group(0) @binding(3) var<storage, read> tokens: array<u32>;        // [U]
@group(0) @binding(4) var<storage, read> starts: array<u32>;        // [U + 1]
@group(0) @binding(5) var<storage, read_write> dtable: array<f32>;  // [count, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let u = group_index(wg, grid);
    if u >= p.rows {
        return;
    }
    let target_row = tokens[u] - p.first;
    if target_row >= p.count {
        return;
    }
    let row = target_row * p.cols;
    let end = starts[u + 1u];
    for (var c = tid; c < p.cols; c += WG) {
        var sum = dtable[row + c];
        for (var i = starts[u]; i < end; i++) {
            sum += dx[order[i] * p.cols + c];
        }
        dtable[row + c] = sum;
    }
}
