// o[t, h] = Σ_j p[j] · v[j],   p = softmax_j(q[t, h] · k[j] · scale),   lse[t, h] = log Σ_j exp(q[t, h] · k[j] · scale)
//
// Causal over packed sequences: query i of a sequence [q_start, q_len, kv_start, kv_len] has the position kv_len − q_len + i and
// sees the keys up to it. Query head h reads key head h / (H / KV). Softmax runs online over tiles of 32 keys (a running maximum
// and sum; earlier sums are scaled down when the maximum grows), so scores exist for one tile only.
// q, o: [T, H · D]   k, v: [·, KV · D]   seqs: [S, 4]   lse: [T, H]   D ≤ 32 · CHUNKS; with VEC4, D divides by 4
// Grid: x counts tiles of 32 queries over all sequences (a few too many, which return), y heads. 64 invocations, 4 × 4 scores each.

#import attention_tile

struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    dim: u32,
    scale: f32,
    sequences: u32,
    pad0: u32,
    pad1: u32,
}

#ifdef VEC4
alias Element = vec4<f32>;
#else
alias Element = f32;
#endif

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Element>;        // [T, H · D]
@group(0) @binding(2) var<storage, read> k: array<Element>;        // [·, KV · D]
@group(0) @binding(3) var<storage, read> v: array<Element>;        // [·, KV · D]
@group(0) @binding(4) var<storage, read> seqs: array<u32>;         // [S, 4]
@group(0) @binding(5) var<storage, read_write> o: array<f32>;      // [T, H · D]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;    // [T, H]

// Elements d to d + 3 of one head of a row of q, 0 outside.
fn load_q(row: u32, head: u32, d: u32, inside: bool) -> vec4<f32> {
    if !inside || d >= p.dim {
        return vec4(0.0);
    }
    let at = (row * p.heads + head) * p.dim + d;
#ifdef VEC4
    return q[at / 4u];
#else
    let last = arrayLength(&q) - 1u;
    let v = vec4(q[at], q[min(at + 1u, last)], q[min(at + 2u, last)], q[min(at + 3u, last)]);
    return select(vec4(0.0), v, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(p.dim));
#endif
}

// Block of rows first + {0..3} of q; rows from `end` on are 0.
fn block_q(first: u32, end: u32, head: u32, d: u32) -> mat4x4<f32> {
    return mat4x4(
        load_q(first, head, d, first < end),
        load_q(first + 1u, head, d, first + 1u < end),
        load_q(first + 2u, head, d, first + 2u < end),
        load_q(first + 3u, head, d, first + 3u < end),
    );
}

// Elements d to d + 3 of one head of a row of k, 0 outside.
fn load_k(row: u32, head: u32, d: u32, inside: bool) -> vec4<f32> {
    if !inside || d >= p.dim {
        return vec4(0.0);
    }
    let at = (row * p.kv_heads + head) * p.dim + d;
#ifdef VEC4
    return k[at / 4u];
#else
    let last = arrayLength(&k) - 1u;
    let v = vec4(k[at], k[min(at + 1u, last)], k[min(at + 2u, last)], k[min(at + 3u, last)]);
    return select(vec4(0.0), v, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(p.dim));
#endif
}

// Block of rows first + {0..3} of k; rows from `end` on are 0.
fn block_k(first: u32, end: u32, head: u32, d: u32) -> mat4x4<f32> {
    return mat4x4(
        load_k(first, head, d, first < end),
        load_k(first + 1u, head, d, first + 1u < end),
        load_k(first + 2u, head, d, first + 2u < end),
        load_k(first + 3u, head, d, first + 3u < end),
    );
}

// Elements d to d + 3 of one head of a row of v, 0 outside.
fn load_v(row: u32, head: u32, d: u32, inside: bool) -> vec4<f32> {
    if !inside || d >= p.dim {
        return vec4(0.0);
    }
    let at = (row * p.kv_heads + head) * p.dim + d;
#ifdef VEC4
    return v[at / 4u];
#else
    let last = arrayLength(&v) - 1u;
    let v = vec4(v[at], v[min(at + 1u, last)], v[min(at + 2u, last)], v[min(at + 3u, last)]);
    return select(vec4(0.0), v, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(p.dim));
#endif
}

// Block of rows first + {0..3} of v; rows from `end` on are 0.
fn block_v(first: u32, end: u32, head: u32, d: u32) -> mat4x4<f32> {
    return mat4x4(
        load_v(first, head, d, first < end),
        load_v(first + 1u, head, d, first + 1u < end),
        load_v(first + 2u, head, d, first + 2u < end),
        load_v(first + 3u, head, d, first + 3u < end),
    );
}

// Stores elements d to d + 3 of one head of a row.
fn store_o(row: u32, head: u32, d: u32, value: vec4<f32>) {
    let at = (row * p.heads + head) * p.dim + d;
    for (var j = 0u; j < 4u; j++) {
        if d + j < p.dim {
            o[at + j] = value[j];
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    // The sequence that tile wg.x belongs to, and the tile's place in it.
    var tile = wg.x;
    var s = 0u;
    for (; s < p.sequences; s++) {
        let tiles = (seqs[4u * s + 1u] + 31u) / 32u;
        if tile < tiles {
            break;
        }
        tile -= tiles;
    }
    if s == p.sequences {
        return; // uniform over the workgroup
    }
    let q_start = seqs[4u * s];
    let q_len = seqs[4u * s + 1u];
    let kv_start = seqs[4u * s + 2u];
    let kv_len = seqs[4u * s + 3u];
    let head = wg.y;
    let kv_head = head / (p.heads / p.kv_heads);
    let q_end = q_start + q_len;
    let kv_end = kv_start + kv_len;
    let first = 32u * tile;
    let row = q_start + first + 4u * (tid / 8u);                          // first row of the block
    let positions = vec4(kv_len - q_len + first + 4u * (tid / 8u)) + vec4(0u, 1u, 2u, 3u);
    let keys = kv_len - q_len + min(first + 32u, q_len);                  // that any query of the tile sees
    let d_in_chunk = 4u * (tid % 8u);

    var top = vec4(-1e30);  // running maximum of the block's rows
    var total = vec4(0.0);  // running sum, the part of this invocation
    #for c in 0..CHUNKS
    var out{c} = mat4x4<f32>();
    #end
    for (var j0 = 0u; j0 < keys; j0 += 32u) {
        let key_row = kv_start + j0 + 4u * (tid / 8u);
        var scores = mat4x4<f32>();
        for (var d0 = 0u; d0 < p.dim; d0 += 32u) {
            put_lhs_transposed(tid, block_q(row, q_end, head, d0 + d_in_chunk));
            put_rhs_transposed(tid, block_k(key_row, kv_end, kv_head, d0 + d_in_chunk));
            workgroupBarrier();
            scores = add_product(tid, scores);
            workgroupBarrier();
        }
        let key = vec4(j0 + 4u * (tid % 8u)) + vec4(0u, 1u, 2u, 3u);
        #for i in 0..4
        scores[{i}] = select(vec4(-1e30), scores[{i}] * p.scale, key <= vec4(positions[{i}]));
        let top{i} = max(max(scores[{i}].x, scores[{i}].y), max(scores[{i}].z, scores[{i}].w));
        #end
        row_partial[tid] = vec4(top0, top1, top2, top3);
        workgroupBarrier();
        var highest = top;
        for (var i = 0u; i < 8u; i++) {
            highest = max(highest, row_partial[tid / 8u * 8u + i]);
        }
        let shrink = exp(top - highest);
        top = highest;
        total *= shrink;
        #for i in 0..4
        scores[{i}] = select(vec4(0.0), exp(scores[{i}] - highest[{i}]), key <= vec4(positions[{i}]));
        total[{i}] += (scores[{i}].x + scores[{i}].y) + (scores[{i}].z + scores[{i}].w);
        #end
        put_weights(tid, scores);
        #for c in 0..CHUNKS
        if {32*c}u < p.dim {
            put_rhs(tid, block_v(key_row, kv_end, kv_head, {32*c}u + d_in_chunk));
            workgroupBarrier();
            #for i in 0..4
            out{c}[{i}] *= shrink[{i}];
            #end
            out{c} = add_weighted(tid, out{c});
            workgroupBarrier();
        }
        #end
    }

    row_partial[tid] = total;
    workgroupBarrier();
    total = vec4(0.0);
    for (var i = 0u; i < 8u; i++) {
        total += row_partial[tid / 8u * 8u + i];
    }
    #for i in 0..4
    if row + {i}u < q_end {
        #for c in 0..CHUNKS
        store_o(row + {i}u, head, {32*c}u + d_in_chunk, out{c}[{i}] / total[{i}]);
        #end
        if tid % 8u == 0u {
            lse[(row + {i}u) * p.heads + head] = top[{i}] + log(total[{i}]);
        }
    }
    #end
}
