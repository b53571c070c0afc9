// dq[t, h] = Σ_j ds[j] · k[j],   ds[j] = p[j] · (dout[t, h] · v[j] − delta[t, h]) · scale,   p[j] = exp(q[t, h] · k[j] · scale − lse[t, h])
//
// The probabilities are computed again from lse, a tile of 32 keys at a time. Sequences and heads as in attention.wgsl.
// dout, q, dq: [T, H · D]   k, v: [·, KV · D]   stats: [T, H, 2] = (lse, delta)   seqs: [S, 4]   D ≤ 32 · CHUNKS; with VEC4, D divides by 4
// Grid: x counts tiles of 32 queries over all sequences (a few too many, which return), y heads. 64 invocations, 4 × 4 scores each.

#import attention
#import attention_tile

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dout: array<Element>;     // [T, H · D]
@group(0) @binding(2) var<storage, read> q: array<Element>;        // [T, H · D]
@group(0) @binding(3) var<storage, read> k: array<Element>;        // [·, KV · D]
@group(0) @binding(4) var<storage, read> v: array<Element>;        // [·, KV · D]
@group(0) @binding(5) var<storage, read> stats: array<f32>;        // [T, H, 2]
@group(0) @binding(6) var<storage, read> seqs: array<u32>;         // [S, 4]
@group(0) @binding(7) var<storage, read_write> dq: array<f32>;     // [T, H · D]

#for x in q, k, v, dout
// Elements d to d + 3 of row `at` of {x}, whose rows have D elements; 0 outside.
fn load_{x}(at: u32, d: u32, inside: bool) -> vec4<f32> {
    if !inside || d >= p.dim {
        return vec4(0.0);
    }
    let i = at * p.dim + d;
#ifdef VEC4
    return {x}[i / 4u];
#else
    let last = arrayLength(&{x}) - 1u;
    let v = vec4({x}[i], {x}[min(i + 1u, last)], {x}[min(i + 2u, last)], {x}[min(i + 3u, last)]);
    return select(vec4(0.0), v, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(p.dim));
#endif
}

// One head of rows first + {0..3} of {x}, which has so many heads; rows from `end` on are 0.
fn block_{x}(first: u32, end: u32, heads: u32, head: u32, d: u32) -> mat4x4<f32> {
    let at = first * heads + head;
    return mat4x4(
        load_{x}(at, d, first < end),
        load_{x}(at + heads, d, first + 1u < end),
        load_{x}(at + 2u * heads, d, first + 2u < end),
        load_{x}(at + 3u * heads, d, first + 3u < end),
    );
}
#end

// Stores elements d to d + 3 of row `at` of dq.
fn store_dq(at: u32, d: u32, value: vec4<f32>) {
    for (var j = 0u; j < 4u; j++) {
        if d + j < p.dim {
            dq[at * p.dim + d + j] = value[j];
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let tile = find_tile(wg.x, Q_LEN);
    if !tile.found {
        return; // uniform over the workgroup
    }
    let q_start = tile.q_start;
    let q_len = tile.q_len;
    let kv_start = tile.kv_start;
    let kv_len = tile.kv_len;
    let head = wg.y;
    let kv_head = head / (p.heads / p.kv_heads);
    let q_end = q_start + q_len;
    let kv_end = kv_start + kv_len;
    let first = tile.first;
    let row = q_start + first + 4u * (tid / 8u);                          // first row of the block
    let positions = vec4(kv_len - q_len + first + 4u * (tid / 8u)) + vec4(0u, 1u, 2u, 3u);
    let keys = kv_len - q_len + min(first + 32u, q_len);                  // that any query of the tile sees
    let d_in_chunk = 4u * (tid % 8u);

    #for i in 0..4
    let at{i} = min(row + {i}u, q_end - 1u) * p.heads + head;
    #end
    let row_lse = vec4(stats[2u * at0], stats[2u * at1], stats[2u * at2], stats[2u * at3]);
    let row_delta = vec4(stats[2u * at0 + 1u], stats[2u * at1 + 1u], stats[2u * at2 + 1u], stats[2u * at3 + 1u]);
    #for c in 0..CHUNKS
    var out{c} = mat4x4<f32>();
    #end
    for (var j0 = 0u; j0 < keys; j0 += 32u) {
        let key_row = kv_start + j0 + 4u * (tid / 8u);
        var scores = mat4x4<f32>();
        var dp = mat4x4<f32>();
        for (var d0 = 0u; d0 < p.dim; d0 += 32u) {
            put_lhs_transposed(tid, block_q(row, q_end, p.heads, head, d0 + d_in_chunk));
            put_rhs_transposed(tid, block_k(key_row, kv_end, p.kv_heads, kv_head, d0 + d_in_chunk));
            workgroupBarrier();
            scores = add_product(tid, scores);
            workgroupBarrier();
            put_lhs_transposed(tid, block_dout(row, q_end, p.heads, head, d0 + d_in_chunk));
            put_rhs_transposed(tid, block_v(key_row, kv_end, p.kv_heads, kv_head, d0 + d_in_chunk));
            workgroupBarrier();
            dp = add_product(tid, dp);
            workgroupBarrier();
        }
        let key = vec4(j0 + 4u * (tid % 8u)) + vec4(0u, 1u, 2u, 3u);
        #for i in 0..4
        let prob{i} = exp(select(vec4(-1e30), scores[{i}] * p.scale - row_lse[{i}], key <= vec4(positions[{i}])));
        dp[{i}] = prob{i} * (dp[{i}] - row_delta[{i}]) * p.scale;
        #end
        put_weights(tid, dp);
        #for c in 0..CHUNKS
        if {32*c}u < p.dim {
            put_rhs(tid, block_k(key_row, kv_end, p.kv_heads, kv_head, {32*c}u + d_in_chunk));
            workgroupBarrier();
            out{c} = add_weighted(tid, out{c});
            workgroupBarrier();
        }
        #end
    }
    #for i in 0..4
    if row + {i}u < q_end {
        #for c in 0..CHUNKS
        store_dq((row + {i}u) * p.heads + head, {32*c}u + d_in_chunk, out{c}[{i}]);
        #end
    }
    #end
}
