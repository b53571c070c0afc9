//! Calls without tags: an answer that is nothing but JSON objects which name tools.
//!
//! Some models know which tool to call but leave out the marks that their own template asks for. Such an answer cannot be mistaken for
//! talk about a call, so it is read: objects one after the other, with or without commas, in lists, and in code fences. Anything else
//! beside them, and an object that names no known tool, makes it an ordinary text.

use serde_json::Value;

use super::calls::{Call, broken, understand};

const FENCE: &str = "```";

/// The calls of `text`, if it is nothing but objects that name one of `tools`. The last object may be cut off: then it is kept as a call
/// that is not closed. Returns the calls and how many of them are whole.
pub(super) fn read(text: &str, tools: &[&str]) -> Option<(Vec<Call>, usize)> {
    let (mut calls, mut fenced, mut listed) = (Vec::new(), false, false);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(FENCE).filter(|_| !listed) {
            fenced = !fenced;
            rest = if fenced { without_language(after) } else { after };
        } else if let Some(after) = rest.strip_prefix(if listed { ']' } else { '[' }) {
            listed = !listed;
            rest = after;
        } else if rest.starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            match values.next()? {
                Ok(value) => {
                    let (raw, after) = rest.split_at(values.byte_offset());
                    let known = value.get("name").and_then(Value::as_str).is_some_and(|name| tools.contains(&name));
                    calls.push(known.then(|| understand(raw, value))?);
                    rest = after;
                }
                Err(error) if error.is_eof() && !calls.is_empty() => {
                    let whole = calls.len();
                    calls.push(broken(rest.trim_end(), "the call is not closed"));
                    return Some((calls, whole));
                }
                Err(_) => return None,
            }
        } else {
            return None;
        }
        rest = rest.trim_start();
        rest = rest.strip_prefix([',', ';']).filter(|_| !calls.is_empty()).unwrap_or(rest).trim_start();
    }
    let whole = calls.len();
    (whole > 0).then_some((calls, whole))
}

/// What follows the language of a code fence, which is JSON or not said.
fn without_language(text: &str) -> &str {
    match text.get(..4) {
        Some(language) if language.eq_ignore_ascii_case("json") => text[4..].trim_start(),
        _ => text.trim_start(),
    }
}
