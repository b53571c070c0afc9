//! The decoder blocks: forward and backward side by side.
//!
//! ```text
//! x ─┬─ norm ─ q,k,v ─ QK norm ─ RoPE ─ attention ─ o ─(+)─┬─ norm ─ gate,up ─ SwiGLU ─ down ─(+)─ …
//!    └──────────────────────────────────────────────────┘ └──────────────────────────────────┘
//! ```
//! Qwen2 and Llama have no QK norm. The addition of a branch to the residual stream is fused with the norm that follows it.

use super::batch::Batch;
use super::config::Config;
use super::linear::{self, Scratch};
use super::weights::{Gradients, Layer, Weights};
use crate::device::{Device, Recorder};
use crate::error::{Error, Result};
use crate::ops::matmul::Write;
use crate::ops::rmsnorm::PARTIAL_ROWS;
use crate::ops::{attention, elementwise, embedding, rmsnorm, rope, swiglu};
use crate::tensor::{DType, Tensor};

/// What a block keeps for its backward pass, for up to `capacity` tokens.
struct Saved {
    /// Normed input: [N, C], and the norm's factors: [N]
    h: Tensor,
    rstd: Tensor,
    /// What the QK norm takes, where the model has one
    raw: Option<Raw>,
    /// Queries and keys after RoPE, and values
    q: Tensor,
    k: Tensor,
    v: Tensor,
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

/// Queries and keys before the QK norm, and its factors: [N · H], [N · KV].
struct Raw {
    q: Tensor,
    k: Tensor,
    q_rstd: Tensor,
    k_rstd: Tensor,
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
        let raw = || {
            let (q_rstd, k_rstd) = (t(&[n * heads.q])?, t(&[n * heads.kv])?);
            Ok::<_, Error>(Raw { q: t(&[n, q])?, k: t(&[n, kv])?, q_rstd, k_rstd })
        };
        let saved = || {
            Ok(Saved {
                h: t(&[n, c])?,
                rstd: t(&[n])?,
                raw: if config.qk_norm() { Some(raw()?) } else { None },
                q: t(&[n, q])?,
                k: t(&[n, kv])?,
                v: t(&[n, kv])?,
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
        let raw =
            |raw: &Raw| Ok::<_, Error>(Raw { q: t(&raw.q)?, k: t(&raw.k)?, q_rstd: heads(&raw.q_rstd)?, k_rstd: heads(&raw.k_rstd)? });
        Ok(Self {
            h: t(&self.h)?,
            rstd: t(&self.rstd)?,
            raw: self.raw.as_ref().map(raw).transpose()?,
            q: t(&self.q)?,
            k: t(&self.k)?,
            v: t(&self.v)?,
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
    let raw = s.raw.as_ref();
    // The final hidden states, which nobody needs while blocks run, are where adapters work.
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
    linear::forward(rec, decoding, &s.o, &w.o, &branch, low)?;
    rmsnorm::residual_forward(rec, x, &branch, &w.post_norm, &s.mid, &s.mid_h, &s.mid_rstd, eps)?;
    linear::forward(rec, decoding, &s.mid_h, &w.gate, &s.gate, low)?;
    linear::forward(rec, decoding, &s.mid_h, &w.up, &s.up, low)?;
    swiglu::forward(rec, &s.gate, &s.up, &s.act)?;
    linear::forward(rec, decoding, &s.act, &w.down, &branch, low)
}

/// Gradients of activations, for up to `capacity` tokens.
pub struct Backward {
    /// Of the final hidden states: [N, C]; the head writes it.
    pub hidden: Tensor,
    /// Of the residual stream
    stream: Tensor,
    h: Tensor,
    /// Of queries and keys before the QK norm, where the model has one
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
    /// Memory for `capacity` tokens.
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
        let (x, s) = (acts.input(i).slice(0..n)?, acts.saved(i).first(n)?);
        if acts.recomputes() && i + 1 < weights.layers.len() {
            rmsnorm::forward(rec, &x, &w.input_norm, &s.h, &s.rstd, config.rms_norm_eps as f32)?;
            block_forward(rec, config, w, acts, batch, &Keys::Packed, i, &x, &s)?;
        }
        // Under an adapter nothing is trained below the first block's products.
        let below = i > 0 || grads.embed.is_some() || dw.input_norm.is_some();
        block_backward(rec, config, w, acts, batch, &x, &s, &g, dw, below)?;
    }
    let (order, distinct, starts) = &batch.groups;
    grads.embed.as_ref().map_or(Ok(()), |d_embed| embedding::backward(rec, &g.stream, order, distinct, starts, d_embed))
}

/// Gradients of `y = norm(x) · w`: `dx (+)= …`, and if it is trained `dw += …`.
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

/// `below` says whether anything below the block needs the gradient of its input; else that is left out.
fn block_backward(
    rec: &mut Recorder<'_>,
    config: &Config,
    w: &Layer,
    acts: &Activations,
    batch: &Batch,
    x: &Tensor,
    s: &Saved,
    g: &Backward,
    dw: &Layer<Option<Tensor>>,
    below: bool,
) -> Result<()> {
    let heads = config.heads();
    let table = acts.table.slice(0..batch.tokens)?;
    let partial = &g.partial;
    // The final hidden states and their gradient have been used by now.
    let scratch = Scratch { partial, low: [&acts.hidden, &g.hidden] };
    // SwiGLU branch
    linear::backward(rec, &g.stream, &s.act, &w.down, Some((&g.act, Write::Replace)), &scratch, &dw.down)?;
    swiglu::backward(rec, &g.act, &s.gate, &s.up, &g.gate, &g.up)?;
    linear::backward(rec, &g.gate, &s.mid_h, &w.gate, Some((&g.h, Write::Replace)), &scratch, &dw.gate)?;
    linear::backward(rec, &g.up, &s.mid_h, &w.up, Some((&g.h, Write::Add)), &scratch, &dw.up)?;
    norm_backward(rec, &g.h, &s.mid, &w.post_norm, &s.mid_rstd, partial, &dw.post_norm, &g.stream, true)?;
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
