// y[r] = 1 − memory[r] / input[r];   0 where input[r] = 0
//
// memory, input, y: [R]
// Grid: one invocation per memory.

#import grid

struct Params {
    memories: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> memory: array<f32>;    // [R]
@group(0) @binding(2) var<storage, read> input: array<f32>;     // [R]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [R]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let r = element_index(wg, grid, tid);
    if r >= p.memories {
        return;
    }
    y[r] = 0.0;
    if input[r] > 0.0 {
        y[r] = 1.0 - memory[r] / input[r];
    }
}
