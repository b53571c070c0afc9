//! MemBuilder's files. The sessions of a conversation are the chunks of an episode, and the questions about a session are also asked at the
//! end.
//!
//! - JSON Lines: `conversation_id`, `session_index`, `session` with `messages` and `timestamp`, `questions`.
//! - JSON: `conversations`, each with `sessions` and `questions`.
//! - Training data, in which a session is inside a prompt, after a heading: Parquet with `prompt` and `meta`, one row for each kind of
//!   memory; JSON with `instruction` and `output`, each its own conversation.

use serde_json::Value;

use super::content::{Content, Row};
use super::fields::{brief, by_evidence, list, list_if_any, question, readable, text, text_if_any};
use super::longmemeval::session;
use super::{Episode, Found, Options, Question, checked, chunk};

/// The heading before a session in a prompt.
const HEADING: &str = "New Messages:";

/// Any of the four layouts.
pub(super) fn fits(content: &Content) -> bool {
    [&["conversation_id", "session"][..], &["conversations"], &["prompt", "meta"], &["instruction", "output"]]
        .into_iter()
        .any(|keys| content.has(keys))
}

/// The sessions of a conversation, each with its index, its text and the questions about it.
struct Conversation {
    id: String,
    sessions: Vec<(i64, String, Vec<Question>)>,
    /// Questions about all of it.
    questions: Vec<Question>,
}

/// Reads the rows, and groups those of a conversation.
pub(super) fn read(content: Content, _: &Options, found: &mut Found) {
    let mut all: Vec<Conversation> = Vec::new();
    for (at, row) in content.rows().into_iter().enumerate() {
        let Row { place, value } = row;
        let mut faults = Vec::new();
        match value.and_then(|value| read_row(at, &value, &mut faults)) {
            Ok(Read::Whole(read)) => all.extend(read),
            Ok(Read::Session(one)) => faults.extend(merge(&mut all, one, true).err()),
            Ok(Read::Prompt(one)) => faults.extend(merge(&mut all, one, false).err()),
            Err(reason) => faults.push(reason),
        }
        found.skipped.extend(faults.into_iter().map(|reason| format!("{place}: {reason}")));
    }
    for one in all {
        let id = one.id.clone();
        match episode(one) {
            Ok(episode) => found.push(&format!("conversation {id}"), episode),
            Err(reason) => found.skipped.push(format!("conversation {id}: {reason}")),
        }
    }
}

/// What a row holds.
enum Read {
    /// Conversations.
    Whole(Vec<Conversation>),
    /// A session of one.
    Session(Conversation),
    /// A session of one in a prompt about a kind of memory, which adds something of its own to it.
    Prompt(Conversation),
}

/// Adds a session to its conversation. Rows of the same session are one; if they are `alike`, they have the same text.
fn merge(all: &mut Vec<Conversation>, one: Conversation, alike: bool) -> Result<(), String> {
    let Some(known) = all.iter_mut().find(|known| known.id == one.id) else {
        all.push(one);
        return Ok(());
    };
    for (index, text, questions) in one.sessions {
        match known.sessions.iter_mut().find(|session| session.0 == index) {
            Some(session) if session.1 == text || !alike => session.2.extend(questions),
            Some(_) => return Err(format!("session {index} of conversation {} has another text in an earlier row", known.id)),
            None => known.sessions.push((index, text, questions)),
        }
    }
    Ok(())
}

fn read_row(at: usize, row: &Value, faults: &mut Vec<String>) -> Result<Read, String> {
    let one =
        |id, index: i64, text: String, questions| Conversation { id, sessions: vec![(index, text, questions)], questions: Vec::new() };
    if let Some(conversations) = list_if_any(row, "conversations") {
        let read = |(at, value)| conversation(at, value, faults).map_err(|reason| faults.push(format!("conversation {at}: {reason}"))).ok();
        return Ok(Read::Whole(conversations.iter().enumerate().filter_map(read).collect()));
    }
    if let Some(held) = row.get("session") {
        let questions = questions(row, faults);
        return Ok(Read::Session(one(text(row, "conversation_id")?.to_owned(), index(row), messages(held)?, questions)));
    }
    if let Some(meta) = row.get("meta") {
        let turns = list(row, "prompt")?.iter().filter_map(|turn| text_if_any(turn, "content"));
        let shown = turns.rev().find_map(|turn| told(&turn));
        let shown = shown.ok_or_else(|| format!("no message of the prompt holds {HEADING:?}"))?;
        // The column is text; if that text is a JSON object, it may hold the questions.
        let reward = text_if_any(row, "reward_model").and_then(|reward| serde_json::from_str::<Value>(&reward).ok());
        let asked = reward.map_or(Vec::new(), |reward| questions(&reward, faults));
        return Ok(Read::Prompt(one(text(meta, "conversation_id")?.to_owned(), index(meta), shown, asked)));
    }
    let shown = told(text(row, "instruction")?).ok_or_else(|| format!("the instruction does not hold {HEADING:?}"))?;
    Ok(Read::Prompt(one(format!("example {at}"), 0, shown, Vec::new())))
}

fn conversation(at: usize, value: &Value, faults: &mut Vec<String>) -> Result<Conversation, String> {
    let session = |(at, value): (usize, &Value)| Ok((at as i64, messages(value)?, Vec::new()));
    Ok(Conversation {
        id: text_if_any(value, "id").unwrap_or_else(|| at.to_string()),
        sessions: list(value, "sessions")?.iter().enumerate().map(session).collect::<Result<_, String>>()?,
        questions: questions(value, faults),
    })
}

fn index(value: &Value) -> i64 {
    value.get("session_index").and_then(Value::as_i64).unwrap_or(0)
}

/// A session as one text.
fn messages(value: &Value) -> Result<String, String> {
    let session = session(text_if_any(value, "timestamp").as_deref(), list(value, "messages")?)?;
    let (chunks, _) = chunk::sessions(&[session], usize::MAX);
    chunks.into_iter().next().ok_or_else(|| "the session is empty".to_owned())
}

fn told(prompt: &str) -> Option<String> {
    prompt.split_once(HEADING).map(|(_, told)| told.trim().to_owned()).filter(|told| !told.is_empty())
}

fn questions(value: &Value, faults: &mut Vec<String>) -> Vec<Question> {
    let read = |value: &Value| match value.is_object() {
        true => Ok(Question { kind: text_if_any(value, "type"), ..question(value)? }),
        false => Err(format!("it is {}", brief(value))),
    };
    readable(list_if_any(value, "questions").unwrap_or_default().iter().map(read), faults)
}

fn episode(mut one: Conversation) -> Result<Episode, String> {
    one.sessions.sort_by_key(|session| session.0);
    let mut asked = Vec::new();
    let mut chunks = Vec::new();
    for (_, text, questions) in one.sessions {
        asked.extend(questions.into_iter().map(|question| Question { evidence: vec![chunks.len()], ..question }));
        chunks.push(text);
    }
    let chunk_questions = by_evidence(&asked, chunks.len());
    asked.extend(one.questions);
    checked(Episode { id: one.id, source: "membuilder".to_owned(), chunks, questions: asked, chunk_questions })
}
