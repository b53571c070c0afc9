//! How CPU twins use the cores: rows are cut into blocks of a fixed size, so the result depends on neither the number of threads nor their timing.

use rayon::prelude::*;

/// Below this many elements a block is not worth handing to another thread.
const BLOCK_ELEMENTS: usize = 16 * 1024;

/// Compiles `work` for the widest vector instructions of this processor and runs it. What is not inlined into it is compiled for the
/// oldest processors; `#[inline(always)]` on the closure makes sure.
#[inline(always)]
pub fn simd<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The vector instructions that [`simd`] compiles for on this processor.
pub fn instructions() -> String {
    // The detected architecture holds one value per feature; its name comes first.
    let detected = format!("{:?}", pulp::Arch::new());
    match detected.split('(').next().unwrap_or_default() {
        "V3" => "AVX2".into(),
        "V4" => "AVX-512".into(),
        "Scalar" => "no detected vector instructions".into(),
        other => other.to_uppercase(),
    }
}

/// Rows of a block when each row costs about `width` elements of work.
pub fn block_rows(width: usize) -> usize {
    (BLOCK_ELEMENTS / width.max(1)).max(1)
}

/// Calls `work(first_row, block)` for blocks of rows of `y`, each row `width` long.
pub fn rows<A: Send>(y: &mut [A], width: usize, work: impl Fn(usize, &mut [A]) + Sync) {
    let block = block_rows(width);
    if y.len() <= block * width {
        return simd(|| work(0, y));
    }
    y.par_chunks_mut(block * width).enumerate().for_each(|(b, y)| simd(|| work(b * block, y)));
}

/// [`rows`] over two outputs with rows of `wy` and `wz` elements.
pub fn rows2<A: Send, B: Send>(y: &mut [A], wy: usize, z: &mut [B], wz: usize, work: impl Fn(usize, &mut [A], &mut [B]) + Sync) {
    let block = block_rows(wy.max(wz));
    if y.len() <= block * wy {
        return simd(|| work(0, y, z));
    }
    y.par_chunks_mut(block * wy).zip(z.par_chunks_mut(block * wz)).enumerate().for_each(|(b, (y, z))| simd(|| work(b * block, y, z)));
}

/// [`rows`] over three outputs.
pub fn rows3<A: Send, B: Send, C: Send>(
    y: &mut [A],
    wy: usize,
    z: &mut [B],
    wz: usize,
    u: &mut [C],
    wu: usize,
    work: impl Fn(usize, &mut [A], &mut [B], &mut [C]) + Sync,
) {
    let block = block_rows(wy.max(wz).max(wu));
    if y.len() <= block * wy {
        return simd(|| work(0, y, z, u));
    }
    y.par_chunks_mut(block * wy)
        .zip(z.par_chunks_mut(block * wz))
        .zip(u.par_chunks_mut(block * wu))
        .enumerate()
        .for_each(|(b, ((y, z), u))| simd(|| work(b * block, y, z, u)));
}

/// Calls `work(first_column, parts)` for blocks of `block` columns of a matrix; `parts` are the block's parts of each of the `rows`.
pub fn columns<'a, A: Send + 'a>(rows: impl Iterator<Item = &'a mut [A]>, block: usize, work: impl Fn(usize, Vec<&mut [A]>) + Sync) {
    let mut blocks: Vec<Vec<&mut [A]>> = Vec::new();
    for row in rows {
        for (i, part) in row.chunks_mut(block).enumerate() {
            if i == blocks.len() {
                blocks.push(Vec::new());
            }
            blocks[i].push(part);
        }
    }
    blocks.into_par_iter().enumerate().for_each(|(i, parts)| {
        simd(
            #[inline(always)]
            || work(i * block, parts),
        );
    });
}
