// (x[t, h, i], x[t, h, i + D/2]) is turned by the angle of (t, i), or back where factor = −1, in place:
//   lo ← lo · cos − hi · sin · factor,   hi ← hi · cos + lo · sin · factor
//
// table: [T, D], cosines then sines   x: [T, H · D]   half = D/2
// Grid: one invocation per pair (t, h, i).

#import grid

struct Params {
    tokens: u32,
    heads: u32,
    half: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> table: array<f32>;    // [T, D]
@group(0) @binding(2) var<storage, read_write> x: array<f32>;  // [T, H · D]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if i >= p.tokens * p.heads * p.half {
        return;
    }
    let head = i / p.half; // counted over all tokens
    let j = i % p.half;
    let angle = head / p.heads * 2u * p.half + j;
    let cos = table[angle];
    let sin = table[angle + p.half] * p.factor;
    let at = head * 2u * p.half + j;
    let lo = x[at];
    let hi = x[at + p.half];
    x[at] = lo * cos - hi * sin;
    x[at + p.half] = hi * cos + lo * sin;
}
