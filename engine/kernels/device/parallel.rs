//! How CPU twins use the cores. Rows are split into blocks of a fixed size, so the result depends on neither the number of threads nor
//! their timing.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rayon::prelude::*;

use super::memory;

/// A block with fewer elements is not worth giving to another thread.
const BLOCK_ELEMENTS: usize = 16 * 1024;

/// The types that a block writes. Gradients are checked in f64, where speed does not matter.
pub trait Element: Send {
    /// Whether blocks are also compiled for the widest vector instructions.
    const WIDE: bool;
}

impl Element for f32 {
    const WIDE: bool = true;
}

impl Element for f64 {
    const WIDE: bool = false;
}

/// `simd!(F, work)` compiles a block for the widest vector instructions of this processor and runs it; in f64 it only runs it.
///
/// It is a macro, like [`rows!`], because the block and everything that it calls must be inlined. The compiler leaves a large closure out
/// of line and then compiles it for the oldest processors.
macro_rules! simd {
    ($element:ty, $work:expr) => {
        $crate::device::parallel::dispatch::<$element, _>(
            #[inline(always)]
            || $work,
        )
    };
}

/// `fused!(FUSED, work)` compiles a block for processors with fused multiply-add if `FUSED`, which the caller takes from [`can_fuse`].
/// Otherwise it only runs the block.
macro_rules! fused {
    ($fused:expr, $work:expr) => {
        $crate::device::parallel::dispatch_fused::<{ $fused }, _>(
            #[inline(always)]
            || $work,
        )
    };
}

/// `rows!(y, width, |first_row, block| …)` runs the work for blocks of rows of `y`, compiled like [`simd!`]. A row has `width` elements.
/// There can be two or three outputs, each followed by its width.
macro_rules! rows {
    ($y:expr, $wy:expr, |$first:ident, $a:ident| $work:expr) => {
        $crate::device::parallel::by_rows(
            $y,
            $wy,
            #[inline(always)]
            |$first, $a| $work,
        )
    };
    ($y:expr, $wy:expr, $z:expr, $wz:expr, |$first:ident, $a:ident, $b:ident| $work:expr) => {
        $crate::device::parallel::by_rows2(
            $y,
            $wy,
            $z,
            $wz,
            #[inline(always)]
            |$first, $a, $b| $work,
        )
    };
    ($y:expr, $wy:expr, $z:expr, $wz:expr, $u:expr, $wu:expr, |$first:ident, $a:ident, $b:ident, $c:ident| $work:expr) => {
        $crate::device::parallel::by_rows3(
            $y,
            $wy,
            $z,
            $wz,
            $u,
            $wu,
            #[inline(always)]
            |$first, $a, $b, $c| $work,
        )
    };
}

/// `columns!(FUSED, rows, block, |first_column, parts| …)` runs the work for blocks of `block` columns of a matrix, compiled like
/// [`fused!`]. `parts` has the block's part of each of the `rows`.
macro_rules! columns {
    ($fused:expr, $rows:expr, $block:expr, |$first:ident, $parts:ident| $work:expr) => {
        $crate::device::parallel::by_columns::<_, { $fused }>(
            $rows,
            $block,
            #[inline(always)]
            |$first, $parts| $work,
        )
    };
}
pub(crate) use {columns, fused, rows, simd};

/// The function behind [`simd!`].
#[inline(always)]
pub fn dispatch<E: Element, R>(work: impl FnOnce() -> R) -> R {
    if E::WIDE { pulp::Arch::new().dispatch(work) } else { work() }
}

/// The function behind [`fused!`].
#[inline(always)]
pub fn dispatch_fused<const FUSED: bool, R>(work: impl FnOnce() -> R) -> R {
    if !FUSED {
        return work();
    }
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V3::try_new().expect("FUSED comes from `can_fuse`").vectorize(work);
    #[cfg(not(target_arch = "x86_64"))]
    return pulp::Arch::new().dispatch(work);
}

/// The vector instructions that [`simd!`] compiles for on this processor.
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

/// Whether blocks of `E` may use fused multiply-add on this processor.
pub fn can_fuse<E: Element>() -> bool {
    #[cfg(target_arch = "x86_64")]
    return E::WIDE && pulp::x86::V3::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return E::WIDE && cfg!(target_arch = "aarch64");
}

/// Threads that other parts of the program may need at a time: for signals, a server's name, a template.
const OTHER_THREADS: usize = 4;
/// Address space for each thread where it is limited. Its stack and its part of the allocator take up to 66 MiB; the rest is for tensors.
const ADDRESS_SPACE: u64 = 256 << 20;

/// Prepares the threads that twins run on. By default they are as many as the processors that this process may use, and a program that
/// cannot start them all would panic. Where a limit of processes or of memory does not allow them, there are fewer; at worst the calling
/// thread works alone.
pub fn start_threads() {
    let chosen = std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    let wanted = chosen.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let room = memory::address_space().map_or(usize::MAX, |bytes| (bytes / ADDRESS_SPACE) as usize);
    // The allocator keeps the part of a thread that has ended, so to try more threads than there is room for would take the room.
    let possible = if room < wanted + OTHER_THREADS {
        startable(room.min(wanted))
    } else {
        startable(wanted + OTHER_THREADS).saturating_sub(OTHER_THREADS)
    };
    if possible < wanted {
        // The system counts threads for a moment after they ended.
        thread::sleep(Duration::from_millis(50));
    }
    // The calling thread is one of them: it then begins a twin's work itself, where it would else wake another thread for it and sleep. An
    // error says that there are threads already.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(possible.clamp(1, wanted)).use_current_thread().build_global();
}

/// How many of these threads can be started.
fn startable(wanted: usize) -> usize {
    let gate = Mutex::new(());
    let wait = || drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
    thread::scope(|scope| {
        // They all exist until the gate opens.
        let _closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        (0..wanted).take_while(|_| thread::Builder::new().spawn_scoped(scope, wait).is_ok()).count()
    })
}

/// The sum of numbers, read by all cores: it takes the time that reading them takes.
pub fn total(words: &[u64]) -> u64 {
    words.par_chunks(4 * BLOCK_ELEMENTS).map(|block| dispatch::<f32, _>(|| block.iter().sum::<u64>())).sum()
}

/// The number of rows in a block if a row is about `width` elements of work.
pub fn block_rows(width: usize) -> usize {
    (BLOCK_ELEMENTS / width.max(1)).max(1)
}

// Each function below runs blocks in one place, which is out of line, so that a block is compiled once for each instruction set.

/// The function behind [`rows!`].
pub fn by_rows<A: Element>(y: &mut [A], width: usize, work: impl Fn(usize, &mut [A]) + Sync) {
    #[inline(never)]
    fn run<A: Element>(work: &impl Fn(usize, &mut [A]), first: usize, y: &mut [A]) {
        simd!(A, work(first, y));
    }
    let block = block_rows(width);
    if y.len() <= block * width {
        return run(&work, 0, y);
    }
    y.par_chunks_mut(block * width).enumerate().for_each(|(b, y)| run(&work, b * block, y));
}

/// The function behind [`rows!`] with two outputs.
pub fn by_rows2<A: Element, B: Element>(y: &mut [A], wy: usize, z: &mut [B], wz: usize, work: impl Fn(usize, &mut [A], &mut [B]) + Sync) {
    #[inline(never)]
    fn run<A: Element, B: Element>(work: &impl Fn(usize, &mut [A], &mut [B]), first: usize, y: &mut [A], z: &mut [B]) {
        simd!(A, work(first, y, z));
    }
    let block = block_rows(wy.max(wz));
    if y.len() <= block * wy {
        return run(&work, 0, y, z);
    }
    y.par_chunks_mut(block * wy).zip(z.par_chunks_mut(block * wz)).enumerate().for_each(|(b, (y, z))| run(&work, b * block, y, z));
}

/// The function behind [`rows!`] with three outputs.
pub fn by_rows3<A: Element, B: Element, C: Element>(
    y: &mut [A],
    wy: usize,
    z: &mut [B],
    wz: usize,
    u: &mut [C],
    wu: usize,
    work: impl Fn(usize, &mut [A], &mut [B], &mut [C]) + Sync,
) {
    #[inline(never)]
    fn run<A: Element, B: Element, C: Element>(
        work: &impl Fn(usize, &mut [A], &mut [B], &mut [C]),
        first: usize,
        y: &mut [A],
        z: &mut [B],
        u: &mut [C],
    ) {
        simd!(A, work(first, y, z, u));
    }
    let block = block_rows(wy.max(wz).max(wu));
    if y.len() <= block * wy {
        return run(&work, 0, y, z, u);
    }
    y.par_chunks_mut(block * wy)
        .zip(z.par_chunks_mut(block * wz))
        .zip(u.par_chunks_mut(block * wu))
        .enumerate()
        .for_each(|(b, ((y, z), u))| run(&work, b * block, y, z, u));
}

/// The function behind [`columns!`].
pub fn by_columns<'a, A: Element + 'a, const FUSED: bool>(
    rows: impl Iterator<Item = &'a mut [A]>,
    block: usize,
    work: impl Fn(usize, Vec<&mut [A]>) + Sync,
) {
    #[inline(never)]
    fn run<A, const FUSED: bool>(work: &impl Fn(usize, Vec<&mut [A]>), first: usize, parts: Vec<&mut [A]>) {
        fused!(FUSED, work(first, parts));
    }
    let count = rows.size_hint().0;
    let mut blocks: Vec<Vec<&mut [A]>> = Vec::new();
    for row in rows {
        for (i, part) in row.chunks_mut(block).enumerate() {
            if i == blocks.len() {
                blocks.push(Vec::with_capacity(count));
            }
            blocks[i].push(part);
        }
    }
    if blocks.len() == 1 {
        return blocks.into_iter().for_each(|parts| run::<A, FUSED>(&work, 0, parts));
    }
    blocks.into_par_iter().enumerate().for_each(|(i, parts)| run::<A, FUSED>(&work, i * block, parts));
}
