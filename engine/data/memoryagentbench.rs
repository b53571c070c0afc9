//! MemoryAgentBench rows as JSON: a list of `{context, questions, answers, metadata: {source, …}}`, the columns of the published
//! Parquet files. Contexts that are numbered facts (`k. fact`, one a line; the split Conflict_Resolution) are read.

use serde_json::Value;

use super::{Episode, Options, Question, answers, brief, checked};

/// A list whose first row has a context and questions.
pub(super) fn fits(text: &str) -> bool {
    let start = text.trim_start();
    start.starts_with('[') && start.contains("\"context\"") && start.contains("\"questions\"")
}

/// Reads every row as one episode.
pub(super) fn read(text: &str, options: &Options) -> Result<Vec<Episode>, String> {
    let rows: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    rows.iter().enumerate().map(|(at, row)| episode(at, row, options).map_err(|reason| format!("row {at}: {reason}"))).collect()
}

fn episode(at: usize, row: &Value, options: &Options) -> Result<Episode, String> {
    let list = |key: &str| match row.get(key) {
        Some(Value::Array(list)) => Ok(list),
        other => Err(format!("{key:?} must be a list, not {}", other.map_or("missing".to_owned(), brief))),
    };
    let context = row.get("context").and_then(Value::as_str).ok_or("\"context\" must be a text")?;
    let (asked, accepted) = (list("questions")?, list("answers")?);
    if asked.len() != accepted.len() {
        return Err(format!("{} questions and {} answers", asked.len(), accepted.len()));
    }
    let metadata = row.get("metadata").unwrap_or(&Value::Null);
    let source = metadata.get("source").and_then(Value::as_str).unwrap_or("memoryagentbench").to_owned();
    let kind = |at: usize| Some(metadata.get("question_types")?.get(at)?.as_str()?.to_owned());
    let question = |(at, (question, accepted)): (usize, (&Value, &Value))| -> Result<Question, String> {
        let question = question.as_str().ok_or_else(|| format!("question {at} is {}, not a text", brief(question)))?.to_owned();
        Ok(Question {
            question,
            answers: answers(accepted).map_err(|reason| format!("answer {at}: {reason}"))?,
            kind: kind(at),
            ..Question::default()
        })
    };
    let questions = asked.iter().zip(accepted).enumerate().map(question).collect::<Result<_, _>>()?;
    let facts = facts(context);
    if facts.is_empty() {
        return Err(format!("the context of {source} is no list of numbered facts, the only kind of context that is read"));
    }
    let chunks = facts.chunks(options.facts_per_chunk).map(|facts| facts.join("\n")).collect();
    checked(Episode { id: format!("{source}/{at}"), source, chunks, questions, chunk_questions: Vec::new() })
}

/// The facts of a context without their numbers. Lines before the first fact are a heading; a line without a number goes on with
/// the fact above it.
fn facts(context: &str) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    for line in context.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (number, fact) = line.split_once(". ").unwrap_or(("", line));
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            facts.push(fact.to_owned());
        } else if let Some(last) = facts.last_mut() {
            last.push(' ');
            last.push_str(line);
        }
    }
    facts
}
