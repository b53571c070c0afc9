//! The decoder blocks: forward and backward side by side.
//!
//! ```text
//! x ─┬─ norm ─ q,k,v ─ QK norm ─ RoPE ─ attention ─ o ─(+)─┬─ norm ─ gate,up ─ SwiGLU ─ down ─(+)─ …
//!    └──────────────────────────────────────────────────┘ └──────────────────────────────────┘
//! ```
//! The addition of a branch to the residual stream is fused with the norm that follows it.

use super::batch::Batch;
use super::config::Config;
use super::weights::{Layer, Weights};
use crate::device::{Device, Recorder};
use crate::error::Result;
use crate::ops::matmul::{self, Write};
use crate::ops::{attention, elementwise, embedding, rmsnorm, rope, swiglu};
use crate::tensor::{DType, Tensor};

/// What a block keeps for its backward pass, for up to `capacity` tokens.
struct Saved {
    /// Normed input: [N, C], and the norm's factors: [N]
    h: Tensor,
    rstd: Tensor,
    /// Queries, keys before the QK norm, and values
    q_raw: Tensor,
    k_raw: Tensor,
    v: Tensor,
    /// Factors of the QK norm: [N · H], [N · KV]
    q_rstd: Tensor,
    k_rstd: Tensor,
    /// Queries and keys after QK norm and RoPE
    q: Tensor,
    k: Tensor,
    /// Attention output: [N, H · D], and its log of sums: [N, H]
    o: Tensor,
    lse: Tensor,
    /// Residual stream after attention, its normed form and factors
    mid: Tensor,
    mid_h: Tensor,
    mid_rstd: Tensor,
    /// SwiGLU: [N, F]
    gate: Tensor,
    up: Tensor,
    act: Tensor,
}

/// Activations of the forward pass.
pub struct Activations {
    /// How many tokens fit.
    pub capacity: usize,
    /// Residual stream in front of each block: [N, C]. One for all blocks in inference.
    inputs: Vec<Tensor>,
    /// One for each block, or one for all where blocks are recomputed or need no backward pass.
    saved: Vec<Saved>,
    table: Tensor,
    branch: Tensor,
    last: Tensor,
    last_rstd: Tensor,
    hidden: Tensor,
    frequencies: Tensor,
}

/// What the backward pass will need of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: inference.
    Nothing,
    /// The input of each block; the rest is computed again.
    Inputs,
    /// Everything.
    Everything,
}

/// Where the keys and values of a forward pass are.
pub enum Keys<'a> {
    /// In the batch itself.
    Packed,
    /// In a cache: row `from[i]` of the batch's keys goes to cache row `to[i]`, then the batch attends to the cache.
    Cached {
        /// The cache.
        cache: &'a Cache,
        /// Rows of the batch.
        from: &'a Tensor,
        /// Rows of the cache.
        to: &'a Tensor,
        /// One query a sequence: the rows of the cache that it sees, see [`attention::decode`]; `None` for prefill.
        spans: Option<&'a Tensor>,
    },
}

/// Keys and values of all layers: `[rows, KV · D]` each.
pub struct Cache {
    k: Vec<Tensor>,
    v: Vec<Tensor>,
}

impl Cache {
    /// A cache of `rows` positions.
    pub fn new(device: &Device, config: &Config, rows: usize) -> Result<Self> {
        let width = config.num_key_value_heads * config.head_dim;
        let make = || (0..config.num_hidden_layers).map(|_| device.zeros(DType::F32, &[rows, width])).collect::<Result<Vec<_>>>();
        Ok(Self { k: make()?, v: make()? })
    }

    /// Copies rows `from[i]` of every layer to rows `to[i]` of another cache.
    pub fn copy_rows(&self, rec: &mut Recorder<'_>, from: &Tensor, other: &Self, to: &Tensor) -> Result<()> {
        for (x, y) in self.k.iter().zip(&other.k).chain(self.v.iter().zip(&other.v)) {
            elementwise::move_rows(rec, x, from, to, y)?;
        }
        Ok(())
    }
}

impl Activations {
    /// Memory for `capacity` tokens.
    pub fn new(device: &Device, config: &Config, capacity: usize, keep: Keep) -> Result<Self> {
        let n = capacity;
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let heads = config.heads();
        let (q, kv) = (heads.q * heads.dim, heads.kv * heads.dim);
        let t = |shape: &[usize]| device.zeros(DType::F32, shape);
        let saved = || {
            Ok(Saved {
                h: t(&[n, c])?,
                rstd: t(&[n])?,
                q_raw: t(&[n, q])?,
                k_raw: t(&[n, kv])?,
                v: t(&[n, kv])?,
                q_rstd: t(&[n * heads.q])?,
                k_rstd: t(&[n * heads.kv])?,
                q: t(&[n, q])?,
                k: t(&[n, kv])?,
                o: t(&[n, q])?,
                lse: t(&[n, heads.q])?,
                mid: t(&[n, c])?,
                mid_h: t(&[n, c])?,
                mid_rstd: t(&[n])?,
                gate: t(&[n, f])?,
                up: t(&[n, f])?,
                act: t(&[n, f])?,
            })
        };
        let layers = config.num_hidden_layers;
        let inputs = if keep == Keep::Nothing { 1 } else { layers };
        let saves = if keep == Keep::Everything { layers } else { 1 };
        let frequencies = device.zeros(DType::F32, &[heads.dim / 2])?;
        frequencies.write_f64(&config.rope_frequencies())?;
        Ok(Self {
            capacity,
            inputs: (0..inputs).map(|_| t(&[n, c])).collect::<Result<_>>()?,
            saved: (0..saves).map(|_| saved()).collect::<Result<_>>()?,
            table: t(&[n, heads.dim])?,
            branch: t(&[n, c])?,
            last: t(&[n, c])?,
            last_rstd: t(&[n])?,
            hidden: t(&[n, c])?,
            frequencies,
        })
    }

    /// The first `n` tokens' final hidden states: [n, C].
    pub fn hidden(&self, n: usize) -> Result<Tensor> {
        self.hidden.slice(0..n)
    }

    fn input(&self, layer: usize) -> &Tensor {
        &self.inputs[layer.min(self.inputs.len() - 1)]
    }

    fn saved(&self, layer: usize) -> &Saved {
        &self.saved[layer.min(self.saved.len() - 1)]
    }

    fn recomputes(&self) -> bool {
        self.saved.len() < self.inputs.len()
    }
}

impl Saved {
    /// The first `n` tokens of everything.
    fn first(&self, n: usize) -> Result<Self> {
        let t = |tensor: &Tensor| tensor.slice(0..n);
        // Factors of the QK norm have a row for every head.
        let heads = |tensor: &Tensor| tensor.slice(0..n * (tensor.len() / self.rstd.len()));
        Ok(Self {
            h: t(&self.h)?,
            rstd: t(&self.rstd)?,
            q_raw: t(&self.q_raw)?,
            k_raw: t(&self.k_raw)?,
            v: t(&self.v)?,
            q_rstd: heads(&self.q_rstd)?,
            k_rstd: heads(&self.k_rstd)?,
            q: t(&self.q)?,
            k: t(&self.k)?,
            o: t(&self.o)?,
            lse: t(&self.lse)?,
            mid: t(&self.mid)?,
            mid_h: t(&self.mid_h)?,
            mid_rstd: t(&self.mid_rstd)?,
            gate: t(&self.gate)?,
            up: t(&self.up)?,
            act: t(&self.act)?,
        })
    }
}

/// `y = x · wᵀ`, by the product made for few rows when decoding.
fn linear(rec: &mut Recorder<'_>, decoding: bool, x: &Tensor, w: &Tensor, y: &Tensor) -> Result<()> {
    if decoding { matmul::rows(rec, x, w, y, Write::Replace) } else { matmul::nt(rec, x, w, y, Write::Replace) }
}

/// `x: [T, H · D]` seen as `[T · H, D]`.
fn per_head(x: &Tensor, dim: usize) -> Result<Tensor> {
    x.view(&[x.len() / dim, dim])
}

/// Runs all blocks and the final norm; the result is in [`Activations::hidden`].
pub fn forward(
    rec: &mut Recorder<'_>,
    config: &Config,
    weights: &Weights,
    acts: &Activations,
    batch: &Batch,
    keys: &Keys<'_>,
) -> Result<()> {
    let n = batch.tokens;
    let eps = config.rms_norm_eps as f32;
    let branch = acts.branch.slice(0..n)?;
    rope::table(rec, &batch.positions, &acts.frequencies, &acts.table.slice(0..n)?)?;
    embedding::forward(rec, &batch.ids, &weights.embed, &acts.input(0).slice(0..n)?)?;
    for (i, layer) in weights.layers.iter().enumerate() {
        let (x, s) = (acts.input(i).slice(0..n)?, acts.saved(i).first(n)?);
        if i == 0 {
            rmsnorm::forward(rec, &x, &layer.input_norm, &s.h, &s.rstd, eps)?;
        } else {
            let before = acts.saved(i - 1).mid.slice(0..n)?;
            rmsnorm::residual_forward(rec, &before, &branch, &layer.input_norm, &x, &s.h, &s.rstd, eps)?;
        }
        block_forward(rec, config, layer, acts, batch, keys, i, &x, &s)?;
    }
    let mid = acts.saved(weights.layers.len() - 1).mid.slice(0..n)?;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    rmsnorm::residual_forward(rec, &mid, &branch, &weights.norm, &last, &acts.hidden(n)?, &rstd, eps)
}

/// One block from its normed input `s.h` to `s.mid` and the SwiGLU branch.
fn block_forward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    batch: &Batch,
    keys: &Keys<'_>,
    index: usize,
    x: &Tensor,
    s: &Saved,
) -> Result<()> {
    let n = batch.tokens;
    let heads = config.heads();
    let eps = config.rms_norm_eps as f32;
    let (table, branch) = (acts.table.slice(0..n)?, acts.branch.slice(0..n)?);
    let decoding = matches!(keys, Keys::Cached { spans: Some(_), .. });
    linear(rec, decoding, &s.h, &w.q, &s.q_raw)?;
    linear(rec, decoding, &s.h, &w.k, &s.k_raw)?;
    linear(rec, decoding, &s.h, &w.v, &s.v)?;
    rmsnorm::forward(rec, &per_head(&s.q_raw, heads.dim)?, &w.q_norm, &per_head(&s.q, heads.dim)?, &s.q_rstd, eps)?;
    rmsnorm::forward(rec, &per_head(&s.k_raw, heads.dim)?, &w.k_norm, &per_head(&s.k, heads.dim)?, &s.k_rstd, eps)?;
    rope::apply(rec, &table, &s.q, false)?;
    rope::apply(rec, &table, &s.k, false)?;
    match keys {
        Keys::Packed => attention::forward(rec, heads, &s.q, &s.k, &s.v, &batch.seqs, &s.o, &s.lse)?,
        Keys::Cached { cache, from, to, spans } => {
            let (k, v) = (&cache.k[index], &cache.v[index]);
            elementwise::move_rows(rec, &s.k, from, to, k)?;
            elementwise::move_rows(rec, &s.v, from, to, v)?;
            match spans {
                Some(spans) => attention::decode(rec, heads, &s.q, k, v, spans, &s.o)?,
                None => attention::forward(rec, heads, &s.q, k, v, &batch.seqs, &s.o, &s.lse)?,
            }
        }
    }
    linear(rec, decoding, &s.o, &w.o, &branch)?;
    rmsnorm::residual_forward(rec, x, &branch, &w.post_norm, &s.mid, &s.mid_h, &s.mid_rstd, eps)?;
    linear(rec, decoding, &s.mid_h, &w.gate, &s.gate)?;
    linear(rec, decoding, &s.mid_h, &w.up, &s.up)?;
    swiglu::forward(rec, &s.gate, &s.up, &s.act)?;
    linear(rec, decoding, &s.act, &w.down, &branch)
}

/// Gradients of activations, for up to `capacity` tokens.
pub struct Backward {
    /// Of the final hidden states: [N, C]; the head writes it.
    pub hidden: Tensor,
    /// Of the residual stream
    stream: Tensor,
    h: Tensor,
    q: Tensor,
    q_raw: Tensor,
    k: Tensor,
    k_raw: Tensor,
    v: Tensor,
    o: Tensor,
    stats: Tensor,
    gate: Tensor,
    up: Tensor,
    act: Tensor,
    partial: Tensor,
}

impl Backward {
    /// Memory for `capacity` tokens.
    pub fn new(device: &Device, config: &Config, capacity: usize) -> Result<Self> {
        let n = capacity;
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let heads = config.heads();
        let (q, kv) = (heads.q * heads.dim, heads.kv * heads.dim);
        let t = |width: usize| device.zeros(DType::F32, &[n, width]);
        // Norm weights' partial sums: over tokens for [C], over tokens and heads for [D].
        let partial = (n.div_ceil(rmsnorm::PARTIAL_ROWS) * c).max((n * heads.q).div_ceil(rmsnorm::PARTIAL_ROWS) * heads.dim);
        Ok(Self {
            hidden: t(c)?,
            stream: t(c)?,
            h: t(c)?,
            q: t(q)?,
            q_raw: t(q)?,
            k: t(kv)?,
            k_raw: t(kv)?,
            v: t(kv)?,
            o: t(q)?,
            stats: t(2 * heads.q)?,
            gate: t(f)?,
            up: t(f)?,
            act: t(f)?,
            partial: device.zeros(DType::F32, &[partial])?,
        })
    }

    fn first(&self, n: usize) -> Result<Self> {
        let t = |tensor: &Tensor| tensor.slice(0..n);
        Ok(Self {
            hidden: t(&self.hidden)?,
            stream: t(&self.stream)?,
            h: t(&self.h)?,
            q: t(&self.q)?,
            q_raw: t(&self.q_raw)?,
            k: t(&self.k)?,
            k_raw: t(&self.k_raw)?,
            v: t(&self.v)?,
            o: t(&self.o)?,
            stats: t(&self.stats)?,
            gate: t(&self.gate)?,
            up: t(&self.up)?,
            act: t(&self.act)?,
            partial: self.partial.clone(),
        })
    }
}

/// Adds the gradients of all parameters below the head to `grads`, from `back.hidden`.
pub fn backward(
    rec: &mut Recorder<'_>,
    config: &Config,
    weights: &Weights,
    acts: &Activations,
    batch: &Batch,
    back: &Backward,
    grads: &Weights,
) -> Result<()> {
    let n = batch.tokens;
    let g = back.first(n)?;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    rmsnorm::backward_weight(rec, &g.hidden, &last, &rstd, &g.partial, &grads.norm)?;
    rmsnorm::backward(rec, &g.hidden, &last, &weights.norm, &rstd, &g.stream, false)?;
    for (i, (w, dw)) in weights.layers.iter().zip(&grads.layers).enumerate().rev() {
        let (x, s) = (acts.input(i).slice(0..n)?, acts.saved(i).first(n)?);
        if acts.recomputes() && i + 1 < weights.layers.len() {
            rmsnorm::forward(rec, &x, &w.input_norm, &s.h, &s.rstd, config.rms_norm_eps as f32)?;
            block_forward(rec, config, w, acts, batch, &Keys::Packed, i, &x, &s)?;
        }
        block_backward(rec, config, w, acts, batch, &x, &s, &g, dw)?;
    }
    let (order, distinct, starts) = &batch.groups;
    embedding::backward(rec, &g.stream, order, distinct, starts, &grads.embed)
}

/// Gradients of `y = x · wᵀ`: `dx (+)= dy · w`, `dw += dyᵀ · x`.
fn linear_backward(rec: &mut Recorder<'_>, dy: &Tensor, x: &Tensor, w: &Tensor, dx: &Tensor, write: Write, dw: &Tensor) -> Result<()> {
    matmul::tn(rec, dy, x, dw, Write::Add)?;
    matmul::nn(rec, dy, w, dx, write)
}

fn block_backward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    batch: &Batch,
    x: &Tensor,
    s: &Saved,
    g: &Backward,
    dw: &Layer,
) -> Result<()> {
    let heads = config.heads();
    let table = acts.table.slice(0..batch.tokens)?;
    // SwiGLU branch
    linear_backward(rec, &g.stream, &s.act, &w.down, &g.act, Write::Replace, &dw.down)?;
    swiglu::backward(rec, &g.act, &s.gate, &s.up, &g.gate, &g.up)?;
    linear_backward(rec, &g.gate, &s.mid_h, &w.gate, &g.h, Write::Replace, &dw.gate)?;
    linear_backward(rec, &g.up, &s.mid_h, &w.up, &g.h, Write::Add, &dw.up)?;
    rmsnorm::backward_weight(rec, &g.h, &s.mid, &s.mid_rstd, &g.partial, &dw.post_norm)?;
    rmsnorm::backward(rec, &g.h, &s.mid, &w.post_norm, &s.mid_rstd, &g.stream, true)?;
    // Attention branch
    linear_backward(rec, &g.stream, &s.o, &w.o, &g.o, Write::Replace, &dw.o)?;
    let saved = attention::Saved { q: &s.q, k: &s.k, v: &s.v, o: &s.o, lse: &s.lse, seqs: &batch.seqs };
    attention::backward(rec, heads, &g.o, &saved, &g.stats, &g.q, &g.k, &g.v)?;
    let normed =
        [(&g.q, &s.q_raw, &s.q_rstd, &w.q_norm, &g.q_raw, &dw.q_norm), (&g.k, &s.k_raw, &s.k_rstd, &w.k_norm, &g.k_raw, &dw.k_norm)];
    for (dy, raw, rstd, norm, draw, dnorm) in normed {
        rope::apply(rec, &table, dy, true)?;
        let (dy, raw, draw) = (per_head(dy, heads.dim)?, per_head(raw, heads.dim)?, per_head(draw, heads.dim)?);
        rmsnorm::backward_weight(rec, &dy, &raw, rstd, &g.partial, dnorm)?;
        rmsnorm::backward(rec, &dy, &raw, norm, rstd, &draw, false)?;
    }
    linear_backward(rec, &g.q_raw, &s.h, &w.q, &g.h, Write::Replace, &dw.q)?;
    linear_backward(rec, &g.k_raw, &s.h, &w.k, &g.h, Write::Add, &dw.k)?;
    linear_backward(rec, &g.v, &s.h, &w.v, &g.h, Write::Add, &dw.v)?;
    rmsnorm::backward_weight(rec, &g.h, x, &s.rstd, &g.partial, &dw.input_norm)?;
    rmsnorm::backward(rec, &g.h, x, &w.input_norm, &s.rstd, &g.stream, true)
}
