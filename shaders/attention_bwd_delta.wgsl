// stats[t, h] = (lse[t, h], Σ_d dout[t, h, d] · o[t, h, d]), what the two backward kernels read for a query
//
// dout, o: [T, H · D]   lse: [T, H]   stats: [T, H, 2]; with VEC4, D divides by 4
// Grid: one invocation per (t, h).

#import attention
#import grid

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dout: array<Element>;     // [T, H · D]
@group(0) @binding(2) var<storage, read> o: array<Element>;        // [T, H · D]
@group(0) @binding(3) var<storage, read> lse: array<f32>;          // [T, H]
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;  // [T, H, 2]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if i >= p.rows * p.heads {
        return;
    }
#ifdef VEC4
    let length = p.dim / 4u;
#else
    let length = p.dim;
#endif
    var sum = Element();
    for (var d = 0u; d < length; d++) {
        sum = fma(dout[i * length + d], o[i * length + d], sum);
    }
    stats[2u * i] = lse[i];
#ifdef VEC4
    stats[2u * i + 1u] = (sum.x + sum.z) + (sum.y + sum.w);
#else
    stats[2u * i + 1u] = sum;
#endif
}
