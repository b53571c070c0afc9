//! ROUGE-L, as in Google's `rouge_score` with its stemmer.

use std::collections::HashMap;

use super::porter::stem;
use super::{best, f1};

/// The F-measure of the longest common subsequence of the stemmed words (lower-case runs of a to z and 0 to 9; words of up to three letters
/// are not stemmed), 0 if a text has no words.
pub fn rouge_l<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let mut ids = HashMap::new();
    let answer = words(answer, &mut ids);
    best(gold, |gold| {
        let gold = words(gold, &mut ids);
        f1(longest_common_subsequence(&answer, &gold), answer.len(), gold.len())
    })
}

/// The words, each as the number of its stem.
fn words(text: &str, ids: &mut HashMap<String, usize>) -> Vec<usize> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = |word: &str| {
        let word = if word.len() > 3 { stem(word) } else { word.to_owned() };
        let next = ids.len();
        *ids.entry(word).or_insert(next)
    };
    words.map(&mut id).collect()
}

fn longest_common_subsequence(a: &[usize], b: &[usize]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}
