// o[m, h] = Σ_j softmax_j(q[m, h] · k[j] · scale) · v[j] over rows of the cache: first those of the prompt, which completions share,
// then those of the completion, spans[m] = [first, count, own first, own count]
//
// Softmax runs online over WG keys at a time: an invocation scores one key, then all share out the elements of the head. The order
// of every sum depends on the number of rows only, not on the batch.
// q, o: [M, H · D]   k, v: [·, KV · D]   spans: [M, 4]   D ≤ 128; with VEC4, D divides by 4
// Grid: one workgroup per (m, h). Query head h reads key head h / (H / KV).

#import attention
#import grid
#import reduce

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Element>;        // [M, H · D]
@group(0) @binding(2) var<storage, read> k: array<Element>;        // [·, KV · D]
@group(0) @binding(3) var<storage, read> v: array<f32>;            // [·, KV · D]
@group(0) @binding(4) var<storage, read> spans: array<u32>;        // [M, 4]
@group(0) @binding(5) var<storage, read_write> o: array<f32>;      // [M, H · D]

var<workgroup> query: array<Element, 128>; // [D]
var<workgroup> weights: array<f32, WG>;

fn cache_row(j: u32, first: u32, shared_count: u32, own_first: u32) -> u32 {
    return j + select(own_first, first, j < shared_count);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = group_index(wg, grid);
    if i >= p.rows * p.heads {
        return; // uniform over the workgroup
    }
    let kv_head = i % p.heads / (p.heads / p.kv_heads);
    let span = 4u * (i / p.heads);
    let first = spans[span];
    let shared_count = spans[span + 1u];
    let own_first = spans[span + 2u] - shared_count; // of the rows counted on from the prompt's; may wrap around
    let count = shared_count + spans[span + 3u];
#ifdef VEC4
    let length = p.dim / 4u;
#else
    let length = p.dim;
#endif
    for (var d = tid; d < length; d += WG) {
        query[d] = q[i * length + d];
    }
    workgroupBarrier();

    var top = -1e30;  // running maximum
    var total = 0.0;  // running sum, the part of this invocation
    #for c in 0..128/WG
    var out{c} = 0.0; // element tid + {c} · WG
    #end
    for (var j0 = 0u; j0 < count; j0 += WG) {
        let inside = j0 + tid < count;
        var score = -1e30;
        if inside {
            let at = (cache_row(j0 + tid, first, shared_count, own_first) * p.kv_heads + kv_head) * length;
            var sum = Element();
            for (var d = 0u; d < length; d++) {
                sum = fma(query[d], k[at + d], sum);
            }
#ifdef VEC4
            score = ((sum.x + sum.z) + (sum.y + sum.w)) * p.scale;
#else
            score = sum * p.scale;
#endif
        }
        let highest = max(top, workgroup_max(tid, score));
        let shrink = exp(top - highest);
        top = highest;
        let weight = select(0.0, exp(score - highest), inside);
        total = total * shrink + weight;
        weights[tid] = weight;
        workgroupBarrier();
        let keys = min(count - j0, u32(WG));
        #for c in 0..128/WG
        if tid + {c*WG}u < p.dim {
            out{c} *= shrink;
            for (var j = 0u; j < keys; j++) {
                out{c} = fma(weights[j], v[(cache_row(j0 + j, first, shared_count, own_first) * p.kv_heads + kv_head) * p.dim + tid + {c*WG}u], out{c});
            }
        }
        #end
        workgroupBarrier();
    }
    let inverse = 1.0 / workgroup_sum(tid, total);
    #for c in 0..128/WG
    if tid + {c*WG}u < p.dim {
        o[i * p.dim + tid + {c*WG}u] = out{c} * inverse;
    }
    #end
}
