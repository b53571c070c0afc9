//! Reading published files.
//!
//! - [`published`]: the real files that are at hand, whole, with their counts.
//! - [`built`]: formats of which no real file is at hand, or whose real files lack a case: files that are made here by hand to the schema.
//! - [`order`]: files whose sessions are not sorted, and episodes of one name.
//! - [`damaged`]: lists and lines in which one element is damaged.
//! - [`mutated`]: damaged copies of every kind of file.

mod built;
mod damaged;
mod fetch;
mod files;
mod mutated;
mod order;
mod published;

use finemem::data::{self, Episode, Found, Options};

/// Reads a file with this name and content; an error as its text.
fn read_as(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Result<Found, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    data::read(&path, options).map_err(|error| {
        assert!(error.to_string().contains(name) || matches!(error, finemem::Error::Argument(_)), "{error}");
        error.to_string()
    })
}

/// Reads a file in which nothing is wrong.
fn episodes(content: impl AsRef<[u8]>) -> Vec<Episode> {
    read_as("some.json", content, &Options { strict: true, ..Options::default() }).unwrap().episodes
}

/// The error that a file gives.
fn error(content: impl AsRef<[u8]>) -> String {
    read_as("some.json", content, &Options { strict: true, ..Options::default() }).unwrap_err()
}
