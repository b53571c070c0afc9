//! Reading values that come in more than one shape, with errors that name the wrong key.

use serde_json::Value;

use super::{Question, python};

/// A required text.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| wrong(value, key, "a text"))
}

/// A text that may be missing or null. Numbers count as texts.
pub(super) fn text_if_any(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A required list.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    list_if_any(value, key).ok_or_else(|| wrong(value, key, "a list"))
}

/// A list that may be missing or null.
pub(super) fn list_if_any<'a>(value: &'a Value, key: &str) -> Option<&'a [Value]> {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

/// Takes a list that a table's column may hold as JSON or Python text.
pub(super) fn take_list(value: &mut Value, key: &str) -> Result<Vec<Value>, String> {
    let found = match value.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => serde_json::from_str(&text)
            .or_else(|error| python::literal(&text).map_err(|_| format!("{key:?} is not a JSON list: {}", crate::files::brief(&error))))?,
        Some(found) => found,
        None => return Err(wrong(value, key, "a list")),
    };
    match found {
        Value::Array(list) => Ok(list),
        other => Err(format!("{key:?} must be a list, not {}", brief(&other))),
    }
}

fn wrong(value: &Value, key: &str, what: &str) -> String {
    format!("{key:?} must be {what}, not {}", value.get(key).map_or("missing".to_owned(), brief))
}

/// Accepted answers, which files give as a text, a number, or a non-empty list of these.
pub(super) fn answers(value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("an answer is a text or a number, not {}", brief(other))),
    };
    match value {
        Value::Array(list) if list.is_empty() => Err("the list of accepted answers is empty".to_owned()),
        Value::Array(list) => list.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

/// A question from an object with the keys `question` and `answer`.
pub(super) fn question(value: &Value) -> Result<Question, String> {
    let answers = answers(value.get("answer").unwrap_or(&Value::Null))?;
    Ok(Question { question: text(value, "question")?.to_owned(), answers, ..Question::default() })
}

/// The question, if its answers can be scored. A question that lacks what its metric needs would otherwise end an evaluation after all its
/// answers have been computed.
pub(super) fn scorable(question: Question) -> Result<Question, String> {
    let metric = question.metric.unwrap_or_default();
    let checked = metric.check(&question.answers, question.kind.as_deref(), question.id.as_deref());
    checked.map(|()| question).map_err(|error| error.to_string())
}

/// The questions of a list that can be read and scored; the others go to `faults`.
pub(super) fn readable(questions: impl IntoIterator<Item = Result<Question, String>>, faults: &mut Vec<String>) -> Vec<Question> {
    let keep = |(at, question): (usize, Result<Question, String>)| {
        question.and_then(scorable).map_err(|reason| faults.push(format!("question {at}: {reason}"))).ok()
    };
    questions.into_iter().enumerate().filter_map(keep).collect()
}

/// The questions about each chunk: those whose only evidence it is.
pub(super) fn by_evidence<'a>(questions: impl IntoIterator<Item = &'a Question>, chunks: usize) -> Vec<Vec<Question>> {
    let mut found = vec![Vec::new(); chunks];
    for question in questions {
        if let &[chunk] = question.evidence.as_slice() {
            found[chunk].push(question.clone());
        }
    }
    found
}

/// A JSON value in a few words, for messages.
pub(super) fn brief(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(fields) => {
            format!(
                "an object with {}",
                fields.keys().take(6).map(|key| key.chars().take(40).collect()).collect::<Vec<String>>().join(", ")
            )
        }
        value => value.to_string().chars().take(40).collect(),
    }
}
