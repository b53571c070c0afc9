//! Episodes from published files. One file here reads one format; [`open`] tells the formats apart by their content.

mod episodes;
mod memoryagentbench;

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// A question and the answers that are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub question: String,
    /// The accepted answers, at least one.
    #[serde(deserialize_with = "one_or_more")]
    pub answers: Vec<String>,
    /// What sort of question it is, where the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Names the question inside its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The metric that its protocol scores it by, see [`crate::reason::metrics::Metric`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The chunks that hold what proves the answer, from 0; empty where the file does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<usize>,
    /// What its protocol tells a model beside the question, such as the form of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
}

/// A stream of text and the questions that it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Names the episode inside its file.
    #[serde(default)]
    pub id: String,
    /// Names the data set, or the part of it, that results are reported by.
    #[serde(default)]
    pub source: String,
    /// The text in the order in which it arrives.
    pub chunks: Vec<String>,
    /// Questions asked at the end.
    pub questions: Vec<Question>,
    /// Questions about each chunk alone: as many lists as chunks.
    #[serde(default)]
    pub chunk_questions: Vec<Vec<Question>>,
}

/// How to read a file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The format's name; None finds it out from the content.
    pub format: Option<String>,
    /// How many facts make a chunk where a file is a list of facts.
    pub facts_per_chunk: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: None, facts_per_chunk: 4 }
    }
}

/// A format: its name, whether a file's text looks like it, and its reader. A reader's error says where in the file and why.
struct Format {
    name: &'static str,
    fits: fn(&str) -> bool,
    read: fn(&str, &Options) -> Result<Vec<Episode>, String>,
}

const FORMATS: &[Format] = &[
    Format { name: "memoryagentbench", fits: memoryagentbench::fits, read: memoryagentbench::read },
    Format { name: "episodes", fits: episodes::fits, read: episodes::read },
];

/// Reads the episodes of a file.
pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Vec<Episode>> {
    let path = path.as_ref();
    let names = || FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
    if options.facts_per_chunk == 0 {
        return Err(Error::argument("facts_per_chunk is 0; a chunk holds at least one fact"));
    }
    let named = |name: &String| {
        let format = FORMATS.iter().find(|format| format.name == name);
        format.ok_or_else(|| Error::argument(format!("no data format is called {name:?}; there are {}", names())))
    };
    let named = options.format.as_ref().map(named).transpose()?;
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| Error::format(path, format!("not UTF-8 text: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let format = match named.or_else(|| FORMATS.iter().find(|format| (format.fits)(text))) {
        Some(format) => format,
        None => return Err(Error::format(path, format!("the content is none of the formats known ({})", names()))),
    };
    let episodes = (format.read)(text, options).map_err(|reason| Error::format(path, format!("as {}: {reason}", format.name)))?;
    if episodes.is_empty() {
        return Err(Error::format(path, "holds no episode"));
    }
    Ok(episodes)
}

/// What must hold for every episode, whatever file it comes from.
fn checked(mut episode: Episode) -> Result<Episode, String> {
    if episode.chunks.is_empty() {
        return Err("it has no chunks".to_owned());
    }
    if episode.chunk_questions.is_empty() {
        episode.chunk_questions = vec![Vec::new(); episode.chunks.len()];
    }
    if episode.chunk_questions.len() != episode.chunks.len() {
        return Err(format!("{} lists of chunk questions for {} chunks", episode.chunk_questions.len(), episode.chunks.len()));
    }
    Ok(episode)
}

/// Accepted answers from what files have for them: a text, a number, or a list of these that is not empty.
fn answers(value: &Value) -> Result<Vec<String>, String> {
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

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    answers(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// A JSON value in a few characters, for messages.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(fields) => format!("an object with {}", fields.keys().take(6).cloned().collect::<Vec<_>>().join(", ")),
        value => value.to_string().chars().take(40).collect(),
    }
}
