//! Text that is data: what a model is to read, and what must not act as the prompt's own marks.
//!
//! A chunk may say `<|im_end|>`. In the prompt that is a text like any other, not the end of the user's turn. So wherever data enters a
//! prompt, a [`MARK`] is put inside everything in it that the tokenizer would take for a control token, or that could become one together
//! with the text beside it. [`Tokenizer::encode`](super::Tokenizer::encode) finds the added tokens of the marked text and only then removes
//! the marks, so the data has the tokens that a tokenizer without added tokens gives it. Data without such places gets no mark.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tokenizers::{AddedToken, NormalizedString, Normalizer, NormalizerWrapper};

/// Breaks a control token. It is one of Unicode's noncharacters, which no text may use; where data has it nevertheless, it has no tokens.
pub const MARK: char = '\u{fdd0}';

/// The text without marks, for people and for files.
pub fn unmarked(text: &str) -> Cow<'_, str> {
    if text.contains(MARK) { text.replace(MARK, "").into() } else { text.into() }
}

/// The control tokens of a tokenizer, and how to break them.
///
/// An added token is a control token if it is special, or if it has any sign besides letters, digits and blanks, as `<think>` has. Other
/// added tokens, such as runs of blanks, mean the same wherever they stand.
#[derive(Clone, Default)]
pub struct Guard {
    /// By id.
    tokens: HashMap<u32, Control>,
    /// Of those that are matched in normalised text only. `None` if there are no such tokens.
    normalizer: Option<NormalizerWrapper>,
}

#[derive(Clone)]
struct Control {
    /// In lower case, because a template may change the case of what it is given.
    letters: Vec<char>,
    special: bool,
}

/// Which control tokens are broken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Breaks {
    /// All, also where the text begins or ends with a part of one: the text is data.
    All,
    /// All, but the text may also be a word that a template compares with its own, such as a key or a type.
    Inner,
    /// Special ones. The text is of the program or of the model itself, which may think and call.
    Special,
}

impl Guard {
    pub(super) fn new<'a>(added: impl Iterator<Item = (&'a u32, &'a AddedToken)>, normalizer: Option<&NormalizerWrapper>) -> Self {
        let signs = |token: &AddedToken| token.content.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace());
        let controls: Vec<_> = added.filter(|(_, token)| token.special || signs(token)).collect();
        let normalized = controls.iter().any(|(_, token)| token.normalized);
        let control = |(id, token): &(&u32, &AddedToken)| {
            (**id, Control { letters: token.content.chars().map(lower).collect(), special: token.special })
        };
        Self { tokens: controls.iter().map(control).collect(), normalizer: normalizer.filter(|_| normalized).cloned() }
    }

    /// Whether the token with this id is a control token.
    pub(super) fn has(&self, id: u32) -> bool {
        self.tokens.contains_key(&id)
    }

    /// A control token of one character that a mark follows in this text. It was data, but nothing can be put inside of it.
    pub(super) fn unbreakable(&self, text: &str) -> Option<char> {
        let mut single = self.tokens.values().filter(|token| token.letters.len() == 1).map(|token| token.letters[0]);
        single.find(|c| text.contains(&String::from_iter([*c, MARK])))
    }

    /// The text with marks that break these control tokens. Those that it has already stay.
    pub fn mark<'a>(&self, text: &'a str, breaks: Breaks) -> Cow<'a, str> {
        let letters = self.folded(text);
        let tokens: Vec<&[char]> =
            self.tokens.values().filter(|t| t.special || breaks != Breaks::Special).map(|t| &t.letters[..]).collect();
        let mut places = self.places(&letters, &tokens);
        if breaks == Breaks::All {
            places.extend(continued(&letters, &tokens));
        }
        if places.is_empty() {
            return text.into();
        }
        places.sort_unstable();
        places.dedup();
        let mut out = String::with_capacity(text.len() + places.len() * MARK.len_utf8());
        let mut done = 0;
        for place in places {
            out.push_str(&text[done..place]);
            out.push(MARK);
            done = place;
        }
        out.push_str(&text[done..]);
        out.into()
    }

    /// A message as [`Chat`](super::Chat) has it, with its texts marked by the role: what a user or a tool says is data, what the model
    /// said may have thoughts and calls, and the system message is the program's.
    pub fn message(&self, message: &Value) -> Value {
        let Value::Object(fields) = message else { return message.clone() };
        let own = matches!(fields.get("role").and_then(Value::as_str), Some("system" | "developer" | "assistant" | "model"));
        let field = |(key, value): (&String, &Value)| {
            let breaks = match key.as_str() {
                "tool_calls" => Breaks::Inner,
                _ if own => Breaks::Special,
                "content" => Breaks::All,
                _ => Breaks::Inner,
            };
            (key.clone(), self.value(value, breaks))
        };
        Value::Object(fields.iter().map(field).collect())
    }

    /// A value with all its texts marked. In a list of parts, `text` is what the message says.
    pub fn value(&self, value: &Value, breaks: Breaks) -> Value {
        match value {
            Value::String(text) => Value::String(self.mark(text, breaks).into_owned()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item, breaks)).collect()),
            Value::Object(fields) => {
                let inner = |key: &str| if breaks == Breaks::All && key != "text" { Breaks::Inner } else { breaks };
                let field = |(key, value): (&String, &Value)| (self.mark(key, Breaks::Inner).into_owned(), self.value(value, inner(key)));
                Value::Object(fields.iter().map(field).collect())
            }
            other => other.clone(),
        }
    }

    /// The letters of a text in lower case, as the tokenizer reads them, each with the place after the character that it is from.
    fn folded(&self, text: &str) -> Vec<(usize, char)> {
        let mut letters = Vec::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            match &self.normalizer {
                Some(normalizer) if !c.is_ascii() => {
                    let mut one = NormalizedString::from(c.to_string());
                    // Normalizers of Llama's kind put this sign before every text.
                    let read =
                        if normalizer.normalize(&mut one).is_ok() { one.get().trim_start_matches('▁').to_owned() } else { c.into() };
                    letters.extend(read.chars().map(|c| (end, lower(c))));
                }
                _ => letters.push((end, lower(c))),
            }
        }
        letters
    }

    /// The places after the first character of each token, and of each beginning of a token before a blank or the end of the text.
    fn places(&self, letters: &[(usize, char)], tokens: &[&[char]]) -> Vec<usize> {
        let firsts: HashSet<char> = tokens.iter().filter_map(|token| token.first().copied()).collect();
        let mut places = Vec::new();
        for (i, (place, first)) in letters.iter().enumerate().filter(|(_, (_, first))| firsts.contains(first)) {
            for token in tokens.iter().filter(|token| token.first() == Some(first)) {
                let shared = letters[i..].iter().zip(*token).take_while(|((_, a), b)| a == *b).count();
                if shared == token.len() || letters.get(i + shared).is_none_or(|(_, next)| next.is_whitespace()) {
                    places.push(*place);
                    break;
                }
            }
        }
        places
    }
}

/// The place of the first letter, if the text begins with the end of a token, or is inside of one.
fn continued(letters: &[(usize, char)], tokens: &[&[char]]) -> Option<usize> {
    let blank = letters.iter().take_while(|(_, c)| c.is_whitespace()).count();
    let text: Vec<char> = letters[blank..].iter().map(|(_, c)| *c).collect();
    let whole = text.len() - text.iter().rev().take_while(|c| c.is_whitespace()).count();
    let ends = |token: &[char]| (1..token.len()).any(|at| text.starts_with(&token[at..]) && !token[at].is_whitespace());
    let inside = |token: &[char]| token.len() > whole + 1 && token[1..].windows(whole).any(|part| part == &text[..whole]);
    let found = whole > 0 && tokens.iter().any(|token| ends(token) || inside(token));
    found.then(|| if blank == 0 { 0 } else { letters[blank - 1].0 })
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}
