//! BM25 Okapi, with the same tokens, weights, floor and order as Python's `rank_bm25`.
//!
//! With `N` documents, `n(w)` of them holding word `w`, `f(w, d)` occurrences in document `d` of `|d|` words:
//!
//! ```text
//! idf(w)      = ln(N - n(w) + 0.5) - ln(n(w) + 0.5),  or 0.25 · mean idf where that is negative
//! score(q, d) = Σ over the words w of q, repeats counted:  idf(w) · f(w, d) · (k1 + 1) / (f(w, d) + k1 · (1 - b + b · |d| / mean |d|))
//! ```
//!
//! If the mean is negative, so is the floor: with one or two documents, an item that has the query's words may score below one that does
//! not. The reference does the same.
//!
//! The index is updated as the list of documents changes. A change takes time for the words of the document, a removal also for a pass over
//! the postings. Values that depend on all documents are computed by the first query after a change.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;

const K1: f64 = 1.5;
const B: f64 = 0.75;
const EPSILON: f64 = 0.25;

/// Matches what Python's `\w+` matches: letters, numbers and the underscore, but no combining marks.
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").expect("a valid pattern"));

/// The words of `text`, lower-cased, in order.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, |word| words.push(word.to_owned()));
    words
}

fn for_each_word(text: &str, mut each: impl FnMut(&str)) {
    let text = text.to_lowercase();
    if text.is_ascii() {
        // Several times faster than the pattern, which needs Unicode's tables.
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).for_each(each);
    } else {
        WORD.find_iter(&text).for_each(|word| each(word.as_str()));
    }
}

/// An index over a list of documents.
#[derive(Debug, Clone, Default)]
pub struct Bm25 {
    /// Word → row of `postings`.
    vocabulary: HashMap<String, usize>,
    /// For each word, the documents that contain it, in order, and how often.
    postings: Vec<Vec<(u32, u32)>>,
    /// Number of words in each document.
    lengths: Vec<u32>,
    weights: OnceLock<Weights>,
}

/// The values that depend on all documents.
#[derive(Debug, Clone)]
struct Weights {
    /// For each word, with the floor.
    idf: Vec<f64>,
    /// For each document, `k1 · (1 - b + b · |d| / mean |d|)`.
    norms: Vec<f64>,
    /// For each document, the factor for the idf of a word that occurs in it once, as most do.
    once: Vec<f64>,
}

impl Bm25 {
    /// Indexes `documents`. Their order decides ties.
    pub fn new<T: AsRef<str>>(documents: &[T]) -> Self {
        let mut index = Self::default();
        documents.iter().for_each(|text| index.push(text.as_ref()));
        index
    }

    /// Adds a document after the others.
    pub fn push(&mut self, text: &str) {
        let document = self.lengths.len();
        self.lengths.push(0);
        self.enter(document, text);
    }

    /// Replaces the text of a document; it was `before`.
    pub fn replace(&mut self, document: usize, before: &str, text: &str) {
        for_each_word(before, |word| {
            // A word that occurs twice was removed the first time.
            let Some(postings) = self.vocabulary.get(word).map(|&row| &mut self.postings[row]) else { return };
            if let Ok(at) = postings.binary_search_by_key(&(document as u32), |posting| posting.0) {
                postings.remove(at);
            }
        });
        self.enter(document, text);
    }

    /// Removes a document. Those after it move up.
    pub fn remove(&mut self, document: usize) {
        self.lengths.remove(document);
        for postings in &mut self.postings {
            let at = postings.partition_point(|posting| posting.0 < document as u32);
            if postings.get(at).is_some_and(|posting| posting.0 == document as u32) {
                postings.remove(at);
            }
            postings[at..].iter_mut().for_each(|posting| posting.0 -= 1);
        }
        self.weights.take();
    }

    /// Adds the words of a document that has no postings.
    fn enter(&mut self, document: usize, text: &str) {
        let mut length = 0;
        for_each_word(text, |word| {
            length += 1;
            let row = match self.vocabulary.get(word) {
                Some(&row) => row,
                None => {
                    self.vocabulary.insert(word.to_owned(), self.postings.len());
                    self.postings.push(Vec::new());
                    self.postings.len() - 1
                }
            };
            let postings = &mut self.postings[row];
            // The document is usually the last one.
            let at = match postings.last() {
                Some(last) if last.0 >= document as u32 => postings.partition_point(|posting| posting.0 < document as u32),
                _ => postings.len(),
            };
            match postings.get_mut(at) {
                Some(posting) if posting.0 == document as u32 => posting.1 += 1,
                _ => postings.insert(at, (document as u32, 1)),
            }
        });
        self.lengths[document] = length;
        self.weights.take();
    }

    fn weights(&self) -> &Weights {
        self.weights.get_or_init(|| {
            let count = self.lengths.len() as f64;
            let mean_length = self.lengths.iter().map(|&length| f64::from(length)).sum::<f64>() / count;
            let norms: Vec<f64> = self.lengths.iter().map(|&length| K1 * (1.0 - B + B * f64::from(length) / mean_length)).collect();
            // Many words occur in the same number of documents, and a logarithm is slow.
            let mut known = HashMap::new();
            let mut of = |n: usize| *known.entry(n).or_insert_with(|| (count - n as f64 + 0.5).ln() - (n as f64 + 0.5).ln());
            let mut idf: Vec<f64> = self.postings.iter().map(|p| if p.is_empty() { 0.0 } else { of(p.len()) }).collect();
            // Words that are no longer in any document do not count.
            let words = self.postings.iter().filter(|p| !p.is_empty()).count();
            let floor = EPSILON * (idf.iter().sum::<f64>() / words as f64);
            idf.iter_mut().filter(|idf| **idf < 0.0).for_each(|idf| *idf = floor);
            let once = norms.iter().map(|norm| (K1 + 1.0) / (1.0 + norm)).collect();
            Weights { idf, norms, once }
        })
    }

    /// One score per document.
    pub fn scores(&self, query: &str) -> Vec<f64> {
        let mut scores = vec![0.0; self.lengths.len()];
        let weights = self.weights();
        for_each_word(query, |word| {
            let Some(&row) = self.vocabulary.get(word) else { return };
            let idf = weights.idf[row];
            for &(document, count) in &self.postings[row] {
                let document = document as usize;
                let saturated = match count {
                    1 => weights.once[document],
                    _ => f64::from(count) * (K1 + 1.0) / (f64::from(count) + weights.norms[document]),
                };
                scores[document] += idf * saturated;
            }
        });
        scores
    }

    /// The `k` documents with the highest scores, best first, with their scores. Equal scores keep the documents' order. There is no
    /// threshold: if there are at least `k` documents, `k` are returned.
    pub fn top_k(&self, query: &str, k: usize) -> Vec<(usize, f64)> {
        let order = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let mut best: Vec<(usize, f64)> = Vec::new();
        let mut least = f64::NEG_INFINITY;
        for (document, score) in self.scores(query).into_iter().enumerate() {
            // The earlier document of equal scores is already in the list.
            if score > least || best.len() < k {
                best.push((document, score));
                if best.len() >= k.saturating_mul(2).max(64) {
                    let kept = best.len().min(k);
                    best.select_nth_unstable_by(kept.saturating_sub(1), order);
                    best.truncate(kept);
                    least = best.last().map_or(f64::INFINITY, |last| last.1);
                }
            }
        }
        best.sort_unstable_by(order);
        best.truncate(k);
        best
    }
}
