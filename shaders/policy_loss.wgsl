// loss = w · (surrogate + kl_coef · k),   coefficient = ∂loss / ∂logprob
//   A = advantages[turn[t]],   r = exp(logprob − old), or exp(old) where old holds the log-ratio of the token's sequence (level 1)
//   form 0: −min(r · A, clip(r, 1 − low, 1 + high) · A); dual > 0 bounds it by −dual · A where A < 0
//   form 1: −clip(r, 1 − low, 1 + high) · A · logprob, the clipped ratio being a constant
//   form 2: −A · logprob
//   k, with g = reference − logprob: −g (estimator 1), g² / 2 (2), exp(g) − g − 1 (3)
// terms[t] = (loss, r, k, −1 or 1 where the ratio was clipped from below or above, else 0)
//
// logprob, old, reference, turn, weight, coefficient: [R]   advantages: [turns]   terms: [R, 4]
// Grid: one invocation per token.

#import grid

struct Params {
    rows: u32,
    form: u32,
    level: u32,
    estimator: u32,
    low: f32,
    high: f32,
    dual: f32,
    kl_coef: f32,
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
    let log_ratio = select(logprob[i] - old[i], old[i], p.level == 1u);
    let ratio = exp(clamp(log_ratio, -20.0, 20.0));
    var loss = -ratio * adv;
    var slope = loss;
    var clipped = 0.0;
    if p.form == 0u {
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
    } else {
        var factor = 1.0;
        if p.form == 1u {
            factor = clamp(ratio, 1.0 - p.low, 1.0 + p.high);
            clipped = select(0.0, 1.0, ratio > factor) - select(0.0, 1.0, ratio < factor);
        }
        slope = -factor * adv;
        loss = slope * logprob[i];
    }
    let gap = clamp(reference[i] - logprob[i], -20.0, 20.0);
    var kl = exp(gap) - gap - 1.0;
    var kl_slope = 1.0 - exp(gap);
    if p.estimator == 1u {
        kl = -gap;
        kl_slope = 1.0;
    } else if p.estimator == 2u {
        kl = 0.5 * gap * gap;
        kl_slope = -gap;
    }
    coefficient[i] = weight[i] * (slope + p.kl_coef * kl_slope);
    terms[i] = vec4(weight[i] * (loss + p.kl_coef * kl), ratio, kl, clipped);
}
