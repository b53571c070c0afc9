//! LongMemEval's records: a question, and the dialogues (`haystack_sessions`, with `haystack_dates` and ids) in which its answer is hidden.
//!
//! A question's kind is its type. A question that cannot be answered, as its id says, has the kind `abstention` instead, and no evidence,
//! although the file names sessions for it: the protocol reports such questions separately and leaves them out of the retrieval figures. A
//! question without a type is judged as most are: whether the answer contains the correct one. A question of unknown type is skipped.

use std::collections::HashMap;

use serde_json::Value;

use super::chunk::{self, Session};
use super::content::Content;
use super::fields::{by_evidence, list, list_if_any, question, scorable, text, text_if_any};
use super::{Episode, Found, Options, Question, each};
use crate::metrics::{ABSTENTION, Metric, abstains};

/// Tokens in a chunk, as in MemoryAgentBench for the same dialogues. Most sessions are shorter and stay whole.
const TOKENS: usize = 4096;

/// Records with sessions and a question.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["haystack_sessions", "question"])
}

/// Reads every record as one episode.
pub(super) fn read(content: Content, options: &Options, found: &mut Found) {
    each(content.rows(), found, |_, row, _| episode(&row, options));
}

fn episode(row: &Value, options: &Options) -> Result<Episode, String> {
    let dates = list_if_any(row, "haystack_dates").unwrap_or_default();
    let mut sessions = Vec::new();
    for (at, turns) in list(row, "haystack_sessions")?.iter().enumerate() {
        let turns = turns.as_array().ok_or_else(|| format!("session {at} must be a list of turns"))?;
        sessions.push(session(dates.get(at).and_then(Value::as_str), turns).map_err(|reason| format!("session {at}: {reason}"))?);
    }
    let (chunks, places) = chunk::sessions(&sessions, options.chunk_tokens.unwrap_or(TOKENS));
    let id = text(row, "question_id")?.to_owned();
    let question = scorable(abstaining(Question {
        kind: text_if_any(row, "question_type"),
        id: Some(id.clone()),
        metric: Some(Metric::JudgeLongMemEval),
        evidence: evidence(row, &places),
        instruction: text_if_any(row, "question_date").map(|date| format!("Today is {date}.")),
        ..question(row)?
    }))?;
    let chunk_questions = by_evidence([&question], chunks.len());
    Ok(Episode { id, source: "longmemeval".to_owned(), chunks, questions: vec![question], chunk_questions })
}

/// The question, marked as an abstention if it cannot be answered.
pub(super) fn abstaining(question: Question) -> Question {
    match question.id.as_deref().is_some_and(abstains) || question.kind.as_deref() == Some(ABSTENTION) {
        true => Question { kind: Some(ABSTENTION.to_owned()), evidence: Vec::new(), ..question },
        false => question,
    }
}

/// The chunks of the marked turns, or if none are marked, those of the sessions that hold the answer.
fn evidence(row: &Value, places: &[Vec<usize>]) -> Vec<usize> {
    let sessions = list_if_any(row, "haystack_sessions").unwrap_or_default();
    let marked = |turn: &Value| turn.get("has_answer").and_then(Value::as_bool) == Some(true);
    let turns = sessions.iter().zip(places).flat_map(|(turns, places)| turns.as_array().into_iter().flatten().zip(places));
    let mut chunks: Vec<usize> = turns.filter(|(turn, _)| marked(turn)).map(|(_, &chunk)| chunk).collect();
    if chunks.is_empty() {
        let (ids, gold) = (list_if_any(row, "haystack_session_ids"), list_if_any(row, "answer_session_ids"));
        let (ids, gold) = (ids.unwrap_or_default(), gold.unwrap_or_default());
        chunks = ids.iter().zip(places).filter(|(id, _)| gold.contains(id)).flat_map(|(_, places)| places.clone()).collect();
    }
    chunks.sort_unstable();
    chunks.dedup();
    chunks
}

/// A session from its turns `{role, content}`.
pub(super) fn session(date: Option<&str>, turns: &[Value]) -> Result<Session, String> {
    let turn = |turn: &Value| Ok(format!("{}: {}", text(turn, "role")?, text(turn, "content")?.trim()));
    let heading = date.map(|date| format!("[Dialogue at {date}]")).unwrap_or_default();
    Ok(Session { heading, turns: turns.iter().map(turn).collect::<Result<_, String>>()? })
}

/// The chunks of a dialogue in MemoryAgentBench's form, a list that alternates `Chat Time: …` and sessions, and the chunk of each
/// utterance.
pub(super) fn dialogue(context: &Value, tokens: usize) -> (Vec<String>, HashMap<String, usize>) {
    let (mut sessions, mut said) = (Vec::new(), Vec::new());
    collect(context, &mut None, &mut sessions, &mut said);
    let (chunks, places) = chunk::sessions(&sessions, tokens);
    (chunks, said.into_iter().zip(places.into_iter().flatten()).collect())
}

fn collect(value: &Value, date: &mut Option<String>, sessions: &mut Vec<Session>, said: &mut Vec<String>) {
    match value {
        Value::String(text) => *date = Some(text.trim().trim_start_matches("Chat Time:").trim().to_owned()),
        Value::Array(list) => match session(date.as_deref(), list) {
            Ok(session) => {
                said.extend(list.iter().filter_map(|turn| text_if_any(turn, "content")).map(|text| text.trim().to_owned()));
                sessions.push(session);
            }
            Err(_) => list.iter().for_each(|value| collect(value, date, sessions, said)),
        },
        _ => {}
    }
}
