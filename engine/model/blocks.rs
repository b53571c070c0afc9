//! The decoder blocks, forward and backward.
//!
//! ```text
//! x ─┬─ norm ─ q,k,v ─ QK norm ─ RoPE ─ attention ─ o ─(+)─┬─ norm ─ gate,up ─ SwiGLU ─ down ─(+)─ …
//!    └──────────────────────────────────────────────────┘ └──────────────────────────────────┘
//! ```
//! Qwen2 and Llama have no QK norm. The addition of a branch to the residual stream is fused with the norm that follows it.

use super::activations::{Activations, Attention, Mlp};
use super::batch::{Batch, KEYS};
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
    /// In the batch itself. If its sequences share tokens, the keys of each are first put together.
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

/// What the blocks of a pass have in common.
struct Pass<'a> {
    config: &'a Config,
    weights: &'a Weights,
    acts: &'a Activations,
    batch: &'a Batch,
    keys: &'a Keys<'a>,
    /// Cosines and sines of RoPE: [T, D]
    table: Tensor,
}

/// A block in a pass: its weights and activations.
struct Block<'a> {
    index: usize,
    w: &'a Layer,
    /// The block's input: [T, C]
    x: Tensor,
    attention: Attention,
    mlp: Mlp,
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
    let pass = Pass { config, weights, acts, batch, keys, table: acts.table.slice(0..n)? };
    let branch = acts.branch.slice(0..n)?;
    rope::table(rec, &batch.positions, &acts.frequencies, config.rope_scale(), &pass.table)?;
    embedding::forward(rec, &batch.ids, &weights.embed, &acts.input(0, n)?)?;
    for i in 0..weights.layers.len() {
        let block = pass.block(i)?;
        let (x, s) = (&block.x, &block.attention);
        if i == 0 {
            rmsnorm::forward(rec, x, &block.w.input_norm, &s.h, &s.rstd, pass.eps())?;
        } else {
            let before = acts.mlp(i - 1, n)?.mid;
            rmsnorm::residual_forward(rec, &before, &branch, &block.w.input_norm, x, &s.h, &s.rstd, pass.eps())?;
        }
        pass.attention(rec, &block)?;
        pass.mlp(rec, &block)?;
        linear::forward(rec, keys.decode(), &block.mlp.act, &block.w.down, &branch, &acts.hidden)?;
    }
    let mid = acts.mlp(weights.layers.len() - 1, n)?.mid;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    rmsnorm::residual_forward(rec, &mid, &branch, &weights.norm, &last, &acts.hidden(n)?, &rstd, pass.eps())
}

impl<'a> Pass<'a> {
    fn block(&self, index: usize) -> Result<Block<'a>> {
        let (acts, n) = (self.acts, self.batch.tokens);
        Ok(Block {
            index,
            w: &self.weights.layers[index],
            x: acts.input(index, n)?,
            attention: acts.attention(index, n)?,
            mlp: acts.mlp(index, n)?,
        })
    }

    fn eps(&self) -> f32 {
        self.config.rms_norm_eps as f32
    }

    /// A block's attention, from its normed input `h` to `o`.
    fn attention(&self, rec: &mut Recorder<'_>, block: &Block<'_>) -> Result<()> {
        let (w, s, heads, decoding) = (block.w, &block.attention, self.config.heads(), self.keys.decode());
        let raw = s.raw.as_ref();
        // Adapters use the buffer of the final hidden states as scratch, because it is free while blocks run.
        let low = &self.acts.hidden;
        linear::forward(rec, decoding, &s.h, &w.q, raw.map_or(&s.q, |raw| &raw.q), low)?;
        linear::forward(rec, decoding, &s.h, &w.k, raw.map_or(&s.k, |raw| &raw.k), low)?;
        linear::forward(rec, decoding, &s.h, &w.v, &s.v, low)?;
        if let (Some(raw), Some(q_norm), Some(k_norm)) = (raw, &w.q_norm, &w.k_norm) {
            rmsnorm::forward(rec, &per_head(&raw.q, heads.dim)?, q_norm, &per_head(&s.q, heads.dim)?, &raw.q_rstd, self.eps())?;
            rmsnorm::forward(rec, &per_head(&raw.k, heads.dim)?, k_norm, &per_head(&s.k, heads.dim)?, &raw.k_rstd, self.eps())?;
        }
        rope::apply(rec, &self.table, &s.q, false)?;
        rope::apply(rec, &self.table, &s.k, false)?;
        let packed = s.saved(&self.batch.seqs);
        match self.keys {
            Keys::Packed => {
                let together = self.together(rec, s)?;
                attention::forward(rec, heads, &together.as_ref().map_or(packed, |[k, v]| attention::Saved { k, v, ..packed }))
            }
            Keys::Cached { cache, from, to, spans } => {
                let (k, v) = (&cache.k[block.index], &cache.v[block.index]);
                elementwise::move_rows(rec, &s.k, from, to, k)?;
                elementwise::move_rows(rec, &s.v, from, to, v)?;
                match spans {
                    Some(spans) => attention::decode(rec, heads, &s.q, [k, v], spans, &s.o),
                    None => attention::forward(rec, heads, &attention::Saved { k, v, ..packed }),
                }
            }
        }
    }

    /// The keys and values of each sequence one after another, if sequences share tokens.
    fn together(&self, rec: &mut Recorder<'_>, s: &Attention) -> Result<Option<[Tensor; 2]>> {
        let (Some(shared), Some(keys)) = (&self.batch.shared, &self.acts.keys) else { return Ok(None) };
        let [k, v] = keys.each_ref().map(|keys| keys.slice(0..shared.rows.len()));
        let (k, v) = (k?, v?);
        for (from, to) in [(&s.k, &k), (&s.v, &v)] {
            embedding::forward(rec, &shared.rows, from, to)?;
        }
        Ok(Some([k, v]))
    }

    /// The gradients of a block's queries, keys and values, from that of its attention's output.
    fn attention_backward(&self, rec: &mut Recorder<'_>, s: &Attention, g: &Backward) -> Result<()> {
        let (heads, packed) = (self.config.heads(), s.saved(&self.batch.seqs));
        let grads = attention::Grads { dout: &g.o, stats: &g.stats, dq: &g.q, dk: &g.k, dv: &g.v };
        let (Some(shared), Some([k, v])) = (&self.batch.shared, self.together(rec, s)?) else {
            return attention::backward(rec, heads, &packed, &grads);
        };
        let [dk, dv] = g.keys.each_ref().map(|keys| keys.slice(0..shared.rows.len()));
        let (dk, dv) = (dk?, dv?);
        let grads = attention::Grads { dk: &dk, dv: &dv, ..grads };
        attention::backward(rec, heads, &attention::Saved { k: &k, v: &v, ..packed }, &grads)?;
        let (order, rows, starts) = &shared.groups;
        for (from, to) in [(&dk, &g.k), (&dv, &g.v)] {
            elementwise::fill(rec, to, 0.0)?;
            embedding::backward(rec, from, order, rows, starts, to)?;
        }
        Ok(())
    }

    /// The rest of a block, from the output of its attention to `act`, the input of the down projection.
    fn mlp(&self, rec: &mut Recorder<'_>, block: &Block<'_>) -> Result<()> {
        let (w, s, decoding, low) = (block.w, &block.mlp, self.keys.decode(), &self.acts.hidden);
        let branch = self.acts.branch.slice(0..self.batch.tokens)?;
        linear::forward(rec, decoding, &block.attention.o, &w.o, &branch, low)?;
        rmsnorm::residual_forward(rec, &block.x, &branch, &w.post_norm, &s.mid, &s.mid_h, &s.mid_rstd, self.eps())?;
        linear::forward(rec, decoding, &s.mid_h, &w.gate, &s.gate, low)?;
        linear::forward(rec, decoding, &s.mid_h, &w.up, &s.up, low)?;
        swiglu::forward(rec, &s.gate, &s.up, &s.act)
    }

    /// The backward pass of a block. `below` says whether anything below the block needs the gradient of its input; if not, it is not
    /// computed.
    fn backward(&self, rec: &mut Recorder<'_>, block: &Block<'_>, g: &Backward, dw: &Layer<Option<Tensor>>, below: bool) -> Result<()> {
        let Block { w, attention: s, mlp, .. } = block;
        let (heads, partial) = (self.config.heads(), &g.partial);
        // The final hidden states and their gradient are no longer needed.
        let scratch = Scratch { partial, low: [&self.acts.hidden, &g.hidden] };
        // SwiGLU branch
        linear::backward(rec, &g.stream, &mlp.act, &w.down, Some((&g.act, Write::Replace)), &scratch, &dw.down)?;
        swiglu::backward(rec, &g.act, &mlp.gate, &mlp.up, &g.gate, &g.up)?;
        linear::backward(rec, &g.gate, &mlp.mid_h, &w.gate, Some((&g.h, Write::Replace)), &scratch, &dw.gate)?;
        linear::backward(rec, &g.up, &mlp.mid_h, &w.up, Some((&g.h, Write::Add)), &scratch, &dw.up)?;
        Norm { x: &mlp.mid, w: &w.post_norm, rstd: &mlp.mid_rstd, dw: &dw.post_norm }.backward(rec, &g.h, partial, &g.stream, true)?;
        // Attention branch
        linear::backward(rec, &g.stream, &s.o, &w.o, Some((&g.o, Write::Replace)), &scratch, &dw.o)?;
        self.attention_backward(rec, s, g)?;
        rope::apply(rec, &self.table, &g.q, true)?;
        rope::apply(rec, &self.table, &g.k, true)?;
        let (mut dq, mut dk) = (&g.q, &g.k);
        if let (Some(raw), Some((dq_raw, dk_raw))) = (&s.raw, &g.raw) {
            let norms =
                [(dq, &raw.q, &w.q_norm, &raw.q_rstd, &dw.q_norm, dq_raw), (dk, &raw.k, &w.k_norm, &raw.k_rstd, &dw.k_norm, dk_raw)];
            for (dy, x, w, rstd, dw, dx) in norms {
                let (dy, x, dx) = (per_head(dy, heads.dim)?, per_head(x, heads.dim)?, per_head(dx, heads.dim)?);
                if let (Some(w), Some(dw)) = (w, dw) {
                    Norm { x: &x, w, rstd, dw }.backward(rec, &dy, partial, &dx, false)?;
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
        Norm { x: &block.x, w: &w.input_norm, rstd: &s.rstd, dw: &dw.input_norm }.backward(rec, &g.h, partial, &g.stream, true)
    }
}

/// A norm `y = norm(x) · w`.
struct Norm<'a> {
    /// [T, C]
    x: &'a Tensor,
    /// `[C]`
    w: &'a Tensor,
    /// `[T]`
    rstd: &'a Tensor,
    /// `[C]`, if `w` is trained
    dw: &'a Option<Tensor>,
}

impl Norm<'_> {
    /// `dx (+)= …`, and `dw += …` if `w` is trained.
    fn backward(&self, rec: &mut Recorder<'_>, dy: &Tensor, partial: &Tensor, dx: &Tensor, accumulate: bool) -> Result<()> {
        if let Some(dw) = self.dw {
            rmsnorm::backward_weight(rec, dy, self.x, self.rstd, partial, dw)?;
        }
        rmsnorm::backward(rec, dy, self.x, self.w, self.rstd, dx, accumulate)
    }
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
    /// Gradients of the keys and values of sequences that share tokens: [K, KV · D]
    keys: [Tensor; 2],
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
            keys: [device.zeros(DType::F32, &[KEYS * n, kv])?, device.zeros(DType::F32, &[KEYS * n, kv])?],
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
            keys: self.keys.clone(),
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
    let pass = Pass { config, weights, acts, batch, keys: &Keys::Packed, table: acts.table.slice(0..n)? };
    let g = back.first(n)?;
    let (last, rstd) = (acts.last.slice(0..n)?, acts.last_rstd.slice(0..n)?);
    Norm { x: &last, w: &weights.norm, rstd: &rstd, dw: &grads.norm }.backward(rec, &g.hidden, &g.partial, &g.stream, false)?;
    for (i, dw) in grads.layers.iter().enumerate().rev() {
        let block = pass.block(i)?;
        if acts.lost(&acts.attention, i) {
            rmsnorm::forward(rec, &block.x, &block.w.input_norm, &block.attention.h, &block.attention.rstd, pass.eps())?;
            pass.attention(rec, &block)?;
        }
        if acts.lost(&acts.mlp, i) {
            pass.mlp(rec, &block)?;
        }
        // With an adapter, nothing below the first block's products is trained.
        let below = i > 0 || grads.embed.is_some() || dw.input_norm.is_some();
        pass.backward(rec, &block, &g, dw, below)?;
    }
    let (order, distinct, starts) = &batch.groups;
    grads.embed.as_ref().map_or(Ok(()), |d_embed| embedding::backward(rec, &g.stream, order, distinct, starts, d_embed))
}
