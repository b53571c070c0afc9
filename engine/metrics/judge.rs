//! Metrics that need a judge: the question to a model about an answer, and how its reply is read.
//!
//! The rules are those of the published judges, in our own words. LongMemEval asks gpt-4o-2024-08-06 at temperature 0 for at
//! most 10 tokens, Mem-α asks Qwen3-32B without thinking, HELMET asks GPT-4o and lets it think aloud.

use std::fmt::Write;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::{Error, Result};

/// The input of a judge.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The question.
    pub question: &'a str,
    /// The answer to be judged.
    pub answer: &'a str,
    /// The accepted answers; for a preference the rubric, for an unanswerable question the reason, for a summary an expert's summary
    /// followed by the key points.
    pub gold: &'a [String],
    /// The type of the question.
    pub kind: Option<&'a str>,
    /// The question's id in its file.
    pub id: Option<&'a str>,
}

const CONTAINS: &str = "Decide whether the model's answer to the question below contains the correct answer.";

const EQUIVALENT: &str = "\
An answer that says the same in other words, or that gives every step on the way to the correct answer, is correct too. \
An answer that has only a part of what the correct answer tells is not correct.";

const OFF_BY_ONE: &str = "\
Where a number of days, weeks, months or the like is asked for, a number that is off by one is correct as well, \
such as 19 days instead of 18.";

const UPDATED: &str = "\
An answer that mentions earlier values beside the new one is correct as long as the new value that it gives is the \
correct answer.";

const RUBRIC: &str = "\
Decide whether the model's answer to the question below meets the rubric, which describes the answer that suits this user. \
It need not touch on every point of the rubric: it is correct if it recalls what is known about the user and uses it rightly.";

const UNANSWERABLE: &str = "\
The question below cannot be answered from what the model was told; the explanation says why. Decide whether the model's \
answer recognises that: it may say that information is missing, or that it knows of something else but not of what is asked.";

const TYPES: &str = "\
single-session-user, single-session-assistant, single-session-preference, multi-session, temporal-reasoning, knowledge-update, \
abstention";

/// The kind of LongMemEval's unanswerable questions.
pub const ABSTENTION: &str = "abstention";

/// Whether the id of a LongMemEval question says that it cannot be answered.
pub fn abstains(id: &str) -> bool {
    id.contains("_abs")
}

/// The message to a judge of LongMemEval's questions. `kind` is the question's type in its file, or [`ABSTENTION`] for an unanswerable
/// question; its id says so, too (see [`abstains`]).
///
/// An answer is right if it contains the correct one. Temporal questions allow counts that are off by one, knowledge updates allow older
/// values in addition to the newest, preferences are judged by a rubric, and for an unanswerable question the judge decides whether the
/// answer recognises it as such. A question without a type is judged as most types are: whether the answer contains the correct one,
/// without these allowances.
///
/// # Errors
/// A type that LongMemEval does not have.
pub fn judge_longmemeval(judged: &Judged) -> Result<String> {
    if judged.kind == Some(ABSTENTION) || judged.id.is_some_and(abstains) {
        let asked = "Does the answer recognise that the question cannot be answered?";
        return Ok(message(UNANSWERABLE, judged, "Explanation", asked));
    }
    let rules = match judged.kind {
        None | Some("single-session-user" | "single-session-assistant" | "multi-session") => EQUIVALENT.to_owned(),
        Some("temporal-reasoning") => format!("{EQUIVALENT} {OFF_BY_ONE}"),
        Some("knowledge-update") => UPDATED.to_owned(),
        Some("single-session-preference") => return Ok(judge_memalpha(judged)),
        Some(kind) => {
            return Err(Error::argument(format!("LongMemEval has no judge for a question of type '{kind}'; its types are {TYPES}")));
        }
    };
    Ok(message(&format!("{CONTAINS} {rules}"), judged, "Correct answer", "Is the model's answer correct?"))
}

/// The message to Mem-α's judge, which decides by a rubric whether an answer makes correct use of what is known about the user.
/// LongMemEval's preferences are judged the same way.
pub fn judge_memalpha(judged: &Judged) -> String {
    message(RUBRIC, judged, "Rubric", "Is the model's answer correct?")
}

fn message(task: &str, judged: &Judged, gold: &str, asked: &str) -> String {
    let mut text = format!("{task}\n\nQuestion: {}\n\n", judged.question);
    for accepted in judged.gold {
        let _ = write!(text, "{gold}: {accepted}\n\n");
    }
    let _ = write!(text, "Model's answer: {}\n\n{asked} Reply with yes or no, and nothing else.", judged.answer);
    text
}

/// 1 if the reply of LongMemEval's judge contains "yes", else 0.
pub fn verdict_longmemeval(reply: &str) -> f64 {
    f64::from(reply.to_lowercase().contains("yes"))
}

/// 1 if the reply of Mem-α's judge contains "yes" and not "no", else 0.
pub fn verdict_memalpha(reply: &str) -> f64 {
    let reply = reply.to_lowercase();
    f64::from(reply.contains("yes") && !reply.contains("no"))
}

const FLUENCY: &str = "\
Decide whether the summary below is fluent. It is 1 if it is coherent and grammatical and does not repeat itself; a last sentence that is cut \
off does no harm. It is 0 if it is incoherent, or says the same again and again, be it in other words, or is no more than a beginning.";

const RECALL: &str = "\
The summary below is of a novel. Count the key points that it has. It has a key point if it supports most of what the key point says, \
though perhaps not all of it.";

const PRECISION: &str = "\
Both summaries below are of the same novel. Go through the sentences of the summary, and count those that the expert's summary supports. It \
supports a sentence if it says the same in the main; dates, names and places may be missing. It does not support one whose main facts it does \
not mention or contradicts, nor remarks and analysis that it does not have.";

/// The messages to the judge of a novel's summary, HELMET's for ∞Bench-Sum, which MemoryAgentBench uses: about its fluency, how many of the
/// key points it has, and how many of its sentences an expert's summary supports. `gold` holds the expert's summary followed by the key
/// points.
///
/// # Errors
/// No expert's summary.
pub fn judge_summary(judged: &Judged) -> Result<[String; 3]> {
    let Some((expert, points)) = judged.gold.split_first() else {
        return Err(Error::argument("judge_summary needs an expert's summary and its key points as gold"));
    };
    let summary = format!("Summary:\n{}", judged.answer.trim());
    let points: String = points.iter().enumerate().map(|(i, point)| format!("{}. {point}\n", i + 1)).collect();
    let form = |form: &str| format!("Say first what you see, step by step. End with the result as JSON in this form: {form}");
    Ok([
        format!("{FLUENCY}\n\n{summary}\n\n{}", form("{\"fluency\": 1}")),
        format!("{RECALL}\n\nKey points:\n{points}\n{summary}\n\n{}", form("{\"supported_key_points\": [2, 4], \"recall\": 2}")),
        format!("{PRECISION}\n\nExpert's summary:\n{expert}\n\n{summary}\n\n{}", form("{\"precision\": 7, \"sentence_count\": 20}")),
    ])
}

/// The score in the replies to [`judge_summary`] for `points` key points: fluency · 2 r p / (r + p), where r is the share of the key points
/// found and p the share of supported sentences. `None` if a reply lacks its numbers.
///
/// A reply's numbers are those of its last JSON object. A count above the maximum is lowered to the maximum here; the published code uses
/// it as it is.
pub fn verdict_summary<T: AsRef<str>>(replies: &[T], points: usize) -> Option<f64> {
    let [fluency, recall, precision] = replies else { return None };
    let number = |found: &Value, name: &str| found.get(name)?.as_f64();
    let share = |part: f64, whole: f64| if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    let fluency = number(&last_object(fluency.as_ref())?, "fluency")?.clamp(0.0, 1.0);
    let recall = share(number(&last_object(recall.as_ref())?, "recall")?, points as f64);
    let found = last_object(precision.as_ref())?;
    let precision = share(number(&found, "precision")?, number(&found, "sentence_count")?);
    Some(if recall + precision > 0.0 { fluency * 2.0 * recall * precision / (recall + precision) } else { 0.0 })
}

/// The last JSON object without another inside, or the content of a JSON fence.
fn last_object(text: &str) -> Option<Value> {
    static OBJECT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)\{.*?\}").expect("a valid pattern"));
    static FENCE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)```json(.+)```").expect("a valid pattern"));
    let last = OBJECT.find_iter(text).last()?;
    let fenced = || serde_json::from_str(FENCE.captures(text)?.get(1)?.as_str()).ok();
    serde_json::from_str(last.as_str()).ok().or_else(fenced)
}
