//! Answer metrics, as in the SQuAD evaluation: texts are normalised, and the best of the accepted answers counts.

use std::str::FromStr;

use crate::Error;

/// A metric by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metric {
    /// [`exact_match`].
    ExactMatch,
    /// [`substring_exact_match`], which scores questions that name no metric.
    #[default]
    SubstringExactMatch,
    /// [`token_f1`].
    TokenF1,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Metric; 3] = [Metric::ExactMatch, Metric::SubstringExactMatch, Metric::TokenF1];

    /// Its name in scripts and results.
    pub fn name(self) -> &'static str {
        match self {
            Metric::ExactMatch => "exact_match",
            Metric::SubstringExactMatch => "substring_exact_match",
            Metric::TokenF1 => "token_f1",
        }
    }

    /// The score of an answer, from 0 to 1.
    pub fn score<T: AsRef<str>>(self, answer: &str, gold: &[T]) -> f64 {
        match self {
            Metric::ExactMatch => exact_match(answer, gold),
            Metric::SubstringExactMatch => substring_exact_match(answer, gold),
            Metric::TokenF1 => token_f1(answer, gold),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| Error::argument(format!("no metric is called {name:?}; there are {}", names())))
    }
}

/// The text without upper case, ASCII punctuation, English articles and extra white space.
pub fn normalise(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    plain.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).collect::<Vec<_>>().join(" ")
}

/// 1 if the answer equals an accepted answer, else 0.
pub fn exact_match<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    best(gold, |gold| f64::from(normalise(gold) == answer))
}

/// 1 if the answer contains an accepted answer, else 0. An accepted answer of which normalising leaves nothing must be equal.
pub fn substring_exact_match<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    best(gold, |gold| {
        let gold = normalise(gold);
        f64::from(if gold.is_empty() { answer.is_empty() } else { answer.contains(&gold) })
    })
}

/// The harmonic mean of precision and recall over words. `yes`, `no` and `noanswer` count only when the texts are equal.
pub fn token_f1<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    best(gold, |gold| {
        let gold = normalise(gold);
        let closed = |text: &str| matches!(text, "yes" | "no" | "noanswer");
        if answer == gold {
            return 1.0;
        }
        if closed(&answer) || closed(&gold) {
            return 0.0;
        }
        let mut left: Vec<&str> = gold.split(' ').filter(|word| !word.is_empty()).collect();
        let (gold_words, answer_words) = (left.len(), answer.split(' ').filter(|word| !word.is_empty()).count());
        let common = answer.split(' ').filter(|word| left.iter().position(|w| w == word).map(|at| left.swap_remove(at)).is_some()).count();
        if common == 0 { 0.0 } else { 2.0 * common as f64 / (gold_words + answer_words) as f64 }
    })
}

fn best<T: AsRef<str>>(gold: &[T], score: impl Fn(&str) -> f64) -> f64 {
    gold.iter().map(|gold| score(gold.as_ref())).fold(0.0, f64::max)
}

/// The 95 % percentile bootstrap interval of the mean, from 2,000 resamples. No scores give (0, 0).
pub fn bootstrap_interval(scores: &[f64], seed: u64) -> (f64, f64) {
    const RESAMPLES: usize = 2000;
    if scores.is_empty() {
        return (0.0, 0.0);
    }
    let mut state = seed;
    let mut draw = || {
        // SplitMix64: a few multiplications, and good enough to pick indices.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * scores.len() as u128) >> 64) as usize
    };
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| (0..scores.len()).map(|_| scores[draw()]).sum::<f64>() / scores.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    (means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40])
}
