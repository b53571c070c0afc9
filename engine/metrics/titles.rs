//! Compares recommended titles with those of a catalogue, and computes the edit distance between texts.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use strsim::generic_levenshtein;

use super::text::{split, strip};

static BRACKETS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\([^()]*\)").expect("a valid pattern"));
static NUMBERING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d+[.)、]?[\s\x1c-\x1f]*[-—–]?[\s\x1c-\x1f]*").expect("a valid pattern"));

/// The share of gold titles among the first `k` recommendations of the answer, each matched to the nearest title. MemoryAgentBench's metric
/// for ReDial.
///
/// The recommendations are the lines after the first `1.`, or, if there is none, the parts between commas and line ends; brackets and
/// leading numbers are removed. An empty line is a recommendation too, as in the reference. `titles` is the catalogue, names of entities as
/// in its `entity2id.json` or plain titles; the nearest title has the smallest [`edit_distance`] in lower case, the first of several.
/// Without a catalogue each recommendation is its own title. No gold gives 0.
pub fn recall_at_k<T: AsRef<str>>(answer: &str, gold: &[T], titles: &[T], k: usize) -> f64 {
    let lines: Vec<String> = match answer.split_once("1.") {
        Some((_, list)) => list.split('\n').map(recommendation).collect(),
        None => answer.split([',', '\n']).map(recommendation).collect(),
    };
    let mut seen = HashSet::new();
    let titles: Vec<(String, Vec<char>)> = titles
        .iter()
        .map(|name| title(name.as_ref()))
        .filter(|title| seen.insert(title.clone()))
        .map(|title| {
            let letters = title.to_lowercase().chars().collect();
            (title, letters)
        })
        .collect();
    let recommended: Vec<&str> = lines.iter().take(k).map(|line| nearest(line, &titles)).collect();
    let found = gold.iter().filter(|gold| recommended.contains(&title(gold.as_ref()).as_str())).count();
    if gold.is_empty() { 0.0 } else { found as f64 / gold.len() as f64 }
}

fn recommendation(line: &str) -> String {
    let line = BRACKETS.replace_all(strip(line), "");
    split(&NUMBERING.replace(&line, "")).collect::<Vec<_>>().join(" ")
}

/// The title in the name of an entity: after the last slash, with `_`, `-` and `>` as spaces, without brackets.
fn title(entity: &str) -> String {
    let name = entity.rsplit('/').next().unwrap_or_default().replace(['_', '-', '>'], " ");
    split(&BRACKETS.replace_all(&name, "")).collect::<Vec<_>>().join(" ")
}

fn nearest<'a>(line: &'a str, titles: &'a [(String, Vec<char>)]) -> &'a str {
    let letters: Vec<char> = line.to_lowercase().chars().collect();
    let mut best = (usize::MAX, line);
    for (title, other) in titles {
        // The lengths alone may already rule out that it is nearer.
        if letters.len().abs_diff(other.len()) < best.0 {
            let distance = generic_levenshtein(&letters, other);
            if distance < best.0 {
                best = (distance, title);
            }
        }
    }
    best.1
}

/// The smallest number of characters to insert, delete or replace that turns the answer into an accepted one: the Levenshtein distance.
/// Lower is better; without accepted answers it is the length of the answer.
pub fn edit_distance<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer: Vec<char> = answer.chars().collect();
    let distance = |gold: &T| generic_levenshtein(&answer, &gold.as_ref().chars().collect::<Vec<_>>());
    gold.iter().map(distance).min().unwrap_or(answer.len()) as f64
}
