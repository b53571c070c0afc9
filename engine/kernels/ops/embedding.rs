//! Token embedding: rows of a table, and the gradient of the table without atomics.

use bytemuck::{Pod, Zeroable};

use crate::device::float::Float;
use crate::device::{Args, Grid, Kernel, Recorder, Tensor, kernel, rows};
use crate::error::Result;

/// Parameters: rows of the output and their width. The table has the rows of tokens `first` to `first + count - 1`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Params {
    rows: u32,
    cols: u32,
    first: u32,
    count: u32,
}

/// `x[t] = table[ids[t] - first]` where the table has that row
pub const EMBEDDING: Kernel = kernel!("embedding", Params, [InU32, Weight, Out], twin);
/// `dtable[tokens[u] - first] += Σ_{starts[u] ≤ i < starts[u + 1]} dx[order[i]]` where the table has that row
pub const EMBEDDING_BWD: Kernel = kernel!("embedding_bwd", Params, [In, InU32, InU32, InU32, Out], bwd_twin);

/// The kernels of this file.
pub const KERNELS: &[&Kernel] = &[&EMBEDDING, &EMBEDDING_BWD];

/// Which rows of `dx` belong to which token. The host makes it from the ids for the backward pass.
pub struct Groups {
    /// Positions sorted by token, ties in order: `[T]`.
    pub order: Vec<u32>,
    /// The distinct tokens: `[U]`.
    pub tokens: Vec<u32>,
    /// Where each token's positions start in `order`, and the end: [U + 1].
    pub starts: Vec<u32>,
}

impl Groups {
    /// Sorts the positions of `ids` by token.
    pub fn new(ids: &[u32]) -> Self {
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        order.sort_by_key(|i| ids[*i as usize]);
        let (mut tokens, mut starts) = (Vec::new(), Vec::new());
        for (at, i) in order.iter().enumerate() {
            let token = ids[*i as usize];
            if tokens.last() != Some(&token) {
                tokens.push(token);
                starts.push(at as u32);
            }
        }
        starts.push(ids.len() as u32);
        Self { order, tokens, starts }
    }
}

/// `x[t] = table[ids[t]]`; rows of ids outside the table are left as they are.   ids: `[T]`   table: `[V, C]`, 32 or 16 bits   x: `[T, C]`
pub fn forward(rec: &mut Recorder<'_>, ids: &Tensor, table: &Tensor, x: &Tensor) -> Result<()> {
    let cols = table.rows_cols().1;
    x.expect("embedding x", &[ids.len(), cols])?;
    for (first, piece) in table.pieces()? {
        let count = piece.rows_cols().0;
        let params = Params { rows: ids.len() as u32, cols: cols as u32, first: first as u32, count: count as u32 };
        rec.run(EMBEDDING.grid(Grid::Rows(ids.len())), &params, &[ids, &piece, x])?;
    }
    Ok(())
}

/// `dtable[tokens[u]] += Σ dx` over the positions of that token (see [`Groups`]).
///
/// dx: `[T, C]`   order: `[T]`   tokens: `[U]`   starts: `[U + 1]`   dtable: `[V, C]`
pub fn backward(rec: &mut Recorder<'_>, dx: &Tensor, order: &Tensor, tokens: &Tensor, starts: &Tensor, dtable: &Tensor) -> Result<()> {
    let cols = dtable.rows_cols().1;
    for (first, piece) in dtable.pieces()? {
        let count = piece.rows_cols().0;
        let params = Params { rows: tokens.len() as u32, cols: cols as u32, first: first as u32, count: count as u32 };
        rec.run(EMBEDDING_BWD.grid(Grid::Rows(tokens.len())), &params, &[dx, order, tokens, starts, &piece])?;
    }
    Ok(())
}

fn twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (ids, table, x) = (a.read_u32(0), a.weight(1), a.write(2));
    let cols = p.cols as usize;
    rows!(x, cols, |row0, x| {
        for (x, id) in x.chunks_exact_mut(cols).zip(&ids[row0..]) {
            let row = id.wrapping_sub(p.first);
            if row < p.count {
                table.copy_to(row as usize * cols, x);
            }
        }
    });
}

fn bwd_twin<F: Float>(p: &Params, mut a: Args<'_, F>) {
    let (dx, order, tokens, starts, dtable) = (a.read(0), a.read_u32(1), a.read_u32(2), a.read_u32(3), a.write(4));
    let cols = p.cols as usize;
    for (u, token) in tokens[..p.rows as usize].iter().enumerate() {
        let row = token.wrapping_sub(p.first);
        if row >= p.count {
            continue;
        }
        let row = &mut dtable[row as usize * cols..][..cols];
        for i in &order[starts[u] as usize..starts[u + 1] as usize] {
            row.iter_mut().zip(&dx[*i as usize * cols..][..cols]).for_each(|(d, s)| *d += *s);
        }
    }
}
