//! What a server's reply says: a chat completion, or a refusal in one of the many shapes that servers give it.

use serde_json::Value;

/// The parts of a chat completion that are needed.
#[derive(Debug, PartialEq)]
pub struct Completion {
    /// The text, empty if there is none.
    pub text: String,
    /// Tokens of the prompt, 0 if the server does not say.
    pub prompt_tokens: u64,
    /// Tokens of the text, 0 if the server does not say.
    pub completion_tokens: u64,
    /// Whether the text was cut off.
    pub cut: bool,
}

/// A reply that is no completion.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    /// What the server says, or else what is wrong with the reply.
    pub message: String,
    /// Whether the same request may be answered later.
    pub temporary: bool,
}

/// Where servers put what went wrong, as texts or as objects with texts in them; in lower case, without `_`.
const MESSAGES: &str = "error errors errormessage errormsg title message msg statusmsg statusmessage reason fault faultstring detail details \
    description errordescription metadata raw baseresp exception choices response";
/// Where servers put codes and names of errors.
const CODES: &str = "code errorcode httpcode status statuscode type errortype error reason";
/// What errors that pass are called; letters and digits only.
const PASSING: &str = "ratelimit toomanyrequests throttl resourceexhausted overload capacity busy unavailable temporar tryagain timeout timedout \
    deadlineexceeded servererror internalerror badgateway loadingmodel";
/// How deep a text may be inside objects, lists and JSON in texts.
const DEEPEST: usize = 12;

/// Reads a reply with this HTTP status.
pub fn read(status: u16, bytes: &[u8]) -> Result<Completion, Refusal> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let good = (200..300).contains(&status);
    // An error may be shown with the characters that can be read; an answer would be another one.
    if good && std::str::from_utf8(bytes).is_err() {
        return Err(Refusal { message: format!("the reply is not UTF-8 text: {text}"), temporary: true });
    }
    let Ok(reply) = serde_json::from_str::<Value>(text) else { return Err(unreadable(status, text)) };
    match completion(&reply) {
        Ok(completion) if good => Ok(completion),
        wrong => {
            let wrong = wrong.err().unwrap_or_default();
            Err(refusal(status, &reply).unwrap_or_else(|| {
                let message = if good { format!("the reply is not a chat completion, {wrong}: {text}") } else { text.to_owned() };
                Refusal { message, temporary: passes(status.into()) }
            }))
        }
    }
}

/// The first choice, or what is wrong.
fn completion(reply: &Value) -> Result<Completion, String> {
    let choices = reply.get("choices").ok_or("it has no 'choices'")?;
    let choice = match choices.as_array().map(|list| list.first()) {
        Some(Some(choice)) => choice,
        Some(None) => return Err("'choices' is empty".into()),
        None => return Err("'choices' is not a list".into()),
    };
    if [reply, choice].iter().any(|part| part.get("error").is_some_and(|error| !nothing(error))) || choice["finish_reason"] == "error" {
        return Err("it ended with an error".into());
    }
    let message = choice.get("message").filter(|message| message.is_object()).ok_or_else(|| match choice.get("delta") {
        Some(_) => "its choice is a part of a stream ('delta'), which was not asked for",
        None => "its choice has no 'message'",
    })?;
    let text = match &message["content"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.as_str().or_else(|| part["text"].as_str())).collect(),
        _ => return Err("the 'content' of its message is neither a text nor a list of parts".into()),
    };
    let usage = |key| count(&reply["usage"][key]);
    Ok(Completion {
        text,
        prompt_tokens: usage("prompt_tokens"),
        completion_tokens: usage("completion_tokens"),
        cut: matches!(choice["finish_reason"].as_str(), Some("length" | "content_filter")),
    })
}

/// A number of tokens, however it is written; 0 for what is none, or more than there can be.
fn count(value: &Value) -> u64 {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).unwrap_or_default().round();
    if (0.0..=u32::MAX.into()).contains(&number) { number as u64 } else { 0 }
}

/// Whether a field is there only for form.
fn nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The server's own words and codes, if the reply has any.
fn refusal(status: u16, reply: &Value) -> Option<Refusal> {
    let (mut texts, mut codes) = (Vec::new(), Vec::new());
    gather(reply, false, DEEPEST, &mut texts, &mut codes);
    let failed = reply.pointer("/choices/0/finish_reason").is_some_and(|reason| reason == "error");
    if texts.is_empty() && codes.is_empty() && !failed {
        return None;
    }
    let known = |code: &String| code.parse().is_ok_and(passes) || passing(code) || code.eq_ignore_ascii_case("internal");
    // A status that tells the client that it is wrong says more than words do.
    let temporary = passes(status.into()) || failed || codes.iter().any(known) || (status < 400 && texts.iter().any(|text| passing(text)));
    codes.retain(|code| *code != status.to_string() && !texts.iter().any(|text| text.contains(code)));
    if texts.is_empty() && failed {
        texts.push("the server ended its answer with an error".into());
    }
    let message = match (texts.join(": "), codes.join(", ")) {
        (texts, codes) if codes.is_empty() => texts,
        (texts, codes) if texts.is_empty() => codes,
        (texts, codes) => format!("{texts} ({codes})"),
    };
    Some(Refusal { message, temporary })
}

/// Collects texts and codes. `inside` says that this is part of an error, so that any text in it belongs to it.
fn gather(value: &Value, inside: bool, depth: usize, texts: &mut Vec<String>, codes: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(parsed) if parsed.is_object() || parsed.is_array() => gather(&parsed, inside, depth, texts, codes),
            _ => add(texts, plain(text)),
        },
        Value::Array(list) => list.iter().for_each(|item| gather(item, inside, depth, texts, codes)),
        Value::Object(fields) => {
            let named = |names: &str, key: &str| names.split(' ').any(|name| key.replace('_', "").eq_ignore_ascii_case(name));
            for (key, value) in fields.iter().filter(|(key, _)| named(CODES, key)) {
                match value {
                    Value::Number(code) => add(codes, code.to_string()),
                    Value::String(code) if named("error reason", key) && code.contains(' ') => {}
                    Value::String(code) if !matches!(code.as_str(), "error" | "about:blank") => add(codes, code.clone()),
                    _ => {}
                }
            }
            let before = texts.len();
            for name in MESSAGES.split(' ') {
                for (_, value) in fields.iter().filter(|(key, _)| named(name, key)) {
                    let inside = inside || ["error", "errors", "detail", "fault"].contains(&name);
                    gather(value, inside && !["details", "metadata", "choices"].contains(&name), depth, texts, codes);
                }
            }
            // FastAPI says which part of the request is wrong.
            if let (Some(Value::Array(place)), Some(text)) = (fields.get("loc"), texts.last_mut().filter(|_| fields.contains_key("msg"))) {
                let place: Vec<String> = place.iter().map(|part| part.as_str().map_or(part.to_string(), str::to_owned)).collect();
                *text += &format!(" at {}", place.join("."));
            }
            // Others name the fields of the request, each with its complaints.
            if inside && texts.len() == before {
                for (key, value) in fields.iter().filter(|(key, value)| !named(CODES, key) && (value.is_string() || value.is_array())) {
                    let at = texts.len();
                    gather(value, inside, depth, texts, codes);
                    texts[at..].iter_mut().for_each(|text| *text = format!("{key}: {text}"));
                }
            }
        }
        _ => {}
    }
}

/// Adds a text that says something new.
fn add(list: &mut Vec<String>, text: String) {
    if !text.is_empty() && !list.iter().any(|other| other.contains(&text)) {
        list.push(text);
    }
}

/// Whether an HTTP status or a code of the same meaning passes.
pub(super) fn passes(code: u64) -> bool {
    matches!(code, 408 | 425 | 429 | 500..600)
}

/// Whether a text or a code is about something that passes.
fn passing(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    PASSING.split(' ').any(|name| letters.contains(name))
}

/// What to say of a reply that is not JSON.
fn unreadable(status: u16, text: &str) -> Refusal {
    let good = (200..300).contains(&status);
    // A stream: one JSON per line, with or without the marks of server-sent events.
    let lines = || text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    let parts: Vec<Value> = lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect();
    if let Some(refusal) = parts.iter().filter(|part| completion(part).is_err()).find_map(|part| refusal(status, part)) {
        return refusal;
    }
    if good && (!parts.is_empty() || ["data:", "event:"].iter().any(|mark| text.starts_with(mark))) {
        return Refusal { message: format!("the reply is a stream, which was not asked for: {text}"), temporary: false };
    }
    let message = match (good, text) {
        (true, "") => "the reply is empty".into(),
        (true, text) => format!("the reply is not JSON: {}", plain(text)),
        (false, text) => plain(text),
    };
    Refusal { message, temporary: good || passes(status.into()) }
}

/// A text, or the words of an HTML page.
fn plain(text: &str) -> String {
    let text = text.trim();
    let lower = text.get(..text.len().min(200)).unwrap_or(text).to_ascii_lowercase();
    if !text.starts_with('<') || !["<html", "<!doctype", "<head", "<body", "<title", "<h1"].iter().any(|tag| lower.contains(tag)) {
        return text.to_owned();
    }
    let (mut words, mut rest) = (String::new(), text);
    while let Some((before, tag)) = rest.split_once('<') {
        words += before;
        words.push(' ');
        let hidden =
            ["style", "script", "!--"].into_iter().find(|name| tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        let end = match hidden {
            Some("!--") => tag.find("-->").map(|at| at + 3),
            Some(name) => tag.to_ascii_lowercase().find(&format!("</{name}")).and_then(|at| Some(at + tag[at..].find('>')? + 1)),
            None => tag.find('>').map(|at| at + 1),
        };
        rest = end.map_or("", |end| &tag[end..]);
    }
    words += rest;
    for (entity, character) in [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        words = words.replace(entity, character);
    }
    format!("an HTML page, {}", words.split_whitespace().collect::<Vec<_>>().join(" "))
}
