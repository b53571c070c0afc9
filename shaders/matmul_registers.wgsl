// Matrix products for software adapters whose subgroups vary or whose shapes do not divide by 4: 8 × 4 outputs an invocation.
//
//   NT: y[m, n] (+)= scale · Σ_k a[m, k] · b[n, k]     NN: … a[m, k] · b[k, n]     TN: … a[k, m] · b[k, n]
//
// Ranges of a large weight and 16 bits: see shared/matmul.wgsl.
// No workgroup memory. Beyond the edges the rows and columns of the edge are computed again and not stored. The sum of an output
// runs over k in order, whatever m is.
// Grid: one workgroup per 8 × 4 · WG outputs; x counts column tiles, y row tiles. Invocation i owns the columns i + {0, 1, 2, 3} · WG.

#import matmul

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;     // [M, K], TN: [K, M]
@group(0) @binding(2) var<storage, read> b: array<Stored>;      // [K, N], NT: [N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [M, N]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let row0 = wg.y * 8u;
    let col0 = wg.x * 4u * WG + tid;
    // Number (row, k) of a is at a_row + k · a_step, number (k, column) of b at b_col + k · b_step.
#ifdef TN
    let a_step = p.stride;
#else
    let a_step = 1u;
#endif
#ifdef NT
    let b_step = 1u;
#else
    let b_step = p.n;
#endif
    #for i in 0..8
#ifdef TN
    let a_row{i} = a_at(0u, min(row0 + {i}u, p.m - 1u));
#else
    let a_row{i} = a_at(min(row0 + {i}u, p.m - 1u), 0u);
#endif
    var sum{i} = vec4(0.0);
    #end
    #for j in 0..4
#ifdef NT
    let b_col{j} = min(col0 + {j}u * WG, p.n - 1u) * p.k;
#else
    let b_col{j} = min(col0 + {j}u * WG, p.n - 1u);
#endif
    #end
    for (var k = 0u; k < p.k; k++) {
        let at = k * b_step;
        let column = vec4(weight(b_col0 + at), weight(b_col1 + at), weight(b_col2 + at), weight(b_col3 + at));
        #for i in 0..8
        sum{i} = fma(vec4(a[a_row{i} + k * a_step]), column, sum{i});
        #end
    }
    #for i in 0..8
    #for j in 0..4
    if row0 + {i}u < p.m && col0 + {j}u * WG < p.n {
        let at = y_at(row0 + {i}u, col0 + {j}u * WG);
        sum{i}[{j}] *= p.scale;
        if p.accumulate == 1u {
            sum{i}[{j}] += y[at];
        }
        y[at] = sum{i}[{j}];
    }
    #end
    #end
}
