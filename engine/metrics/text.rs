//! Text as Python evaluation scripts see it: white space, words, and SQuAD's normalisation.

use std::sync::LazyLock;

use regex::Regex;

/// What `\w+` matches in Python's `re`: letters, numbers and the underscore, but no combining marks.
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]+").expect("a valid pattern"));

/// What `\w+` matches in Python's `regex` module, which follows Unicode as the crate does: including combining marks, but only those
/// numbers that are digits.
static UNICODE_WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\w+").expect("a valid pattern"));

/// SQuAD's normalisation: the text in lower case without ASCII punctuation, the words a, an and the, and extra white space.
pub fn normalise(text: &str) -> String {
    without_words(&without_punctuation(text), &WORD, &["a", "an", "the"])
}

/// LoCoMo's normalisation: like [`normalise`], but "and" is removed too, and word boundaries are those of the `regex` module.
pub(super) fn normalise_locomo(text: &str) -> String {
    without_words(&without_punctuation(text), &UNICODE_WORD, &["a", "an", "the", "and"])
}

fn without_punctuation(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect()
}

fn without_words(text: &str, word: &Regex, dropped: &[&str]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for found in word.find_iter(text).filter(|found| dropped.contains(&found.as_str())) {
        kept.push_str(&text[end..found.start()]);
        kept.push(' ');
        end = found.end();
    }
    kept.push_str(&text[end..]);
    split(&kept).collect::<Vec<_>>().join(" ")
}

/// `str.isspace` for one character: Unicode's white space and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Like `str.split()`.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Like `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}
