// Matrix products for software adapters: one subgroup of SG lanes a workgroup, TM rows, no workgroup memory.
//
//   NT: y[m, n] (+)= scale · Σ_k a[m, k] · b[n, k]     NN: … a[m, k] · b[k, n]     TN: … a[k, m] · b[k, n]
//
// Ranges of a large weight and 16 bits: see shared/matmul.wgsl.
// There a load of one address for all lanes is slow, and a load of many is one gather. So the lanes together fetch a block of a
// as vectors, and `subgroupBroadcast` hands it around; each lane keeps TM × 4 outputs. NT: a lane owns the columns
// lane + {0, 1, 2, 3} · SG of the tile and reads b along k. NN and TN: it owns a vector of four columns.
// Requires k % 4 = 0 (NT); k, n and stride (NN); m, n and stride (TN). Beyond the edges rows and columns of the edge are computed
// again and not stored; beyond k the values of a are 0. The sum of an output has one order, whatever m is.
// Grid: one workgroup per TM × 4 · SG outputs; x counts column tiles, y row tiles.

#import matmul

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;     // [M, K / 4], TN: [K, M / 4]
@group(0) @binding(2) var<storage, read> b: array<Stored>;      // [K, N / 4], NT: [N, K / 4]
#ifdef NT
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [M, N]
#else
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [M, N / 4]
#endif

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let row0 = wg.y * u32(TM);
    #for i in 0..TM
    var sum{i} = vec4(0.0); // NT: the columns lane + {0, 1, 2, 3} · SG, else the lane's vector
    #end
#ifdef NT
    let col = wg.x * 4u * u32(SG) + lane;
    let k4 = p.k / 4u;
    #for j in 0..4
    let b_row{j} = min(col + {j}u * u32(SG), p.n - 1u) * k4;
    #end
#else
    let n4 = p.n / 4u;
    let col4 = wg.x * u32(SG) + lane;
    let b_col = min(col4, n4 - 1u);
#endif
#ifdef TN
    // Lane l fetches vectors of rows for k0 + l.
    #for i in 0..TM/4
    let a_col{i} = min(row0 / 4u + {i}u, p.m / 4u - 1u);
    #end
    for (var k0 = 0u; k0 < p.k; k0 += u32(SG)) {
        let a_row = a_at(min(k0 + lane, p.k - 1u), 0u) / 4u;
        let inside = k0 + lane < p.k;
        #for i in 0..TM/4
        let a{i} = select(vec4(0.0), a[a_row + a_col{i}], inside);
        #end
        #for l in 0..SG
        let b{l} = weight(min(k0 + {l}u, p.k - 1u) * n4 + b_col);
        #for i in 0..TM
        sum{i} = fma(vec4(subgroupBroadcast(a{i/4}[{i%4}], {l}u)), b{l}, sum{i});
        #end
        #end
    }
#else
    // Lane l fetches for row l / 2 the four k of half l % 2: one load serves SG / 2 rows and 8 values of k.
#ifndef NT
    let k4 = p.k / 4u;
#endif
    let half = lane % 2u;
    #for i in 0..2*TM/SG
    let a_row{i} = a_at(min(row0 + {i*SG/2}u + lane / 2u, p.m - 1u), 0u) / 4u;
    #end
    for (var k0 = 0u; k0 < k4; k0 += 2u) {
        let k1 = min(k0 + 1u, k4 - 1u);
        let a_at = min(k0 + half, k4 - 1u);
        let inside = k0 + half < k4;
        #for i in 0..2*TM/SG
        let a{i} = select(vec4(0.0), a[a_row{i} + a_at], inside);
        #end
        #for h in 0..2
#ifdef NT
        #for j in 0..4
        let b{h}_{j} = weight(b_row{j} + k{h});
        #end
        #for c in 0..4
        let column{h}_{c} = vec4(b{h}_0[{c}], b{h}_1[{c}], b{h}_2[{c}], b{h}_3[{c}]);
        #end
#else
        #for c in 0..4
        let column{h}_{c} = weight((4u * k{h} + {c}u) * n4 + b_col);
        #end
#endif
        #for i in 0..TM
        #for c in 0..4
        sum{i} = fma(vec4(subgroupBroadcast(a{2*i/SG}[{c}], {2*i%SG + h}u)), column{h}_{c}, sum{i});
        #end
        #end
        #end
    }
#endif

    #for i in 0..TM
    sum{i} *= p.scale;
    if row0 + {i}u < p.m {
#ifdef NT
        #for j in 0..4
        if col + {j}u * u32(SG) < p.n {
            let at = y_at(row0 + {i}u, col + {j}u * u32(SG));
            if p.accumulate == 1u {
                sum{i}[{j}] += y[at];
            }
            y[at] = sum{i}[{j}];
        }
        #end
#else
        if col4 < n4 {
            let at = (row0 + {i}u) * n4 + col4;
            if p.accumulate == 1u {
                sum{i} += y[at];
            }
            y[at] = sum{i};
        }
#endif
    }
    #end
}
