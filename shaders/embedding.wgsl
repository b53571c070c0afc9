// x[t, c] = table[ids[t] - first, c] where the table has that row: the rows of `count` tokens from `first` on
//
// ids: [T]   table: [count, C], with WIDEN words of two numbers, with QUANT words of blocks   x: [T, C]
// Grid: one workgroup per row t; its invocations stride over the columns.

#import widen
#import grid
#ifdef QUANT
#import quant
#endif

struct Params {
    rows: u32,
    cols: u32,
    first: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;      // [T]
#ifdef QUANT
@group(0) @binding(2) var<storage, read> b: array<u32>;        // [count, bytes of a row / 4]
#else
#ifdef WIDEN
@group(0) @binding(2) var<storage, read> table: array<u32>;    // [count, C / 2]
#else
@group(0) @binding(2) var<storage, read> table: array<f32>;    // [count, C]
#endif
#endif
@group(0) @binding(3) var<storage, read_write> x: array<f32>;  // [T, C]

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = group_index(wg, grid);
    if row >= p.rows {
        return;
    }
    let source = ids[row] - p.first;
    if source >= p.count {
        return;
    }
#ifdef QUANT
    for (var c = 4u * tid; c < p.cols; c += 4u * WG) {
        let four = QUANT(source * p.cols + c);
        #for i in 0..4
        x[row * p.cols + c + {i}u] = four[{i}];
        #end
    }
#else
#ifdef WIDEN
    for (var c = 2u * tid; c < p.cols; c += 2u * WG) {
        let pair = WIDEN(table[(source * p.cols + c) / 2u]);
        x[row * p.cols + c] = pair.x;
        x[row * p.cols + c + 1u] = pair.y;
    }
#else
    for (var c = tid; c < p.cols; c += WG) {
        x[row * p.cols + c] = table[source * p.cols + c];
    }
#endif
#endif
}
