// ratio[i] = Σ_j (logprob[j] − old[j]) / n   over the n tokens j of the sequence of token i
//
// logprob, old, ratio: [R]   starts: [sequences + 1]
// Grid: one workgroup per sequence; its invocations stride over the tokens.

#import grid
#import reduce

struct Params {
    sequences: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logprob: array<f32>;      // [R]
@group(0) @binding(2) var<storage, read> old: array<f32>;          // [R]
@group(0) @binding(3) var<storage, read> starts: array<u32>;       // [sequences + 1]
@group(0) @binding(4) var<storage, read_write> ratio: array<f32>;  // [R]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let s = group_index(wg, grid);
    if s >= p.sequences {
        return;
    }
    let first = starts[s];
    let end = starts[s + 1u];
    var sum = 0.0;
    for (var i = first + tid; i < end; i += WG) {
        sum += logprob[i] - old[i];
    }
    let mean = workgroup_sum(tid, sum) / f32(max(end - first, 1u));
    for (var i = first + tid; i < end; i += WG) {
        ratio[i] = mean;
    }
}
