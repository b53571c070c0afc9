//! Ragged sequences packed into one list of tokens, on the device.

use std::collections::HashMap;

use crate::device::{DType, Device, Tensor};
use crate::error::{Error, Result};
use crate::ops::attention::TILE;
use crate::ops::embedding::Groups;

/// A packed sequence and the place of its keys.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The tokens to run.
    pub tokens: &'a [u32],
    /// Position of the first token, which is the number of keys before it.
    pub position: usize,
    /// Where the sequence's keys start in the cache.
    pub keys: usize,
}

/// Whole sequences, packed so that a beginning that several have in common is there once. A beginning is shared in whole tiles of attention,
/// so a sequence's results have the same bits alone and beside others.
#[derive(Default)]
pub struct Packing<'a> {
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// `[q_start, q_len, kv_start, kv_len]` of each sequence, where the queries are its own tokens, and the keys are in `rows`.
    seqs: Vec<u32>,
    /// The row of every token of every sequence.
    rows: Vec<u32>,
    /// The first row of every whole tile, by that of the tile before it and the tokens.
    tiles: HashMap<(Option<u32>, &'a [u32]), u32>,
}

impl<'a> Packing<'a> {
    /// Adds a sequence, whose first `sharable` tokens may be those of another one; at least one may not. False if there would be more than
    /// `most` tokens, or more than [`KEYS`] times as many keys.
    pub fn add(&mut self, tokens: &'a [u32], sharable: usize, most: usize) -> bool {
        let (mut before, mut rows) = (None, Vec::with_capacity(tokens.len()));
        for tile in tokens[..sharable.min(tokens.len() - 1)].chunks_exact(TILE) {
            let Some(first) = self.tiles.get(&(before, tile)) else { break };
            before = Some(*first);
            rows.extend(*first..*first + TILE as u32);
        }
        let (shared, q_start) = (rows.len(), self.ids.len());
        let own = &tokens[shared..];
        if q_start > 0 && (q_start + own.len() > most || self.rows.len() + tokens.len() > KEYS * most) {
            return false;
        }
        for (i, tile) in tokens.chunks_exact(TILE).enumerate().skip(shared / TILE) {
            let first = (q_start + i * TILE - shared) as u32;
            before = Some(*self.tiles.entry((before, tile)).or_insert(first));
        }
        rows.extend(q_start as u32..(q_start + own.len()) as u32);
        self.seqs.extend([q_start, own.len(), self.rows.len(), tokens.len()].map(|n| n as u32));
        self.ids.extend(own);
        self.positions.extend(shared as u32..tokens.len() as u32);
        self.rows.extend(rows);
        true
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// How many less these are than in the sequences.
    pub fn saved(&self) -> usize {
        self.rows.len() - self.ids.len()
    }

    /// The rows of the tokens of sequence `i`.
    pub fn rows(&self, i: usize) -> &[u32] {
        let [start, length] = [2, 3].map(|at| self.seqs[4 * i + at] as usize);
        &self.rows[start..start + length]
    }
}

/// Keys of a batch for each token of it, at most. A shared key counts once for every sequence. Our choice: it bounds the memory, and with two
/// thirds of the tokens in common as many sequences fit as there is room for.
pub const KEYS: usize = 3;

/// The keys of a batch whose sequences share tokens.
pub struct Shared {
    /// The row of every token of every sequence: `[K]`
    pub rows: Tensor,
    /// The keys by row, see [`Groups`]: `[K]`, `[T]`, `[T + 1]`
    pub groups: (Tensor, Tensor, Tensor),
}

/// Device buffers for batches of up to `capacity` tokens.
pub struct Buffers {
    capacity: usize,
    ids: Tensor,
    positions: Tensor,
    seqs: Tensor,
    groups: (Tensor, Tensor, Tensor),
    /// With room for keys that are shared.
    shared: Option<Shared>,
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
    /// Where the sequences' keys are if some share tokens; else they are packed like the tokens.
    pub shared: Option<Shared>,
}

impl Buffers {
    /// Buffers for `capacity` tokens, and for the keys of whole sequences if these can be [shared](Packing).
    pub fn new(device: &Device, capacity: usize, shares: bool) -> Result<Self> {
        let integers = |n: usize| device.zeros(DType::U32, &[n]);
        let groups = |n: usize| Ok::<_, Error>((integers(n)?, integers(capacity)?, integers(capacity + 1)?));
        Ok(Self {
            capacity,
            ids: integers(capacity)?,
            positions: integers(capacity)?,
            seqs: integers(4 * capacity)?,
            groups: groups(capacity)?,
            shared: if shares { Some(Shared { rows: integers(KEYS * capacity)?, groups: groups(KEYS * capacity)? }) } else { None },
        })
    }

    /// The batch of whole sequences, for training.
    pub fn pack(&self, packing: &Packing<'_>) -> Result<Batch> {
        let mut seqs = packing.seqs.clone();
        let shared = match &self.shared {
            Some(buffers) if packing.saved() > 0 => {
                Some(Shared { rows: put(&buffers.rows, &packing.rows)?, groups: put_groups(&buffers.groups, &packing.rows)? })
            }
            _ => {
                seqs.chunks_exact_mut(4).for_each(|seq| seq[2] = seq[0]);
                None
            }
        };
        let groups = put_groups(&self.groups, &packing.ids)?;
        Ok(Batch { groups, shared, ..self.upload(&packing.ids, &packing.positions, &seqs)? })
    }

    /// Packs parts of sequences whose keys are in a cache.
    pub fn pack_cached(&self, spans: &[Span<'_>]) -> Result<Batch> {
        let (mut ids, mut positions, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
        for span in spans {
            let (start, len) = (ids.len() as u32, span.tokens.len() as u32);
            seqs.extend([start, len, span.keys as u32, span.position as u32 + len]);
            ids.extend_from_slice(span.tokens);
            positions.extend((0..len).map(|i| span.position as u32 + i));
        }
        self.upload(&ids, &positions, &seqs)
    }

    fn upload(&self, ids: &[u32], positions: &[u32], seqs: &[u32]) -> Result<Batch> {
        let tokens = ids.len();
        if tokens > self.capacity {
            return Err(Error::Shape(format!("a batch of {tokens} tokens is larger than the capacity of {} tokens", self.capacity)));
        }
        Ok(Batch {
            tokens,
            ids: put(&self.ids, ids)?,
            positions: put(&self.positions, positions)?,
            seqs: put(&self.seqs, seqs)?.view(&[seqs.len() / 4, 4])?,
            groups: (self.groups.0.view(&[0])?, self.groups.1.view(&[0])?, self.groups.2.view(&[0])?),
            shared: None,
        })
    }
}

/// Writes numbers to the beginning of a buffer.
fn put(buffer: &Tensor, values: &[u32]) -> Result<Tensor> {
    let view = buffer.view(&[values.len()])?;
    view.write_u32(values)?;
    Ok(view)
}

fn put_groups(buffers: &(Tensor, Tensor, Tensor), ids: &[u32]) -> Result<(Tensor, Tensor, Tensor)> {
    let groups = Groups::new(ids);
    Ok((put(&buffers.0, &groups.order)?, put(&buffers.1, &groups.tokens)?, put(&buffers.2, &groups.starts)?))
}
