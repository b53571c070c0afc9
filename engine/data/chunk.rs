//! Cutting texts into chunks.
//!
//! Sizes are in tokens of about four bytes each, the usual figure for English text and the tokenizers of today's models: the authors' own
//! tokenizers are not available here, and chunks need not be exact. Only a sentence longer than a chunk is cut inside.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Bytes that count as a token.
const BYTES_PER_TOKEN: usize = 4;

/// Runs of pieces that stay within a number of tokens, given the pieces' lengths in bytes. A piece that is too long is a run of its own.
pub(super) fn pack(lengths: impl IntoIterator<Item = usize>, tokens: usize) -> Vec<Range<usize>> {
    let (mut runs, mut room): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for (at, length) in lengths.into_iter().enumerate() {
        match runs.last_mut() {
            Some(run) if length <= room => run.end = at + 1,
            _ => {
                runs.push(at..at + 1);
                room = tokens.saturating_mul(BYTES_PER_TOKEN);
            }
        }
        room = room.saturating_sub(length);
    }
    runs
}

/// A text in chunks of whole sentences.
pub(super) fn sentences(text: &str, tokens: usize) -> Vec<String> {
    let longest = tokens.saturating_mul(BYTES_PER_TOKEN);
    let pieces: Vec<&str> = text.split_sentence_bounds().flat_map(|sentence| cut(sentence, longest)).collect();
    let mut rest = text;
    let runs = pack(pieces.iter().map(|piece| piece.len()), tokens);
    let chunk = |run: Range<usize>| {
        let (chunk, after) = rest.split_at(pieces[run].iter().map(|piece| piece.len()).sum());
        rest = after;
        chunk.trim().to_owned()
    };
    runs.into_iter().map(chunk).filter(|chunk| !chunk.is_empty()).collect()
}

/// A sentence in pieces of at most `longest` bytes, cut after words where possible.
fn cut(mut sentence: &str, longest: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while sentence.len() > longest {
        let end = (1..=longest).rev().find(|&at| sentence.is_char_boundary(at)).unwrap_or(sentence.len());
        let end = sentence[..end].rfind(char::is_whitespace).filter(|&at| at > 0).unwrap_or(end);
        let (piece, rest) = sentence.split_at(end);
        pieces.push(piece);
        sentence = rest;
    }
    pieces.push(sentence);
    pieces
}

/// One sitting of a dialogue.
#[derive(Default)]
pub(super) struct Session {
    /// A line that every chunk of the session begins with, such as its date.
    pub(super) heading: String,
    /// The turns, one text each.
    pub(super) turns: Vec<String>,
}

/// Sessions as chunks, one each; a session longer than `tokens` becomes several. Also the chunk of each turn of each session.
pub(super) fn sessions(sessions: &[Session], tokens: usize) -> (Vec<String>, Vec<Vec<usize>>) {
    let (mut chunks, mut places) = (Vec::new(), Vec::new());
    for session in sessions {
        let mut place = Vec::new();
        for run in pack(session.turns.iter().map(|turn| turn.len() + 1), tokens) {
            place.resize(run.end, chunks.len());
            let heading = Some(session.heading.as_str()).filter(|heading| !heading.is_empty());
            let lines: Vec<&str> = heading.into_iter().chain(session.turns[run].iter().map(String::as_str)).collect();
            chunks.push(lines.join("\n"));
        }
        places.push(place);
    }
    (chunks, places)
}

/// Labelled examples as chunks, each `text`, a line `label: …` and an empty line between two; and which examples each chunk holds.
pub(super) fn examples(examples: &[(String, String)], tokens: usize) -> (Vec<String>, Vec<Range<usize>>) {
    let shown: Vec<String> = examples.iter().map(|(text, label)| format!("{text}\nlabel: {label}")).collect();
    let runs = pack(shown.iter().map(|example| example.len() + 2), tokens);
    (runs.iter().map(|run| shown[run.clone()].join("\n\n")).collect(), runs)
}
