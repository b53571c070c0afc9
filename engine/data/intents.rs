//! Texts with the intent that each expresses: Banking77 (CSV, `text,category`), HWU64 (CSV with semicolons, one file per intent) and
//! CLINC150 (JSON, lists of `[text, intent]` under `train`, `val`, `test` and the same names prefixed with `oos_`).
//!
//! All of it is one episode of labelled examples, in which the intents alternate; a file sorted by intent would otherwise give chunks of
//! one intent each. The questions are the examples of the test part, or if there is none the examples themselves.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::content::{Content, Row};
use super::fields::by_evidence;
use super::{Episode, Found, Options, Question, checked, chunk};
use crate::metrics::Metric;

/// Tokens in a chunk, as Mem-α cuts its labelled sources.
const TOKENS: usize = 1024;

/// A table: the name of the set, what separates its columns, the columns with the text, and those that form the intent.
type Layout = (&'static str, u8, &'static [&'static str], &'static [&'static str]);

const LAYOUTS: &[Layout] =
    &[("banking77", b',', &["text"], &["category"]), ("hwu64", b';', &["answer_from_anno", "answer_from_user"], &["scenario", "intent"])];

/// A text with its intent.
type Example = (String, String);

/// A table whose first line names the columns of one of the sets, or an object with lists of pairs.
pub(super) fn fits(content: &Content) -> bool {
    match content {
        Content::Tables(tables) => tables.iter().any(|(_, text)| text.as_ref().is_ok_and(|text| layout(text).is_some())),
        Content::Rows(_) => content.values().any(|value| {
            let pairs = value.get("train").or_else(|| value.get("test")).and_then(Value::as_array);
            pairs.is_some_and(|pairs| pairs.iter().any(|pair| self::pair(pair).is_ok()))
        }),
    }
}

/// Reads everything as one episode.
pub(super) fn read(content: Content, options: &Options, found: &mut Found) {
    let (mut told, mut asked) = (Vec::new(), Vec::new());
    let source = match content {
        Content::Tables(tables) => tables.iter().fold("intents", |source, (name, text)| {
            let part = if name.starts_with("test") && tables.len() > 1 { &mut asked } else { &mut told };
            match text {
                Ok(text) => table(name, text, part, &mut found.skipped).unwrap_or(source),
                Err(reason) => {
                    found.skipped.push(format!("{name}: {reason}"));
                    source
                }
            }
        }),
        Content::Rows(rows) => {
            rows.into_iter().for_each(|row| pairs(row, &mut told, &mut asked, &mut found.skipped));
            "clinc150"
        }
    };
    let (told, asked) = if told.is_empty() { (asked, told) } else { (told, asked) };
    match episode(source, &in_turns(told), &asked, options) {
        Ok(episode) => found.episodes.push(episode),
        Err(reason) => found.skipped.push(reason),
    }
}

fn layout(text: &str) -> Option<&'static Layout> {
    let header = text.lines().next().unwrap_or_default();
    LAYOUTS.iter().find(|(_, separator, text, intent)| {
        let columns: Vec<&str> = header.split(char::from(*separator)).map(|name| name.trim().trim_matches('"')).collect();
        text.iter().chain(*intent).all(|name| columns.contains(name))
    })
}

/// Reads the examples of a table. Returns the name of the set, or None if it is not one of the sets.
fn table(name: &str, text: &str, examples: &mut Vec<Example>, skipped: &mut Vec<String>) -> Option<&'static str> {
    let Some((source, separator, texts, intents)) = layout(text) else {
        skipped.push(format!("{name}: the first line names no known columns"));
        return None;
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(*separator).from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let column = |name: &&str| header.iter().position(|column| column.trim() == *name);
    let (texts, intents): (Vec<_>, Vec<_>) = (texts.iter().filter_map(column).collect(), intents.iter().filter_map(column).collect());
    for (at, record) in reader.records().enumerate() {
        let example = record.map_err(|error| error.to_string()).and_then(|record| {
            let filled = |&at: &usize| record.get(at).map(str::trim).filter(|text| !text.is_empty() && *text != "null");
            let text = texts.iter().find_map(filled).ok_or("the text is empty")?;
            let intent: Option<Vec<&str>> = intents.iter().map(filled).collect();
            Ok((text.to_owned(), intent.ok_or("the intent is empty")?.join("_")))
        });
        match example {
            Ok(example) => examples.push(example),
            Err(reason) => skipped.push(format!("{name}, row {at}: {reason}")),
        }
    }
    Some(source)
}

/// Reads the parts of CLINC150. Its `val` parts are left out; they are for training a classifier.
fn pairs(row: Row, told: &mut Vec<Example>, asked: &mut Vec<Example>, skipped: &mut Vec<String>) {
    let Ok(Value::Object(parts)) = row.value else {
        skipped.push(format!("{}: it must be an object with lists of pairs", row.place));
        return;
    };
    for (part, list) in &parts {
        let examples = match part.trim_start_matches("oos_") {
            "train" => &mut *told,
            "test" => &mut *asked,
            _ => continue,
        };
        for (at, value) in list.as_array().into_iter().flatten().enumerate() {
            match pair(value) {
                Ok(example) => examples.push(example),
                Err(reason) => skipped.push(format!("{part}, row {at}: {reason}")),
            }
        }
    }
}

fn pair(value: &Value) -> Result<Example, String> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(text), Value::String(intent)]) => Ok((text.clone(), intent.clone())),
        _ => Err(format!("it must be a pair of a text and its intent, not {}", super::fields::brief(value))),
    }
}

/// The first example of every intent, then the second of every intent, and so on.
fn in_turns(examples: Vec<Example>) -> Vec<Example> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let turn = |example: Example| {
        let turn = seen.entry(example.1.clone()).or_default();
        *turn += 1;
        (*turn, example)
    };
    let mut turns: Vec<(usize, Example)> = examples.into_iter().map(turn).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, example)| example).collect()
}

fn episode(source: &str, told: &[Example], asked: &[Example], options: &Options) -> Result<Episode, String> {
    let (chunks, runs) = chunk::examples(told, options.chunk_tokens.unwrap_or(TOKENS));
    let question = |(text, intent): &Example, evidence: Vec<usize>| Question {
        question: text.clone(),
        answers: vec![intent.clone()],
        metric: Some(Metric::ExactMatch),
        instruction: Some("Answer with the label of this text and nothing else.".to_owned()),
        evidence,
        ..Question::default()
    };
    let about = |(at, run): (usize, Range<usize>)| told[run].iter().map(move |example| question(example, vec![at]));
    let own: Vec<Question> = runs.into_iter().enumerate().flat_map(about).collect();
    let chunk_questions = by_evidence(&own, chunks.len());
    let questions = if asked.is_empty() { own } else { asked.iter().map(|example| question(example, Vec::new())).collect() };
    checked(Episode { id: source.to_owned(), source: source.to_owned(), chunks, questions, chunk_questions })
}
