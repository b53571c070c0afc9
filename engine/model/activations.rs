//! Activations of a forward pass, and which of them are kept for the backward pass.

use super::batch::KEYS;
use super::config::Config;
use crate::device::{DType, Device, Tensor};
use crate::error::{Error, Result};
use crate::ops::attention;
use crate::words;

words! {
    /// What the backward pass computes again, to save memory at the cost of time (Korthikanti et al., arXiv 2205.05198). Attention scores
    /// are never kept.
    #[derive(Default)]
    pub enum Recompute {
        /// Nothing.
        #[default]
        None = "none",
        /// The part of each block up to the output of attention.
        Attention = "attention",
        /// Everything in each block except its input.
        All = "all",
    }
}

/// What the attention half of a block keeps for its backward pass.
pub(super) struct Attention {
    /// Normed input: `[N, C]`, and the norm's factors: `[N]`
    pub(super) h: Tensor,
    pub(super) rstd: Tensor,
    /// Input of the QK norm, if the model has one
    pub(super) raw: Option<Raw>,
    /// Queries and keys after RoPE, and values
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    /// Attention output: [N, H · D], and its log of sums: [N, H]
    pub(super) o: Tensor,
    pub(super) lse: Tensor,
}

impl Attention {
    /// The tensors of the attention itself, for sequences that attend to their own keys.
    pub(super) fn saved<'a>(&'a self, seqs: &'a Tensor) -> attention::Saved<'a> {
        attention::Saved { q: &self.q, k: &self.k, v: &self.v, seqs, o: &self.o, lse: &self.lse }
    }
}

/// What the other half of a block keeps.
pub(super) struct Mlp {
    /// Residual stream after attention, its normed form and factors
    pub(super) mid: Tensor,
    pub(super) mid_h: Tensor,
    pub(super) mid_rstd: Tensor,
    /// SwiGLU: [N, F]
    pub(super) gate: Tensor,
    pub(super) up: Tensor,
    pub(super) act: Tensor,
}

/// Queries and keys before the QK norm, and its factors: [N · H], [N · KV].
pub(super) struct Raw {
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) q_rstd: Tensor,
    pub(super) k_rstd: Tensor,
}

/// Activations of the forward pass.
pub struct Activations {
    /// The most tokens that fit.
    pub capacity: usize,
    /// Residual stream before each block: [N, C]. Inference has one for all blocks.
    pub(super) inputs: Vec<Tensor>,
    /// One for each block, or one for all blocks if this half is recomputed or has no backward pass.
    pub(super) attention: Vec<Attention>,
    pub(super) mlp: Vec<Mlp>,
    pub(super) table: Tensor,
    pub(super) branch: Tensor,
    pub(super) last: Tensor,
    pub(super) last_rstd: Tensor,
    pub(super) hidden: Tensor,
    pub(super) frequencies: Tensor,
    /// Keys and values of sequences that share tokens, a row for each key: [K, KV · D]. For inference there are none.
    pub(super) keys: Option<[Tensor; 2]>,
}

impl Activations {
    /// Allocates activations for `capacity` tokens: for training, with what the backward pass recomputes, or for inference (`None`).
    /// `shares` says whether sequences can [share tokens](super::batch::Packing).
    pub fn new(device: &Device, config: &Config, capacity: usize, backward: Option<Recompute>, shares: bool) -> Result<Self> {
        let n = capacity;
        let (c, f) = (config.hidden_size, config.intermediate_size);
        let heads = config.heads();
        let (q, kv) = (heads.q * heads.dim, heads.kv * heads.dim);
        let t = |shape: &[usize]| device.zeros(DType::F32, shape);
        let raw = || {
            let (q_rstd, k_rstd) = (t(&[n * heads.q])?, t(&[n * heads.kv])?);
            Ok::<_, Error>(Raw { q: t(&[n, q])?, k: t(&[n, kv])?, q_rstd, k_rstd })
        };
        let attention = || {
            Ok::<_, Error>(Attention {
                h: t(&[n, c])?,
                rstd: t(&[n])?,
                raw: if config.qk_norm() { Some(raw()?) } else { None },
                q: t(&[n, q])?,
                k: t(&[n, kv])?,
                v: t(&[n, kv])?,
                o: t(&[n, q])?,
                lse: t(&[n, heads.q])?,
            })
        };
        let mlp = || {
            Ok::<_, Error>(Mlp {
                mid: t(&[n, c])?,
                mid_h: t(&[n, c])?,
                mid_rstd: t(&[n])?,
                gate: t(&[n, f])?,
                up: t(&[n, f])?,
                act: t(&[n, f])?,
            })
        };
        let copies = |kept: bool| 0..if kept { config.num_hidden_layers } else { 1 };
        let frequencies = device.zeros(DType::F32, &[heads.dim / 2])?;
        frequencies.write_f64(&config.rope_frequencies())?;
        Ok(Self {
            capacity,
            inputs: copies(backward.is_some()).map(|_| t(&[n, c])).collect::<Result<_>>()?,
            attention: copies(backward == Some(Recompute::None)).map(|_| attention()).collect::<Result<_>>()?,
            mlp: copies(matches!(backward, Some(Recompute::None | Recompute::Attention))).map(|_| mlp()).collect::<Result<_>>()?,
            table: t(&[n, heads.dim])?,
            branch: t(&[n, c])?,
            last: t(&[n, c])?,
            last_rstd: t(&[n])?,
            hidden: t(&[n, c])?,
            frequencies,
            keys: if shares { Some([t(&[KEYS * n, kv])?, t(&[KEYS * n, kv])?]) } else { None },
        })
    }

    /// The first `n` tokens' final hidden states: [n, C].
    pub fn hidden(&self, n: usize) -> Result<Tensor> {
        self.hidden.slice(0..n)
    }

    /// The first `n` tokens' input of a block.
    pub(super) fn input(&self, layer: usize, n: usize) -> Result<Tensor> {
        of(&self.inputs, layer).slice(0..n)
    }

    pub(super) fn attention(&self, layer: usize, n: usize) -> Result<Attention> {
        of(&self.attention, layer).first(n)
    }

    pub(super) fn mlp(&self, layer: usize, n: usize) -> Result<Mlp> {
        of(&self.mlp, layer).first(n)
    }

    /// Whether later blocks have overwritten this half by the time of the block's backward pass.
    pub(super) fn lost<T>(&self, parts: &[T], layer: usize) -> bool {
        parts.len() < self.inputs.len() && layer + 1 < self.inputs.len()
    }
}

/// The half of a block, or the one that all blocks share.
fn of<T>(parts: &[T], layer: usize) -> &T {
    &parts[layer.min(parts.len() - 1)]
}

impl Attention {
    /// The first `n` tokens of everything.
    fn first(&self, n: usize) -> Result<Self> {
        let t = |tensor: &Tensor| tensor.slice(0..n);
        // The factors of the QK norm have a row for each head.
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
        })
    }
}

impl Mlp {
    /// The first `n` tokens of everything.
    fn first(&self, n: usize) -> Result<Self> {
        let t = |tensor: &Tensor| tensor.slice(0..n);
        Ok(Self {
            mid: t(&self.mid)?,
            mid_h: t(&self.mid_h)?,
            mid_rstd: t(&self.mid_rstd)?,
            gate: t(&self.gate)?,
            up: t(&self.up)?,
            act: t(&self.act)?,
        })
    }
}
