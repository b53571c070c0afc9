//! The decoder blocks, forward and backward.
//!
//! ```text
//! x ─┬─ norm ─ q,k,v ─ QK norm ─ RoPE ─ attention ─ o ─(+)─┬─ norm ─ gate,up ─ SwiGLU ─ down ─(+)─ …
//!    └──────────────────────────────────────────────────┘ └──────────────────────────────────┘
//! ```
//! Qwen2 and Llama have no QK norm. The addition of a branch to the residual stream is fused with the norm that follows it.

use super::activations::{Activations, Attention, Mlp};
use super::batch::Batch;
use super::config::Config;
use super::linear::{self, Scratch};
use super::weights::{Gradients, Layer, Weights};
use crate::device::{DType, Device, Recorder, Tensor};
use crate::error::{Error, Result};
use crate::ops::matmul::Write;
use crate::ops::rmsnorm::PARTIAL_ROWS;
use crate::ops::{attention, elementwise, embedding, rmsnorm, rope, swiglu};

/// Where a forward pass finds its keys and values.
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
        /// When decoding, the cache rows that each sequence's query sees, see [`attention::decode`]; `None` for prefill.
        spans: Option<&'a Tensor>,
    },
}

impl Keys<'_> {
    /// Whether each sequence has a single query.
    fn decode(&self) -> bool {
        matches!(self, Self::Cached { spans: Some(_), .. })
    }
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

/// `x: [T, H · D]` as `[T · H, D]`.
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
    embedding::forward(rec, &batch.ids, &weights.embed, &acts.input(0, n)?)?;
    for (i, layer) in weights.layers.iter().enumerate() {
        let (x, attention, mlp) = (acts.input(i, n)?, acts.attention(i, n)?, acts.mlp(i, n)?);
        if i == 0 {
            rmsnorm::forward(rec, &x, &layer.input_norm, &attention.h, &attention.rstd, eps)?;
        } else {
            let before = acts.mlp(i - 1, n)?.mid;
            rmsnorm::residual_forward(rec, &before, &branch, &layer.input_norm, &x, &attention.h, &attention.rstd, eps)?;
        }
        attention_forward(rec, config, layer, acts, batch, keys, i, &attention)?;
        mlp_forward(rec, config, layer, acts, keys, &x, &attention.o, &mlp)?;
        linear::forward(rec, keys.decode(), &mlp.act, &layer.down, &branch, &acts.hidden)?;
    }
    let mid = acts.mlp(weights.layers.len() - 1, n)?.mid;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    rmsnorm::residual_forward(rec, &mid, &branch, &weights.norm, &last, &acts.hidden(n)?, &rstd, eps)
}

/// A block's attention, from its normed input `s.h` to `s.o`.
fn attention_forward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    batch: &Batch,
    keys: &Keys<'_>,
    index: usize,
    s: &Attention,
) -> Result<()> {
    let heads = config.heads();
    let eps = config.rms_norm_eps as f32;
    let table = acts.table.slice(0..batch.tokens)?;
    let decoding = keys.decode();
    let raw = s.raw.as_ref();
    // Adapters use the buffer of the final hidden states as scratch, because it is free while blocks run.
    let low = &acts.hidden;
    linear::forward(rec, decoding, &s.h, &w.q, raw.map_or(&s.q, |raw| &raw.q), low)?;
    linear::forward(rec, decoding, &s.h, &w.k, raw.map_or(&s.k, |raw| &raw.k), low)?;
    linear::forward(rec, decoding, &s.h, &w.v, &s.v, low)?;
    if let (Some(raw), Some(q_norm), Some(k_norm)) = (raw, &w.q_norm, &w.k_norm) {
        rmsnorm::forward(rec, &per_head(&raw.q, heads.dim)?, q_norm, &per_head(&s.q, heads.dim)?, &raw.q_rstd, eps)?;
        rmsnorm::forward(rec, &per_head(&raw.k, heads.dim)?, k_norm, &per_head(&s.k, heads.dim)?, &raw.k_rstd, eps)?;
    }
    rope::apply(rec, &table, &s.q, false)?;
    rope::apply(rec, &table, &s.k, false)?;
    match keys {
        Keys::Packed => attention::forward(rec, heads, &s.q, &s.k, &s.v, &batch.seqs, &s.o, &s.lse),
        Keys::Cached { cache, from, to, spans } => {
            let (k, v) = (&cache.k[index], &cache.v[index]);
            elementwise::move_rows(rec, &s.k, from, to, k)?;
            elementwise::move_rows(rec, &s.v, from, to, v)?;
            match spans {
                Some(spans) => attention::decode(rec, heads, &s.q, k, v, spans, &s.o),
                None => attention::forward(rec, heads, &s.q, k, v, &batch.seqs, &s.o, &s.lse),
            }
        }
    }
}

/// The rest of a block, from the output `o` of its attention to `s.act`, the input of the down projection.
fn mlp_forward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    keys: &Keys<'_>,
    x: &Tensor,
    o: &Tensor,
    s: &Mlp,
) -> Result<()> {
    let (decoding, low) = (keys.decode(), &acts.hidden);
    let branch = acts.branch.slice(0..x.rows_cols().0)?;
    linear::forward(rec, decoding, o, &w.o, &branch, low)?;
    rmsnorm::residual_forward(rec, x, &branch, &w.post_norm, &s.mid, &s.mid_h, &s.mid_rstd, config.rms_norm_eps as f32)?;
    linear::forward(rec, decoding, &s.mid_h, &w.gate, &s.gate, low)?;
    linear::forward(rec, decoding, &s.mid_h, &w.up, &s.up, low)?;
    swiglu::forward(rec, &s.gate, &s.up, &s.act)
}

/// Gradients of activations, for up to `capacity` tokens.
pub struct Backward {
    /// Gradient of the final hidden states: [N, C]; the head writes it.
    pub hidden: Tensor,
    /// Gradient of the residual stream
    stream: Tensor,
    h: Tensor,
    /// Gradients of queries and keys before the QK norm, if the model has one
    raw: Option<(Tensor, Tensor)>,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    stats: Tensor,
    gate: Tensor,
    up: Tensor,
    act: Tensor,
    partial: Tensor,
}

impl Backward {
    /// Buffers for `capacity` tokens.
    pub fn new(device: &Device, config: &Config, capacity: usize) -> Result<Self> {
        let n = capacity;
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let heads = config.heads();
        let (q, kv) = (heads.q * heads.dim, heads.kv * heads.dim);
        let t = |width: usize| device.zeros(DType::F32, &[n, width]);
        // Partial sums of vectors' gradients: over tokens for [C] and [H · D], over tokens and heads for [D].
        let partial = n.div_ceil(PARTIAL_ROWS) * c.max(q);
        Ok(Self {
            hidden: t(c)?,
            stream: t(c)?,
            h: t(c)?,
            raw: if config.qk_norm() { Some((t(q)?, t(kv)?)) } else { None },
            q: t(q)?,
            k: t(kv)?,
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
            raw: self.raw.as_ref().map(|(q, k)| Ok::<_, Error>((t(q)?, t(k)?))).transpose()?,
            q: t(&self.q)?,
            k: t(&self.k)?,
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

/// Adds the gradients of all trained parameters below the head to `grads`, from `back.hidden`.
pub fn backward(
    rec: &mut Recorder<'_>,
    config: &Config,
    weights: &Weights,
    acts: &Activations,
    batch: &Batch,
    back: &Backward,
    grads: &Gradients,
) -> Result<()> {
    let n = batch.tokens;
    let g = back.first(n)?;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    norm_backward(rec, &g.hidden, &last, &weights.norm, &rstd, &g.partial, &grads.norm, &g.stream, false)?;
    for (i, (w, dw)) in weights.layers.iter().zip(&grads.layers).enumerate().rev() {
        let (x, attention, mlp) = (acts.input(i, n)?, acts.attention(i, n)?, acts.mlp(i, n)?);
        if acts.lost(&acts.attention, i) {
            rmsnorm::forward(rec, &x, &w.input_norm, &attention.h, &attention.rstd, config.rms_norm_eps as f32)?;
            attention_forward(rec, config, w, acts, batch, &Keys::Packed, i, &attention)?;
        }
        if acts.lost(&acts.mlp, i) {
            mlp_forward(rec, config, w, acts, &Keys::Packed, &x, &attention.o, &mlp)?;
        }
        // With an adapter, nothing below the first block's products is trained.
        let below = i > 0 || grads.embed.is_some() || dw.input_norm.is_some();
        block_backward(rec, config, w, acts, batch, &x, &attention, &mlp, &g, dw, below)?;
    }
    let (order, distinct, starts) = &batch.groups;
    grads.embed.as_ref().map_or(Ok(()), |d_embed| embedding::backward(rec, &g.stream, order, distinct, starts, d_embed))
}

/// Gradients of `y = norm(x) · w`: `dx (+)= …`, and `dw += …` if `w` is trained.
fn norm_backward(
    rec: &mut Recorder<'_>,
    dy: &Tensor,
    x: &Tensor,
    w: &Tensor,
    rstd: &Tensor,
    partial: &Tensor,
    dw: &Option<Tensor>,
    dx: &Tensor,
    accumulate: bool,
) -> Result<()> {
    if let Some(dw) = dw {
        rmsnorm::backward_weight(rec, dy, x, rstd, partial, dw)?;
    }
    rmsnorm::backward(rec, dy, x, w, rstd, dx, accumulate)
}

/// `below` says whether anything below the block needs the gradient of its input; if not, it is not computed.
fn block_backward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    batch: &Batch,
    x: &Tensor,
    s: &Attention,
    mlp: &Mlp,
    g: &Backward,
    dw: &Layer<Option<Tensor>>,
    below: bool,
) -> Result<()> {
    let heads = config.heads();
    let table = acts.table.slice(0..batch.tokens)?;
    let partial = &g.partial;
    // The final hidden states and their gradient are no longer needed.
    let scratch = Scratch { partial, low: [&acts.hidden, &g.hidden] };
    // SwiGLU branch
    linear::backward(rec, &g.stream, &mlp.act, &w.down, Some((&g.act, Write::Replace)), &scratch, &dw.down)?;
    swiglu::backward(rec, &g.act, &mlp.gate, &mlp.up, &g.gate, &g.up)?;
    linear::backward(rec, &g.gate, &mlp.mid_h, &w.gate, Some((&g.h, Write::Replace)), &scratch, &dw.gate)?;
    linear::backward(rec, &g.up, &mlp.mid_h, &w.up, Some((&g.h, Write::Add)), &scratch, &dw.up)?;
    norm_backward(rec, &g.h, &mlp.mid, &w.post_norm, &mlp.mid_rstd, partial, &dw.post_norm, &g.stream, true)?;
    // Attention branch
    linear::backward(rec, &g.stream, &s.o, &w.o, Some((&g.o, Write::Replace)), &scratch, &dw.o)?;
    let saved = attention::Saved { q: &s.q, k: &s.k, v: &s.v, o: &s.o, lse: &s.lse, seqs: &batch.seqs };
    attention::backward(rec, heads, &g.o, &saved, &g.stats, &g.q, &g.k, &g.v)?;
    rope::apply(rec, &table, &g.q, true)?;
    rope::apply(rec, &table, &g.k, true)?;
    let (mut dq, mut dk) = (&g.q, &g.k);
    if let (Some(raw), Some((dq_raw, dk_raw))) = (&s.raw, &g.raw) {
        let norms = [(dq, &raw.q, &w.q_norm, &raw.q_rstd, &dw.q_norm, dq_raw), (dk, &raw.k, &w.k_norm, &raw.k_rstd, &dw.k_norm, dk_raw)];
        for (dy, x, norm, rstd, dnorm, dx) in norms {
            let (dy, x, dx) = (per_head(dy, heads.dim)?, per_head(x, heads.dim)?, per_head(dx, heads.dim)?);
            if let (Some(norm), Some(dnorm)) = (norm, dnorm) {
                norm_backward(rec, &dy, &x, norm, rstd, partial, dnorm, &dx, false)?;
            }
        }
        (dq, dk) = (dq_raw, dk_raw);
    }
    let into = |write| below.then_some((&g.h, write));
    linear::backward(rec, dq, &s.h, &w.q, into(Write::Replace), &scratch, &dw.q)?;
    linear::backward(rec, dk, &s.h, &w.k, into(Write::Add), &scratch, &dw.k)?;
    linear::backward(rec, &g.v, &s.h, &w.v, into(Write::Add), &scratch, &dw.v)?;
    if !below {
        return Ok(());
    }
    norm_backward(rec, &g.h, x, &w.input_norm, &s.rstd, partial, &dw.input_norm, &g.stream, true)
}
