//! The project's own format: JSON Lines, one [`Episode`] per line. Keys that an episode does not have are ignored.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::content::Content;
use super::fields::readable;
use super::{Episode, Found, Options, each};

/// Objects with `chunks`.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["chunks"])
}

/// Reads every line. An episode without an id is named after its place in the file.
pub(super) fn read(content: Content, _: &Options, found: &mut Found) {
    let rows = content.rows();
    let places: Vec<String> = rows.iter().map(|row| row.place.clone()).collect();
    each(rows, found, |at, mut row, faults| {
        let chunk_questions: Vec<Vec<Value>> = row.get_mut("chunk_questions").map(Value::take).map_or(Ok(Vec::new()), parsed)?;
        let asked: Vec<Value> = parsed(row.get_mut("questions").map(Value::take).ok_or("missing field `questions`")?)?;
        row["questions"] = Value::Array(Vec::new());
        row["chunk_questions"] = Value::Array(Vec::new());
        let mut episode: Episode = parsed(row)?;
        if episode.id.is_empty() {
            episode.id.clone_from(&places[at]);
        }
        episode.questions = readable(asked.into_iter().map(parsed), faults);
        for (at, asked) in chunk_questions.into_iter().enumerate() {
            let mut own = Vec::new();
            episode.chunk_questions.push(readable(asked.into_iter().map(parsed), &mut own));
            faults.extend(own.into_iter().map(|reason| format!("chunk {at}, {reason}")));
        }
        let chunks = episode.chunks.len();
        match episode.questions.iter().chain(episode.chunk_questions.iter().flatten()).flat_map(|q| &q.evidence).find(|&&at| at >= chunks) {
            Some(at) => Err(format!("a question has chunk {at} as evidence, but there are {chunks} chunks, counted from 0")),
            None => Ok(episode),
        }
    });
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| crate::files::brief(&error))
}
