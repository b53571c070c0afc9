// credit[r, t] = mean_q(s_q · share of q that step t wrote), over the questions q of rollout r
//
// A question without evidence credits the T steps of its rollout alike. 0 beyond a rollout's length.
// scores: [≥ Q]   questions: [R + 1]   entries: [≥ Q + 1]   steps, shares: [≥ E]   lengths: [R]   credit: [R, columns]
// Grid: one invocation per (r, t), which walks the questions of r and their evidence.

#import grid

struct Params {
    rollouts: u32,
    columns: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;         // [≥ Q]
@group(0) @binding(2) var<storage, read> questions: array<u32>;      // [R + 1]
@group(0) @binding(3) var<storage, read> entries: array<u32>;        // [≥ Q + 1]
@group(0) @binding(4) var<storage, read> steps: array<u32>;          // [≥ E]
@group(0) @binding(5) var<storage, read> shares: array<f32>;         // [≥ E]
@group(0) @binding(6) var<storage, read> lengths: array<u32>;        // [R]
@group(0) @binding(7) var<storage, read_write> credit: array<f32>;   // [R, columns]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if i >= p.rollouts * p.columns {
        return;
    }
    let r = i / p.columns;
    let t = i % p.columns;
    credit[i] = 0.0;
    let first = questions[r];
    let end = questions[r + 1u];
    if t >= lengths[r] || first == end {
        return;
    }
    let length = f32(lengths[r]);
    var sum = 0.0;
    for (var q = first; q < end; q++) {
        var share = select(0.0, 1.0 / length, entries[q] == entries[q + 1u]);
        for (var e = entries[q]; e < entries[q + 1u]; e++) {
            if steps[e] == t {
                share += shares[e];
            }
        }
        sum += scores[q] * share;
    }
    credit[i] = sum / f32(end - first);
}
