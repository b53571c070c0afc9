// partial[slot] (+)= Σ_i g[i]²
//
// g: [elements], any shape, seen flat   partial: [slots]
// Grid: one workgroup; its invocations stride over vectors of four.

#import reduce

struct Params {
    elements: u32,
    slot: u32,
    max_norm: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4<f32>>;        // [elements / 4]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;  // [slots]

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) tid: u32) {
    var squares = vec4(0.0);
    let whole = p.elements / 4u;
    for (var i = tid; i < whole; i += WG) {
        squares = fma(g[i], g[i], squares);
    }
    if tid == 0u && whole * 4u < p.elements {
        // What lies behind the end in the last vector belongs to something else.
        let inside = vec4(whole * 4u) + vec4(0u, 1u, 2u, 3u) < vec4(p.elements);
        let last = select(vec4(0.0), g[whole], inside);
        squares = fma(last, last, squares);
    }
    let total = workgroup_sum(tid, (squares.x + squares.z) + (squares.y + squares.w));
    if tid == 0u {
        if p.accumulate == 1u {
            partial[p.slot] += total;
        } else {
            partial[p.slot] = total;
        }
    }
}
