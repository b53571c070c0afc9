//! LoCoMo's dialogues of two people over many sessions, with questions and the turns that prove each answer.
//!
//! A temporal question comes with an instruction to use the dates of the dialogues, as in the authors' prompt. An adversarial question asks
//! for something that was never said. In the authors' code it is a choice between a false answer and "not mentioned"; here it is an open
//! question like the others. The metric is theirs, but scores are not comparable with those of the two-way choice.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::chunk::{self, Session};
use super::content::Content;
use super::fields::{answers, by_evidence, list, readable, text, text_if_any};
use super::{Episode, Found, Options, Question, each};
use crate::Error;
use crate::metrics::{Category, Metric};

/// The accepted answers to a question about something that was never said, by the official metric.
const REFUSALS: [&str; 2] = ["no information available", "not mentioned"];
/// The instruction added to a temporal question.
const TEMPORAL: &str = "Work out when it was from the dates of the dialogues. An approximate date will do.";

/// A turn's id, including misspelt ones such as `D:11:26` for `D11:26`; a text may hold several.
static TURN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"D:?(\d+):(\d+)").expect("a valid pattern"));

/// Rows with a conversation and questions.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["conversation", "qa"])
}

/// Reads every dialogue as one episode, with a chunk for each session unless `chunk_tokens` is less.
pub(super) fn read(content: Content, options: &Options, found: &mut Found) {
    each(content.rows(), found, |at, row, faults| episode(at, &row, options, faults));
}

fn episode(at: usize, row: &Value, options: &Options, faults: &mut Vec<String>) -> Result<Episode, String> {
    let id = text_if_any(row, "sample_id").unwrap_or_else(|| at.to_string());
    let conversation = row.get("conversation").and_then(Value::as_object).ok_or("\"conversation\" must be an object")?;
    // Sessions are numbered, with gaps; some numbers have a date but no session.
    let number = |key: &String| key.strip_prefix("session_")?.parse::<usize>().ok();
    let mut numbers: Vec<usize> = conversation.keys().filter_map(number).collect();
    numbers.sort_unstable();
    let (mut sessions, mut ids) = (Vec::new(), Vec::new());
    for number in numbers {
        let key = format!("session_{number}");
        let turns = conversation[&key].as_array().ok_or_else(|| format!("{key:?} must be a list of turns"))?;
        let date = conversation.get(&format!("{key}_date_time")).and_then(Value::as_str);
        sessions.push(session(date, turns).map_err(|reason| format!("{key}: {reason}"))?);
        ids.push(
            turns.iter().map(|turn| turn.get("dia_id").and_then(Value::as_str).and_then(|id| turns_of(id).next())).collect::<Vec<_>>(),
        );
    }
    let (chunks, places) = chunk::sessions(&sessions, options.chunk_tokens.unwrap_or(usize::MAX));
    let turns = ids.into_iter().flatten().zip(places.into_iter().flatten());
    let place: HashMap<(usize, usize), usize> = turns.filter_map(|(id, chunk)| Some((id?, chunk))).collect();
    let question = |(number, value): (usize, &Value)| {
        let mut question = question(value, &place)?;
        question.id = Some(format!("{id}/{number}"));
        Ok(question)
    };
    let questions = readable(list(row, "qa")?.iter().enumerate().map(question), faults);
    let answerable = questions.iter().filter(|question| category(question.kind.as_deref()) != Ok(Category::Adversarial));
    let chunk_questions = by_evidence(answerable, chunks.len());
    Ok(Episode { id, source: "locomo".to_owned(), chunks, questions, chunk_questions })
}

fn session(date: Option<&str>, turns: &[Value]) -> Result<Session, String> {
    let turn = |turn: &Value| {
        let image = text_if_any(turn, "blip_caption").map(|caption| format!(" [shares a picture: {caption}]"));
        Ok(format!("{}: {}{}", text(turn, "speaker")?, text(turn, "text")?.trim(), image.unwrap_or_default()))
    };
    let heading = date.map(|date| format!("[Dialogue at {date}]")).unwrap_or_default();
    Ok(Session { heading, turns: turns.iter().map(turn).collect::<Result<_, String>>()? })
}

/// Session and turn of every id in a text.
fn turns_of(text: &str) -> impl Iterator<Item = (usize, usize)> {
    TURN.captures_iter(text).filter_map(|id| Some((id[1].parse().ok()?, id[2].parse().ok()?)))
}

fn question(value: &Value, place: &HashMap<(usize, usize), usize>) -> Result<Question, String> {
    let kind = text_if_any(value, "category");
    let category = category(kind.as_deref())?;
    let answers = match category {
        Category::Adversarial => REFUSALS.map(str::to_owned).to_vec(),
        _ => answers(value.get("answer").unwrap_or(&Value::Null))?,
    };
    let instruction = (category == Category::Temporal).then(|| TEMPORAL.to_owned());
    let ids = value.get("evidence").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut evidence: Vec<usize> = ids.flat_map(turns_of).filter_map(|turn| place.get(&turn).copied()).collect();
    evidence.sort_unstable();
    evidence.dedup();
    let question = text(value, "question")?.to_owned();
    Ok(Question { question, answers, kind, metric: Some(Metric::LocomoF1), evidence, instruction, ..Question::default() })
}

fn category(kind: Option<&str>) -> Result<Category, String> {
    kind.ok_or("it has no category")?.parse().map_err(|error: Error| error.to_string())
}
