//! Scores labels: strictly, as published, and leniently.

use std::sync::LazyLock;

use regex::Regex;

use super::best;
use super::text::{normalise, strip};

static BOXED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\boxed\{([^}]*)\}").expect("a valid pattern"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+").expect("a valid pattern"));
/// A number stated to be the answer, with quotes, asterisks, brackets or a dollar sign before it.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:label|answer|class|category)\W{0,3}\s*(?:is|=)?[\s"'`*_(\[{$:]*(\d+)"#).expect("a valid pattern")
});

/// The words that introduce a name stated to be the answer.
static INTRODUCED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\b(?:label|answer|class|category)\W{0,3}\s*(?:\bis\b|=)?").expect("a valid pattern"));

/// 1 if the label is an accepted one, else 0. From Mem-α: the label is the content of the first `\boxed{…}`, or the whole text if there is
/// none, without quotes around it, and must consist of digits only.
pub fn boxed_label_strict<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let label = unquoted(strip(BOXED.captures(answer).map_or(answer, |found| found.get(1).map_or("", |inside| inside.as_str()))));
    let number = NUMBER.find(label).is_some_and(|number| number.len() == label.len());
    best(gold, |gold| f64::from(number && label == unquoted(gold)))
}

/// 1 if the label is an accepted one in any form, else 0: `label: 4`, `4.` and `The label is 4` count as `4`. The lenient counterpart of
/// [`boxed_label_strict`] and of labels scored by [`super::exact_match`].
///
/// The text is the content of the last `\boxed{…}`, or the whole answer. An accepted answer in digits is compared with the text's number:
/// the last that follows "label", "answer", "class" or "category" directly, or after "is", ":" or "="; otherwise the only number in it.
/// Leading zeros do not count. Any other accepted answer must equal the text, or the text after the last of these words, both normalised.
pub fn boxed_label<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let boxed = BOXED.captures_iter(answer).last().and_then(|found| found.get(1));
    let text = boxed.map_or(answer, |inside| inside.as_str());
    let label = number(text);
    let (whole, name) = (normalise(text), normalise(INTRODUCED.find_iter(text).last().map_or(text, |found| &text[found.end()..])));
    best(gold, |gold| {
        let digits = unquoted(gold);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if number {
            return f64::from(label == Some(without_zeros(digits)));
        }
        let gold = normalise(gold);
        f64::from(gold == whole || gold == name && !gold.is_empty())
    })
}

fn number(text: &str) -> Option<&str> {
    let named = NAMED.captures_iter(text).last().and_then(|found| found.get(1));
    let number = match named {
        Some(number) => number,
        None => {
            let mut numbers = NUMBER.find_iter(text);
            let only = numbers.next().filter(|_| numbers.next().is_none())?;
            return Some(without_zeros(only.as_str()));
        }
    };
    Some(without_zeros(number.as_str()))
}

fn without_zeros(number: &str) -> &str {
    let rest = number.trim_start_matches('0');
    if rest.is_empty() { "0" } else { rest }
}

fn unquoted(text: &str) -> &str {
    strip(text.trim_matches(['"', '\'']))
}
