// l[r, v] ← coefficient[r] · ([v = target[r]] − exp(l[r, v] / T − lse[r])) / T, in place
//
// targets, lse, coefficient: [R]   logits l: [R, V]
// Grid: one workgroup per row; its invocations stride over the vocabulary.

#import grid

struct Params {
    rows: u32,
    vocab: u32,
    inverse_temperature: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> targets: array<u32>;        // [R]
@group(0) @binding(2) var<storage, read> lse: array<f32>;            // [R]
@group(0) @binding(3) var<storage, read> coefficient: array<f32>;    // [R]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;   // [R, V]

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
    let c = coefficient[row] * p.inverse_temperature;
    let at = row * p.vocab;
    for (var v = tid; v < p.vocab; v += WG) {
        let hit = select(0.0, 1.0, v == targets[row]);
        logits[at + v] = c * (hit - exp(logits[at + v] * p.inverse_temperature - lse[row]));
    }
}
