//! Mem-α's rows (YuWangX/Memalpha): `chunks` and `questions_and_answers`, lists stored as JSON text in the published Parquet files, with
//! `data_source`, `instance_id` and sometimes `metadata`. Chunks are used as they are.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::content::Content;
use super::fields::{brief, question, readable, take_list, text_if_any};
use super::{Episode, Found, Options, Question, each};
use crate::metrics::Metric;

/// An example inside a chunk of a labelled source.
static EXAMPLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)Sentence: (.*?)\s*\nLabel: (\d+)").expect("a valid pattern"));

/// Rows with chunks, and questions and answers.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["chunks", "questions_and_answers"])
}

/// Reads every row as one episode.
pub(super) fn read(content: Content, _: &Options, found: &mut Found) {
    each(content.rows(), found, episode);
}

fn episode(at: usize, mut row: Value, faults: &mut Vec<String>) -> Result<Episode, String> {
    let source = text_if_any(&row, "data_source").unwrap_or_else(|| "memalpha".to_owned());
    let chunk = |chunk| match chunk {
        Value::String(text) => Ok(text),
        other => Err(format!("a chunk must be a text, not {}", brief(&other))),
    };
    let chunks = take_list(&mut row, "chunks")?.into_iter().map(chunk).collect::<Result<Vec<_>, _>>()?;
    let protocol = protocol(&source);
    let asked = take_list(&mut row, "questions_and_answers")?;
    let asked = asked.iter().enumerate().map(|(number, value)| {
        let found = question(value)?;
        Ok(Question { id: Some(format!("{at}/{number}")), question: found.question, answers: found.answers, ..protocol.clone() })
    });
    let questions = readable(asked, faults);
    let about = |chunk: &String| -> Vec<Question> {
        let examples = EXAMPLE.captures_iter(chunk).filter(|_| labelled(&source));
        let question = |example: regex::Captures<'_>| Question {
            question: format!("Sentence: {}\nWhich label does this sentence have?", &example[1]),
            answers: vec![example[2].to_owned()],
            ..protocol.clone()
        };
        examples.map(question).collect()
    };
    let chunk_questions = chunks.iter().map(about).collect();
    let id = text_if_any(&row, "instance_id").unwrap_or_else(|| at.to_string());
    Ok(Episode { id: format!("{source}/{id}"), source, chunks, questions, chunk_questions })
}

fn labelled(source: &str) -> bool {
    ["pubmed", "ttl", "icl"].iter().any(|start| source.starts_with(start))
}

/// How the answers of a source are scored, and the instruction added to its questions.
fn protocol(source: &str) -> Question {
    let (metric, instruction) = match source {
        source if labelled(source) => (
            Metric::BoxedLabelStrict,
            Some("The core memory holds the rules of the classes. Give one number as the label, in \\boxed{label}."),
        ),
        "booksum" => (Metric::KeywordFraction, Some("The core memory holds a summary of the book.")),
        source if source.starts_with("infbench_sum") => (Metric::KeywordFraction, Some("The core memory holds a summary of the book.")),
        source if source.starts_with("infbench_qa") => (Metric::RougeL, Some("Keep the answer as short as you can.")),
        source if source.starts_with("squad") || source.starts_with("hotpotqa") => (Metric::SubstringMatch, None),
        source if source.starts_with("perltqa") => (Metric::PartsFraction, None),
        source if source.starts_with("lme") || source.starts_with("longmemeval") => (Metric::JudgeMemAlpha, None),
        source if source.starts_with("eventqa") => (Metric::AllRecalled, None),
        source if source.starts_with("recsys") => (Metric::RecallAt5, None),
        source if source.starts_with("detective") => (Metric::ExactMatch, None),
        _ => (Metric::SubstringExactMatch, None),
    };
    Question { metric: Some(metric), instruction: instruction.map(str::to_owned), ..Question::default() }
}
