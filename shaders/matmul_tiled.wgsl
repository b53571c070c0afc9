// Matrix products for GPUs: 64 × 64 outputs a workgroup, 8 × 8 an invocation, tiles of both operands in workgroup memory.
//
//   NT: y[m, n] (+)= scale · Σ_k a[m, k] · b[n, k]     NN: … a[m, k] · b[k, n]     TN: … a[k, m] · b[k, n]
//
// Ranges of a large weight and 16 bits: see shared/matmul.wgsl.
// Each of the 64 invocations loads a 4 × 4 block of either operand for every 16 values of k. Operands that run along k are
// transposed in registers, so that both tiles lie in workgroup memory as [k][row or column] and the inner loop reads vectors.
// Outside the matrices the tiles hold 0. With VEC4 the innermost sizes of a and b divide by 4 and blocks are loaded as vectors.
// Grid: one workgroup per tile; x counts column tiles, y row tiles.

#import matmul

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;      // [M, K], TN: [K, M]
@group(0) @binding(2) var<storage, read> b: array<Stored>;       // [K, N], NT: [N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;    // [M, N]

var<workgroup> a_tile: array<vec4<f32>, 256>; // [16 k][16 vectors of 4 rows]
var<workgroup> b_tile: array<vec4<f32>, 256>; // [16 k][16 vectors of 4 columns]

// Four neighbours of a row-major matrix, 0 outside.
fn load_a(row: u32, col: u32, rows: u32, cols: u32) -> vec4<f32> {
    if row >= rows || col >= cols {
        return vec4(0.0);
    }
#ifdef VEC4
    return a[a_at(row, col) / 4u];
#else
    let at = a_at(row, col);
    let last = a_at(row, cols - 1u);
    let v = vec4(a[at], a[min(at + 1u, last)], a[min(at + 2u, last)], a[min(at + 3u, last)]);
    return select(vec4(0.0), v, vec4(col) + vec4(0u, 1u, 2u, 3u) < vec4(cols));
#endif
}

fn load_b(row: u32, col: u32, rows: u32, cols: u32) -> vec4<f32> {
    if row >= rows || col >= cols {
        return vec4(0.0);
    }
#ifdef VEC4
    return weight((row * cols + col) / 4u);
#else
    let at = row * cols + col;
    let last = row * cols + cols - 1u;
    let v = vec4(weight(at), weight(min(at + 1u, last)), weight(min(at + 2u, last)), weight(min(at + 3u, last)));
    return select(vec4(0.0), v, vec4(col) + vec4(0u, 1u, 2u, 3u) < vec4(cols));
#endif
}

fn store(row: u32, col: u32, value: vec4<f32>) {
    if row >= p.m {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        if col + j < p.n {
            let at = y_at(row, col + j);
            var sum = p.scale * value[j];
            if p.accumulate == 1u {
                sum += y[at];
            }
            y[at] = sum;
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let row0 = wg.y * 64u;
    let col0 = wg.x * 64u;
    let across = tid % 8u; // the invocation's columns are 4 · across + {0..3} and 32 more
    let down = tid / 8u;   // its rows likewise
    #for i in 0..8
    var sum{i}_0 = vec4(0.0);
    var sum{i}_1 = vec4(0.0);
    #end

    for (var k0 = 0u; k0 < p.k; k0 += 16u) {
        // Blocks of an operand that runs along k: 16 × 4 blocks; of one that runs along its rows or columns: 4 × 16 blocks.
        let long = tid / 4u;
        let short = tid % 4u;
#ifdef TN
        #for i in 0..4
        a_tile[({i}u * 4u + tid / 16u) * 16u + tid % 16u] = load_a(k0 + {i}u * 4u + tid / 16u, row0 + tid % 16u * 4u, p.k, p.m);
        #end
#else
        let a_block = transpose(mat4x4(
            load_a(row0 + 4u * long, k0 + 4u * short, p.m, p.k),
            load_a(row0 + 4u * long + 1u, k0 + 4u * short, p.m, p.k),
            load_a(row0 + 4u * long + 2u, k0 + 4u * short, p.m, p.k),
            load_a(row0 + 4u * long + 3u, k0 + 4u * short, p.m, p.k),
        ));
        #for i in 0..4
        a_tile[(4u * short + {i}u) * 16u + long] = a_block[{i}];
        #end
#endif
#ifdef NT
        let b_block = transpose(mat4x4(
            load_b(col0 + 4u * long, k0 + 4u * short, p.n, p.k),
            load_b(col0 + 4u * long + 1u, k0 + 4u * short, p.n, p.k),
            load_b(col0 + 4u * long + 2u, k0 + 4u * short, p.n, p.k),
            load_b(col0 + 4u * long + 3u, k0 + 4u * short, p.n, p.k),
        ));
        #for i in 0..4
        b_tile[(4u * short + {i}u) * 16u + long] = b_block[{i}];
        #end
#else
        #for i in 0..4
        b_tile[({i}u * 4u + tid / 16u) * 16u + tid % 16u] = load_b(k0 + {i}u * 4u + tid / 16u, col0 + tid % 16u * 4u, p.k, p.n);
        #end
#endif
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let a0 = a_tile[k * 16u + down];
            let a1 = a_tile[k * 16u + down + 8u];
            let b0 = b_tile[k * 16u + across];
            let b1 = b_tile[k * 16u + across + 8u];
            #for i in 0..4
            sum{i}_0 = fma(vec4(a0[{i}]), b0, sum{i}_0);
            sum{i}_1 = fma(vec4(a0[{i}]), b1, sum{i}_1);
            sum{i+4}_0 = fma(vec4(a1[{i}]), b0, sum{i+4}_0);
            sum{i+4}_1 = fma(vec4(a1[{i}]), b1, sum{i+4}_1);
            #end
        }
        workgroupBarrier();
    }

    #for i in 0..8
    store(row0 + 4u * down + {i/4*32 + i%4}u, col0 + 4u * across, sum{i}_0);
    store(row0 + 4u * down + {i/4*32 + i%4}u, col0 + 4u * across + 32u, sum{i}_1);
    #end
}
