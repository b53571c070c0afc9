//! The element type of CPU twins: `f32` for running, `f64` for checking gradients by finite differences.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use half::{bf16, f16};

use super::parallel::Element;

/// The memory layout of a matrix for [`Float::gemm`]: element `(i, j)` is at `i * rows + j * cols`.
#[derive(Clone, Copy, Debug)]
pub struct Strides {
    /// Distance between two rows.
    pub rows: usize,
    /// Distance between two columns.
    pub cols: usize,
}

impl Strides {
    /// A row-major matrix with `cols` columns.
    pub fn row_major(cols: usize) -> Self {
        Self { rows: cols, cols: 1 }
    }

    /// The transpose of a row-major matrix with `cols` columns.
    pub fn transposed(cols: usize) -> Self {
        Self { rows: 1, cols }
    }

    /// The number of elements a slice must have to hold a `rows` × `cols` matrix.
    fn span(self, rows: usize, cols: usize) -> usize {
        if rows == 0 || cols == 0 { 0 } else { (rows - 1) * self.rows + (cols - 1) * self.cols + 1 }
    }
}

/// The most terms of a sum that [`Float::gemm`] gives to the gemm crate at a time. It does not split a sum of this length on any processor.
const DEPTH: usize = 512;

/// The arithmetic a CPU twin needs.
pub trait Float:
    bytemuck::Pod
    + Element
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + std::iter::Sum
    + std::fmt::Debug
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Rounds `value` to this type.
    fn from_f64(value: f64) -> Self;
    /// `value` in this type; exact for the small numbers of quantised weights.
    fn from_i32(value: i32) -> Self;
    /// `value` in this type, which is exact.
    fn from_bf16(value: bf16) -> Self;
    /// `value` in this type, which is exact.
    fn from_f16(value: f16) -> Self;
    /// This value in f64.
    fn to_f64(self) -> f64;
    /// `e^self`. In f32 it is a branch-free polynomial (within 2 ulp), which compiles to vector code.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
    /// `self · a + b`, rounded once. Slow on processors without [fused multiply-add](super::parallel::can_fuse).
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger of two numbers.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers.
    fn min(self, other: Self) -> Self;

    /// `c[m, n] = scale · a[m, k] · b[k, n]`, or `c +=` with `accumulate`. Runs on all cores when `parallel`.
    ///
    /// The order of the sum over `k` is the same for every row of `a`, however many rows there are.
    fn gemm(
        m: usize,
        n: usize,
        k: usize,
        a: &[Self],
        a_strides: Strides,
        b: &[Self],
        b_strides: Strides,
        c: &mut [Self],
        c_strides: Strides,
        scale: Self,
        accumulate: bool,
        parallel: bool,
    ) {
        assert!(a.len() >= a_strides.span(m, k), "gemm: a is too short");
        assert!(b.len() >= b_strides.span(k, n), "gemm: b is too short");
        assert!(c.len() >= c_strides.span(m, n), "gemm: c is too short");
        let parallelism = if parallel { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
        if m == 0 || n == 0 {
            return;
        }
        // gemm splits a longer sum into parts whose length depends on the processor's caches and on m and n.
        for depth in (0..k.max(1)).step_by(DEPTH) {
            // SAFETY: the three assertions keep every element that gemm touches inside its slice, even after skipping `depth` terms of the
            // sum. `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    DEPTH.min(k - depth),
                    c.as_mut_ptr(),
                    c_strides.cols as isize,
                    c_strides.rows as isize,
                    accumulate || depth > 0,
                    a.as_ptr().add(depth * a_strides.cols),
                    a_strides.cols as isize,
                    a_strides.rows as isize,
                    b.as_ptr().add(depth * b_strides.rows),
                    b_strides.cols as isize,
                    b_strides.rows as isize,
                    Self::ONE,
                    scale,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        }
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn from_i32(value: i32) -> Self {
        value.into()
    }
    fn from_bf16(value: bf16) -> Self {
        value.to_f64()
    }
    fn from_f16(value: f16) -> Self {
        value.to_f64()
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn sin_cos(self) -> (Self, Self) {
        f64::sin_cos(self)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f64::mul_add(self, a, b)
    }
    fn max(self, other: Self) -> Self {
        f64::max(self, other)
    }
    fn min(self, other: Self) -> Self {
        f64::min(self, other)
    }
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn from_i32(value: i32) -> Self {
        value as f32
    }
    #[inline(always)]
    fn from_bf16(value: bf16) -> Self {
        // One shift. `bf16::to_f32` takes longer, because it quiets signalling NaNs.
        f32::from_bits(u32::from(value.to_bits()) << 16)
    }
    #[inline(always)]
    fn from_f16(value: f16) -> Self {
        // Branch-free, so that loops compile to vector code; faster than the slice conversions of the `half` crate. Sign, exponent and
        // fraction move to their places; multiplying by 2^112 corrects the exponent's bias, for subnormal numbers too. Infinity and NaN
        // then get the largest exponent.
        let placed = (i32::from(value.to_bits() as i16) << 13) as u32 & 0x8FFF_E000;
        let scaled = (f32::from_bits(placed) * f32::from_bits(0x7780_0000)).to_bits();
        let special = if placed & 0x0F80_0000 == 0x0F80_0000 { 0x7F80_0000 } else { 0 };
        f32::from_bits(scaled | special)
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn exp(self) -> Self {
        // e^x = 2^n · e^r with n = round(x / ln 2). Adding 1.5 · 2^23 rounds to the nearest integer without a branch, and leaves it in the
        // lowest bits; a conversion to an integer would not compile to vector code.
        const ROUND: f32 = 12_582_912.0;
        let x = if self < -87.0 { -87.0 } else { self };
        let x = if x > 88.0 { 88.0 } else { x };
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
        let p = 1.987_569_1e-4;
        let p = p * r + 1.398_199_9e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 0.5;
        let y = p * r * r + r + 1.0;
        // n is an integer in -126..=127, so this is the exponent of 2^n.
        let scale = f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
        if self < -87.0 { 0.0 } else { y * scale }
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    fn sin_cos(self) -> (Self, Self) {
        // Positions reach tens of thousands: reducing them in f64 keeps the angle exact to f32.
        let (s, c) = f64::sin_cos(self as f64);
        (s as f32, c as f32)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

/// Partial sums of [`dot`] and [`sum`].
const LANES: usize = 16;

/// `Σ a[i] · b[i]`, in sixteen interleaved partial sums, so that it compiles to vector code in a fixed order.
#[inline(always)]
pub fn dot<F: Float>(a: &[F], b: &[F]) -> F {
    let mut acc = [F::ZERO; LANES];
    let (ac, bc) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut tail = F::ZERO;
    for (x, y) in ac.remainder().iter().zip(bc.remainder()) {
        tail += *x * *y;
    }
    for (x, y) in ac.zip(bc) {
        for i in 0..LANES {
            acc[i] += x[i] * y[i];
        }
    }
    sum_lanes(acc) + tail
}

/// The largest number of a list that is not empty.
#[inline(always)]
pub fn largest<F: Float>(a: &[F]) -> F {
    let mut top = [a[0]; LANES];
    let (whole, rest) = a.as_chunks::<LANES>();
    for x in whole {
        for i in 0..LANES {
            top[i] = top[i].max(x[i]);
        }
    }
    // As in `sum_lanes`.
    std::hint::black_box(top).iter().chain(rest).fold(a[0], |top, x| top.max(*x))
}

/// `Σ a[i]`, in the order of [`dot`].
#[inline(always)]
pub fn sum<F: Float>(a: &[F]) -> F {
    let mut acc = [F::ZERO; LANES];
    let chunks = a.chunks_exact(LANES);
    let mut tail = F::ZERO;
    for x in chunks.remainder() {
        tail += *x;
    }
    for x in chunks {
        for i in 0..LANES {
            acc[i] += x[i];
        }
    }
    sum_lanes(acc) + tail
}

#[inline(always)]
fn sum_lanes<F: Float>(acc: [F; LANES]) -> F {
    // Otherwise the compiler uses vectors of two or four in the loop above, to suit the pairs added here.
    let mut acc = std::hint::black_box(acc);
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            acc[i] += acc[i + half];
        }
    }
    acc[0]
}
