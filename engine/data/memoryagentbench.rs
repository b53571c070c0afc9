//! MemoryAgentBench's rows (ai-hyz/MemoryAgentBench), as Parquet or JSON: `context`, `questions`, `answers` (a list of accepted texts for each
//! question) and `metadata` with `source` and lists parallel to the questions; unused lists are null.
//!
//! The text of a context tells what it is: numbered facts (Conflict_Resolution), labelled examples (Test_Time_Learning), a dialogue as a
//! Python literal (LongMemEval), and otherwise prose.
//!
//! LongMemEval's unanswerable questions have the kind `abstention`; those without a type are judged as most are, see `longmemeval.rs`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::content::Content;
use super::fields::{answers, brief, list, list_if_any, readable, text, text_if_any};
use super::{Episode, Found, Options, Question, chunk, each, facts, longmemeval, python};
use crate::metrics::Metric;

/// Tokens in a chunk, as in the authors' configurations.
const TOKENS: usize = 4096;

/// The end of an example. A text may also hold lines that begin with `label: `, but no empty line follows these.
static LABEL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\nlabel: (\d+)[ \t]*(?:\n\s*\n|\s*$)").expect("a valid pattern"));

/// Rows with a context and questions.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["context", "questions"])
}

/// Reads every row as one episode.
pub(super) fn read(content: Content, options: &Options, found: &mut Found) {
    each(content.rows(), found, |at, row, faults| episode(at, &row, options, faults));
}

fn episode(at: usize, row: &Value, options: &Options, faults: &mut Vec<String>) -> Result<Episode, String> {
    let context = text(row, "context")?;
    let (asked, accepted) = (list(row, "questions")?, list(row, "answers")?);
    if asked.len() != accepted.len() {
        return Err(format!("{} questions and {} answers", asked.len(), accepted.len()));
    }
    let metadata = row.get("metadata").unwrap_or(&Value::Null);
    let source = text_if_any(metadata, "source").unwrap_or_else(|| "memoryagentbench".to_owned());
    // A summary is judged by an expert's summary and its key points; without key points it is not judged.
    let points = list_if_any(metadata, "keypoints").unwrap_or_default();
    let summarised = source.starts_with("infbench_sum") && !points.is_empty();
    let protocol = protocol(&source, summarised);
    let beside = |key: &str, at: usize| Some(list_if_any(metadata, key)?.get(at)?.as_str()?.to_owned());
    let read = read_context(context, options, &protocol)?;
    let question = |(at, (question, accepted)): (usize, (&Value, &Value))| -> Result<Question, String> {
        let question = question.as_str().ok_or_else(|| format!("it is {}, not a text", brief(question)))?;
        let mut answers = answers(accepted)?;
        if summarised {
            answers.truncate(1);
            answers.extend(points.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        let question = Question {
            question: question.to_owned(),
            answers,
            kind: beside("question_types", at),
            // LongMemEval's ids say which questions cannot be answered.
            id: beside("question_ids", at).or_else(|| beside("qa_pair_ids", at)),
            evidence: evidence(metadata, at, &read.said),
            ..protocol.clone()
        };
        Ok(if source.starts_with("longmemeval") { longmemeval::abstaining(question) } else { question })
    };
    let questions = readable(asked.iter().zip(accepted).enumerate().map(question), faults);
    Ok(Episode { id: format!("{source}/{at}"), source, chunks: read.chunks, questions, chunk_questions: read.questions })
}

/// A context in chunks.
#[derive(Default)]
struct Context {
    chunks: Vec<String>,
    questions: Vec<Vec<Question>>,
    /// The chunk of each utterance in a dialogue.
    said: HashMap<String, usize>,
}

fn read_context(context: &str, options: &Options, protocol: &Question) -> Result<Context, String> {
    let tokens = options.chunk_tokens.unwrap_or(TOKENS);
    if let Some(facts) = facts::facts(context) {
        let groups = facts::groups(&facts, options);
        let questions = groups.iter().map(|facts| facts::questions(facts, protocol)).collect();
        return Ok(Context { chunks: groups.iter().map(|facts| facts.join("\n")).collect(), questions, ..Context::default() });
    }
    if let Some(examples) = examples(context) {
        let (chunks, runs) = chunk::examples(&examples, tokens);
        let question =
            |(text, label): &(String, String)| Question { question: text.clone(), answers: vec![label.clone()], ..protocol.clone() };
        let about = |run: Range<usize>| examples[run].iter().map(question).collect();
        return Ok(Context { chunks, questions: runs.into_iter().map(about).collect(), ..Context::default() });
    }
    if context.trim_start().starts_with("['") || context.trim_start().starts_with("[\"") {
        let (chunks, said) = longmemeval::dialogue(&python::literal(context).map_err(|reason| format!("\"context\" {reason}"))?, tokens);
        return Ok(Context { chunks, said, ..Context::default() });
    }
    Ok(Context { chunks: chunk::sentences(context, tokens), ..Context::default() })
}

/// The examples `text`, `label: n` of a context that consists only of these.
fn examples(context: &str) -> Option<Vec<(String, String)>> {
    let (mut examples, mut from) = (Vec::new(), 0);
    for found in LABEL.captures_iter(context) {
        let whole = found.get(0)?;
        examples.push((context[from..whole.start()].trim().to_owned(), found[1].to_owned()));
        from = whole.end();
    }
    (!examples.is_empty() && context[from..].trim().is_empty()).then_some(examples)
}

/// The chunks that prove the answer of a question: those of the marked turns of its sessions.
fn evidence(metadata: &Value, at: usize, said: &HashMap<String, usize>) -> Vec<usize> {
    let sessions = list_if_any(metadata, "haystack_sessions").and_then(|all| all.get(at)).and_then(Value::as_array);
    let turns = sessions.into_iter().flatten().filter_map(Value::as_array).flatten();
    let marked = turns.filter(|turn| turn.get("has_answer").and_then(Value::as_bool) == Some(true));
    let mut chunks: Vec<usize> = marked.filter_map(|turn| said.get(turn.get("content")?.as_str()?.trim()).copied()).collect();
    chunks.sort_unstable();
    chunks.dedup();
    chunks
}

/// How the answers of a source are scored, and the instruction added to its questions.
fn protocol(source: &str, summarised: bool) -> Question {
    let (metric, instruction) = match source {
        s if s.starts_with("factconsolidation") => (
            Metric::SubstringExactMatch,
            Some(
                "Answer from the facts in the memory, whatever the world knows. Of facts that contradict one another the latest holds. Keep the answer short.",
            ),
        ),
        s if s.starts_with("icl") => (Metric::ExactMatch, Some("Answer with the number of the label and nothing else.")),
        s if s.starts_with("detective") => (Metric::ExactMatch, None),
        s if s.starts_with("recsys") => (Metric::RecallAt5, Some("Recommend twenty titles as a numbered list, the best first.")),
        s if s.starts_with("longmemeval") => (Metric::JudgeLongMemEval, None),
        s if s.starts_with("infbench_sum") => (if summarised { Metric::JudgeSummary } else { Metric::RougeL }, None),
        _ => (Metric::SubstringExactMatch, None),
    };
    Question { metric: Some(metric), instruction: instruction.map(str::to_owned), ..Question::default() }
}
