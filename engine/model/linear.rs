//! `y = x · wᵀ + b`, with or without a low-rank adapter: forward and backward.
//!
//! An adapter adds `scale · (x · aᵀ) · bᵀ` with `a: [rank, inputs]` and `b: [outputs, rank]`. The product in the middle, [N, rank], is
//! computed again in the backward pass. That is little work, and nothing has to be kept.

use super::weights::Linear;
use crate::device::{Recorder, Tensor};
use crate::error::Result;
use crate::ops::bias;
use crate::ops::matmul::{self, Write};

/// `y = x · wᵀ + b` plus the adapter's part. Decoding uses the product for few rows.   x: [N, K]   y: [N, M]
///
/// `scratch` has room for [N, rank].
pub(super) fn forward(rec: &mut Recorder<'_>, decoding: bool, x: &Tensor, w: &Linear, y: &Tensor, scratch: &Tensor) -> Result<()> {
    let product = if decoding { matmul::rows } else { matmul::nt };
    product(rec, x, &w.weight, y, Write::Replace)?;
    if let Some(b) = &w.bias {
        bias::forward(rec, b, y)?;
    }
    let Some(lora) = &w.lora else { return Ok(()) };
    let low = scratch.view(&[x.rows_cols().0, lora.rank()])?;
    product(rec, x, &lora.a, &low, Write::Replace)?;
    product(rec, &low, &lora.b, y, Write::AddScaled(lora.scale))
}

/// Buffers that the linear layers share in a backward pass.
pub(super) struct Scratch<'a> {
    /// Partial sums of a bias's gradient.
    pub(super) partial: &'a Tensor,
    /// Room for [N, rank], twice.
    pub(super) low: [&'a Tensor; 2],
}

/// Gradients of [`forward`]: `dx (+)= …` if it is needed, and `+=` for the parameters that are trained.
pub(super) fn backward(
    rec: &mut Recorder<'_>,
    dy: &Tensor,
    x: &Tensor,
    w: &Linear,
    dx: Option<(&Tensor, Write)>,
    scratch: &Scratch<'_>,
    dw: &Linear<Option<Tensor>>,
) -> Result<()> {
    if let Some(dw) = &dw.weight {
        matmul::tn(rec, dy, x, dw, Write::Add)?;
    }
    if let Some(Some(db)) = &dw.bias {
        bias::backward(rec, dy, scratch.partial, db)?;
    }
    if let Some((dx, write)) = dx {
        matmul::nn(rec, dy, &w.weight, dx, write)?;
    }
    let Some(lora) = &w.lora else { return Ok(()) };
    let shape = [x.rows_cols().0, lora.rank()];
    let (low, d_low) = (scratch.low[0].view(&shape)?, scratch.low[1].view(&shape)?);
    matmul::nn(rec, dy, &lora.b, &d_low, Write::ReplaceScaled(lora.scale))?;
    if let Some((dx, _)) = dx {
        matmul::nn(rec, &d_low, &lora.a, dx, Write::Add)?;
    }
    let Some(dw) = &dw.lora else { return Ok(()) };
    if let Some(da) = &dw.a {
        matmul::tn(rec, &d_low, x, da, Write::Add)?;
    }
    if let Some(db) = &dw.b {
        matmul::nt(rec, x, &lora.a, &low, Write::Replace)?;
        matmul::tn(rec, dy, &low, db, Write::AddScaled(lora.scale))?;
    }
    Ok(())
}
