//! Blocks of quantised numbers from numbers, as llama.cpp's reference makes them (`quantize_row_q8_0_ref` and `quantize_row_q4_K_ref` in
//! `ggml-quants.c`).

use half::f16;

use super::quant::{Quant, UNIT};
use crate::error::{Error, Result};

/// The types that numbers can be rounded to.
const WRITTEN: [Quant; 2] = [Quant::Q8_0, Quant::Q4K];

impl Quant {
    /// The blocks of numbers. Only Q8_0 and Q4_K are made.
    pub fn quantise(self, numbers: &[f32]) -> Result<Vec<u8>> {
        if !WRITTEN.contains(&self) {
            let known = WRITTEN.map(Self::name).join(", ");
            return Err(Error::Argument(format!("{} is read, but not made of other numbers; made: {known}", self.name())));
        }
        if !numbers.len().is_multiple_of(self.block()) {
            return Err(Error::Shape(format!("{} numbers are no whole blocks of {}", numbers.len(), self.block())));
        }
        let mut bytes = Vec::with_capacity(numbers.len() / self.block() * self.bytes());
        for block in numbers.chunks(self.block()) {
            if self == Self::Q8_0 { q8_0(block, &mut bytes) } else { q4_k(block, &mut bytes) }
        }
        Ok(bytes)
    }
}

fn q8_0(numbers: &[f32], bytes: &mut Vec<u8>) {
    let d = numbers.iter().fold(0.0f32, |most, v| most.max(v.abs())) / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    bytes.extend(f16::from_f32(d).to_le_bytes());
    bytes.extend(numbers.iter().map(|v| (v * inverse).round() as i8 as u8));
}

/// The largest scale and offset of a unit, which have 6 bits, and the largest number, which has 4.
const SIX_BITS: f32 = 63.0;
const FOUR_BITS: f32 = 15.0;

fn q4_k(numbers: &[f32], bytes: &mut Vec<u8>) {
    let units: Vec<(f32, f32)> = numbers.chunks(UNIT).map(fit).collect();
    let (most_scale, most_offset) = units.iter().fold((0.0f32, 0.0f32), |(s, m), (scale, offset)| (s.max(*scale), m.max(*offset)));
    let part = |of: f32, most: f32| if most > 0.0 { (SIX_BITS / most * of).round_ties_even().min(SIX_BITS) as u8 } else { 0 };
    let six: Vec<(u8, u8)> = units.iter().map(|(scale, offset)| (part(*scale, most_scale), part(*offset, most_offset))).collect();
    let [d, dmin] = [most_scale, most_offset].map(|most| f16::from_f32(most / SIX_BITS));
    bytes.extend(d.to_le_bytes());
    bytes.extend(dmin.to_le_bytes());
    let mut packed = [0u8; 12];
    for (j, &(scale, offset)) in six.iter().enumerate() {
        if j < 4 {
            packed[j] |= scale;
            packed[j + 4] |= offset;
        } else {
            packed[j + 4] = (scale & 15) | (offset & 15) << 4;
            packed[j - 4] |= scale >> 4 << 6;
            packed[j] |= offset >> 4 << 6;
        }
    }
    bytes.extend(packed);
    let mut rounded = [0u8; 8 * UNIT];
    for ((rounded, numbers), (scale, offset)) in rounded.chunks_mut(UNIT).zip(numbers.chunks(UNIT)).zip(six) {
        let (scale, offset) = (d.to_f32() * f32::from(scale), dmin.to_f32() * f32::from(offset));
        for (q, v) in rounded.iter_mut().zip(numbers) {
            *q = if scale == 0.0 { 0 } else { ((v + offset) / scale).round_ties_even().clamp(0.0, FOUR_BITS) as u8 };
        }
    }
    for pair in rounded.chunks(2 * UNIT) {
        let (low, high) = pair.split_at(UNIT);
        bytes.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
    }
}

/// Scales that are tried for a unit, around the one that spans all its numbers.
const TRIED: i32 = 20;

/// The scale and the offset, neither below 0, for which `q · scale - offset` with whole numbers q from 0 to 15 is nearest to the numbers. The
/// squares of the differences are weighted; large numbers count more.
fn fit(numbers: &[f32]) -> (f32, f32) {
    let mean = (numbers.iter().map(|v| v * v).sum::<f32>() / numbers.len() as f32).sqrt();
    let weighted = || numbers.iter().map(|v| (*v, mean + v.abs()));
    let (mut least, most) = numbers.iter().fold((numbers[0], numbers[0]), |(least, most), v| (least.min(*v), most.max(*v)));
    least = least.min(0.0);
    if most == least {
        return (0.0, -least);
    }
    let (sum_w, sum_x) = weighted().fold((0.0, 0.0), |(w, x), (v, weight)| (w + weight, x + weight * v));
    let whole = |inverse: f32, v: f32| (inverse * (v - least)).round_ties_even().clamp(0.0, FOUR_BITS);
    let off = |inverse: f32, scale: f32, low: f32| -> f32 {
        weighted().map(|(v, weight)| weight * (scale * whole(inverse, v) + low - v).powi(2)).sum()
    };
    let inverse = FOUR_BITS / (most - least);
    let (mut best, mut found) = (off(inverse, 1.0 / inverse, least), (1.0 / inverse, least));
    for step in 0..=TRIED {
        let inverse = (-1.0 + 0.1 * step as f32 + FOUR_BITS) / (most - least);
        let (mut sum_l, mut sum_l2, mut sum_xl) = (0.0f32, 0.0f32, 0.0f32);
        for (v, weight) in weighted() {
            let l = whole(inverse, v);
            (sum_l, sum_l2, sum_xl) = (sum_l + weight * l, sum_l2 + weight * l * l, sum_xl + weight * l * v);
        }
        let determinant = sum_w * sum_l2 - sum_l * sum_l;
        if determinant <= 0.0 {
            continue;
        }
        let mut scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
        let mut low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
        if low > 0.0 {
            (scale, low) = (sum_xl / sum_l2, 0.0);
        }
        let now = off(inverse, scale, low);
        if now < best {
            (best, found) = (now, (scale, low));
        }
    }
    (found.0.max(0.0), -found.1)
}
