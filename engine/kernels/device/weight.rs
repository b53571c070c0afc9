//! A weight matrix as CPU twins see it.

use std::ops::Range;

use half::{bf16, f16};

use super::float::Float;
use super::quant::Quant;
use super::rows;
use super::tensor::DType;

/// Elements widened at a time for a product of whole blocks (1 MiB of f32): enough work for all cores, and small enough for the cache.
const BLOCK_ELEMENTS: usize = 256 * 1024;

/// A matrix as it is stored. Numbers of fewer bits are widened in blocks, never all at once.
#[derive(Clone, Copy)]
pub enum Weight<'a, F> {
    /// 32 bits, or 64 on the f64 executor.
    Full(&'a [F]),
    /// The upper halves of 32-bit floats.
    BF16(&'a [bf16]),
    /// IEEE 754 binary16.
    F16(&'a [f16]),
    /// The bytes of blocks of quantised numbers.
    Quant(Quant, &'a [u8]),
}

/// A stored number that a twin converts to `F`.
pub trait Stored<F>: Copy + Sync {
    /// The number as `F`, which is exact.
    fn widen(self) -> F;
}

impl<F: Float> Stored<F> for F {
    #[inline(always)]
    fn widen(self) -> F {
        self
    }
}

impl<F: Float> Stored<F> for bf16 {
    #[inline(always)]
    fn widen(self) -> F {
        F::from_bf16(self)
    }
}

impl<F: Float> Stored<F> for f16 {
    #[inline(always)]
    fn widen(self) -> F {
        F::from_f16(self)
    }
}

impl<'a, F: Float> Weight<'a, F> {
    /// Elements `range` as `F`: as they are, or widened into the start of `scratch`.
    #[inline(always)]
    pub fn widened<'s>(self, range: Range<usize>, scratch: &'s mut [F]) -> &'s [F]
    where
        'a: 's,
    {
        match self {
            Self::Full(values) => &values[range],
            _ => {
                let scratch = &mut scratch[..range.len()];
                self.copy_to(range.start, scratch);
                scratch
            }
        }
    }

    /// Fills `out` with the elements from `start` on, as `F`. Of a quantised matrix, these are whole blocks.
    #[inline(always)]
    pub fn copy_to(self, start: usize, out: &mut [F]) {
        match self {
            Self::Full(values) => out.copy_from_slice(&values[start..][..out.len()]),
            Self::BF16(values) => widen(&values[start..][..out.len()], out),
            Self::F16(values) => widen(&values[start..][..out.len()], out),
            Self::Quant(quant, bytes) => {
                let range = DType::Quant(quant).bytes(start)..DType::Quant(quant).bytes(start + out.len());
                quant.widen(&bytes[range], out);
            }
        }
    }

    /// Calls `work(first, count, rows)` for blocks of whole rows of a matrix with `rows` rows of `cols` elements. If they need no widening,
    /// all rows are one block. Widening runs on all cores.
    pub fn blocks(self, rows: usize, cols: usize, mut work: impl FnMut(usize, usize, &[F])) {
        match self {
            Self::Full(values) => work(0, rows, values),
            _ => {
                let block = (BLOCK_ELEMENTS / cols.max(1)).clamp(1, rows.max(1));
                let mut scratch = vec![F::ZERO; block * cols];
                for first in (0..rows).step_by(block) {
                    let count = block.min(rows - first);
                    let full = &mut scratch[..count * cols];
                    rows!(full, cols, |row, full| self.copy_to((first + row) * cols, full));
                    work(first, count, full);
                }
            }
        }
    }
}

#[inline(always)]
fn widen<F: Float, S: Stored<F>>(packed: &[S], full: &mut [F]) {
    for (full, packed) in full.iter_mut().zip(packed) {
        *full = packed.widen();
    }
}
