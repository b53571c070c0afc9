//! Matrix products in the three forms that a linear layer needs, and a small-M form for decoding.
//!
//! With `x: [T, K]` and a weight `w: [N, K]` as published: forward `y = x · wᵀ` (NT), `dx = dy · w` (NN), `dw += dyᵀ · x` (TN).

use bytemuck::{Pod, Zeroable};

use crate::device::float::{Float, Strides, dot};
use crate::device::{Args, Caps, Grid, Kernel, Launch, Recorder, kernel, rows};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Parameters: `y` is `[m, n]`, the sum runs over `k`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    m: u32,
    n: u32,
    k: u32,
    /// 1 adds to `y`, 0 replaces it.
    accumulate: u32,
}

/// `y[m, n] (+)= Σ_k a[m, k] · b[n, k]`
pub const NT: Kernel = kernel!("matmul_nt", Params, [In, In, Out], nt_twin);
/// `y[m, n] (+)= Σ_k a[m, k] · b[k, n]`
pub const NN: Kernel = kernel!("matmul_nn", Params, [In, In, Out], nn_twin);
/// `y[m, n] (+)= Σ_k a[k, m] · b[k, n]`
pub const TN: Kernel = kernel!("matmul_tn", Params, [In, In, Out], tn_twin);
/// NT for a few rows of `a`: each row's sum has one order, whatever the other rows are.
pub const ROWS: Kernel = kernel!("matmul_rows", Params, [In, In, Out], rows_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&NT, &NN, &TN, &ROWS];

/// What happens to the old content of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// `y = …`
    Replace,
    /// `y += …`
    Add,
}

/// `y (+)= a · bᵀ`.   a: [M, K]   b: [N, K]   y: [M, N]
pub fn nt(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    let ((m, k), (n, bk)) = (a.rows_cols(), b.rows_cols());
    product(rec, &NT, "matmul_nt", (m, n, k), bk == k, a, b, y, write)
}

/// `y (+)= a · b`.   a: [M, K]   b: [K, N]   y: [M, N]
pub fn nn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    let ((m, k), (bk, n)) = (a.rows_cols(), b.rows_cols());
    product(rec, &NN, "matmul_nn", (m, n, k), bk == k, a, b, y, write)
}

/// `y (+)= aᵀ · b`.   a: [K, M]   b: [K, N]   y: [M, N]
pub fn tn(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor, write: Write) -> Result<()> {
    let ((k, m), (bk, n)) = (a.rows_cols(), b.rows_cols());
    product(rec, &TN, "matmul_tn", (m, n, k), bk == k, a, b, y, write)
}

/// `y = a · bᵀ` for the few rows of a decoding step.   a: [M, K]   b: [N, K]   y: [M, N]
pub fn rows(rec: &mut Recorder<'_>, a: &Tensor, b: &Tensor, y: &Tensor) -> Result<()> {
    let ((m, k), (n, bk)) = (a.rows_cols(), b.rows_cols());
    product(rec, &ROWS, "matmul_rows", (m, n, k), bk == k, a, b, y, Write::Replace)
}

fn product(
    rec: &mut Recorder<'_>,
    kernel: &'static Kernel,
    name: &str,
    (m, n, k): (usize, usize, usize),
    agree: bool,
    a: &Tensor,
    b: &Tensor,
    y: &Tensor,
    write: Write,
) -> Result<()> {
    if !agree || y.rows_cols() != (m, n) {
        return Err(Error::Shape(format!("{name}: a {:?}, b {:?}, y {:?}", a.shape(), b.shape(), y.shape())));
    }
    let params = Params { m: m as u32, n: n as u32, k: k as u32, accumulate: (write == Write::Add).into() };
    let launch = choose(rec.device().caps(), kernel, m, n, k);
    rec.run(launch, &params, &[a, b, y])
}

/// The shader variant and grid of a product: tiles in workgroup memory on a GPU; on a software adapter one subgroup a workgroup if
/// all subgroups have a size that the shader knows, else plain registers.
fn choose(caps: Option<&Caps>, kernel: &'static Kernel, m: usize, n: usize, k: usize) -> Launch {
    // Names: vectors of four, one subgroup of 8 or 4 lanes, registers.
    let (names, vectors) = match kernel.stem {
        "matmul_nt" => (["matmul_nt.vec4", "matmul_nt.lanes8", "matmul_nt.lanes4", "matmul_nt.registers"], [k, k]),
        "matmul_nn" => (["matmul_nn.vec4", "matmul_nn.lanes8", "matmul_nn.lanes4", "matmul_nn.registers"], [k, n]),
        "matmul_tn" => (["matmul_tn.vec4", "matmul_tn.lanes8", "matmul_tn.lanes4", "matmul_tn.registers"], [m, n]),
        _ => (["matmul_rows.vec4", "matmul_rows.lanes8", "matmul_rows.lanes4", "matmul_rows.registers"], [k, k]),
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

fn nt_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.read(1), args.write(2));
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let add = p.accumulate == 1;
    if m == 1 || m * n <= SMALL_OUTPUT {
        let rows = (SMALL_OUTPUT / n.max(1) + 1).max(2);
        let mut padded = vec![F::ZERO; rows.max(m) * k];
        padded[..m * k].copy_from_slice(&a[..m * k]);
        let mut out = vec![F::ZERO; rows.max(m) * n];
        out[..m * n].copy_from_slice(&y[..m * n]);
        let out_strides = Strides::row_major(n);
        F::gemm(rows.max(m), n, k, &padded, Strides::row_major(k), b, Strides::transposed(k), &mut out, out_strides, add, false);
        y[..m * n].copy_from_slice(&out[..m * n]);
    } else {
        F::gemm(m, n, k, a, Strides::row_major(k), b, Strides::transposed(k), y, Strides::row_major(n), add, true);
    }
}

fn nn_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.read(1), args.write(2));
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    F::gemm(m, n, k, a, Strides::row_major(k), b, Strides::row_major(n), y, Strides::row_major(n), p.accumulate == 1, true);
}

fn tn_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (a, b, y) = (args.read(0), args.read(1), args.write(2));
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    F::gemm(m, n, k, a, Strides::transposed(m), b, Strides::row_major(n), y, Strides::row_major(n), p.accumulate == 1, true);
}

/// A weight with at most so many elements stays in the cache, where GEMM is faster than reading each weight row once.
const CACHED_WEIGHT: usize = 1 << 20;

fn rows_twin<F: Float>(p: &Params, mut args: Args<'_, F>) {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    if n * k <= CACHED_WEIGHT {
        return nt_twin(&Params { accumulate: 0, ..*p }, args);
    }
    let (a, b, y) = (args.read(0), args.read(1), args.write(2));
    // Computed transposed, `[n, m]`, so that threads share out the rows of the weight and each weight row is read once.
    let mut columns = vec![F::ZERO; m * n];
    rows!(&mut columns, m, |n0, columns| {
        let mut weights = b[n0 * k..].chunks_exact(k);
        for quad in columns.chunks_mut(4 * m) {
            let count = quad.len() / m;
            let w: [&[F]; 4] = std::array::from_fn(|i| if i < count { weights.next().unwrap_or(&[]) } else { &[] });
            for (row, a) in a.chunks_exact(k).enumerate() {
                if count == 4 {
                    let sums = dot4(a, w);
                    (0..4).for_each(|i| quad[i * m + row] = sums[i]);
                } else {
                    (0..count).for_each(|i| quad[i * m + row] = dot4(a, [w[i]; 4])[0]);
                }
            }
        }
    });
    for (row, y) in y.chunks_exact_mut(n).enumerate() {
        y.iter_mut().zip(columns[row..].iter().step_by(m)).for_each(|(y, c)| *y = *c);
    }
}

/// Four dot products with one vector, each in the order of eight interleaved partial sums.
#[inline(always)]
fn dot4<F: Float>(a: &[F], w: [&[F]; 4]) -> [F; 4] {
    const LANES: usize = 8;
    let whole = a.len() / LANES * LANES;
    let mut acc = [[F::ZERO; LANES]; 4];
    let w = w.map(|w| &w[..a.len()]);
    let mut at = 0;
    while at < whole {
        for r in 0..4 {
            for l in 0..LANES {
                acc[r][l] += a[at + l] * w[r][at + l];
            }
        }
        at += LANES;
    }
    std::array::from_fn(|r| {
        let s = &acc[r];
        let sum = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
        sum + dot(&a[whole..], &w[r][whole..])
    })
}
