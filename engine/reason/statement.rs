//! What a sentence states: something about a thing that it names, whose value is another of its noun phrases.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use super::question::{AUXILIARY, PREPOSITIONS};
use super::related::Places;
use super::words::{Token, text_of, tokens};

const SPEAKERS: &[&str] = &["i", "me", "my", "we", "us", "our", "you", "your"];

const TIMES: &[&str] = &["month", "day", "year", "season", "weekday", "hour"];

/// What counts against a value that is not at the end of its sentence: one with a name, and another.
const NAMED: f64 = 0.04;
const ORDINARY: f64 = 0.15;
/// What counts against an ordinary noun at the end of a sentence with another name.
const NOT_NAMED: f64 = 0.12;
/// What counts against a value in the middle.
const INSIDE: f64 = 0.04;

/// A sentence and its noun phrases.
pub(super) struct Statement<'a> {
    /// The item that it stands in.
    pub(super) item: usize,
    pub(super) sentence: &'a str,
    pub(super) tokens: Vec<Token>,
    /// Where the noun phrase at its end begins, if it ends with one.
    last: Option<usize>,
    phrases: Vec<Range<usize>>,
    places: OnceCell<Vec<Places>>,
}

/// A noun phrase that may be a statement's value.
pub(super) struct Value {
    pub(super) range: Range<usize>,
    /// What its form says against it.
    pub(super) doubt: f64,
}

impl<'a> Statement<'a> {
    pub(super) fn read(item: usize, sentence: &'a str) -> Self {
        let sentence = without_heading(sentence);
        let tokens = tokens(sentence);
        let (last, phrases) = (last(&tokens), phrases(&tokens));
        Self { item, sentence, tokens, last, phrases, places: OnceCell::new() }
    }

    pub(super) fn text(&self, range: &Range<usize>) -> String {
        text_of(self.sentence, &self.tokens[range.clone()])
    }

    pub(super) fn is_one_of(&self, sentences: &HashSet<&str>) -> bool {
        sentences.contains(self.sentence)
    }

    /// Whether it asks, or speaks of somebody whom it does not name: "I work in Oska". In "Ardashir I" it is a number.
    pub(super) fn is_talk(&self) -> bool {
        let speaker = |at: usize| {
            let word = self.tokens[at].key.split('\'').next().unwrap_or_default();
            let after_name = at > 0 && self.tokens[at - 1].name && !self.tokens[at - 1].comma;
            let number = at > 0 && self.tokens[at].name && (word != "i" || after_name);
            SPEAKERS.contains(&word) && !number
        };
        self.sentence.ends_with('?') || (0..self.tokens.len()).any(speaker)
    }

    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.sentence == other.sentence
    }

    /// The places of its words in the dictionary; none for words without content.
    pub(super) fn places(&self) -> &[Places] {
        let place = |t: &Token| if t.function { Places::default() } else { Places::of(&t.key) };
        self.places.get_or_init(|| self.tokens.iter().map(place).collect())
    }

    /// The words with content in a range.
    pub(super) fn content(&self, range: &Range<usize>) -> impl Iterator<Item = usize> + use<'_> {
        range.clone().filter(|&at| !self.tokens[at].function)
    }

    pub(super) fn is_named(&self, range: &Range<usize>) -> bool {
        self.tokens[range.clone()].iter().any(|t| t.name)
    }

    /// Where it names a thing as a whole.
    pub(super) fn place_of(&self, name: &[&str]) -> Option<usize> {
        let starts = 0..(self.tokens.len() + 1).saturating_sub(name.len());
        starts.into_iter().find(|&at| {
            self.tokens[at].key == name[0]
                && self.tokens[at..at + name.len()].iter().zip(name).all(|(t, key)| t.key == *key)
                && is_whole(&self.tokens, &(at..at + name.len()))
                && !self.is_set_off(&(at..at + name.len()))
        })
    }

    /// Whether commas cut a range off from the sentence, as a name that is called: "Thanks, Mira", "Mira: Thanks".
    fn is_set_off(&self, range: &Range<usize>) -> bool {
        let before = range.start == 0 || self.tokens[range.start - 1].comma;
        before && (range.end == self.tokens.len() || self.tokens[range.end - 1].comma)
    }

    /// Whether a value may be a thing that other statements are about.
    pub(super) fn leads_on(&self, value: &Range<usize>) -> bool {
        Some(value.start) == self.last || self.is_named(value) || self.content(value).any(|at| !self.places()[at].known())
    }

    /// The noun phrases that may be the value, if the statement is about what it has at `name`.
    pub(super) fn values(&self, name: &Range<usize>) -> Vec<Value> {
        let apart = |a: &Range<usize>, b: &Range<usize>| a.end <= b.start || b.end <= a.start;
        let mut values: Vec<Value> = Vec::new();
        if let Some(last) = self.last.filter(|last| name.end <= *last) {
            let range = last..self.tokens.len();
            let other = |phrase: &Range<usize>| apart(phrase, name) && apart(phrase, &range) && self.is_named(phrase);
            let doubt = if !self.is_named(&range) && self.phrases.iter().any(other) { NOT_NAMED } else { 0.0 };
            values.push(Value { range, doubt });
        }
        for phrase in &self.phrases {
            // What is left of a phrase beside the name.
            let parts = match apart(phrase, name) {
                true => [phrase.clone(), 0..0],
                false => [phrase.start..name.start.max(phrase.start), name.end.min(phrase.end)..phrase.end],
            };
            for range in parts.into_iter().filter(|part| !part.is_empty() && !self.is_set_off(part)) {
                if values.iter().all(|value| apart(&value.range, &range)) {
                    let inside = range.start > 2 && range.end < self.tokens.len();
                    let doubt = if self.is_named(&range) { NAMED } else { ORDINARY } + if inside { INSIDE } else { 0.0 };
                    values.push(Value { range, doubt });
                }
            }
        }
        values
    }

    /// Where the name begins of the one who has what a noun says: "the *owner* of E", "E's *owner*".
    pub(super) fn holder(&self, noun: usize) -> Option<usize> {
        let tokens = &self.tokens;
        if tokens[noun].kind {
            // "The *city* of Oska" is Oska.
            return None;
        }
        if noun > 1 && tokens[noun - 1].key == "'s" {
            return Some(noun - 2);
        }
        let after = (noun + 2..tokens.len()).find(|&at| !is_article(&tokens[at]));
        // "A salary of *40* crowns" is the salary of nobody.
        after.filter(|&at| tokens[noun + 1].is(&["of"]) && !tokens[at].key.starts_with(|c: char| c.is_ascii_digit()))
    }

    /// Whether a value says when: a number, or a word for a time.
    pub(super) fn is_time(&self, value: &Range<usize>) -> bool {
        let time = |at: usize| {
            let number = self.tokens[at].key.contains(|c: char| c.is_ascii_digit());
            number || TIMES.iter().any(|time| self.places()[at].near(&Places::of(time)) > 0.3)
        };
        self.content(value).any(time)
    }

    /// How far a value looks like the name of a person, from 0 to 1: two words or more that are no English words.
    pub(super) fn looks_like_a_person(&self, value: &Range<usize>) -> f64 {
        let names = self.content(value).filter(|&at| self.tokens[at].name);
        let (known, unknown): (Vec<usize>, Vec<usize>) = names.partition(|&at| self.places()[at].known());
        match (known.len(), unknown.len()) {
            (0, 0) => 0.0,
            (0, 2..) => 1.0,
            (_, 0) => 0.4,
            _ => 0.6,
        }
    }
}

/// The sentence without a heading, which says when something was said: "[8 May] …".
pub(super) fn without_heading(sentence: &str) -> &str {
    sentence.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(sentence, |(_, rest)| rest)
}

pub(super) fn is_article(t: &Token) -> bool {
    t.function && t.is(&["a", "an", "the"])
}

fn is_verb(t: &Token) -> bool {
    t.function && (t.is_copula() && t.key != "'s" || t.is(AUXILIARY))
}

fn is_preposition(t: &Token) -> bool {
    t.function && (t.key == "of" || t.is(PREPOSITIONS))
}

/// Where the noun phrase at the end of a sentence begins, without an article: the longest that follows a verb or another small word.
fn last(tokens: &[Token]) -> Option<usize> {
    let start = (1..tokens.len()).find(|&at| {
        let before = &tokens[at - 1];
        let opens = is_verb(before) || is_article(before) || is_preposition(before);
        opens && tokens[..at].iter().any(|t| !t.function) && is_noun_phrase(&tokens[at..])
    })?;
    let articles = tokens[start..].iter().take_while(|t| is_article(t)).count();
    let start = if start + articles < tokens.len() { start + articles } else { start };
    // "The doctor *Una Holt*": an ordinary noun before a name says what it is.
    let name = (start..tokens.len()).find(|&at| tokens[at].name).filter(|_| tokens[tokens.len() - 1].name);
    Some(name.filter(|&name| tokens[start..name].iter().all(|t| !t.function)).unwrap_or(start))
}

/// Whether these words, at the end of a sentence, are one noun phrase: no verb, and no small word after an ordinary one.
fn is_noun_phrase(tokens: &[Token]) -> bool {
    let ordinary = tokens.iter().position(|t| !t.function && !t.name).unwrap_or(tokens.len());
    !tokens.iter().any(is_verb) && !tokens[ordinary..].iter().any(|t| t.function) && (!tokens[0].function || is_article(&tokens[0]))
}

/// Whether no name goes on beyond the range. A capital at the start of a sentence does not make an English word a name.
pub(super) fn is_whole(tokens: &[Token], range: &Range<usize>) -> bool {
    let name = |at: usize| tokens[at].name && (at > 0 || !Places::of(&tokens[at].key).known());
    let before = range.start.checked_sub(1).is_some_and(|at| name(at) && !tokens[at].comma);
    let after = tokens.get(range.end).is_some_and(|t| t.name && !tokens[range.end - 1].comma);
    !before && !after
}

/// The noun phrases of a sentence: names, with the ordinary nouns that belong to them, and runs of ordinary words.
fn phrases(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].function {
            at += 1;
            continue;
        }
        let end = if tokens[at].name { end_of_name(tokens, at) } else { end_of_ordinary(tokens, at) };
        let mut range = at..end;
        let small = tokens.get(end).is_some_and(|t| is_preposition(t) || is_article(t));
        at = end;
        if !tokens[range.start].name && range.len() > 1 {
            // A verb between a name and its object, or before a small word: "E *keeps* bees", "bees *live* in E".
            range.start += usize::from(range.start > 0 && tokens[range.start - 1].name);
            range.end -= usize::from(range.len() > 1 && small && tokens[end - 1].key.ends_with(['s', 'd']));
        } else if !tokens[range.start].name && small && range.start > 0 && tokens[range.start - 1].name {
            continue;
        }
        found.push(range);
    }
    found
}

/// Where the name that begins at `start` ends: "Bank *of* Oska", "Salt *and the* Garden".
fn end_of_name(tokens: &[Token], start: usize) -> usize {
    let joins = |at: usize| tokens[at].is(&["of", "and", "the", "for"]) && !tokens[at].name;
    let mut end = start + 1;
    while end < tokens.len() && !tokens[end - 1].comma {
        match (end..tokens.len()).take(3).find(|&at| !joins(at)).filter(|&at| tokens[at].name) {
            Some(next) => end = next + 1,
            None => break,
        }
    }
    // "Holt *fever* is …": an ordinary noun, unless it is the verb of the name, as in "where Mira Tolen *works* is …".
    let clause = (0..start).rev().find(|&at| !is_article(&tokens[at]));
    let clause = clause.is_some_and(|at| tokens[at].is(&["which", "where", "that", "who", "whom", "when"]));
    let ordinary = (end..tokens.len()).find(|&at| tokens[at].function || tokens[at].name || tokens[at - 1].comma).unwrap_or(tokens.len());
    let closed = tokens.get(ordinary).is_none_or(is_verb) || tokens[ordinary - 1].comma;
    if closed && !clause { ordinary } else { end }
}

fn end_of_ordinary(tokens: &[Token], start: usize) -> usize {
    let ends = |at: &usize| tokens[*at].function || tokens[*at].name || tokens[*at - 1].comma || tokens[*at].is(&["every", "each"]);
    (start + 1..tokens.len()).find(ends).unwrap_or(tokens.len())
}
