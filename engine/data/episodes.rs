//! The project's own format: JSON Lines, one [`Episode`] a line. Keys that an episode does not have are passed over.

use super::content::Content;
use super::fields::readable;
use super::{Episode, Found, Options, each};

/// Objects with `chunks`.
pub(super) fn fits(content: &Content) -> bool {
    content.has(&["chunks"])
}

/// Reads every line. An episode without an id is named after its place.
pub(super) fn read(content: Content, _: &Options, found: &mut Found) {
    let rows = content.rows();
    let places: Vec<String> = rows.iter().map(|row| row.place.clone()).collect();
    each(rows, found, |at, row, faults| {
        let mut episode: Episode = serde_json::from_value(row).map_err(|error| crate::files::brief(&error))?;
        if episode.id.is_empty() {
            episode.id.clone_from(&places[at]);
        }
        let chunks = episode.chunks.len();
        match episode.questions.iter().chain(episode.chunk_questions.iter().flatten()).flat_map(|q| &q.evidence).find(|&&at| at >= chunks) {
            Some(at) => Err(format!("a question has chunk {at} as evidence, of {chunks} chunks that count from 0")),
            None => {
                episode.questions = readable(episode.questions.into_iter().map(Ok), faults);
                for (at, questions) in episode.chunk_questions.iter_mut().enumerate() {
                    let mut own = Vec::new();
                    *questions = readable(std::mem::take(questions).into_iter().map(Ok), &mut own);
                    faults.extend(own.into_iter().map(|reason| format!("chunk {at}, {reason}")));
                }
                Ok(episode)
            }
        }
    });
}
