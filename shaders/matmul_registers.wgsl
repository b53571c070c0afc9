// Matrix products for software adapters whose subgroups vary or whose shapes do not divide by 4: 8 × 4 outputs an invocation.
//
//   NT: y[m, n] (+)= Σ_k a[m, k] · b[n, k]     NN: Σ_k a[m, k] · b[k, n]     TN: Σ_k a[k, m] · b[k, n]
//
// No workgroup memory. Beyond the edges the rows and columns of the edge are computed again and not stored. The sum of an output
// runs over k in order, whatever m is.
// Grid: one workgroup per 8 × 4 · WG outputs; x counts column tiles, y row tiles. Invocation i owns the columns i + {0, 1, 2, 3} · WG.

struct Params {
    m: u32,
    n: u32,
    k: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;         // [M, K], TN: [K, M]
@group(0) @binding(2) var<storage, read> b: array<f32>;         // [K, N], NT: [N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [M, N]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let row0 = wg.y * 8u;
    let col0 = wg.x * 4u * WG + tid;
    // Element (row, k) of a is at a_row + k · a_step, element (k, column) of b at b_col + k · b_step.
#ifdef TN
    let a_step = p.m;
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
    let a_row{i} = min(row0 + {i}u, p.m - 1u);
#else
    let a_row{i} = min(row0 + {i}u, p.m - 1u) * p.k;
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
        let column = vec4(b[b_col0 + k * b_step], b[b_col1 + k * b_step], b[b_col2 + k * b_step], b[b_col3 + k * b_step]);
        #for i in 0..8
        sum{i} = fma(vec4(a[a_row{i} + k * a_step]), column, sum{i});
        #end
    }
    #for i in 0..8
    #for j in 0..4
    if row0 + {i}u < p.m && col0 + {j}u * WG < p.n {
        let at = (row0 + {i}u) * p.n + col0 + {j}u * WG;
        if p.accumulate == 1u {
            sum{i}[{j}] += y[at];
        }
        y[at] = sum{i}[{j}];
    }
    #end
    #end
}
