//! The project's own format: JSON Lines, one [`Episode`] a line. Keys that an episode does not have are passed over.

use serde_json::Value;

use super::{Episode, Options, checked};

/// A first line that is an object with `chunks`.
pub(super) fn fits(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    serde_json::from_str::<Value>(first).is_ok_and(|line| line.get("chunks").is_some())
}

/// Reads every line. An episode without an id is named after its line.
pub(super) fn read(text: &str, _: &Options) -> Result<Vec<Episode>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let episode = |(at, line): (usize, &str)| {
        let mut episode: Episode = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        if episode.id.is_empty() {
            episode.id = format!("line {}", at + 1);
        }
        checked(episode).map_err(|reason| format!("line {}: {reason}", at + 1))
    };
    lines.map(episode).collect()
}
