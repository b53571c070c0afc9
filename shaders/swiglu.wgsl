// y[i] = silu(gate[i]) · up[i],   silu(x) = x / (1 + e^−x)
//
// gate, up, y: [elements], any shape, seen flat
// Grid: one invocation per four elements. What lies behind the end of y in its last vector keeps its value.

#import grid

struct Params {
    elements: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gate: array<vec4<f32>>;     // [elements / 4]
@group(0) @binding(2) var<storage, read> up: array<vec4<f32>>;       // [elements / 4]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;  // [elements / 4]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let i = element_index(wg, grid, tid);
    if 4u * i >= p.elements {
        return;
    }
    let g = gate[i];
    let inside = vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(p.elements);
    y[i] = select(y[i], g * up[i] / (1.0 + exp(-max(g, vec4(-80.0)))), inside);
}
