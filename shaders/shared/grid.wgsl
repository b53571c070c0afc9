// A dispatch of more than 65,535 workgroups spills into the second dimension, so its last workgroups may have nothing to do.

// The number of this workgroup: the row of a `Grid::Rows` dispatch.
fn group_index(wg: vec3<u32>, grid: vec3<u32>) -> u32 {
    return wg.x + wg.y * grid.x;
}

// The number of this invocation in a `Grid::Elements` dispatch.
fn element_index(wg: vec3<u32>, grid: vec3<u32>, tid: u32) -> u32 {
    return group_index(wg, grid) * WG + tid;
}
