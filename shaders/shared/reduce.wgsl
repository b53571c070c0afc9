// Sums and maxima over the WG invocations of a workgroup (WG is a power of two). The order is fixed.

var<workgroup> reduce_partial: array<f32, WG>;

// The sum of `value` over the workgroup, given to every invocation. Control flow must be uniform.
fn workgroup_sum(tid: u32, value: f32) -> f32 {
    reduce_partial[tid] = value;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if tid < half {
            reduce_partial[tid] += reduce_partial[tid + half];
        }
        workgroupBarrier();
    }
    let total = reduce_partial[0];
    workgroupBarrier(); // the next sum overwrites what others may still read
    return total;
}

// The largest `value` of the workgroup, given to every invocation. Control flow must be uniform.
fn workgroup_max(tid: u32, value: f32) -> f32 {
    reduce_partial[tid] = value;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if tid < half {
            reduce_partial[tid] = max(reduce_partial[tid], reduce_partial[tid + half]);
        }
        workgroupBarrier();
    }
    let largest = reduce_partial[0];
    workgroupBarrier();
    return largest;
}
