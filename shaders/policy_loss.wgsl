// loss = w · (−min(r · A, clip(r, 1 − low, 1 + high) · A) + kl_coef · k3),   coefficient = ∂loss / ∂logprob
//   A = advantages[turn[t]]
//   r = exp(logprob − old),   k3 = exp(g) − g − 1,   g = reference − logprob
//   dual > 0 bounds the first term by −dual · A where A < 0
// terms[t] = (loss, r, k3, −1 or 1 where the ratio was clipped from below or above, else 0)
//
// logprob, old, reference, turn, weight, coefficient: [R]   advantages: [turns]   terms: [R, 4]
// Grid: one invocation per token.

#import grid

struct Params {
    rows: u32,
    low: f32,
    high: f32,
    dual: f32,
    kl_coef: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logprob: array<f32>;            // [R]
@group(0) @binding(2) var<storage, read> old: array<f32>;                // [R]
@group(0) @binding(3) var<storage, read> reference: array<f32>;          // [R]
@group(0) @binding(4) var<storage, read> turn: array<u32>;               // [R]
@group(0) @binding(5) var<storage, read> advantages: array<f32>;         // [turns]
@group(0) @binding(6) var<storage, read> weight: array<f32>;             // [R]
@group(0) @binding(7) var<storage, read_write> coefficient: array<f32>;  // [R]
@group(0) @binding(8) var<storage, read_write> terms: array<vec4<f32>>;  // [R]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if i >= p.rows {
        return;
    }
    let adv = advantages[turn[i]];
    let ratio = exp(clamp(logprob[i] - old[i], -20.0, 20.0));
    var loss = -ratio * adv;
    var slope = loss;
    var clipped = 0.0;
    if adv > 0.0 && ratio > 1.0 + p.high {
        loss = -(1.0 + p.high) * adv;
        slope = 0.0;
        clipped = 1.0;
    } else if adv < 0.0 && ratio < 1.0 - p.low {
        loss = -(1.0 - p.low) * adv;
        slope = 0.0;
        clipped = -1.0;
    } else if adv < 0.0 && p.dual > 0.0 && ratio > p.dual {
        loss = -p.dual * adv;
        slope = 0.0;
        clipped = 1.0;
    }
    let gap = clamp(reference[i] - logprob[i], -20.0, 20.0);
    let kl = exp(gap) - gap - 1.0;
    coefficient[i] = weight[i] * (slope + p.kl_coef * (1.0 - exp(gap)));
    terms[i] = vec4(weight[i] * (loss + p.kl_coef * kl), ratio, kl, clipped);
}
