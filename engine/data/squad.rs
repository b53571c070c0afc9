//! SQuAD v1.1 as JSON: `data`, a list of articles with `paragraphs`, each a `context` with the questions (`qas`) that it answers.

use serde_json::Value;

use super::content::{Content, Row};
use super::fields::{answers, by_evidence, list, readable, text, text_if_any};
use super::{Episode, Found, Options, Question, each};
use crate::metrics::Metric;

/// An object with a list of articles.
pub(super) fn fits(content: &Content) -> bool {
    content.values().any(|value| {
        value.get("data").and_then(Value::as_array).is_some_and(|data| data.iter().any(|article| article.get("paragraphs").is_some()))
    })
}

/// Reads every article as one episode, every paragraph as a chunk.
pub(super) fn read(content: Content, _: &Options, found: &mut Found) {
    for Row { place, value } in content.rows() {
        match value.map(|mut value| value.get_mut("data").map(Value::take)) {
            Ok(Some(Value::Array(articles))) => {
                let row = |(at, value)| Row { place: format!("article {at}"), value: Ok(value) };
                each(articles.into_iter().enumerate().map(row).collect(), found, |at, article, faults| episode(at, &article, faults));
            }
            Ok(_) => found.skipped.push(format!("{place}: \"data\" must be a list of articles")),
            Err(reason) => found.skipped.push(format!("{place}: {reason}")),
        }
    }
}

fn episode(at: usize, article: &Value, faults: &mut Vec<String>) -> Result<Episode, String> {
    let id = text_if_any(article, "title").unwrap_or_else(|| format!("article {at}"));
    let (mut chunks, mut questions) = (Vec::new(), Vec::new());
    for paragraph in list(article, "paragraphs")? {
        let question = |value: &Value| question(value, chunks.len());
        questions.extend(readable(list(paragraph, "qas")?.iter().map(question), faults));
        chunks.push(text(paragraph, "context")?.to_owned());
    }
    let chunk_questions = by_evidence(&questions, chunks.len());
    Ok(Episode { id, source: "squad".to_owned(), chunks, questions, chunk_questions })
}

fn question(value: &Value, chunk: usize) -> Result<Question, String> {
    let accepted: Vec<Value> = list(value, "answers")?.iter().filter_map(|answer| answer.get("text").cloned()).collect();
    let mut accepted = answers(&Value::Array(accepted))?;
    // Several annotators marked the same words.
    let mut seen = std::collections::HashSet::new();
    accepted.retain(|answer| seen.insert(answer.clone()));
    Ok(Question {
        question: text(value, "question")?.to_owned(),
        answers: accepted,
        id: text_if_any(value, "id"),
        metric: Some(Metric::TokenF1),
        evidence: vec![chunk],
        ..Question::default()
    })
}
