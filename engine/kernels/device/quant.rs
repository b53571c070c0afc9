//! Quantised weights: blocks of small whole numbers with scales, laid out as GGUF files store them.
//!
//! A row of a matrix is a sequence of blocks, so its length is a multiple of theirs. The layouts are those of llama.cpp's
//! `ggml-common.h`, and the numbers are those that the `gguf` package's `dequantize` returns, bit for bit.

use std::hint::black_box;

use half::f16;

use super::dots::{LANES, add_product};
use super::float::Float;

/// Calls an expression with the layout of a [`Quant`] as a type.
macro_rules! with_layout {
    ($quant:expr, $layout:ident => $call:expr) => {
        match $quant {
            $crate::device::quant::Quant::Q4_0 => {
                type $layout = $crate::device::quant::Q4_0;
                $call
            }
            $crate::device::quant::Quant::Q4_1 => {
                type $layout = $crate::device::quant::Q4_1;
                $call
            }
            $crate::device::quant::Quant::Q5_0 => {
                type $layout = $crate::device::quant::Q5_0;
                $call
            }
            $crate::device::quant::Quant::Q5_1 => {
                type $layout = $crate::device::quant::Q5_1;
                $call
            }
            $crate::device::quant::Quant::Q8_0 => {
                type $layout = $crate::device::quant::Q8_0;
                $call
            }
            $crate::device::quant::Quant::Q4K => {
                type $layout = $crate::device::quant::Q4K;
                $call
            }
            $crate::device::quant::Quant::Q5K => {
                type $layout = $crate::device::quant::Q5K;
                $call
            }
            $crate::device::quant::Quant::Q6K => {
                type $layout = $crate::device::quant::Q6K;
                $call
            }
        }
    };
}

/// A kind of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quant {
    /// 32 numbers of 4 bits, `(q - 8) · d`.
    Q4_0,
    /// 32 numbers of 4 bits, `q · d + m`.
    Q4_1,
    /// 32 numbers of 5 bits, `(q - 16) · d`.
    Q5_0,
    /// 32 numbers of 5 bits, `q · d + m`.
    Q5_1,
    /// 32 numbers of 8 bits, `q · d`.
    Q8_0,
    /// 256 numbers of 4 bits, with a scale and an offset of 6 bits for 32 of them.
    Q4K,
    /// 256 numbers of 5 bits, with a scale and an offset of 6 bits for 32 of them.
    Q5K,
    /// 256 numbers of 6 bits, with a scale of 8 bits for 16 of them.
    Q6K,
}

impl Quant {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::Q4_0, Self::Q4_1, Self::Q5_0, Self::Q5_1, Self::Q8_0, Self::Q4K, Self::Q5K, Self::Q6K];

    /// The usual name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
        }
    }

    /// Numbers in a block.
    pub fn block(self) -> usize {
        with_layout!(self, L => UNIT * L::UNITS)
    }

    /// Bytes of a block; an even number.
    pub fn bytes(self) -> usize {
        with_layout!(self, L => L::BYTES)
    }

    /// The numbers of whole blocks.
    pub fn numbers(self, blocks: &[u8]) -> Vec<f32> {
        let mut numbers = vec![0.0; blocks.len() / self.bytes() * self.block()];
        self.widen(blocks, &mut numbers);
        numbers
    }

    /// Writes the numbers of whole blocks to `out`, as `F`.
    #[inline(always)]
    pub(crate) fn widen<F: Float>(self, blocks: &[u8], out: &mut [F]) {
        with_layout!(self, L => widen::<F, L>(blocks, out));
    }
}

/// Numbers in a unit.
pub(crate) const UNIT: usize = 32;

/// 32 numbers of a block: `q · scale + offset`, with a scale for each half.
pub(crate) struct Unit<F> {
    pub(crate) q: Codes,
    pub(crate) scale: [F; 2],
    pub(crate) offset: F,
}

/// The whole numbers of a unit. Bytes, made in loops over arrays of fixed length, compile to vector code; `map` and `from_fn` over as many
/// elements do not.
type Codes = [i8; UNIT];

/// How the bytes of a block are laid out.
pub(crate) trait Layout {
    /// Bytes of a block.
    const BYTES: usize;
    /// Units of a block.
    const UNITS: usize;
    /// Whether an offset may differ from 0.
    const OFFSET: bool = false;
    /// A unit of a block.
    fn unit<F: Float>(block: &[u8], unit: usize) -> Unit<F>;
}

impl<F: Float> Unit<F> {
    /// The numbers of one of its vectors.
    #[inline(always)]
    fn vector<L: Layout>(&self, part: usize) -> [F; LANES] {
        let (mut numbers, scale) = ([F::ZERO; LANES], self.scale[part / 2]);
        for l in 0..LANES {
            let q = F::from_i32(self.q[part * LANES + l].into());
            numbers[l] = if L::OFFSET { q * scale + self.offset } else { q * scale };
        }
        numbers
    }
}

#[inline(always)]
fn widen<F: Float, L: Layout>(blocks: &[u8], out: &mut [F]) {
    for (block, out) in blocks.chunks_exact(L::BYTES).zip(out.chunks_exact_mut(UNIT * L::UNITS)) {
        for (u, out) in out.as_chunks_mut::<UNIT>().0.iter_mut().enumerate() {
            let unit = L::unit::<F>(block, u);
            for (part, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                *out = unit.vector::<L>(part);
            }
        }
    }
}

/// [`super::dots::dots`] with rows of quantised numbers. The sums have the same order, so they have the bits of those with the numbers
/// themselves.
#[inline(always)]
pub(crate) fn dots<F: Float, L: Layout, const FUSED: bool, const A: usize, const W: usize>(
    a: &[&[[F; LANES]]; A],
    w: &[&[u8]; W],
) -> [[F; W]; A] {
    let mut acc = [[[F::ZERO; LANES]; W]; A];
    for block in 0..w[0].len() / L::BYTES {
        for u in 0..L::UNITS {
            let at = (block * L::UNITS + u) * (UNIT / LANES);
            let a: [&[[F; LANES]; UNIT / LANES]; A] = a.map(|a| a[at..].first_chunk().expect("as long as the weight's rows"));
            for j in 0..W {
                let unit = L::unit::<F>(&w[j][block * L::BYTES..][..L::BYTES], u);
                for part in 0..UNIT / LANES {
                    let numbers = unit.vector::<L>(part);
                    for i in 0..A {
                        acc[i][j] = add_product::<F, F, FUSED>(acc[i][j], &a[i][part], &numbers);
                    }
                }
            }
        }
    }
    // As in `super::dots::dots`.
    black_box(acc).map(|acc| acc.map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))))
}

/// The 16-bit float at a byte.
#[inline(always)]
fn half<F: Float>(block: &[u8], at: usize) -> F {
    F::from_f16(f16::from_le_bytes(*bytes(block, at)))
}

/// `N` bytes of a block from a place on, which are loaded at once.
#[inline(always)]
fn bytes<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("inside the block")
}

/// The low four bits of 16 bytes, then the high ones.
#[inline(always)]
fn nibbles(bytes: &[u8; UNIT / 2]) -> Codes {
    let mut q = [0; UNIT];
    for i in 0..UNIT / 2 {
        q[i] = (bytes[i] & 15) as i8;
    }
    for i in 0..UNIT / 2 {
        q[UNIT / 2 + i] = (bytes[i] >> 4) as i8;
    }
    q
}

/// The low or the high four bits of 32 bytes.
#[inline(always)]
fn half_bytes(bytes: &[u8; UNIT], high: bool) -> Codes {
    let mut q = [0; UNIT];
    for i in 0..UNIT {
        q[i] = (if high { bytes[i] >> 4 } else { bytes[i] & 15 }) as i8;
    }
    q
}

/// `q` with the bits of 32 numbers above their lowest four.
#[inline(always)]
fn with_bits(mut q: Codes, bits: &[u8; 4]) -> Codes {
    for i in 0..UNIT {
        q[i] |= ((bits[i / 8] >> (i % 8) & 1) << 4) as i8;
    }
    q
}

/// `q` with the bits that `mask` leaves of each shifted byte above their lowest four.
#[inline(always)]
fn with_bytes(mut q: Codes, bytes: &[u8; UNIT], shift: usize, mask: u8) -> Codes {
    for i in 0..UNIT {
        q[i] |= ((bytes[i] >> shift & mask) << 4) as i8;
    }
    q
}

/// `q - less`.
#[inline(always)]
fn less(mut q: Codes, less: i8) -> Codes {
    for q in &mut q {
        *q -= less;
    }
    q
}

pub(crate) struct Q4_0;

impl Layout for Q4_0 {
    const BYTES: usize = 18;
    const UNITS: usize = 1;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], _: usize) -> Unit<F> {
        Unit { q: less(nibbles(bytes(block, 2)), 8), scale: [half(block, 0); 2], offset: F::ZERO }
    }
}

pub(crate) struct Q4_1;

impl Layout for Q4_1 {
    const BYTES: usize = 20;
    const UNITS: usize = 1;
    const OFFSET: bool = true;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], _: usize) -> Unit<F> {
        Unit { q: nibbles(bytes(block, 4)), scale: [half(block, 0); 2], offset: half(block, 2) }
    }
}

pub(crate) struct Q5_0;

impl Layout for Q5_0 {
    const BYTES: usize = 22;
    const UNITS: usize = 1;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], _: usize) -> Unit<F> {
        let q = less(with_bits(nibbles(bytes(block, 6)), bytes(block, 2)), 16);
        Unit { q, scale: [half(block, 0); 2], offset: F::ZERO }
    }
}

pub(crate) struct Q5_1;

impl Layout for Q5_1 {
    const BYTES: usize = 24;
    const UNITS: usize = 1;
    const OFFSET: bool = true;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], _: usize) -> Unit<F> {
        Unit { q: with_bits(nibbles(bytes(block, 8)), bytes(block, 4)), scale: [half(block, 0); 2], offset: half(block, 2) }
    }
}

pub(crate) struct Q8_0;

impl Layout for Q8_0 {
    const BYTES: usize = 34;
    const UNITS: usize = 1;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], _: usize) -> Unit<F> {
        let (mut q, codes) = ([0; UNIT], bytes::<UNIT>(block, 2));
        for i in 0..UNIT {
            q[i] = codes[i] as i8;
        }
        Unit { q, scale: [half(block, 0); 2], offset: F::ZERO }
    }
}

/// Scale and offset `j` of the eight of a block that has 16-bit floats for both and 6 bits for each of the eight.
#[inline(always)]
fn six_bits<F: Float>(block: &[u8], j: usize) -> (F, F) {
    let s = &block[4..16];
    let (scale, offset) = match j {
        0..4 => (s[j] & 63, s[j + 4] & 63),
        _ => (s[j + 4] & 15 | s[j - 4] >> 6 << 4, s[j + 4] >> 4 | s[j] >> 6 << 4),
    };
    (half::<F>(block, 0) * F::from_i32(scale.into()), -(half::<F>(block, 2) * F::from_i32(offset.into())))
}

pub(crate) struct Q4K;

impl Layout for Q4K {
    const BYTES: usize = 144;
    const UNITS: usize = 8;
    const OFFSET: bool = true;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], unit: usize) -> Unit<F> {
        let (scale, offset) = six_bits(block, unit);
        let q = half_bytes(bytes(block, 16 + unit / 2 * UNIT), unit % 2 == 1);
        Unit { q, scale: [scale; 2], offset }
    }
}

pub(crate) struct Q5K;

impl Layout for Q5K {
    const BYTES: usize = 176;
    const UNITS: usize = 8;
    const OFFSET: bool = true;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], unit: usize) -> Unit<F> {
        let (scale, offset) = six_bits(block, unit);
        let q = with_bytes(half_bytes(bytes(block, 48 + unit / 2 * UNIT), unit % 2 == 1), bytes(block, 16), unit, 1);
        Unit { q, scale: [scale; 2], offset }
    }
}

pub(crate) struct Q6K;

impl Layout for Q6K {
    const BYTES: usize = 210;
    const UNITS: usize = 8;

    #[inline(always)]
    fn unit<F: Float>(block: &[u8], unit: usize) -> Unit<F> {
        // Half of the block, and which of the four units of the half.
        let (side, k) = (unit / 4, unit % 4);
        let low = half_bytes(bytes(block, 64 * side + k % 2 * UNIT), k >= 2);
        let q = less(with_bytes(low, bytes(block, 128 + UNIT * side), 2 * k, 3), 32);
        let d = half::<F>(block, 208);
        let scale = std::array::from_fn(|side_of| d * F::from_i32((block[192 + 8 * side + 2 * k + side_of] as i8).into()));
        Unit { q, scale, offset: F::ZERO }
    }
}

pub(crate) use with_layout;
