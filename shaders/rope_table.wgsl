// table[t, i] = factor · cos(position[t] · frequency[i]),   table[t, D/2 + i] = factor · sin(position[t] · frequency[i])
//
// Sine and cosine are written out: the built-in ones may be wrong by 2^-11, and by more for large angles.
// positions: [T]   frequencies: [D/2]   table: [T, D]   half = D/2
// Grid: one invocation per pair (t, i).

#import grid

struct Params {
    tokens: u32,
    heads: u32,
    half: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> positions: array<u32>;    // [T]
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;  // [D/2]
@group(0) @binding(3) var<storage, read_write> table: array<f32>;  // [T, D]

// (cos, sin) of an angle of at most about 50,000: the angle minus whole quarter turns, then the polynomials of Cephes' sinf and
// cosf. The quarter turn π/2 is a sum of three numbers, the first two so short that their products are exact.
fn cos_sin(angle: f32) -> vec2<f32> {
    let quarters = round(angle * 0.63661977236);
    let r = ((angle - quarters * 1.5703125) - quarters * 4.837512969970703e-4) - quarters * 7.549789954891882e-8;
    let z = r * r;
    let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
    let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
    let quadrant = u32(i32(quarters)) & 3u;
    let swapped = select(vec2(c, s), vec2(-s, c), (quadrant & 1u) == 1u);
    return select(swapped, -swapped, quadrant >= 2u);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if i >= p.tokens * p.half {
        return;
    }
    let t = i / p.half;
    let j = i % p.half;
    let turned = p.factor * cos_sin(f32(positions[t]) * frequencies[j]);
    table[2u * t * p.half + j] = turned.x;
    table[(2u * t + 1u) * p.half + j] = turned.y;
}
