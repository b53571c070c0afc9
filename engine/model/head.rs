//! The language-model head with log-probability, entropy and loss, in chunks of rows: logits never exist for a whole batch.
//!
//! Only rows with a target are computed; they are gathered from the final hidden states first.

use super::weights::Weights;
use crate::device::{DType, Device, Recorder, Tensor};
use crate::error::Result;
use crate::ops::matmul::{self, Write};
use crate::ops::policy_loss::{self, PolicyLoss, Sampled, TERMS};
use crate::ops::{elementwise, logprob};

/// The most elements in a chunk of logits (32 MiB).
const CHUNK_ELEMENTS: usize = 8 << 20;

/// Buffers of the head.
pub struct Head {
    chunk: usize,
    hidden: Tensor,
    d_hidden: Tensor,
    logits: Tensor,
    lse: Tensor,
    identity: Tensor,
}

/// The rows of a batch with a target: `targets[i]` follows hidden state `rows[i]`.
pub struct Targets<'a> {
    /// Rows of the hidden states: `[R]`
    pub rows: &'a Tensor,
    /// Tokens: `[R]`
    pub tokens: &'a Tensor,
    /// Divides the logits.
    pub temperature: f32,
    /// Out, log-probabilities: `[R]`
    pub logprob: &'a Tensor,
    /// Out, entropies: `[R]`
    pub entropy: &'a Tensor,
}

/// The source of each log-probability's gradient.
pub enum Objective<'a> {
    /// A list: `[R]`.
    Coefficients(&'a Tensor),
    /// A policy loss.
    Policy {
        /// Which.
        loss: PolicyLoss,
        /// What it knows of each token.
        sampled: Sampled<'a>,
        /// Out, derivatives: `[R]`
        coefficient: &'a Tensor,
        /// Out, see [`policy_loss::TERMS`]: `[R, 4]`
        terms: &'a Tensor,
    },
}

impl Head {
    /// Buffers for any number of rows of a model of these sizes.
    pub fn new(device: &Device, vocab: usize, hidden: usize) -> Result<Self> {
        // A multiple of 64 rows keeps slices of row lists on the 256-byte boundary that bindings need.
        let chunk = (CHUNK_ELEMENTS / vocab / 64 * 64).clamp(64, 512);
        let t = |shape: &[usize]| device.zeros(DType::F32, shape);
        Ok(Self {
            chunk,
            hidden: t(&[chunk, hidden])?,
            d_hidden: t(&[chunk, hidden])?,
            logits: t(&[chunk, vocab])?,
            lse: t(&[chunk])?,
            identity: device.tensor_u32(&(0..chunk as u32).collect::<Vec<_>>(), &[chunk])?,
        })
    }

    /// Log-probabilities and entropies of the targets.   hidden: [T, C]
    pub fn score(&self, rec: &mut Recorder<'_>, weights: &Weights, hidden: &Tensor, targets: &Targets<'_>) -> Result<()> {
        self.run(rec, weights, hidden, targets, None)
    }

    /// [`Head::score`], then the gradients: `d_hidden = …` (zero in rows without a target), and `d_head += …` if the head is trained.
    pub fn score_and_differentiate(
        &self,
        rec: &mut Recorder<'_>,
        weights: &Weights,
        hidden: &Tensor,
        targets: &Targets<'_>,
        objective: &Objective<'_>,
        d_hidden: &Tensor,
        d_head: Option<&Tensor>,
    ) -> Result<()> {
        elementwise::fill(rec, d_hidden, 0.0)?;
        self.run(rec, weights, hidden, targets, Some((objective, d_hidden, d_head)))
    }

    fn run(
        &self,
        rec: &mut Recorder<'_>,
        weights: &Weights,
        hidden: &Tensor,
        targets: &Targets<'_>,
        gradient: Option<(&Objective<'_>, &Tensor, Option<&Tensor>)>,
    ) -> Result<()> {
        let total = targets.rows.len();
        for first in (0..total).step_by(self.chunk) {
            let range = first..total.min(first + self.chunk);
            let n = range.len();
            let part = |t: &Tensor| t.slice(range.clone());
            let (rows, tokens, logp) = (part(targets.rows)?, part(targets.tokens)?, part(targets.logprob)?);
            let (h, logits, lse) = (self.hidden.slice(0..n)?, self.logits.slice(0..n)?, self.lse.slice(0..n)?);
            let identity = self.identity.slice(0..n)?;
            elementwise::move_rows(rec, hidden, &rows, &identity, &h)?;
            matmul::nt(rec, &h, weights.head(), &logits, Write::Replace)?;
            logprob::forward(rec, &logits, &tokens, targets.temperature, &logp, &part(targets.entropy)?, &lse)?;
            let Some((objective, d_hidden, d_head)) = gradient else { continue };
            let coefficient = match objective {
                Objective::Coefficients(given) => part(given)?,
                Objective::Policy { loss, sampled, coefficient, terms } => {
                    let out = part(coefficient)?;
                    let terms = part(terms)?.view(&[n, TERMS])?;
                    let [old, reference, turn, weight] = [sampled.old, sampled.reference, sampled.turn, sampled.weight].map(part);
                    let sampled = Sampled { old: &old?, reference: &reference?, turn: &turn?, weight: &weight?, ..*sampled };
                    policy_loss::forward(rec, *loss, &logp, &sampled, &out, &terms)?;
                    out
                }
            };
            logprob::backward(rec, &tokens, &lse, &coefficient, targets.temperature, &logits)?;
            let dh = self.d_hidden.slice(0..n)?;
            matmul::nn(rec, &logits, weights.head(), &dh, Write::Replace)?;
            if let Some(d_head) = d_head {
                matmul::tn(rec, &logits, &h, d_head, Write::Add)?;
            }
            elementwise::move_rows(rec, &dh, &identity, &rows, d_hidden)?;
        }
        Ok(())
    }
}
