//! Episodes from published files. One file here reads one format; [`read`] tells the formats apart by their content.

mod chunk;
mod content;
mod dates;
mod elements;
mod episodes;
mod facts;
pub mod fetch;
mod fields;
mod intents;
mod locomo;
mod longmemeval;
mod memalpha;
mod membuilder;
mod memoryagentbench;
mod pages;
mod parquet;
mod python;
mod squad;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::metrics::Metric;
use crate::{Error, Result, record};
use content::{Content, Row};

record! {
    /// A question with its accepted answers.
    #[derive(Eq, Default, Serialize, Deserialize)]
    pub struct Question as "Question" {
        /// the question
        pub question: String,
        /// the accepted answers, at least one
        #[serde(deserialize_with = "one_or_more")]
        pub answers: Vec<String>,
        /// what kind of question it is
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub kind: Option<String>,
        /// its name in its file
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number_if_any")]
        pub id: Option<String>,
        /// the metric that scores it, one of fm.metric; by default substring_exact_match
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub metric: Option<Metric>,
        /// the chunks that prove the answer, from 1
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub evidence: Vec<usize> => FromOne,
        /// an instruction added to the question, such as the form of the answer
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub instruction: Option<String>,
    }

    /// Text in chunks, and questions about it.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct Episode as "Episode" {
        /// its name
        #[serde(default, deserialize_with = "text_or_number")]
        pub id: String,
        /// where it comes from; results are grouped by it
        #[serde(default)]
        pub source: String,
        /// the text, in the order in which it is read
        pub chunks: Vec<String>,
        /// the questions asked at the end
        pub questions: Vec<Question> => IfThere,
        /// the questions asked after each chunk: as many lists as chunks
        #[serde(default)]
        pub chunk_questions: Vec<Vec<Question>> => IfThere,
    }
}

/// How to read a file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The format's name, one of [`FORMATS`]; None detects it from the content.
    pub format: Option<String>,
    /// Makes a row that cannot be read an error.
    pub strict: bool,
    /// How many facts make a chunk if the file is a list of facts; None means as many as fit into `chunk_tokens`, or four if that is None
    /// too.
    pub facts_per_chunk: Option<usize>,
    /// How many tokens of about four bytes make a chunk when prose, dialogues or labelled examples are cut; None means what each file's
    /// authors use: 4,096 for MemoryAgentBench and LongMemEval, 1,024 for intents, a whole session for LoCoMo. Sentences, turns, examples
    /// and facts stay whole.
    pub chunk_tokens: Option<usize>,
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The episodes that could be read.
    pub episodes: Vec<Episode>,
    /// What could not be read: its place in the file, and the reason.
    pub skipped: Vec<String>,
    /// What a user of the episodes should know: which order they are read in, and which were renamed.
    pub notes: Vec<String>,
    /// How many episodes were sorted by date.
    sorted: usize,
}

/// A format: its name, whether a file's content looks like it, and its reader.
struct Format {
    name: &'static str,
    fits: fn(&Content) -> bool,
    read: fn(Content, &Options, &mut Found),
}

const READERS: &[Format] = &[
    Format { name: "memalpha", fits: memalpha::fits, read: memalpha::read },
    Format { name: "memoryagentbench", fits: memoryagentbench::fits, read: memoryagentbench::read },
    Format { name: "locomo", fits: locomo::fits, read: locomo::read },
    Format { name: "longmemeval", fits: longmemeval::fits, read: longmemeval::read },
    Format { name: "squad", fits: squad::fits, read: squad::read },
    Format { name: "intents", fits: intents::fits, read: intents::read },
    Format { name: "membuilder", fits: membuilder::fits, read: membuilder::read },
    Format { name: "episodes", fits: episodes::fits, read: episodes::read },
];

/// The names of the formats.
pub const FORMATS: &[&str] = &{
    let mut names = [""; READERS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = READERS[i].name;
        i += 1;
    }
    names
};

/// How many reasons [`report`] prints.
const NAMED: usize = 10;

/// Prints what [`read`] found besides episodes on standard error; `what` is "skipped" or "note".
pub fn report(path: &Path, what: &str, reasons: &[String]) {
    reasons.iter().take(NAMED).for_each(|reason| eprintln!("{what}: {}: {reason}", path.display()));
    if reasons.len() > NAMED {
        eprintln!("{what}: {}: {} in all", path.display(), reasons.len());
    }
}

/// Reads the episodes of a file, or of a folder of CSV files. What cannot be read is skipped, unless `strict` makes it an error; a file
/// without anything readable is always an error.
pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Found> {
    let path = path.as_ref();
    if options.facts_per_chunk == Some(0) {
        return Err(Error::argument("facts_per_chunk is 0; a chunk holds at least one fact"));
    }
    if options.chunk_tokens == Some(0) {
        return Err(Error::argument("chunk_tokens is 0; a chunk holds at least one token"));
    }
    let names = FORMATS.join(", ");
    let named = |name: &String| {
        let format = READERS.iter().find(|format| format.name == name);
        format.ok_or_else(|| Error::argument(format!("no data format is called {name:?}; there are {names}")))
    };
    let named = options.format.as_ref().map(named).transpose()?;
    let content = Content::read(path)?;
    if let Some(nothing) = content.nothing() {
        return Err(Error::format(path, format!("the file holds {nothing}")));
    }
    let format = named.or_else(|| READERS.iter().find(|format| (format.fits)(&content)));
    let format = format.ok_or_else(|| Error::format(path, format!("the content is not in a known format ({names})")))?;
    let mut found = Found::default();
    (format.read)(content, options, &mut found);
    let more = found.skipped.len().saturating_sub(1);
    let first = || found.skipped.first().map_or(String::new(), |first| format!(": {first}"));
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    if found.episodes.is_empty() {
        return Err(Error::format(path, format!("as {}, holds no episode that can be read{}{more}", format.name, first())));
    }
    if options.strict && !found.skipped.is_empty() {
        return Err(Error::format(path, format!("as {}{}{more}", format.name, first())));
    }
    if found.sorted > 0 {
        let (sorted, all) = (found.sorted, found.episodes.len());
        found
            .notes
            .insert(0, format!("the chunks of {sorted} of {all} episodes were not in the order of their dates and are read in that order"));
    }
    found.number();
    Ok(found)
}

impl Found {
    /// Adds an episode, with its chunks in the order of their dates. `place` is where it stands in the file.
    fn push(&mut self, place: &str, mut episode: Episode) {
        match dates::sort(&mut episode) {
            Ok(changed) => self.sorted += usize::from(changed),
            Err(reason) => self.notes.push(format!("{place}: {reason}, so its chunks stay in the order of the file")),
        }
        self.episodes.push(episode);
    }

    /// Numbers the episodes of one name, so that their results can be told apart.
    fn number(&mut self) {
        let mut taken: HashSet<String> = self.episodes.iter().map(|episode| episode.id.clone()).collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for episode in &mut self.episodes {
            let count = counts.entry(episode.id.clone()).or_default();
            *count += 1;
            if *count == 1 {
                continue;
            }
            let name = (*count..).map(|number| format!("{} ({number})", episode.id)).find(|name| !taken.contains(name));
            let old = std::mem::replace(&mut episode.id, name.expect("numbers do not end"));
            self.notes.push(format!("another episode is called {old:?} too; it is {:?} here", episode.id));
            taken.insert(episode.id.clone());
        }
    }
}

/// Reads each row as one episode. `read` gets the row's index, and a list for reporting what it leaves out.
fn each(rows: Vec<Row>, found: &mut Found, read: impl Fn(usize, Value, &mut Vec<String>) -> Result<Episode, String>) {
    for (at, Row { place, value }) in rows.into_iter().enumerate() {
        let mut faults = Vec::new();
        match value.and_then(|value| read(at, value, &mut faults)).and_then(checked) {
            Ok(episode) => found.push(&place, episode),
            Err(reason) => faults.push(reason),
        }
        found.skipped.extend(faults.into_iter().map(|reason| format!("{place}: {reason}")));
    }
}

/// Checks that hold for every episode, whatever file it comes from.
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

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    fields::answers(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// A name that may be given as a number.
fn text_or_number_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(serde::de::Error::custom(format!("an id is a text or a number, not {}", fields::brief(&other)))),
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_or_number_if_any(deserializer).map(Option::unwrap_or_default)
}
