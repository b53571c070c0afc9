// out[0] = norm = √Σ_i partial[i],   out[1] = max_norm / norm where 0 < max_norm < norm, else 1; 0 where the norm is not finite
//
// partial: [elements]   out: [2]
// Grid: one workgroup.

#import reduce

struct Params {
    elements: u32,
    slot: u32,
    max_norm: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;    // [elements]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;  // [2]

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) tid: u32) {
    var sum = 0.0;
    for (var i = tid; i < p.elements; i += WG) {
        sum += partial[i];
    }
    let squares = workgroup_sum(tid, sum);
    if tid == 0u {
        let norm = sqrt(squares);
        // A comparison may assume finite numbers; the bits of the exponent cannot.
        let finite = (bitcast<u32>(squares) & 0x7f800000u) != 0x7f800000u;
        let clipped = p.max_norm > 0.0 && norm > p.max_norm;
        out[0] = norm;
        out[1] = select(0.0, select(1.0, p.max_norm / norm, clipped), finite);
    }
}
