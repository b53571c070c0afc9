// lse[r] = log Σ_v exp(l[r, v] / T),   logprob[r] = l[r, target[r]] / T − lse[r],   entropy[r] = lse[r] − Σ_v p[v] · l[r, v] / T
//
// All sums run over l − max l, so nothing overflows and no digits are lost where logits are large.
// logits l: [R, V]   targets, logprob, entropy, lse: [R]
// Grid: one workgroup per row; its invocations stride over the vocabulary.

#import grid
#import reduce

struct Params {
    rows: u32,
    vocab: u32,
    inverse_temperature: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;          // [R, V]
@group(0) @binding(2) var<storage, read> targets: array<u32>;         // [R]
@group(0) @binding(3) var<storage, read_write> logprob: array<f32>;   // [R]
@group(0) @binding(4) var<storage, read_write> entropy: array<f32>;   // [R]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;       // [R]

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
    let at = row * p.vocab;
    var highest = logits[at];
    for (var v = tid; v < p.vocab; v += WG) {
        highest = max(highest, logits[at + v]);
    }
    let top = workgroup_max(tid, highest);
    var mass = 0.0;
    var weighted = 0.0;
    for (var v = tid; v < p.vocab; v += WG) {
        let z = (logits[at + v] - top) * p.inverse_temperature;
        let e = exp(z);
        mass += e;
        weighted = fma(e, z, weighted);
    }
    let total = workgroup_sum(tid, mass);
    let mean = workgroup_sum(tid, weighted) / total;
    if tid == 0u {
        let log_total = log(total);
        lse[row] = top * p.inverse_temperature + log_total;
        entropy[row] = log_total - mean;
        logprob[row] = (logits[at + targets[row]] - top) * p.inverse_temperature - log_total;
    }
}
