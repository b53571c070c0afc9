//! BM25 Okapi, equal to Python's `rank_bm25` in tokens, weights, floor and order.
//!
//! With `N` documents, `n(w)` of them holding word `w`, `f(w, d)` occurrences in document `d` of `|d|` words:
//!
//! ```text
//! idf(w)      = ln(N - n(w) + 0.5) - ln(n(w) + 0.5),  or 0.25 · mean idf where that is negative
//! score(q, d) = Σ over the words w of q, repeats counted:  idf(w) · f(w, d) · (k1 + 1) / (f(w, d) + k1 · (1 - b + b · |d| / mean |d|))
//! ```
//!
//! The floor is itself negative when the mean is: with one or two documents an item that holds the query's words may score
//! below one that does not. That is the reference's behaviour and is kept.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

const K1: f64 = 1.5;
const B: f64 = 0.75;
const EPSILON: f64 = 0.25;

/// What Python's `\w+` matches: letters, numbers and the underscore, but no combining marks.
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").expect("a valid pattern"));

/// The words of `text`, lower-cased, in order.
pub fn words(text: &str) -> Vec<String> {
    WORD.find_iter(&text.to_lowercase()).map(|word| word.as_str().to_owned()).collect()
}

/// An index over a fixed list of documents.
#[derive(Debug, Clone, Default)]
pub struct Bm25 {
    /// Word → row of `idf` and `postings`.
    vocabulary: HashMap<String, usize>,
    idf: Vec<f64>,
    /// Per word, the documents that hold it and how often.
    postings: Vec<Vec<(usize, f64)>>,
    /// Per document, `k1 · (1 - b + b · |d| / mean |d|)`.
    norms: Vec<f64>,
}

impl Bm25 {
    /// Indexes `documents`; their order decides ties.
    pub fn new<T: AsRef<str>>(documents: &[T]) -> Self {
        let mut index = Self::default();
        let mut lengths = Vec::with_capacity(documents.len());
        for (document, text) in documents.iter().enumerate() {
            let words = words(text.as_ref());
            lengths.push(words.len() as f64);
            for word in words {
                let row = *index.vocabulary.entry(word).or_insert(index.postings.len());
                if row == index.postings.len() {
                    index.postings.push(Vec::new());
                }
                match index.postings[row].last_mut() {
                    Some((last, count)) if *last == document => *count += 1.0,
                    _ => index.postings[row].push((document, 1.0)),
                }
            }
        }
        let count = documents.len() as f64;
        let mean_length = lengths.iter().sum::<f64>() / count;
        index.norms = lengths.iter().map(|length| K1 * (1.0 - B + B * length / mean_length)).collect();
        index.idf = index.postings.iter().map(|p| (count - p.len() as f64 + 0.5).ln() - (p.len() as f64 + 0.5).ln()).collect();
        let floor = EPSILON * (index.idf.iter().sum::<f64>() / index.idf.len() as f64);
        index.idf.iter_mut().filter(|idf| **idf < 0.0).for_each(|idf| *idf = floor);
        index
    }

    /// One score per document.
    pub fn scores(&self, query: &str) -> Vec<f64> {
        let mut scores = vec![0.0; self.norms.len()];
        for word in words(query) {
            let Some(&row) = self.vocabulary.get(&word) else { continue };
            for &(document, count) in &self.postings[row] {
                scores[document] += self.idf[row] * (count * (K1 + 1.0) / (count + self.norms[document]));
            }
        }
        scores
    }

    /// The `k` documents that score highest, best first, with their scores; equal scores keep the documents' order.
    /// There is no threshold: with at least `k` documents, `k` come back.
    pub fn top_k(&self, query: &str, k: usize) -> Vec<(usize, f64)> {
        let mut ranked: Vec<(usize, f64)> = self.scores(query).into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(k);
        ranked
    }
}
