//! Starting values of a model that can copy before it has learned anything.
//!
//! To copy a name that it has never seen, a decoder needs two circuits that work together: heads that look a few tokens back, and a head in
//! a later block that looks for the place where the same few tokens came before, and predicts what followed there (*induction*). From plain
//! random values a small model needs millions of tokens before these form. Here they are present from the start, and training sharpens
//! them. The rest of the model starts as in [`Weights::random`].
//!
//! - The first half of the residual stream holds what a token is, the second half, in [`BACK`] equal parts, what the tokens one, two
//!   and three before it are. Element 0 of every embedding is the same constant.
//! - Block 0 turns that constant into queries and keys whose rotary phases agree one, two or three tokens back, depending on the head.
//!   Each head writes the token it finds into its part of the second half.
//! - Blocks 1 and 2 compare the last tokens up to the query with those before the key, through one random projection onto the elements
//!   of a head that rotate slowly. They add the token at a match to the first half, which the tied head reads.

use super::config::Config;
use super::weights::{Weights, normal, start_of_vector};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::words;

words! {
    /// How the weights of a new model begin.
    pub enum Start {
        /// Random: [`Weights::random`].
        Random = "random",
        /// Random, with the circuits that copy: [`Weights::copying`].
        Copying = "copying",
    }
}

/// Element 0 of every embedding.
const CONSTANT: f64 = 0.5;
/// Deviation of the other elements of the first half.
const CONTENT: f64 = 0.15;
/// Deviation of the second half.
const SCRATCH: f64 = 0.01;
/// Deviation of attention around its circuits.
const NOISE: f64 = 0.003;
/// QK norm of the circuits' blocks: their attention is sharp.
const SHARPNESS: f32 = 1.5;
/// How many tokens back block 0 looks.
const BACK: usize = 3;
/// How strongly block 0 writes the previous tokens.
const BEFORE: f64 = 0.2;
/// How strongly blocks 1 and 2 write what follows a match.
const COPY: f64 = 0.3;
/// The fastest rotary pairs, which distinguish neighbours.
const FAST: usize = 6;
/// A pair is slow if it rotates by less than a radian over this many tokens.
const SLOW: f64 = 60.0;
/// Blocks with circuits.
const BLOCKS: usize = 3;

impl Weights {
    /// Random weights with the copying circuits. The model needs at least two blocks, three heads of sixteen elements and a width of
    /// twelve.
    pub fn copying(config: &Config, device: &Device, seed: u64) -> Result<Self> {
        let has = [config.num_hidden_layers, config.num_attention_heads, config.head_dim, config.hidden_size];
        if has.iter().zip([2, BACK, 16, 4 * BACK]).any(|(has, needed)| *has < needed) {
            return Err(Error::argument(format!(
                "copying needs at least 2 blocks, {BACK} heads of 16 elements and a width of {}; this model has {has:?}",
                4 * BACK
            )));
        }
        if !config.qk_norm() {
            let name = config.model_type.name();
            return Err(Error::argument(format!(
                "copying needs a model with QK norm, which makes attention sharp, and {name} does not have it"
            )));
        }
        let mut index = 0;
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self::build(config, |name, shape| {
            index += 1;
            // An untied head starts as a copy of the embedding, which is what the circuits write.
            let stream = if name == "lm_head.weight" { 1 } else { index };
            let mut rng = Rng::new(&[seed, stream]);
            let block = block(name).filter(|block| *block < BLOCKS);
            let values = match (shape, block) {
                ([n], Some(_)) if name.contains("q_norm") || name.contains("k_norm") => vec![SHARPNESS; *n],
                ([n], _) => vec![start_of_vector(name); *n],
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

/// One of the four attention matrices of a block with circuits.
fn attention(config: &Config, name: &str, shape: &[usize], block: usize, seed: u64, rng: &mut Rng) -> Vec<f32> {
    let (half, d, columns) = (config.hidden_size / 2, config.head_dim, shape[1]);
    let (heads, part) = (shape[0] / d, (half / BACK).min(d));
    let mut values = noise(shape, NOISE, rng);
    let mut put = |row: usize, column: usize, value: f64| values[row * columns + column] = value as f32;
    let frequencies = config.rope_frequencies();
    let frequency = |pair: usize| frequencies[pair];
    if name.contains("v_proj") {
        // What a token is.
        for head in 0..heads {
            (0..half.min(d)).for_each(|e| put(head * d + e, e, if e == 0 && block > 0 { 0.0 } else { 1.0 }));
        }
    } else if name.contains("o_proj") && block == 0 {
        for head in 0..BACK {
            (0..part).for_each(|e| put(half + head * part + e, head * d + e, BEFORE));
        }
    } else if name.contains("o_proj") {
        (0..half.min(d)).for_each(|e| put(e, e, COPY));
    } else if block == 0 {
        for (head, pair) in (0..heads).flat_map(|head| (0..FAST).map(move |pair| (head, pair))) {
            let back = if name.contains("q_proj") { (1 + head) as f64 } else { 0.0 };
            let (sin, cos) = (-back * frequency(pair)).sin_cos();
            put(head * d + pair, 0, cos);
            put(head * d + pair + d / 2, 0, sin);
        }
    } else {
        // Head 0 asks for the last tokens, itself and those before it; keys are the tokens before them.
        let (asks, heads) = if name.contains("q_proj") { (true, 1) } else { (false, heads) };
        let mut rng = Rng::new(&[seed, block as u64, 0]);
        let deviation = 1.0 / (half as f64).sqrt();
        for pair in (0..d / 2).filter(|pair| frequency(*pair) * SLOW < 1.0) {
            for (row, e) in [pair, pair + d / 2].into_iter().flat_map(|row| (0..BACK * part).map(move |e| (row, e))) {
                let value = if e % part == 0 { 0.0 } else { normal(&mut rng) * deviation };
                let column = match (asks, e < part) {
                    (true, true) => e,
                    (true, false) => half + e - part,
                    (false, _) => half + e,
                };
                (0..heads).for_each(|head| put(head * d + row, column, value));
            }
        }
    }
    values
}
