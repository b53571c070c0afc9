//! Tool calls in a policy's text, and the reader of the default dialect, that of Hermes and Qwen: any number of `<tool_call>{"name": …,
//! "arguments": {…}}</tool_call>`.
//!
//! Nothing that was meant as a call is lost: a call that cannot be read is kept with the reason.

use serde_json::Value;

use super::untagged;
use crate::{Error, Result};

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// A call as the policy wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The text it was read from, tags included.
    pub raw: String,
    /// The tool's name, as far as it could be read.
    pub name: Option<String>,
    /// The arguments: an object, or null if they could not be read.
    pub arguments: Value,
    /// Why the call cannot be carried out, if it cannot.
    pub error: Option<String>,
}

/// The content of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The calls, readable or not, in order.
    pub calls: Vec<Call>,
    /// The number of pieces of other text before, between and after the calls.
    pub stray: usize,
    /// How many of the calls were read although the dialect's tags are missing.
    pub untagged: usize,
}

/// Reads every call in `text`.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        parsed.outside(&rest[..at]);
        rest = &rest[at..];
        let (call, length) = read(rest);
        parsed.calls.push(call);
        rest = &rest[length..];
    }
    parsed.outside(rest);
    parsed
}

/// Splits a text into the policy's thought, if there is one, and its answer. The thought starts with `<think>`, in the text or at the end
/// of the prompt, and ends with `</think>`. If it does not end, there is no answer.
pub fn split_thought<'a>(prompt: &str, text: &'a str) -> (Option<&'a str>, &'a str) {
    let start = text.trim_start();
    if !start.starts_with("<think>") && !prompt.trim_end().ends_with("<think>") {
        return (None, text);
    }
    let (thought, answer) = text.split_once("</think>").unwrap_or((text, ""));
    (Some(thought), answer)
}

impl Parsed {
    /// The calls that a dialect read from `text`, in order, each with its `raw` text. All other text is stray.
    pub fn from_calls(text: &str, calls: Vec<Call>) -> Result<Self> {
        let (mut rest, mut stray) = (text, 0);
        for call in &calls {
            let Some((before, after)) = rest.split_once(&call.raw).filter(|_| !call.raw.is_empty()) else {
                let shown: String = call.raw.chars().take(60).collect();
                return Err(Error::argument(format!("the raw text {shown:?} of a call is not in the answer, or not in this order")));
            };
            stray += usize::from(!before.trim().is_empty());
            rest = after;
        }
        stray += usize::from(!rest.trim().is_empty());
        Ok(Self { calls, stray, untagged: 0 })
    }

    /// What a JSON dialect has read from `text`; or, if it found no call or left something over, the calls without its tags. Those are read
    /// if `text` is nothing but JSON objects that name one of `tools`.
    pub fn or_untagged(self, text: &str, tools: &[&str]) -> Self {
        if self.stray == 0 && self.calls.iter().any(|call| call.error.is_none()) {
            return self;
        }
        match untagged::read(text, tools) {
            Some((calls, untagged)) => Self { calls, stray: 0, untagged },
            None => self,
        }
    }

    /// Text between calls. Chatter is counted; remains of a call are kept as a call.
    fn outside(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if ["<tool_call", "</tool_call", "tool_call>", "{\"name\""].iter().any(|mark| squeezed.contains(mark)) {
            self.calls.push(broken(text, "text outside a call that looks like part of one"));
        } else {
            self.stray += 1;
        }
    }
}

/// A call that cannot be read.
pub(super) fn broken(raw: &str, reason: impl ToString) -> Call {
    Call { raw: raw.to_owned(), name: None, arguments: Value::Null, error: Some(reason.to_string()) }
}

/// Reads the call at the start of `text`. Returns it and its length in bytes.
fn read(text: &str) -> (Call, usize) {
    let body = &text[OPEN.len()..];
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<Value>();
    let value = values.next();
    // A closing tag inside a JSON string is part of the string, so the search for the end starts after the value.
    let read = if matches!(value, Some(Ok(_))) { values.byte_offset() } else { 0 };
    let next = body[read..].find(OPEN).map_or(body.len(), |at| read + at);
    let close = body[read..next].find(CLOSE).map(|at| read + at);
    let length = OPEN.len() + close.map_or(next, |at| at + CLOSE.len());
    let raw = text[..length].trim_end();
    let call = match (value, close) {
        (Some(Ok(value)), Some(close)) if body[read..close].trim().is_empty() => understand(raw, value),
        (Some(Ok(value)), close) => {
            let reason = if close.is_some() { "text after the call's JSON" } else { "the call is not closed" };
            Call { error: Some(reason.to_owned()), ..understand(raw, value) }
        }
        (None, _) => broken(raw, "the call is empty"),
        (Some(Err(_)), None) => broken(raw, "the call is not closed"),
        (Some(Err(error)), Some(_)) => broken(raw, format!("not JSON: {error}")),
    };
    (call, length)
}

/// The call that a JSON value describes: `{"name", "arguments"}`, or as other models say, `{"name", "parameters"}`.
pub(super) fn understand(raw: &str, value: Value) -> Call {
    let Value::Object(mut fields) = value else {
        return broken(raw, "the call is not a JSON object");
    };
    let name = match fields.remove("name") {
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        _ => None,
    };
    let key = if fields.contains_key("arguments") { "arguments" } else { "parameters" };
    let arguments = fields.remove(key).unwrap_or_else(|| Value::Object(Default::default()));
    let error = match (&name, arguments.is_object()) {
        (None, _) => Some("the call names no tool".to_owned()),
        (_, false) => Some(format!("\"{key}\" is not a JSON object")),
        _ => None,
    };
    Call { raw: raw.to_owned(), name, arguments, error }
}
