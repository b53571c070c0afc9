// Tiles of packed sequences, and products of 32 × 32 tiles, for the attention kernels with 64 invocations. Invocation (down, across) = (tid / 8, tid % 8) keeps
// the block of rows 4 · down + {0..3} and columns 4 · across + {0..3} as a matrix whose column i is row i of the block.

var<workgroup> lhs: array<vec4<f32>, 256>;     // [32 inner][8 vectors of 4 rows]
var<workgroup> rhs: array<vec4<f32>, 256>;     // [32 inner][8 vectors of 4 columns]
var<workgroup> weights: array<vec4<f32>, 256>; // like lhs: probabilities, or their gradients
var<workgroup> row_partial: array<vec4<f32>, 64>;

const Q_LEN = 1u;
const KV_LEN = 3u;

// 32 rows of a sequence, from its row `first` on.
struct Tile {
    first: u32,
    q_start: u32,
    q_len: u32,
    kv_start: u32,
    kv_len: u32,
    found: bool,
}

// Tile `index` of all sequences, of queries or of keys as `axis` says: Q_LEN or KV_LEN.
fn find_tile(index: u32, axis: u32) -> Tile {
    var tile = index;
    for (var s = 0u; s < p.sequences; s++) {
        let tiles = (seqs[4u * s + axis] + 31u) / 32u;
        if tile < tiles {
            return Tile(32u * tile, seqs[4u * s], seqs[4u * s + 1u], seqs[4u * s + 2u], seqs[4u * s + 3u], true);
        }
        tile -= tiles;
    }
    return Tile();
}

// Invocation tid loads rows 4 · (tid / 8) + {0..3}, elements 4 · (tid % 8) + {0..3} of a tile: as they lie, or transposed.
fn put_lhs_transposed(tid: u32, block: mat4x4<f32>) {
    let turned = transpose(block);
    #for i in 0..4
    lhs[(4u * (tid % 8u) + {i}u) * 8u + tid / 8u] = turned[{i}];
    #end
}

fn put_rhs_transposed(tid: u32, block: mat4x4<f32>) {
    let turned = transpose(block);
    #for i in 0..4
    rhs[(4u * (tid % 8u) + {i}u) * 8u + tid / 8u] = turned[{i}];
    #end
}

fn put_rhs(tid: u32, block: mat4x4<f32>) {
    #for i in 0..4
    rhs[(4u * (tid / 8u) + {i}u) * 8u + tid % 8u] = block[{i}];
    #end
}

// Stores the invocation's block of weights, so that its columns become the inner axis.
fn put_weights(tid: u32, block: mat4x4<f32>) {
    let turned = transpose(block);
    #for i in 0..4
    weights[(4u * (tid % 8u) + {i}u) * 8u + tid / 8u] = turned[{i}];
    #end
}

// block + lhsᵀ · rhs
fn add_product(tid: u32, block: mat4x4<f32>) -> mat4x4<f32> {
    var sum = block;
    for (var d = 0u; d < 32u; d++) {
        let a = lhs[d * 8u + tid / 8u];
        let b = rhs[d * 8u + tid % 8u];
        #for i in 0..4
        sum[{i}] = fma(vec4(a[{i}]), b, sum[{i}]);
        #end
    }
    return sum;
}

// block + weightsᵀ · rhs
fn add_weighted(tid: u32, block: mat4x4<f32>) -> mat4x4<f32> {
    var sum = block;
    for (var d = 0u; d < 32u; d++) {
        let a = weights[d * 8u + tid / 8u];
        let b = rhs[d * 8u + tid % 8u];
        #for i in 0..4
        sum[{i}] = fma(vec4(a[{i}]), b, sum[{i}]);
        #end
    }
    return sum;
}
