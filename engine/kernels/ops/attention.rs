//! Causal attention over packed ragged sequences with grouped-query heads: forward, backward, and decoding from a cache.
//!
//! A batch is a list of sequences `[q_start, q_len, kv_start, kv_len]`: query `i` of a sequence has position `kv_len − q_len + i` and sees
//! the keys up to that position. Training packs queries and keys alike. Prefill reads keys from the cache, which already holds a shared
//! prefix. The scores of a whole sequence never exist at once.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::dots::{dots, weighted_sum};
use crate::device::float::{Float, Strides, dot, largest, sum};
use crate::device::parallel::can_fuse;
use crate::device::{Args, Caps, Grid, Kernel, Launch, Recorder, Tensor, fused, kernel, rows, simd};
use crate::error::{Error, Result};

/// Parameters of all kernels of this file.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    /// Query rows (`attention_bwd_kv`: key rows).
    rows: u32,
    heads: u32,
    kv_heads: u32,
    dim: u32,
    /// `1 / √dim`
    scale: f32,
    sequences: u32,
    pad: [u32; 2],
}

/// `o = softmax(q · kᵀ · scale) · v`, `lse = log Σ exp`
pub const ATTENTION: Kernel = kernel!("attention", Params, [In, In, In, InU32, Out, Out], twin);
/// `stats[t, h] = (lse, Σ_d do · o)`
pub const ATTENTION_BWD_DELTA: Kernel = kernel!("attention_bwd_delta", Params, [In, In, In, Out], delta_twin);
/// `dq = Σ_j ds[j] · k[j]`, `ds = p · (do · v − delta) · scale`
pub const ATTENTION_BWD_Q: Kernel = kernel!("attention_bwd_q", Params, [In, In, In, In, In, InU32, Out], bwd_q_twin);
/// `dk = Σ_i ds[i] · q[i]`, `dv = Σ_i p[i] · do[i]`
pub const ATTENTION_BWD_KV: Kernel = kernel!("attention_bwd_kv", Params, [In, In, In, In, In, InU32, Out, Out], bwd_kv_twin);
/// One query a row against the cache
pub const ATTENTION_DECODE: Kernel = kernel!("attention_decode", Params, [In, In, In, InU32, Out], decode_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&ATTENTION, &ATTENTION_BWD_DELTA, &ATTENTION_BWD_Q, &ATTENTION_BWD_KV, &ATTENTION_DECODE];

/// Query rows that the CPU twin handles at a time. A shared prefix ends at a multiple of this, so that the tiles of a sequence, and the
/// bits of its results, do not depend on what is shared.
pub const TILE: usize = 64;

/// Head counts and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub q: usize,
    /// Key and value heads.
    pub kv: usize,
    /// Elements of a head.
    pub dim: usize,
}

impl Heads {
    fn params(self, rows: usize, sequences: usize) -> Params {
        let [rows, heads, kv_heads, dim, sequences] = [rows, self.q, self.kv, self.dim, sequences].map(|v| v as u32);
        Params { rows, heads, kv_heads, dim, scale: 1.0 / (self.dim as f32).sqrt(), sequences, pad: [0; 2] }
    }

    fn check(self, what: &str, q: &Tensor, rows: usize) -> Result<()> {
        if self.kv == 0 || !self.q.is_multiple_of(self.kv) {
            return Err(Error::Shape(format!("{what}: {} query heads do not share {} key heads evenly", self.q, self.kv)));
        }
        q.expect(what, &[rows, self.q * self.dim])
    }
}

/// What the forward pass reads, and what it saves for the backward pass.
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// [T, H · D]
    pub q: &'a Tensor,
    /// [·, KV · D]; for a backward pass [K, KV · D], where every key is of one sequence
    pub k: &'a Tensor,
    /// As `k`
    pub v: &'a Tensor,
    /// [S, 4]
    pub seqs: &'a Tensor,
    /// The result: [T, H · D]
    pub o: &'a Tensor,
    /// [T, H]
    pub lse: &'a Tensor,
}

/// Attention of the queries of `seqs`.
pub fn forward(rec: &mut Recorder<'_>, heads: Heads, s: &Saved<'_>) -> Result<()> {
    let (rows, sequences) = (s.q.rows_cols().0, s.seqs.len() / 4);
    heads.check("attention q", s.q, rows)?;
    s.lse.expect("attention lse", &[rows, heads.q])?;
    let launch = choose(rec.device().caps(), &ATTENTION, heads, tiles(heads.q, rows, sequences))?;
    rec.run(launch, &heads.params(rows, sequences), &[s.q, s.k, s.v, s.seqs, s.o, s.lse])
}

/// What the backward pass reads and writes besides [`Saved`].
pub struct Grads<'a> {
    /// The gradient of the result: [T, H · D]
    pub dout: &'a Tensor,
    /// Scratch: [T, 2 · H]
    pub stats: &'a Tensor,
    /// [T, H · D]
    pub dq: &'a Tensor,
    /// [K, KV · D]
    pub dk: &'a Tensor,
    /// [K, KV · D]
    pub dv: &'a Tensor,
}

/// Gradients of q, k and v.
pub fn backward(rec: &mut Recorder<'_>, heads: Heads, s: &Saved<'_>, g: &Grads<'_>) -> Result<()> {
    let (rows, sequences) = (s.q.rows_cols().0, s.seqs.len() / 4);
    heads.check("attention_bwd q", s.q, rows)?;
    g.stats.expect("attention_bwd stats", &[rows, 2 * heads.q])?;
    let p = heads.params(rows, sequences);
    let choose = |rec: &Recorder<'_>, kernel, grid| choose(rec.device().caps(), kernel, heads, grid);
    let delta = choose(rec, &ATTENTION_BWD_DELTA, Grid::Elements(rows * heads.q))?;
    rec.run(delta, &p, &[g.dout, s.o, s.lse, g.stats])?;
    let queries = choose(rec, &ATTENTION_BWD_Q, tiles(heads.q, rows, sequences))?;
    rec.run(queries, &p, &[g.dout, s.q, s.k, s.v, g.stats, s.seqs, g.dq])?;
    let rows = s.k.rows_cols().0;
    let keys = choose(rec, &ATTENTION_BWD_KV, tiles(heads.kv, rows, sequences))?;
    rec.run(keys, &heads.params(rows, sequences), &[g.dout, s.q, s.k, s.v, g.stats, s.seqs, g.dk, g.dv])
}

/// One query a row over rows of the cache: those of the prompt, which completions share, then those of the completion itself.
///
/// q, o: [M, H · D]   k, v: [·, KV · D]   spans: [M, 4], `[first row, rows, first own row, own rows]`
pub fn decode(rec: &mut Recorder<'_>, heads: Heads, q: &Tensor, [k, v]: [&Tensor; 2], spans: &Tensor, o: &Tensor) -> Result<()> {
    let rows = spans.rows_cols().0;
    heads.check("attention_decode q", q, rows)?;
    let launch = choose(rec.device().caps(), &ATTENTION_DECODE, heads, Grid::Rows(rows * heads.q))?;
    rec.run(launch, &heads.params(rows, 0), &[q, k, v, spans, o])
}

/// Rows of a tile of the shaders.
const SHADER_TILE: usize = 32;
/// The largest head for which the shaders have memory.
const SHADER_DIM: usize = 128;

/// Workgroups for all tiles of some heads. Every sequence may end with a partial tile.
fn tiles(heads: usize, rows: usize, sequences: usize) -> Grid {
    Grid::Groups(rows / SHADER_TILE + sequences, heads, 1)
}

/// The shader variant of a kernel: vectors of four where the head allows it; kernels that work in tiles have one with fewer registers for
/// small heads.
pub(super) fn choose(caps: Option<&Caps>, kernel: &'static Kernel, heads: Heads, grid: Grid) -> Result<Launch> {
    if caps.is_some() && heads.dim > SHADER_DIM {
        return Err(Error::Shape(format!("{}: heads of {} elements, at most {SHADER_DIM} on a GPU", kernel.stem, heads.dim)));
    }
    let ending = match grid {
        _ if !heads.dim.is_multiple_of(4) => "",
        Grid::Groups(..) if heads.dim <= SHADER_DIM / 2 => "vec4_64",
        _ => "vec4",
    };
    Ok(kernel.variant(ending, grid))
}

/// A tile of rows of one sequence. `first` and `rows` are relative to the sequence.
#[derive(Clone, Copy)]
struct Tile {
    q_start: usize,
    q_len: usize,
    kv_start: usize,
    kv_len: usize,
    first: usize,
    rows: usize,
}

/// Cuts the `length(seq)` rows of every sequence into tiles, in order.
fn cut(seqs: &[u32], length: impl Fn(&[u32]) -> u32) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for s in seqs.chunks_exact(4) {
        let rows = length(s) as usize;
        for first in (0..rows).step_by(TILE) {
            let [q_start, q_len, kv_start, kv_len] = std::array::from_fn(|i| s[i] as usize);
            tiles.push(Tile { q_start, q_len, kv_start, kv_len, first, rows: TILE.min(rows - first) });
        }
    }
    tiles
}

/// Cuts `y` into consecutive parts of `tile.rows` rows of `width`.
fn split<'a, F>(mut y: &'a mut [F], tiles: &[Tile], width: usize) -> Vec<&'a mut [F]> {
    tiles
        .iter()
        .map(|tile| {
            let (head, tail) = std::mem::take(&mut y).split_at_mut(tile.rows * width);
            y = tail;
            head
        })
        .collect()
}

/// Head sizes and row widths in elements.
struct Dims {
    heads: usize,
    group: usize,
    dim: usize,
    q_width: usize,
    kv_width: usize,
}

impl Dims {
    fn of(p: &Params) -> Self {
        let [heads, kv_heads, dim] = [p.heads, p.kv_heads, p.dim].map(|v| v as usize);
        Self { heads, group: heads / kv_heads, dim, q_width: heads * dim, kv_width: kv_heads * dim }
    }
}

/// `c (+)= a · b` with row-major `c` of `n` columns.
fn tile_gemm<F: Float>(
    (m, n, k): (usize, usize, usize),
    a: &[F],
    a_strides: Strides,
    b: &[F],
    b_strides: Strides,
    c: &mut [F],
    c_cols: usize,
    accumulate: bool,
) {
    F::gemm(m, n, k, a, a_strides, b, b_strides, c, Strides::row_major(c_cols), F::ONE, accumulate, false);
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (q, k, v, seqs) = (a.read(0), a.read(1), a.read(2), a.read_u32(3));
    let (o, lse) = (a.write(4), a.write(5));
    let d = Dims::of(p);
    let scale = F::from_f64(p.scale.into());
    let tiles = cut(seqs, |s| s[1]);
    let outputs: Vec<_> = split(o, &tiles, d.q_width).into_iter().zip(split(lse, &tiles, d.heads)).collect();
    tiles.par_iter().zip(outputs).for_each(|(t, (o, lse))| {
        let position = t.kv_len - t.q_len + t.first;
        let keys = position + t.rows;
        let mut scores = vec![F::ZERO; t.rows * keys];
        for h in 0..d.heads {
            let q = &q[(t.q_start + t.first) * d.q_width + h * d.dim..];
            let at = t.kv_start * d.kv_width + h / d.group * d.dim;
            let (q_strides, kv_strides) = (Strides::row_major(d.q_width), Strides::row_major(d.kv_width));
            tile_gemm((t.rows, keys, d.dim), q, q_strides, &k[at..], Strides::transposed(d.kv_width), &mut scores, keys, false);
            simd!(F, {
                for (i, row) in scores.chunks_exact_mut(keys).enumerate() {
                    lse[i * d.heads + h] = softmax(row, position + i + 1, scale);
                }
            });
            tile_gemm(
                (t.rows, d.dim, keys),
                &scores,
                Strides::row_major(keys),
                &v[at..],
                kv_strides,
                &mut o[h * d.dim..],
                d.q_width,
                false,
            );
        }
    });
}

/// Softmax of `scale · row[..seen]` in place, zero beyond; returns its log of sums.
#[inline(always)]
fn softmax<F: Float>(row: &mut [F], seen: usize, scale: F) -> F {
    let (row, hidden) = row.split_at_mut(seen);
    let top = largest(row);
    for s in row.iter_mut() {
        *s = ((*s - top) * scale).exp();
    }
    let total = sum(row);
    let inverse = F::ONE / total;
    for s in row.iter_mut() {
        *s *= inverse;
    }
    hidden.fill(F::ZERO);
    top * scale + total.ln()
}

fn delta_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dout, o, lse, stats) = (a.read(0), a.read(1), a.read(2), a.write(3));
    let dim = p.dim as usize;
    rows!(stats, 2, |row0, stats| {
        for (i, stats) in stats.chunks_exact_mut(2).enumerate() {
            let at = (row0 + i) * dim;
            (stats[0], stats[1]) = (lse[row0 + i], dot(&dout[at..at + dim], &o[at..at + dim]));
        }
    });
}

/// Turns `scores` (`q · k`) and `dp` (`do · v`) of one row into `p` and `ds`.
#[inline(always)]
fn score_gradient<F: Float>(scores: &mut [F], dp: &mut [F], lse: F, delta: F, scale: F) {
    for (s, dp) in scores.iter_mut().zip(dp) {
        let prob = (*s * scale - lse).exp();
        *s = prob;
        *dp = prob * (*dp - delta) * scale;
    }
}

fn bwd_q_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dout, q, k, v, stats) = (a.read(0), a.read(1), a.read(2), a.read(3), a.read(4));
    let (seqs, dq) = (a.read_u32(5), a.write(6));
    let d = Dims::of(p);
    let scale = F::from_f64(p.scale.into());
    let tiles = cut(seqs, |s| s[1]);
    let outputs = split(dq, &tiles, d.q_width);
    let (q_strides, kv_strides, kv_transposed) =
        (Strides::row_major(d.q_width), Strides::row_major(d.kv_width), Strides::transposed(d.kv_width));
    tiles.par_iter().zip(outputs).for_each(|(t, dq)| {
        let keys = t.kv_len - t.q_len + t.first + t.rows;
        let row0 = t.q_start + t.first;
        let (mut scores, mut dp) = (vec![F::ZERO; t.rows * keys], vec![F::ZERO; t.rows * keys]);
        for h in 0..d.heads {
            let at_q = row0 * d.q_width + h * d.dim;
            let at = t.kv_start * d.kv_width + h / d.group * d.dim;
            tile_gemm((t.rows, keys, d.dim), &q[at_q..], q_strides, &k[at..], kv_transposed, &mut scores, keys, false);
            tile_gemm((t.rows, keys, d.dim), &dout[at_q..], q_strides, &v[at..], kv_transposed, &mut dp, keys, false);
            simd!(F, {
                for (i, (s, dp)) in scores.chunks_exact_mut(keys).zip(dp.chunks_exact_mut(keys)).enumerate() {
                    let seen = keys - t.rows + i + 1;
                    let at = 2 * ((row0 + i) * d.heads + h);
                    score_gradient(&mut s[..seen], &mut dp[..seen], stats[at], stats[at + 1], scale);
                    dp[seen..].fill(F::ZERO);
                }
            });
            tile_gemm((t.rows, d.dim, keys), &dp, Strides::row_major(keys), &k[at..], kv_strides, &mut dq[h * d.dim..], d.q_width, false);
        }
    });
}

fn bwd_kv_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dout, q, k, v, stats) = (a.read(0), a.read(1), a.read(2), a.read(3), a.read(4));
    let (seqs, dk, dv) = (a.read_u32(5), a.write(6), a.write(7));
    let d = Dims::of(p);
    let scale = F::from_f64(p.scale.into());
    let tiles = cut(seqs, |s| s[3]);
    let outputs: Vec<_> = split(dk, &tiles, d.kv_width).into_iter().zip(split(dv, &tiles, d.kv_width)).collect();
    let (q_strides, kv_transposed) = (Strides::row_major(d.q_width), Strides::transposed(d.kv_width));
    tiles.par_iter().zip(outputs).for_each(|(t, (dk, dv))| {
        // Queries before the tile's first key see none of its keys. The first that sees some is `lead` positions behind that key.
        let offset = t.kv_len - t.q_len;
        let (skipped, lead) = (t.first.saturating_sub(offset), offset.saturating_sub(t.first));
        let (queries, row0) = (t.q_len - skipped, t.q_start + skipped);
        let (mut scores, mut dp) = (vec![F::ZERO; queries * t.rows], vec![F::ZERO; queries * t.rows]);
        for h in 0..d.heads {
            let at_q = row0 * d.q_width + h * d.dim;
            let kv_offset = h / d.group * d.dim;
            let at = (t.kv_start + t.first) * d.kv_width + kv_offset;
            tile_gemm((queries, t.rows, d.dim), &q[at_q..], q_strides, &k[at..], kv_transposed, &mut scores, t.rows, false);
            tile_gemm((queries, t.rows, d.dim), &dout[at_q..], q_strides, &v[at..], kv_transposed, &mut dp, t.rows, false);
            simd!(F, {
                for (i, (s, dp)) in scores.chunks_exact_mut(t.rows).zip(dp.chunks_exact_mut(t.rows)).enumerate() {
                    let seen = t.rows.min(lead + i + 1);
                    let at = 2 * ((row0 + i) * d.heads + h);
                    score_gradient(&mut s[..seen], &mut dp[..seen], stats[at], stats[at + 1], scale);
                    s[seen..].fill(F::ZERO);
                    dp[seen..].fill(F::ZERO);
                }
            });
            let add = h % d.group > 0;
            let transposed = Strides::transposed(t.rows);
            tile_gemm((t.rows, d.dim, queries), &scores, transposed, &dout[at_q..], q_strides, &mut dv[kv_offset..], d.kv_width, add);
            tile_gemm((t.rows, d.dim, queries), &dp, transposed, &q[at_q..], q_strides, &mut dk[kv_offset..], d.kv_width, add);
        }
    });
}

/// Keys that a query is multiplied with side by side.
const SIDE_BY_SIDE: usize = 4;
/// Cache rows read by one head after another, few enough to stay in the processor's cache.
const NEAR: usize = 32;

fn decode_twin<F: Float>(p: &Params, args: Args<'_, F>) {
    if can_fuse::<F>() { decode_as::<F, true>(p, args) } else { decode_as::<F, false>(p, args) }
}

/// [`decode_twin`] with or without fused multiply-add.
fn decode_as<F: Float, const FUSED: bool>(p: &Params, mut a: Args<'_, F>) {
    let (q, k, v, spans, o) = (a.read(0), a.read(1), a.read(2), a.read_u32(3), a.write(4));
    let d = Dims::of(p);
    let scale = F::from_f64(p.scale.into());
    let attend = |(m, o): (usize, &mut [F])| {
        let [first, shared, own_first, own] = std::array::from_fn(|i| spans[4 * m + i] as usize);
        let len = shared + own;
        // The two runs of cache rows, and where the scores of each begin.
        let runs = [(first, shared, 0), (own_first, own, shared)];
        let q = &q[m * d.q_width..][..d.q_width];
        let mut scores = vec![F::ZERO; d.heads * len];
        // Each row of the cache is read from memory once, for all heads: those reads take most of the time.
        fused!(FUSED, {
            for (start, count, at) in runs {
                let keys = &k[start * d.kv_width..][..count * d.kv_width];
                for (keys, at) in keys.chunks(SIDE_BY_SIDE * d.kv_width).zip((at..).step_by(SIDE_BY_SIDE)) {
                    for (h, q) in q.chunks_exact(d.dim).enumerate() {
                        products::<F, FUSED>(q, keys, h / d.group * d.dim, d.kv_width, &mut scores[h * len + at..]);
                    }
                }
            }
            for scores in scores.chunks_exact_mut(len) {
                softmax(scores, len, scale);
            }
            o.fill(F::ZERO);
            for (start, count, at) in runs {
                let values = &v[start * d.kv_width..][..count * d.kv_width];
                for (values, at) in values.chunks(NEAR * d.kv_width).zip((at..).step_by(NEAR)) {
                    for (h, o) in o.chunks_exact_mut(d.dim).enumerate() {
                        let weights = &scores[h * len + at..][..values.len() / d.kv_width];
                        weighted_sum::<F, FUSED>(o, weights, &values[h / d.group * d.dim..], d.kv_width);
                    }
                }
            }
        });
    };
    // A single row has no work to divide, and waking a thread takes longer than a short row.
    if o.len() == d.q_width { attend((0, o)) } else { o.par_chunks_mut(d.q_width).enumerate().for_each(attend) }
}

/// The products of a query with the keys from element `at` on of at most [`SIDE_BY_SIDE`] rows of `width`.
#[inline(always)]
fn products<F: Float, const FUSED: bool>(q: &[F], keys: &[F], at: usize, width: usize, scores: &mut [F]) {
    let row = [q.as_chunks()];
    if keys.len() == SIDE_BY_SIDE * width {
        let [a, b, c, e] = [0, 1, 2, 3].map(|i| i * width + at);
        let dim = q.len();
        let keys = [keys[a..][..dim].as_chunks(), keys[b..][..dim].as_chunks(), keys[c..][..dim].as_chunks(), keys[e..][..dim].as_chunks()];
        scores[..SIDE_BY_SIDE].copy_from_slice(&dots::<F, F, FUSED, 1, SIDE_BY_SIDE>(&row, &keys)[0]);
    } else {
        for (score, keys) in scores.iter_mut().zip(keys.chunks_exact(width)) {
            [[*score]] = dots::<F, F, FUSED, 1, 1>(&row, &[keys[at..][..q.len()].as_chunks()]);
        }
    }
}
