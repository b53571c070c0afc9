// y[i] = value
//
// y: [rows] (any shape, seen flat)
// Grid: one invocation per four elements. What lies behind the end of y in its last vector keeps its value.

#import grid

struct Params {
    rows: u32,
    cols: u32,
    value: f32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;  // [rows / 4]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if 4u * i >= p.rows {
        return;
    }
    let inside = vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(p.rows);
    y[i] = select(y[i], vec4(p.value), inside);
}
