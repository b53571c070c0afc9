//! Matrix products in the three forms that a linear layer needs, and a small-M form for decoding.
//!
//! With `x: [T, K]` and a weight `w: [N, K]` as published: forward `y = x · wᵀ` (NT), `dx = dy · w` (NN), `dw += dyᵀ · x` (TN).

use bytemuck::{Pod, Zeroable};

use crate::device::dots::{LANES, Row, dots};
use crate::device::float::{Float, Strides};
use crate::device::parallel::can_fuse;
use crate::device::quant::{self, Layout, with_layout};
use crate::device::{Args, Caps, DType, Grid, Kernel, Launch, Recorder, Stored, Tensor, Weight, columns, kernel};
use crate::error::{Error, Result};

/// Parameters: `y` is `[m, n]`, the sum runs over `k`.
///
/// A weight that is too large to bind is split into ranges of rows, each a dispatch with these `m`, `n` and `k`. The matrix with a column
/// for each row of the whole weight (`y` in NT, `a` in NN and TN) has rows of `stride` elements, and the range begins at column `first`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    m: u32,
    n: u32,
    k: u32,
    /// 1 adds to `y`, 0 replaces it.
    accumulate: u32,
    /// Factor of the product.
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
/// NT for a few rows of `a`. The order of each row's sums does not depend on the other rows.
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

/// `y (+)= a · bᵀ`.   a: [M, K]   b: [N, K], 32 or 16 bits   y: [M, N]
pub fn nt(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &NT, Form::NT, a, b, y, write)
}

/// `y (+)= a · b`.   a: [M, K]   b: [K, N], 32 or 16 bits   y: [M, N]
pub fn nn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &NN, Form::NN, a, b, y, write)
}

/// `y (+)= aᵀ · b`.   a: [K, M]   b: [K, N]   y: [M, N]
pub fn tn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    product(rec, &TN, Form::TN, a, b, y, write)
}

/// `y (+)= a · bᵀ` for the few rows of a decoding step.   a: [M, K]   b: [N, K], 32 or 16 bits   y: [M, N]
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
        let vectors = match form {
            Form::NT => [k, k, k],
            Form::NN => [k, n, stride],
            Form::TN => [m, n, stride],
        };
        let launch = choose(rec.device().caps(), kernel, [m, n], vectors);
        match form {
            Form::NT | Form::NN => rec.run(launch, &params, &[a, &piece, y])?,
            Form::TN => rec.run(launch, &params, &[a, b, &piece])?,
        }
        accumulate |= form == Form::NN;
    }
    Ok(())
}

/// The shader variant and grid of a product. A GPU uses tiles in workgroup memory. A software adapter uses workgroups of one subgroup if
/// all subgroups have a size that the shader knows, else plain registers. `vectors` are the sizes of the axes that are read as vectors.
pub(super) fn choose(caps: Option<&Caps>, kernel: &'static Kernel, [m, n]: [usize; 2], vectors: [usize; 3]) -> Launch {
    let tiles = |rows: usize, cols: usize| Grid::Groups(n.div_ceil(cols), m.div_ceil(rows), 1);
    let vec4 = vectors.iter().all(|size| size.is_multiple_of(4));
    let Some(caps) = caps.filter(|caps| caps.software) else {
        let side = if kernel.stem == ROWS.stem { 8 } else { 64 };
        return kernel.variant(if vec4 { "vec4" } else { "" }, tiles(side, side));
    };
    match caps.subgroup_size() {
        Some(8) if vec4 => kernel.variant("lanes8", tiles(16, 32)),
        Some(4) if vec4 => kernel.variant("lanes4", tiles(16, 16)),
        _ => kernel.variant("registers", tiles(8, 32)),
    }
}

/// GEMM adds in another order for tiny outputs. Rows are padded beyond that size, so that a row's bits never depend on the number of rows.
const SMALL_OUTPUT: usize = 256;
/// Up to this many rows GEMM writes columns. It then reads the weight in place; to write rows it would copy all of it first.
const SHORT: usize = 8;

fn nt_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.weight(1), args.write(2));
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

/// The least elements of the weight worth giving to another thread, for up to four rows of `a`.
const SHARE: usize = 128 * 1024;
/// Weight rows that stay in the cache while all rows of `a` are multiplied with them: whole tiles, widened ones too.
const TOGETHER: usize = 12;
/// Rows of `a` and of the weight in a tile. Its sums, three vectors of the weight and one of `a` fill AVX2's sixteen registers.
const TALL: usize = 4;
const WIDE: usize = 3;
/// A weight with up to this many elements stays in the cache. Then, if `a` has fewer rows than a tile, four weight rows are multiplied at a
/// time. A larger weight comes from memory, which is fastest one row at a time, widened in registers.
const CACHED_WEIGHT: usize = 1 << 19;

fn rows_twin<F: Float>(p: &Params, args: Args<'_, F>) {
    if can_fuse::<F>() { rows_as::<F, true>(p, args) } else { rows_as::<F, false>(p, args) }
}

/// [`rows_twin`] with or without fused multiply-add.
fn rows_as<F: Float, const FUSED: bool>(p: &Params, mut args: Args<'_, F>) {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    if m * n * k == 0 {
        return;
    }
    let (a, b, y) = (args.read(0), args.weight(1), args.write(2));
    let (first, stride) = (p.first as usize, p.stride as usize);
    let (scale, add) = (F::from_f64(p.scale.into()), p.accumulate == 1);
    let a: Vec<Row<'_, F>> = a[..m * k].chunks_exact(k).map(|row| row.as_chunks()).collect();
    let cached = n * k <= CACHED_WEIGHT;
    let rows = y.chunks_mut(stride).map(|row| &mut row[first..first + n]);
    // The threads divide the rows of the weight among them, and each row is read once. No sum depends on the division.
    columns!(FUSED, rows, share(m, n, k), |n0, parts| {
        let mut parts = parts;
        let mut scratch = Vec::new();
        let width = parts[0].len();
        for col in (0..width).step_by(TOGETHER) {
            let range = (n0 + col) * k..(n0 + width.min(col + TOGETHER)) * k;
            let store = |i: usize, sums: &[F]| {
                for (y, sum) in parts[i][col..].iter_mut().zip(sums) {
                    *y = if add { *y + scale * *sum } else { scale * *sum };
                }
            };
            match b {
                Weight::Quant(quant, b) if m < TALL => {
                    let row = DType::Quant(quant).bytes(k);
                    let b = &b[(n0 + col) * row..(n0 + width.min(col + TOGETHER)) * row];
                    with_layout!(quant, L => quantised::<F, L, FUSED>(&a, b, row, store));
                }
                Weight::BF16(b) if m < TALL => panel::<F, _, FUSED, 1>(&a, &b[range], k, store),
                Weight::F16(b) if m < TALL => panel::<F, _, FUSED, 1>(&a, &b[range], k, store),
                Weight::Full(b) if m < TALL && !cached => panel::<F, _, FUSED, 1>(&a, &b[range], k, store),
                Weight::Full(b) => panel::<F, _, FUSED, 4>(&a, &b[range], k, store),
                _ => {
                    scratch.resize(TOGETHER * k, F::ZERO);
                    panel::<F, _, FUSED, 4>(&a, b.widened(range, &mut scratch), k, store);
                }
            }
        }
    });
}

/// Weight rows that a thread takes at a time: an equal share for each thread, or all of them for one if there is too little work for two.
fn share(m: usize, n: usize, k: usize) -> usize {
    let worth = (SHARE / k / m.div_ceil(4)).max(8 * TOGETHER);
    let blocks = if n <= worth { 1 } else { n.div_ceil(worth).next_multiple_of(rayon::current_num_threads()) };
    n.div_ceil(blocks).next_multiple_of(TOGETHER)
}

/// Calls `store(i, [a[i] · w[0], a[i] · w[1], …])` for all rows of `a` and of `w`, at most [`TOGETHER`]. If `a` has fewer rows than a tile,
/// `FEW` weight rows are multiplied side by side.
#[inline(always)]
fn panel<F: Float, S: Stored<F>, const FUSED: bool, const FEW: usize>(
    a: &[Row<'_, F>],
    w: &[S],
    k: usize,
    mut store: impl FnMut(usize, &[F]),
) {
    let mut w_rows: [Row<'_, S>; TOGETHER] = [(&[], &[]); TOGETHER];
    w_rows.iter_mut().zip(w.chunks_exact(k)).for_each(|(row, w)| *row = w.as_chunks());
    let w = &w_rows[..w.len() / k];
    let (tall, short) = a.as_chunks::<TALL>();
    for (i, a) in tall.iter().enumerate() {
        tiles::<F, S, FUSED, TALL, WIDE>(a, w, |s, sums| store(i * TALL + s, sums));
    }
    let at = tall.len() * TALL;
    match *short {
        [a] => tiles::<F, S, FUSED, 1, FEW>(&[a], w, |s, sums| store(at + s, sums)),
        [a, b] => tiles::<F, S, FUSED, 2, FEW>(&[a, b], w, |s, sums| store(at + s, sums)),
        [a, b, c] => tiles::<F, S, FUSED, 3, FEW>(&[a, b, c], w, |s, sums| store(at + s, sums)),
        _ => {}
    }
}

/// Weight rows of quantised numbers that are multiplied at a time.
const QUANTISED: usize = 2;

/// [`panel`] for fewer rows of `a` than a tile has, and weight rows of `row` bytes of quantised numbers, which are widened in registers.
#[inline(always)]
fn quantised<F: Float, L: Layout, const FUSED: bool>(a: &[Row<'_, F>], w: &[u8], row: usize, store: impl FnMut(usize, &[F])) {
    match *a {
        [a] => quantised_tiles::<F, L, FUSED, 1>(&[a.0], w, row, store),
        [a, b] => quantised_tiles::<F, L, FUSED, 2>(&[a.0, b.0], w, row, store),
        [a, b, c] => quantised_tiles::<F, L, FUSED, 3>(&[a.0, b.0, c.0], w, row, store),
        _ => {}
    }
}

/// [`quantised`] for `A` rows of `a`.
#[inline(always)]
fn quantised_tiles<F: Float, L: Layout, const FUSED: bool, const A: usize>(
    a: &[&[[F; LANES]]; A],
    w: &[u8],
    row: usize,
    mut store: impl FnMut(usize, &[F]),
) {
    let mut out = [[F::ZERO; TOGETHER]; A];
    let rows = w.len() / row;
    let at = |j: usize| &w[j * row..][..row];
    for j in (0..rows / QUANTISED).map(|j| j * QUANTISED) {
        let sums = quant::dots::<F, L, FUSED, A, QUANTISED>(a, &std::array::from_fn(|i| at(j + i)));
        out.iter_mut().zip(sums).for_each(|(out, sums)| out[j..][..QUANTISED].copy_from_slice(&sums));
    }
    for j in rows / QUANTISED * QUANTISED..rows {
        let sums = quant::dots::<F, L, FUSED, A, 1>(a, &[at(j)]);
        out.iter_mut().zip(sums).for_each(|(out, [sum])| out[j] = sum);
    }
    out.iter().enumerate().for_each(|(i, out)| store(i, &out[..rows]));
}

/// [`panel`] for `A` rows of `a`, with `W` weight rows at a time.
#[inline(always)]
fn tiles<F: Float, S: Stored<F>, const FUSED: bool, const A: usize, const W: usize>(
    a: &[Row<'_, F>; A],
    w: &[Row<'_, S>],
    mut store: impl FnMut(usize, &[F]),
) {
    let mut out = [[F::ZERO; TOGETHER]; A];
    let (whole, rest) = w.as_chunks::<W>();
    for (j, w) in whole.iter().enumerate() {
        let sums = dots::<F, S, FUSED, A, W>(a, w);
        for (out, sums) in out.iter_mut().zip(sums) {
            out[j * W..][..W].copy_from_slice(&sums);
        }
    }
    for (j, w) in (whole.len() * W..).zip(rest) {
        let sums = dots::<F, S, FUSED, A, 1>(a, &[*w]);
        out.iter_mut().zip(sums).for_each(|(out, [sum])| out[j] = sum);
    }
    out.iter().enumerate().for_each(|(i, out)| store(i, &out[..w.len()]));
}
