// dk[j, g] = Σ_{h of g} Σ_i ds[i] · q[i, h],   dv[j, g] = Σ_{h of g} Σ_i p[i] · dout[i, h]
//   p[i] = exp(q[i, h] · k[j, g] · scale − lse[i, h]),   ds[i] = p[i] · (dout[i, h] · v[j, g] − delta[i, h]) · scale
//
// A workgroup owns a tile of 32 keys of one key head and walks the query heads h that share it and the queries i that see it, so
// every sum has one writer and one order: no atomics. Sequences as in attention.wgsl.
// dout, q: [T, H · D]   k, v, dk, dv: [T, KV · D]   stats: [T, H, 2] = (lse, delta)   seqs: [S, 4]   D ≤ 32 · CHUNKS; with VEC4, D divides by 4
// Grid: x counts tiles of 32 keys over all sequences (a few too many, which return), y key heads. 64 invocations, 4 × 4 scores each.

#import attention
#import attention_tile

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dout: array<Element>;     // [T, H · D]
@group(0) @binding(2) var<storage, read> q: array<Element>;        // [T, H · D]
@group(0) @binding(3) var<storage, read> k: array<Element>;        // [T, KV · D]
@group(0) @binding(4) var<storage, read> v: array<Element>;        // [T, KV · D]
@group(0) @binding(5) var<storage, read> stats: array<f32>;        // [T, H, 2]
@group(0) @binding(6) var<storage, read> seqs: array<u32>;         // [S, 4]
@group(0) @binding(7) var<storage, read_write> dk: array<f32>;     // [T, KV · D]
@group(0) @binding(8) var<storage, read_write> dv: array<f32>;     // [T, KV · D]

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

#for x in dk, dv
// Stores elements d to d + 3 of row `at` of {x}.
fn store_{x}(at: u32, d: u32, value: vec4<f32>) {
    for (var j = 0u; j < 4u; j++) {
        if d + j < p.dim {
            {x}[at * p.dim + d + j] = value[j];
        }
    }
}
#end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let tile = find_tile(wg.x, KV_LEN);
    if !tile.found {
        return; // uniform over the workgroup
    }
    let q_start = tile.q_start;
    let q_len = tile.q_len;
    let kv_start = tile.kv_start;
    let kv_len = tile.kv_len;
    let kv_head = wg.y;
    let group = p.heads / p.kv_heads;
    let q_end = q_start + q_len;
    let kv_end = kv_start + kv_len;
    let offset = kv_len - q_len;                                          // position of the first query
    let first = tile.first;
    let key_row = kv_start + first + 4u * (tid / 8u);                     // first key of the block
    let key = vec4(first + 4u * (tid / 8u)) + vec4(0u, 1u, 2u, 3u);
    let first_query = (first - min(first, offset)) / 32u * 32u;           // queries before it see none of these keys
    let d_in_chunk = 4u * (tid % 8u);

    #for c in 0..CHUNKS
    var dk{c} = mat4x4<f32>();
    var dv{c} = mat4x4<f32>();
    #end
    for (var head = kv_head * group; head < (kv_head + 1u) * group; head++) {
        for (var i0 = first_query; i0 < q_len; i0 += 32u) {
            let q_row = q_start + i0 + 4u * (tid / 8u);
            var scores = mat4x4<f32>();
            var ds = mat4x4<f32>();
            for (var d0 = 0u; d0 < p.dim; d0 += 32u) {
                put_lhs_transposed(tid, block_k(key_row, kv_end, p.kv_heads, kv_head, d0 + d_in_chunk));
                put_rhs_transposed(tid, block_q(q_row, q_end, p.heads, head, d0 + d_in_chunk));
                workgroupBarrier();
                scores = add_product(tid, scores);
                workgroupBarrier();
                put_lhs_transposed(tid, block_v(key_row, kv_end, p.kv_heads, kv_head, d0 + d_in_chunk));
                put_rhs_transposed(tid, block_dout(q_row, q_end, p.heads, head, d0 + d_in_chunk));
                workgroupBarrier();
                ds = add_product(tid, ds);
                workgroupBarrier();
            }
            let query = vec4(i0 + 4u * (tid % 8u)) + vec4(0u, 1u, 2u, 3u);
            #for j in 0..4
            let at{j} = (q_start + min(query[{j}], q_len - 1u)) * p.heads + head;
            #end
            let col_lse = vec4(stats[2u * at0], stats[2u * at1], stats[2u * at2], stats[2u * at3]);
            let col_delta = vec4(stats[2u * at0 + 1u], stats[2u * at1 + 1u], stats[2u * at2 + 1u], stats[2u * at3 + 1u]);
            #for i in 0..4
            let seen{i} = (vec4(key[{i}]) <= query + vec4(offset)) & (query < vec4(q_len));
            scores[{i}] = exp(select(vec4(-1e30), scores[{i}] * p.scale - col_lse, seen{i}));
            ds[{i}] = scores[{i}] * (ds[{i}] - col_delta) * p.scale;
            #end
            put_weights(tid, scores);
            #for c in 0..CHUNKS
            if {32*c}u < p.dim {
                put_rhs(tid, block_dout(q_row, q_end, p.heads, head, {32*c}u + d_in_chunk));
                workgroupBarrier();
                dv{c} = add_weighted(tid, dv{c});
                workgroupBarrier();
            }
            #end
            put_weights(tid, ds);
            #for c in 0..CHUNKS
            if {32*c}u < p.dim {
                put_rhs(tid, block_q(q_row, q_end, p.heads, head, {32*c}u + d_in_chunk));
                workgroupBarrier();
                dk{c} = add_weighted(tid, dk{c});
                workgroupBarrier();
            }
            #end
        }
    }
    #for i in 0..4
    if key_row + {i}u < kv_end {
        #for c in 0..CHUNKS
        store_dk((key_row + {i}u) * p.kv_heads + kv_head, {32*c}u + d_in_chunk, dk{c}[{i}]);
        store_dv((key_row + {i}u) * p.kv_heads + kv_head, {32*c}u + d_in_chunk, dv{c}[{i}]);
        #end
    }
    #end
}
