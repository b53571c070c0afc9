// y[m, n] (+)= scale · Σ_k a[m, k] · b[n, k] for the few rows of a decoding step.
//
// Eight invocations share a row of b: they stride over k, so that their loads are neighbours, keep sums for 8 rows of a, and add
// these up in workgroup memory. The weight is read once for 8 rows of a. The sum of an output has one order, whatever m is.
// a: [M, K]   b: [N, K]   y: [M, N]; with VEC4, k divides by 4. Ranges of a large weight and 16 bits: see shared/matmul.wgsl.
// Grid: one workgroup per 8 rows of a and 8 rows of b; x counts blocks of b, y blocks of a.

#import matmul

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;     // [M, K]
@group(0) @binding(2) var<storage, read> b: array<Stored>;      // [N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [M, N]

var<workgroup> partial: array<f32, 576>; // [8 rows of a][8 rows of b][8 invocations, 1 of padding]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let row0 = wg.y * 8u;
    let part = tid % 8u;
    let pair = tid / 8u;
#ifdef VEC4
    let length = p.k / 4u;
#else
    let length = p.k;
#endif
    let b_row = min(wg.x * 8u + pair, p.n - 1u) * length;
    #for i in 0..8
    let a_row{i} = min(row0 + {i}u, p.m - 1u) * length;
    var sum{i} = Element();
    #end
    for (var k = part; k < length; k += 8u) {
        let w = weight(b_row + k);
        #for i in 0..8
        sum{i} = fma(a[a_row{i} + k], w, sum{i});
        #end
    }
    #for i in 0..8
#ifdef VEC4
    partial[{i}u * 72u + pair * 9u + part] = (sum{i}.x + sum{i}.z) + (sum{i}.y + sum{i}.w);
#else
    partial[{i}u * 72u + pair * 9u + part] = sum{i};
#endif
    #end
    workgroupBarrier();
    // Invocation tid adds up one output: row tid / 8 of a, row tid % 8 of b.
    let row = row0 + pair;
    let col = wg.x * 8u + part;
    if row < p.m && col < p.n {
        let at = pair * 72u + part * 9u;
        let even = (partial[at] + partial[at + 4u]) + (partial[at + 2u] + partial[at + 6u]);
        let odd = (partial[at + 1u] + partial[at + 5u]) + (partial[at + 3u] + partial[at + 7u]);
        var sum = p.scale * (even + odd);
        if p.accumulate == 1u {
            sum += y[y_at(row, col)];
        }
        y[y_at(row, col)] = sum;
    }
}
