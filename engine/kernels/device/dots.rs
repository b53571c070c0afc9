//! Dot products and weighted sums of a few rows, in registers. The order of each sum is fixed, whatever is computed beside it.

use std::hint::black_box;

use super::float::Float;
use super::weight::Stored;

/// Elements of a vector.
pub(crate) const LANES: usize = 8;

/// A row as whole vectors and the rest.
pub(crate) type Row<'a, T> = (&'a [[T; LANES]], &'a [T]);

/// The dot product of every row of `a` with every row of `w`, each as eight interleaved partial sums.
#[inline(always)]
pub(crate) fn dots<F: Float, S: Stored<F>, const FUSED: bool, const A: usize, const W: usize>(
    a: &[Row<'_, F>; A],
    w: &[Row<'_, S>; W],
) -> [[F; W]; A] {
    let whole = a[0].0.len();
    let (a_lanes, w_lanes) = (a.map(|a| &a.0[..whole]), w.map(|w| &w.0[..whole]));
    let mut acc = [[[F::ZERO; LANES]; W]; A];
    for at in 0..whole {
        for i in 0..A {
            for j in 0..W {
                acc[i][j] = add_product::<F, S, FUSED>(acc[i][j], &a_lanes[i][at], &w_lanes[j][at]);
            }
        }
    }
    // Hides the sums from the code below. Otherwise the compiler arranges the loop for that code, with sums in memory or shuffled vectors,
    // at a third of the speed.
    let mut acc = black_box(acc);
    if !a[0].1.is_empty() {
        for i in 0..A {
            for j in 0..W {
                for (sum, (a, w)) in acc[i][j].iter_mut().zip(a[i].1.iter().zip(w[j].1)) {
                    *sum = multiply_add::<F, FUSED>(*a, w.widen(), *sum);
                }
            }
        }
    }
    let mut sums = [[F::ZERO; W]; A];
    for (sums, acc) in sums.as_flattened_mut().chunks_mut(4).zip(acc.as_flattened().chunks(4)) {
        let mut halves = [[F::ZERO; LANES / 2]; 4];
        for (half, acc) in halves.iter_mut().zip(acc) {
            let acc = black_box(acc);
            *half = std::array::from_fn(|l| acc[l] + acc[l + LANES / 2]);
        }
        for (sum, h) in sums.iter_mut().zip(black_box(halves)) {
            *sum = (h[0] + h[2]) + (h[1] + h[3]);
        }
    }
    sums
}

#[inline(always)]
pub(crate) fn add_product<F: Float, S: Stored<F>, const FUSED: bool>(mut sum: [F; LANES], a: &[F; LANES], w: &[S; LANES]) -> [F; LANES] {
    for l in 0..LANES {
        sum[l] = multiply_add::<F, FUSED>(a[l], w[l].widen(), sum[l]);
    }
    sum
}

/// `sum + a · w`, rounded once if `FUSED`, which needs a processor with fused multiply-add ([`super::parallel::can_fuse`]).
#[inline(always)]
fn multiply_add<F: Float, const FUSED: bool>(a: F, w: F, sum: F) -> F {
    if FUSED { a.mul_add(w, sum) } else { sum + a * w }
}

/// `y += Σ_i weights[i] · rows[i]`, the rows as long as `y` and `stride` elements apart.
#[inline(always)]
pub(crate) fn weighted_sum<F: Float, const FUSED: bool>(y: &mut [F], weights: &[F], rows: &[F], stride: usize) {
    let (wide, rest) = y.as_chunks_mut::<{ WIDE * LANES }>();
    let (narrow, rest) = rest.as_chunks_mut::<LANES>();
    let mut at = 0;
    for y in wide {
        vectors::<F, FUSED, WIDE>(y, weights, &rows[at..], stride);
        at += WIDE * LANES;
    }
    for y in narrow {
        vectors::<F, FUSED, 1>(y, weights, &rows[at..], stride);
        at += LANES;
    }
    for (weight, row) in weights.iter().zip(rows[at..].chunks(stride)) {
        for (y, x) in rest.iter_mut().zip(row) {
            *y = multiply_add::<F, FUSED>(*weight, *x, *y);
        }
    }
}

/// Vectors that [`weighted_sum`] keeps in registers.
const WIDE: usize = 8;

/// [`weighted_sum`] over `N` vectors.
#[inline(always)]
fn vectors<F: Float, const FUSED: bool, const N: usize>(y: &mut [F], weights: &[F], rows: &[F], stride: usize) {
    let (y, _) = y.as_chunks_mut::<LANES>();
    let mut sums = [[F::ZERO; LANES]; N];
    sums.copy_from_slice(y);
    for (weight, row) in weights.iter().zip(rows.chunks(stride)) {
        let Some(row) = row.as_chunks::<LANES>().0.first_chunk::<N>() else { break };
        for i in 0..N {
            for l in 0..LANES {
                sums[i][l] = multiply_add::<F, FUSED>(*weight, row[i][l], sums[i][l]);
            }
        }
    }
    y.copy_from_slice(&sums);
}
