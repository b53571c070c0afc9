//! The rotary frequencies of a model: their base, and how they are stretched for longer texts.
//!
//! Older releases of transformers write `rope_theta` beside `rope_scaling`, newer ones both in `rope_parameters`. Both are read as
//! transformers 5 reads them: a `rope_scaling` that is not empty replaces `rope_parameters`; the kind is `rope_type`, else `type`, else
//! "default"; and `original_max_position_embeddings` beside the object counts more than the one inside.

use std::f64::consts::TAU;

use serde_json::{Map, Value, json};

use super::keys::{is_off, number, number_or, short, size};
use crate::error::{Error, Result};

const ORIGINAL: &str = "original_max_position_embeddings";
/// The base if a configuration has none.
const THETA: f64 = 10_000.0;

/// How the frequencies are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// All frequencies are divided by a factor.
    Linear(f64),
    /// Llama 3.1 and later.
    Llama3(Llama3),
    /// YaRN (arXiv 2309.00071).
    Yarn(Yarn),
}

/// Waves longer than `original_max_position_embeddings / low_freq_factor` positions are slowed down by `factor`, those shorter than
/// `original_max_position_embeddings / high_freq_factor` are unchanged, and those in between are interpolated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3 {
    /// The factor by which long waves are slowed down.
    pub factor: f64,
    /// Less than `high_freq_factor`.
    pub low_freq_factor: f64,
    /// More than `low_freq_factor`.
    pub high_freq_factor: f64,
    /// The longest sequence before the stretching.
    pub original_max_position_embeddings: usize,
}

/// Pairs that turn less than `beta_slow` times in `original_max_position_embeddings` positions are slowed down by `factor`, those that turn
/// more than `beta_fast` times are unchanged, and those in between are interpolated by their index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// The factor by which slow pairs are slowed down.
    pub factor: f64,
    /// Multiplies cosines and sines, so its square multiplies the logits of attention.
    pub attention_factor: f64,
    /// Turns of the pairs that are unchanged.
    pub beta_fast: f64,
    /// Turns of the pairs that are slowed down.
    pub beta_slow: f64,
    /// Whether the range between them is widened to whole indices.
    pub truncate: bool,
    /// The longest sequence before the stretching.
    pub original_max_position_embeddings: usize,
}

/// The base and the stretching that a configuration asks for. `longest` is its `max_position_embeddings`.
pub(super) fn read(map: &Map<String, Value>, longest: usize) -> Result<(f64, Option<Stretch>)> {
    let none = Map::new();
    let (name, rope) = match used(map) {
        Some((name, Value::Object(rope))) => (name, rope),
        Some((name, other)) => return Err(Error::argument(format!("{name} = {} is not an object", short(other)))),
        None => ("rope_parameters", &none),
    };
    let theta = number_or(if rope.contains_key("rope_theta") { rope } else { map }, "rope_theta", THETA)?;
    let partial = |map: &Map<String, Value>| map.get("partial_rotary_factor").is_some_and(|factor| factor.as_f64() != Some(1.0));
    if partial(rope) || (partial(map) && !map["partial_rotary_factor"].is_null()) {
        return Err(Error::argument("partial_rotary_factor is not supported: all elements of a head are rotated"));
    }
    let stretch = stretch(rope, map, longest).map_err(|e| Error::argument(format!("{name}: {e}")))?;
    Ok((theta, stretch))
}

/// Fails if the frequencies of heads of `dim` elements are not finite.
pub(super) fn check(theta: f64, dim: usize, stretch: &Option<Stretch>) -> Result<()> {
    let yarn = matches!(stretch, Some(Stretch::Yarn(_)));
    // The last frequency is the largest if any is larger than 1. YaRN divides by the logarithm of the base.
    match base(theta, dim, dim / 2 - 1).is_finite() && !(yarn && theta == 1.0) {
        true => Ok(()),
        false => Err(Error::argument(format!("rope_theta = {theta} with this rope_type gives frequencies that are not finite"))),
    }
}

/// The frequency of a pair of elements, in radians per position, before the stretching.
pub(super) fn base(theta: f64, dim: usize, pair: usize) -> f64 {
    theta.powf(-2.0 * pair as f64 / dim as f64)
}

/// The object that is used, with its key.
fn used(map: &Map<String, Value>) -> Option<(&'static str, &Value)> {
    ["rope_scaling", "rope_parameters"].into_iter().find_map(|key| Some((key, map.get(key).filter(|value| !is_off(value))?)))
}

fn stretch(rope: &Map<String, Value>, map: &Map<String, Value>, longest: usize) -> Result<Option<Stretch>> {
    if let Some((key, _)) = rope.iter().find(|(_, value)| value.is_object()) {
        return Err(Error::argument(format!("an object for each kind of layer ({}) is not supported", short(&json!(key)))));
    }
    let kind = match (rope.get("rope_type"), rope.get("type")) {
        // Releases of transformers differ in which of the two they use.
        (Some(a), Some(b)) if a != b => {
            return Err(Error::argument(format!("rope_type {} and type {} contradict each other; keep one", short(a), short(b))));
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => return Ok(None),
    };
    // Positions before the stretching, for the kinds that use it.
    let original = || match (map.contains_key(ORIGINAL), rope.contains_key(ORIGINAL)) {
        (true, _) => size(map, ORIGINAL),
        (false, true) => size(rope, ORIGINAL),
        (false, false) => Ok(longest),
    };
    match kind.as_str() {
        Some("default") => Ok(None),
        Some("linear") => Ok(Some(Stretch::Linear(number(rope, "factor")?))),
        // It changes the base from the first position after max_position_embeddings on, and longer sequences are refused.
        Some("dynamic") => number(rope, "factor").map(|_| None),
        Some("llama3") => Ok(Some(Stretch::Llama3(Llama3::read(rope, original()?)?))),
        Some("yarn") => Ok(Some(Stretch::Yarn(Yarn::read(rope, original()?, longest)?))),
        _ => {
            let known = "default, linear, dynamic, llama3, yarn";
            Err(Error::argument(format!("rope_type {} is not supported; supported: {known}", short(kind))))
        }
    }
}

/// The keys inside `rope_scaling` or `rope_parameters` that have a value and are ignored, because the kind has no such key.
pub(super) fn ignored(map: &Map<String, Value>) -> Vec<String> {
    let Some((name, Value::Object(rope))) = used(map) else { return Vec::new() };
    let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str).unwrap_or("default");
    let read: &[&str] = match kind {
        "linear" | "dynamic" => &["factor"],
        "llama3" => &["factor", "low_freq_factor", "high_freq_factor", ORIGINAL],
        "yarn" => &["factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate", ORIGINAL],
        _ => &[],
    };
    let always = ["rope_theta", "rope_type", "type", "partial_rotary_factor"];
    let known = |key: &str| read.contains(&key) || always.contains(&key);
    rope.iter().filter(|(key, value)| !value.is_null() && !known(key)).map(|(key, _)| format!("{name}.{key}")).collect()
}

impl Stretch {
    /// The content of `rope_scaling`.
    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Linear(factor) => json!({ "rope_type": "linear", "factor": factor }),
            Self::Llama3(s) => json!({
                "rope_type": "llama3",
                "factor": s.factor,
                "low_freq_factor": s.low_freq_factor,
                "high_freq_factor": s.high_freq_factor,
                ORIGINAL: s.original_max_position_embeddings,
            }),
            Self::Yarn(s) => json!({
                "rope_type": "yarn",
                "factor": s.factor,
                "attention_factor": s.attention_factor,
                "beta_fast": s.beta_fast,
                "beta_slow": s.beta_slow,
                "truncate": s.truncate,
                ORIGINAL: s.original_max_position_embeddings,
            }),
        }
    }

    /// The stretched form of the frequencies `theta^(−2i / dim)`: [dim / 2].
    pub(super) fn apply(&self, frequencies: Vec<f64>, theta: f64) -> Vec<f64> {
        match self {
            Self::Linear(factor) => frequencies.into_iter().map(|frequency| frequency / factor).collect(),
            Self::Llama3(llama3) => frequencies.into_iter().map(|frequency| llama3.stretch(frequency)).collect(),
            Self::Yarn(yarn) => yarn.stretch(frequencies, theta),
        }
    }
}

impl Llama3 {
    fn read(rope: &Map<String, Value>, original: usize) -> Result<Self> {
        let [factor, low_freq_factor, high_freq_factor] = ["factor", "low_freq_factor", "high_freq_factor"].map(|key| number(rope, key));
        let read = Self {
            factor: factor?,
            low_freq_factor: low_freq_factor?,
            high_freq_factor: high_freq_factor?,
            original_max_position_embeddings: original,
        };
        let (low, high) = (read.low_freq_factor, read.high_freq_factor);
        if low >= high {
            return Err(Error::argument(format!("low_freq_factor {low} must be below high_freq_factor {high}")));
        }
        Ok(read)
    }

    fn stretch(&self, frequency: f64) -> f64 {
        // Number of waves in a sequence of the original length.
        let turns = self.original_max_position_embeddings as f64 * frequency / TAU;
        let share = ((turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)).clamp(0.0, 1.0);
        (1.0 - share) * frequency / self.factor + share * frequency
    }
}

impl Yarn {
    fn read(rope: &Map<String, Value>, original: usize, longest: usize) -> Result<Self> {
        // These count as missing if they are null or 0.
        let some = |key: &str| match rope.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) if value.as_f64() == Some(0.0) => Ok(None),
            Some(_) => number(rope, key).map(Some),
        };
        let factor = match rope.get("factor") {
            Some(Value::Null) => longest as f64 / original as f64,
            _ => number(rope, "factor")?,
        };
        let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
        let recommended = match (some("mscale")?, some("mscale_all_dim")?) {
            (Some(mscale), Some(all)) => scale(mscale) / scale(all),
            _ => scale(1.0),
        };
        Ok(Self {
            factor,
            attention_factor: match rope.get("attention_factor") {
                None | Some(Value::Null) => recommended,
                Some(_) => number(rope, "attention_factor")?,
            },
            beta_fast: some("beta_fast")?.unwrap_or(32.0),
            beta_slow: some("beta_slow")?.unwrap_or(1.0),
            truncate: match rope.get("truncate") {
                None => true,
                Some(Value::Null) => false,
                Some(Value::Bool(truncate)) => *truncate,
                Some(other) => return Err(Error::argument(format!("truncate = {} is not true or false", short(other)))),
            },
            original_max_position_embeddings: original,
        })
    }

    fn stretch(&self, frequencies: Vec<f64>, theta: f64) -> Vec<f64> {
        let dim = 2.0 * frequencies.len() as f64;
        // The index of the pair that turns so often.
        let index = |turns: f64| dim * (self.original_max_position_embeddings as f64 / (turns * TAU)).ln() / (2.0 * theta.ln());
        let (mut low, mut high) = (index(self.beta_fast), index(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dim - 1.0));
        if low == high {
            high += 0.001;
        }
        let slowed = |i: usize| ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
        frequencies.into_iter().enumerate().map(|(i, f)| f / self.factor * slowed(i) + f * (1.0 - slowed(i))).collect()
    }
}
