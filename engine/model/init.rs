//! Starting values of a model that can copy before it has learned anything.
//!
//! To copy a name that it has never seen, a decoder needs two circuits that work together: a head that looks one token back, and a
//! head in a later block that looks for the place where the present token was the last one, and says what stands there (an *induction*
//! pair). From plain random values a small model needs millions of tokens before they form; here they stand from the start, and
//! training sharpens them. The rest of the model starts as in [`Weights::random`].
//!
//! - The first half of the residual stream holds what a token is, the second half what the token before it is. Element 0 of every
//!   embedding is the same constant.
//! - Block 0 turns that constant into queries and keys whose rotary phases agree one token back, and writes what it finds there into
//!   the second half.
//! - Blocks 1 and 2 compare the first half of the query with the second half of the key, through one random projection onto the
//!   elements of a head that rotate slowly, and add what a match is to the first half, which the tied head reads.

use super::config::Config;
use super::weights::{Weights, normal};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::random::Rng;

/// Element 0 of every embedding.
const CONSTANT: f64 = 0.5;
/// Deviation of the other elements of the first half.
const CONTENT: f64 = 0.15;
/// Deviation of the second half.
const SCRATCH: f64 = 0.01;
/// Deviation of attention around its circuits.
const NOISE: f64 = 0.004;
/// QK norm of the circuits' blocks: their attention is sharp.
const SHARPNESS: f32 = 2.0;
/// How strongly block 0 writes what the token before is.
const BEFORE: f32 = 0.15;
/// How strongly blocks 1 and 2 write what follows a match.
const COPY: f32 = 0.5;
/// The fastest rotary pairs, which tell neighbours apart.
const FAST: usize = 6;
/// A pair is slow if it turns by less than a radian over so many tokens.
const SLOW: f64 = 60.0;
/// Blocks that take part.
const BLOCKS: usize = 3;

impl Weights {
    /// Random weights with the circuits that copy. The model needs two blocks or more, a width of eight or more, and QK heads of sixteen
    /// or more elements.
    pub fn copying(config: &Config, device: &Device, seed: u64) -> Result<Self> {
        if config.num_hidden_layers < 2 || config.hidden_size < 8 || config.head_dim < 16 {
            return Err(Error::argument(format!(
                "copying needs 2 blocks, a width of 8 and heads of 16 elements at least; this model has {}, {} and {}",
                config.num_hidden_layers, config.hidden_size, config.head_dim
            )));
        }
        let mut index = 0;
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self::build(config, |name, shape| {
            index += 1;
            // A head of its own starts as the embedding, which the circuits write to.
            let stream = if name == "lm_head.weight" { 1 } else { index };
            let mut rng = Rng::new(&[seed, stream]);
            let block = block(name).filter(|block| *block < BLOCKS);
            let values = match (shape, block) {
                ([n], Some(_)) if name.contains("q_norm") || name.contains("k_norm") => vec![SHARPNESS; *n],
                ([n], _) => vec![1.0; *n],
                (_, Some(block)) if name.contains("self_attn") => attention(config, name, shape, block, seed, &mut rng),
                _ if name == "model.embed_tokens.weight" || name == "lm_head.weight" => embedding(config, &mut rng),
                _ => noise(shape, if name.contains("o_proj") || name.contains("down_proj") { residual } else { 0.02 }, &mut rng),
            };
            device.tensor(&values, shape)
        })
    }
}

/// The block that a parameter belongs to.
fn block(name: &str) -> Option<usize> {
    name.strip_prefix("model.layers.")?.split('.').next()?.parse().ok()
}

fn noise(shape: &[usize], deviation: f64, rng: &mut Rng) -> Vec<f32> {
    (0..shape.iter().product()).map(|_| (normal(rng) * deviation) as f32).collect()
}

/// [V, C]
fn embedding(config: &Config, rng: &mut Rng) -> Vec<f32> {
    let (c, half) = (config.hidden_size, config.hidden_size / 2);
    let element = |i: usize, rng: &mut Rng| match i % c {
        0 => CONSTANT as f32,
        e => (normal(rng) * if e < half { CONTENT } else { SCRATCH }) as f32,
    };
    (0..config.vocab_size * c).map(|i| element(i, rng)).collect()
}

/// One of the four matrices of attention in a block that takes part.
fn attention(config: &Config, name: &str, shape: &[usize], block: usize, seed: u64, rng: &mut Rng) -> Vec<f32> {
    let (half, d, columns) = (config.hidden_size / 2, config.head_dim, shape[1]);
    let carried = half.min(d);
    let heads = shape[0] / d;
    let mut values = noise(shape, NOISE, rng);
    let mut put = |row: usize, column: usize, value: f64| values[row * columns + column] = value as f32;
    let frequency = |pair: usize| config.rope_theta.powf(-2.0 * pair as f64 / d as f64);
    if name.contains("v_proj") {
        // What a token is.
        for head in 0..heads {
            (0..carried).for_each(|e| put(head * d + e, e, if e == 0 && block > 0 { 0.0 } else { 1.0 }));
        }
    } else if name.contains("o_proj") {
        let (to, strength) = if block == 0 { (half, BEFORE) } else { (0, COPY) };
        (0..carried).for_each(|e| put(to + e, e, f64::from(strength)));
    } else if block == 0 {
        for pair in 0..FAST {
            for head in 0..heads {
                // Even heads look one token back, odd heads two.
                let back = if name.contains("q_proj") { (1 + head % 2) as f64 } else { 0.0 };
                let (sin, cos) = (-back * frequency(pair)).sin_cos();
                put(head * d + pair, 0, cos);
                if back > 0.0 {
                    put(head * d + pair + d / 2, 0, sin);
                }
            }
        }
    } else {
        // Queries of head 0 read the first half, keys the second, by the same projection.
        let (from, heads) = if name.contains("q_proj") { (0, 1) } else { (half, heads) };
        let mut rng = Rng::new(&[seed, block as u64, 0]);
        let deviation = 1.0 / (half as f64).sqrt();
        for pair in (0..d / 2).filter(|pair| frequency(*pair) * SLOW < 1.0) {
            for row in [pair, pair + d / 2] {
                for e in 0..half {
                    let value = if e == 0 { 0.0 } else { normal(&mut rng) * deviation };
                    (0..heads).for_each(|head| put(head * d + row, from + e, value));
                }
            }
        }
    }
    values
}
