//! Matrix products in the three forms that a linear layer needs, and a small-M form for decoding.
//!
//! With `x: [T, K]` and a weight `w: [N, K]` as published: forward `y = x · wᵀ` (NT), `dx = dy · w` (NN), `dw += dyᵀ · x` (TN).

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, Strides};
use crate::device::{Args, Caps, Grid, Kernel, Launch, Recorder, Stored, Weight, columns, kernel};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Parameters: `y` is `[m, n]`, the sum runs over `k`.
///
/// A weight that is too large to be bound is taken in ranges of its rows, each a dispatch with these `m`, `n` and `k`. The matrix that
/// has a column for each row of the whole weight (`y` in NT, `a` in NN and TN) has rows of `stride` elements, and the range begins
/// at column `first`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    m: u32,
    n: u32,
    k: u32,
    /// 1 adds to `y`, 0 replaces it.
    accumulate: u32,
    /// The product is multiplied by this.
    scale: f32,
    first: u32,
    stride: u32,
    pad: u32,
}

/// `y[m, n] (+)= scale · Σ_k a[m, k] · b[n, k]`
pub const NT: Kernel = kernel!("matmul_nt", Params, [In, Weight, Out], nt_twin);
/// `y[m, n] (+)= scale · Σ_k a[m, k] · b[k, n]`
pub const NN: Kernel = kernel!("matmul_nn", Params, [In, Weight, Out], nn_twin);
/// `y[m, n] (+)= scale · Σ_k a[k, m] · b[k, n]`
pub const TN: Kernel = kernel!("matmul_tn", Params, [In, In, Out], tn_twin);
/// NT for a few rows of `a`: each row's sum has one order, whatever the other rows are.
pub const ROWS: Kernel = kernel!("matmul_rows", Params, [In, Weight, Out], rows_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&NT, &NN, &TN, &ROWS];

/// What happens to the old content of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Write {
    /// `y = …`
    Replace,
    /// `y += …`
    Add,
    /// `y = scale · …`
    ReplaceScaled(f32),
    /// `y += scale · …`
    AddScaled(f32),
}

/// `y (+)= a · bᵀ`.   a: [M, K]   b: [N, K], also of 16 bits   y: [M, N]
pub fn nt(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &NT, Form::NT, a, b, y, write)
}

/// `y (+)= a · b`.   a: [M, K]   b: [K, N], also of 16 bits   y: [M, N]
pub fn nn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &NN, Form::NN, a, b, y, write)
}

/// `y (+)= aᵀ · b`.   a: [K, M]   b: [K, N]   y: [M, N]
pub fn tn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &TN, Form::TN, a, b, y, write)
}

/// `y (+)= a · bᵀ` for the few rows of a decoding step.   a: [M, K]   b: [N, K], also of 16 bits   y: [M, N]
pub fn rows(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &ROWS, Form::NT, a, b, y, write)
}

/// Which operands are transposed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    NT,
    NN,
    TN,
}

fn product(rec: &mut Recorder<'_>, kernel: &'static Kernel, form: Form, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    let (a_sizes, b_sizes, y_sizes) = (a.rows_cols(), b.rows_cols(), y.rows_cols());
    let ((m, k), (bk, n)) = match form {
        Form::NT => (a_sizes, (b_sizes.1, b_sizes.0)),
        Form::NN => (a_sizes, b_sizes),
        Form::TN => ((a_sizes.1, a_sizes.0), b_sizes),
    };
    if k != bk || y_sizes != (m, n) {
        return Err(Error::Shape(format!("{}: a {:?}, b {:?}, y {:?}", kernel.stem, a.shape(), b.shape(), y.shape())));
    }
    let (mut accumulate, scale) = match write {
        Write::Replace => (false, 1.0),
        Write::Add => (true, 1.0),
        Write::ReplaceScaled(scale) => (false, scale),
        Write::AddScaled(scale) => (true, scale),
    };
    let (weight, stride) = match form {
        Form::NT => (b, n),
        Form::NN => (b, k),
        Form::TN => (y, m),
    };
    for (first, piece) in weight.pieces()? {
        let rows = piece.rows_cols().0;
        let (m, n, k) = match form {
            Form::NT => (m, rows, k),
            Form::NN => (m, n, rows),
            Form::TN => (rows, n, k),
        };
        let sizes = [m, n, k, first, stride].map(|size| size as u32);
        let params = Params {
            m: sizes[0],
            n: sizes[1],
            k: sizes[2],
            accumulate: accumulate.into(),
            scale,
            first: sizes[3],
            stride: sizes[4],
            pad: 0,
        };
        let launch = choose(rec.device().caps(), kernel, m, n, k, stride);
        match form {
            Form::NT | Form::NN => rec.run(launch, &params, &[a, &piece, y])?,
            Form::TN => rec.run(launch, &params, &[a, b, &piece])?,
        }
        accumulate |= form == Form::NN;
    }
    Ok(())
}

/// The shader variant and grid of a product: tiles in workgroup memory on a GPU; on a software adapter one subgroup a workgroup if
/// all subgroups have a size that the shader knows, else plain registers.
pub(super) fn choose(caps: Option<&Caps>, kernel: &'static Kernel, m: usize, n: usize, k: usize, stride: usize) -> Launch {
    // Names: vectors of four, one subgroup of 8 or 4 lanes, registers. Sizes: what is read as vectors.
    let (names, vectors) = match kernel.stem {
        "matmul_nt" => (["matmul_nt.vec4", "matmul_nt.lanes8", "matmul_nt.lanes4", "matmul_nt.registers"], [k, k, k]),
        "matmul_nn" => (["matmul_nn.vec4", "matmul_nn.lanes8", "matmul_nn.lanes4", "matmul_nn.registers"], [k, n, stride]),
        "matmul_tn" => (["matmul_tn.vec4", "matmul_tn.lanes8", "matmul_tn.lanes4", "matmul_tn.registers"], [m, n, stride]),
        _ => (["matmul_rows.vec4", "matmul_rows.lanes8", "matmul_rows.lanes4", "matmul_rows.registers"], [k, k, k]),
    };
    let tiles = |rows: usize, cols: usize| Grid::Groups(n.div_ceil(cols), m.div_ceil(rows), 1);
    let vec4 = vectors.iter().all(|size| size.is_multiple_of(4));
    let Some(caps) = caps.filter(|caps| caps.software) else {
        let side = if kernel.stem == "matmul_rows" { 8 } else { 64 };
        return if vec4 { kernel.variant(names[0], tiles(side, side)) } else { kernel.grid(tiles(side, side)) };
    };
    match caps.subgroup_size() {
        Some(8) if vec4 => kernel.variant(names[1], tiles(16, 32)),
        Some(4) if vec4 => kernel.variant(names[2], tiles(16, 16)),
        _ => kernel.variant(names[3], tiles(8, 32)),
    }
}

/// GEMM switches to other sums for tiny outputs; rows are padded past that, so that a row's bits never depend on the row count.
const SMALL_OUTPUT: usize = 256;
/// With at most so many rows GEMM writes columns: it then reads the weight as it lies, where for rows it would copy all of it first.
const SHORT: usize = 8;

fn nt_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    by_gemm(p, args.read(0), args.weight(1), args.write(2));
}

/// `y (+)= scale · a · bᵀ`
fn by_gemm<F: Float>(p: &Params, a: &[F], b: Weight<'_, F>, y: &mut [F]) {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let (first, stride) = (p.first as usize, p.stride as usize);
    let (scale, add) = (F::from_f64(p.scale.into()), p.accumulate == 1);
    let (along_k, b_strides) = (Strides::row_major(k), Strides::transposed(k));
    if m == 0 {
        return;
    }
    b.blocks(n, k, |row, n, b| {
        let y = &mut y[first + row..];
        if m <= SHORT || m * n <= SMALL_OUTPUT {
            let rows = m.max(SMALL_OUTPUT / n.max(1) + 1).max(2);
            let mut padded = vec![F::ZERO; rows * k];
            padded[..m * k].copy_from_slice(&a[..m * k]);
            let mut out = vec![F::ZERO; rows * n];
            for (j, column) in out.chunks_exact_mut(rows).enumerate() {
                (0..m).for_each(|i| column[i] = y[i * stride + j]);
            }
            F::gemm(rows, n, k, &padded, along_k, b, b_strides, &mut out, Strides::transposed(rows), scale, add, true);
            for (j, column) in out.chunks_exact(rows).enumerate() {
                (0..m).for_each(|i| y[i * stride + j] = column[i]);
            }
        } else {
            F::gemm(m, n, k, a, along_k, b, b_strides, y, Strides::row_major(stride), scale, add, true);
        }
    });
}

fn nn_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.weight(1), args.write(2));
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let (first, a_strides) = (p.first as usize, Strides::row_major(p.stride as usize));
    let (scale, along_n) = (F::from_f64(p.scale.into()), Strides::row_major(n));
    if m == 0 {
        return;
    }
    b.blocks(k, n, |row, k, b| {
        let add = p.accumulate == 1 || row > 0;
        F::gemm(m, n, k, &a[first + row..], a_strides, b, along_n, y, along_n, scale, add, true);
    });
}

fn tn_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.read(1), args.write(2));
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let (first, a_strides) = (p.first as usize, Strides::transposed(p.stride as usize));
    let (scale, along_n) = (F::from_f64(p.scale.into()), Strides::row_major(n));
    if k > 0 {
        F::gemm(m, n, k, &a[first..], a_strides, b, along_n, y, along_n, scale, p.accumulate == 1, true);
    }
}

/// Elements of the weight rows that a thread takes at a time, for up to eight rows of `a`.
const SHARE: usize = 128 * 1024;
/// Weight rows that are widened together and stay in the cache while all rows of `a` pass by.
const TOGETHER: usize = 8;
/// Rows of `a` that share what is loaded of a weight. With fewer, weight rows are read one after the other, which memory is fastest
/// at, and 16 bits are widened in registers.
const TALL: usize = 4;

/// A weight with at most so many elements stays in the cache, where GEMM is faster than reading each weight row once.
const CACHED_WEIGHT: usize = 1 << 19;

fn rows_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    if m * n * k == 0 {
        return;
    }
    let (a, b, y) = (args.read(0), args.weight(1), args.write(2));
    if n * k <= CACHED_WEIGHT {
        return by_gemm(p, a, b, y);
    }
    let (first, stride) = (p.first as usize, p.stride as usize);
    let (scale, add) = (F::from_f64(p.scale.into()), p.accumulate == 1);
    let share = (SHARE / k / m.div_ceil(8)).next_multiple_of(TOGETHER).max(8 * TOGETHER);
    let rows = y.chunks_mut(stride).map(|row| &mut row[first..first + n]);
    // Threads share out the rows of the weight, and each is read once.
    columns!(rows, share, |n0, parts| {
        let mut parts = parts;
        let mut scratch = vec![F::ZERO; TOGETHER * k];
        let width = parts[0].len();
        for col in (0..width).step_by(TOGETHER) {
            let range = (n0 + col) * k..(n0 + width.min(col + TOGETHER)) * k;
            let store = |i: usize, j: usize, sum: F| {
                let y = &mut parts[i][col + j];
                *y = if add { *y + scale * sum } else { scale * sum };
            };
            match b {
                Weight::BF16(b) if m < TALL => few_rows(a, &b[range], k, store),
                Weight::F16(b) if m < TALL => few_rows(a, &b[range], k, store),
                Weight::Full(b) if m < TALL => few_rows(a, &b[range], k, store),
                _ => many_rows(a, b.widened(range, &mut scratch), k, store),
            }
        }
    });
}

/// Calls `store(i, j, a[i] · w[j])` for all rows of `k` elements of `a` and `w`.
#[inline(always)]
fn few_rows<F: Float, S: Stored<F>>(a: &[F], w: &[S], k: usize, mut store: impl FnMut(usize, usize, F)) {
    for (j, w) in w.chunks_exact(k).enumerate() {
        for (i, a) in a.chunks_exact(k).enumerate() {
            store(i, j, dots([a], [w])[0][0]);
        }
    }
}

/// [`few_rows`] in tiles.
#[inline(always)]
fn many_rows<F: Float>(a: &[F], w: &[F], k: usize, mut store: impl FnMut(usize, usize, F)) {
    let (rows, cols) = (a.len() / k, w.len() / k);
    let tall = rows / TALL * TALL;
    for i in (0..tall).step_by(TALL) {
        let a: [&[F]; TALL] = std::array::from_fn(|s| &a[(i + s) * k..][..k]);
        for j in (0..cols).step_by(2) {
            // The last of an odd number of weight rows stands in for the one that is missing.
            let w = [&w[j * k..][..k], &w[(j + 1).min(cols - 1) * k..][..k]];
            let sums = dots(a, w);
            for (s, sums) in sums.iter().enumerate() {
                (0..2.min(cols - j)).for_each(|t| store(i + s, j + t, sums[t]));
            }
        }
    }
    few_rows(&a[tall * k..], w, k, |i, j, sum| store(tall + i, j, sum));
}

/// The dot products of every vector of `a` with every one of `w`, each in the order of eight interleaved partial sums.
#[inline(always)]
fn dots<F: Float, S: Stored<F>, const A: usize, const W: usize>(a: [&[F]; A], w: [&[S]; W]) -> [[F; W]; A] {
    const LANES: usize = 8;
    let (a, w) = (a.map(|a| a.as_chunks::<LANES>()), w.map(|w| w.as_chunks::<LANES>()));
    let whole = a[0].0.len();
    let (a_lanes, w_lanes) = (a.map(|a| &a.0[..whole]), w.map(|w| &w.0[..whole]));
    let mut acc = [[[F::ZERO; LANES]; W]; A];
    for at in 0..whole {
        for i in 0..A {
            for j in 0..W {
                acc[i][j] = add_product(acc[i][j], &a_lanes[i][at], &w_lanes[j][at]);
            }
        }
    }
    let mut sums = [[F::ZERO; W]; A];
    for i in 0..A {
        for j in 0..W {
            // For one vector `a`, compilers that see the following additions arrange all of the loop for them, at a third of its speed.
            let s = if A == 1 { std::hint::black_box(acc[i][j]) } else { acc[i][j] };
            let mut rest = F::ZERO;
            for (a, w) in a[i].1.iter().zip(w[j].1) {
                rest += *a * w.widen();
            }
            sums[i][j] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])) + rest;
        }
    }
    sums
}

#[inline(always)]
fn add_product<F: Float, S: Stored<F>, const N: usize>(mut sum: [F; N], a: &[F; N], w: &[S; N]) -> [F; N] {
    for l in 0..N {
        sum[l] += a[l] * w[l].widen();
    }
    sum
}
