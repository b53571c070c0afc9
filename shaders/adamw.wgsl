// One step of AdamW with the gradient ĝ = scale[1] · g (decoupled decay), all in place:
//   m ← β₁ m + (1 − β₁) ĝ,   v ← β₂ v + (1 − β₂) ĝ²
//   w ← w · (1 − lr · decay) − lr · (m / c₁) / (√(v / c₂) + ε),   g ← 0
// c₁ = 1 − β₁ᵗ and c₂ = 1 − β₂ᵗ come from the host. Where scale[1] is 0 only g changes.
//
// scale: [2]   w, g, m, v: [elements], any shape, seen flat
// Grid: one invocation per four elements. What lies behind the end in the last vector keeps its value.

#import grid

struct Params {
    elements: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scale: array<f32>;          // [2]
@group(0) @binding(2) var<storage, read_write> w: array<vec4<f32>>;  // [elements / 4]
@group(0) @binding(3) var<storage, read_write> g: array<vec4<f32>>;  // [elements / 4]
@group(0) @binding(4) var<storage, read_write> m: array<vec4<f32>>;  // [elements / 4]
@group(0) @binding(5) var<storage, read_write> v: array<vec4<f32>>;  // [elements / 4]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if 4u * i >= p.elements {
        return;
    }
    let inside = vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(p.elements);
    if scale[1] != 0.0 {
        let grad = g[i] * scale[1];
        let first = p.beta1 * m[i] + (1.0 - p.beta1) * grad;
        let second = p.beta2 * v[i] + (1.0 - p.beta2) * grad * grad;
        let moved = p.lr * (first / p.correction1) / (sqrt(second / p.correction2) + p.eps);
        w[i] = select(w[i], w[i] * (1.0 - p.lr * p.weight_decay) - moved, inside);
        m[i] = select(m[i], first, inside);
        v[i] = select(v[i], second, inside);
    }
    g[i] = select(g[i], vec4(0.0), inside);
}
