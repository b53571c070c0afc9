//! Ragged sequences packed into one list of tokens, on the device.

use crate::device::{DType, Device, Tensor};
use crate::error::{Error, Result};
use crate::ops::embedding::Groups;

/// A packed sequence and the place of its keys.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The tokens to run.
    pub tokens: &'a [u32],
    /// Position of the first token, which is the number of keys before it.
    pub position: usize,
    /// Where the sequence's keys start in the cache. Ignored when keys are packed like the tokens.
    pub keys: usize,
}

/// Device buffers for batches of up to `capacity` tokens.
pub struct Buffers {
    capacity: usize,
    ids: Tensor,
    positions: Tensor,
    seqs: Tensor,
    order: Tensor,
    distinct: Tensor,
    starts: Tensor,
}

/// A packed batch of `T` tokens in `S` sequences.
pub struct Batch {
    /// Number of tokens.
    pub tokens: usize,
    /// Token ids: `[T]`
    pub ids: Tensor,
    /// Positions inside the sequences: `[T]`
    pub positions: Tensor,
    /// `[q_start, q_len, kv_start, kv_len]`: [S, 4]
    pub seqs: Tensor,
    /// For the embedding's gradient, see [`Groups`]: `[T]`, `[U]`, `[U + 1]`
    pub groups: (Tensor, Tensor, Tensor),
}

impl Buffers {
    /// Buffers for `capacity` tokens.
    pub fn new(device: &Device, capacity: usize) -> Result<Self> {
        let integers = |n: usize| device.zeros(DType::U32, &[n]);
        Ok(Self {
            capacity,
            ids: integers(capacity)?,
            positions: integers(capacity)?,
            seqs: integers(4 * capacity)?,
            order: integers(capacity)?,
            distinct: integers(capacity)?,
            starts: integers(capacity + 1)?,
        })
    }

    /// Packs whole sequences for training, with keys packed like the tokens.
    pub fn pack(&self, sequences: &[&[u32]]) -> Result<Batch> {
        let spans: Vec<Span<'_>> = sequences.iter().map(|tokens| Span { tokens, position: 0, keys: 0 }).collect();
        self.upload(&spans, true)
    }

    /// Packs parts of sequences whose keys are in a cache.
    pub fn pack_cached(&self, spans: &[Span<'_>]) -> Result<Batch> {
        self.upload(spans, false)
    }

    fn upload(&self, spans: &[Span<'_>], packed_keys: bool) -> Result<Batch> {
        let (mut ids, mut positions, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
        for span in spans {
            let (start, len) = (ids.len() as u32, span.tokens.len() as u32);
            let keys = if packed_keys { start } else { span.keys as u32 };
            seqs.extend([start, len, keys, span.position as u32 + len]);
            ids.extend_from_slice(span.tokens);
            positions.extend((0..len).map(|i| span.position as u32 + i));
        }
        let tokens = ids.len();
        if tokens > self.capacity {
            return Err(Error::Shape(format!("a batch of {tokens} tokens is larger than the capacity of {} tokens", self.capacity)));
        }
        let put = |buffer: &Tensor, values: &[u32], shape: &[usize]| {
            let view = buffer.view(shape)?;
            view.write_u32(values)?;
            Ok::<_, Error>(view)
        };
        let groups = if packed_keys { Groups::new(&ids) } else { Groups { order: vec![], tokens: vec![], starts: vec![] } };
        Ok(Batch {
            tokens,
            positions: put(&self.positions, &positions, &[tokens])?,
            seqs: put(&self.seqs, &seqs, &[spans.len(), 4])?,
            groups: (
                put(&self.order, &groups.order, &[groups.order.len()])?,
                put(&self.distinct, &groups.tokens, &[groups.tokens.len()])?,
                put(&self.starts, &groups.starts, &[groups.starts.len()])?,
            ),
            ids: put(&self.ids, &ids, &[tokens])?,
        })
    }
}
