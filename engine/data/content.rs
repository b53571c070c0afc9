//! The content of a file before its format is known: rows of values, or tables of text.

use std::path::Path;

use serde_json::Value;

use super::{elements, parquet};
use crate::{Error, Result, files};

/// The content of a file.
pub(super) enum Content {
    /// The rows of a Parquet file, of a JSON list or of JSON Lines. A file that is one JSON object is one row.
    Rows(Vec<Row>),
    /// CSV files with their names: one, or all of a folder, some of which may not be text.
    Tables(Vec<(String, Result<String, String>)>),
}

/// A row, or why it could not be read.
pub(super) struct Row {
    /// Its place in the file: `row 3`, `line 4`.
    pub(super) place: String,
    /// Its value.
    pub(super) value: Result<Value, String>,
}

impl Content {
    /// Reads a file, or the CSV files of a folder. The first bytes tell what it is, not the name.
    pub(super) fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return folder(path);
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        if bytes.starts_with(parquet::MAGIC) {
            return parquet::rows(bytes).map(Self::Rows).map_err(|reason| Error::format(path, format!("as Parquet: {reason}")));
        }
        if let Some(encoding) = files::other_encoding(&bytes) {
            return Err(Error::format(path, encoding));
        }
        match unmarked(&bytes).trim_ascii().first() {
            None => Err(Error::format(path, "the file is empty")),
            Some(b'[' | b'{') => {
                let rows = json(unmarked(&bytes).trim_ascii());
                rows.map(Self::Rows).map_err(|reason| Error::format(path, format!("as JSON: {reason}")))
            }
            Some(_) => Ok(Self::Tables(vec![(name(path), Ok(files::text(bytes).map_err(|reason| Error::format(path, reason))?))])),
        }
    }

    /// A description, if it is empty.
    pub(super) fn nothing(&self) -> Option<&'static str> {
        let Self::Rows(rows) = self else { return None };
        match rows.as_slice() {
            [] => Some("an empty list of rows"),
            [Row { value: Ok(Value::Object(fields)), place }] if fields.is_empty() && place == "line 1" => Some("an empty object"),
            _ => None,
        }
    }

    /// Whether one of the first rows is an object with all of these keys.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        self.values().any(|value| keys.iter().all(|key| value.get(key).is_some()))
    }

    /// The first rows that could be read.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let rows = if let Self::Rows(rows) = self { rows.as_slice() } else { &[] };
        rows.iter().filter_map(|row| row.value.as_ref().ok()).take(10)
    }

    /// The rows; empty for a table.
    pub(super) fn rows(self) -> Vec<Row> {
        match self {
            Self::Rows(rows) => rows,
            Self::Tables(_) => Vec::new(),
        }
    }
}

fn folder(path: &Path) -> Result<Content> {
    let (mut tables, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path).map_err(|error| Error::io(path, error))? {
        let file = entry.map_err(|error| Error::io(path, error))?.path();
        if is_csv(&file) {
            tables.push((name(&file), files::text(std::fs::read(&file).map_err(|error| Error::io(&file, error))?)));
        } else if std::fs::read_dir(&file).is_ok_and(|mut inside| inside.any(|entry| entry.is_ok_and(|entry| is_csv(&entry.path())))) {
            folders.push(name(&file));
        }
    }
    tables.sort();
    folders.sort();
    if tables.is_empty() {
        let named =
            if folders.is_empty() { "a file in it".to_owned() } else { format!("the one in it that has some: {}", folders.join(", ")) };
        return Err(Error::format(path, format!("is a folder without CSV files; name {named}")));
    }
    match tables.iter().find(|(_, text)| text.is_ok()).or(tables.first()) {
        Some((name, Err(reason))) => Err(Error::format(path.join(name), reason)),
        _ => Ok(Content::Tables(tables)),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) && path.is_file()
}

/// The bytes after the mark that some programs put before UTF-8.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// The rows of a JSON document or of JSON Lines. Damage to one of many costs only that one.
fn json(text: &[u8]) -> Result<Vec<Row>, String> {
    let whole = match serde_json::from_slice(text) {
        Ok(Value::Array(list)) => {
            let row = |(at, value)| Row { place: format!("row {at}"), value: Ok(value) };
            return Ok(list.into_iter().enumerate().map(row).collect());
        }
        Ok(object) => return Ok(vec![Row { place: "line 1".to_owned(), value: Ok(object) }]),
        Err(error) => match std::str::from_utf8(text) {
            Ok(_) => files::brief(&error),
            Err(error) => format!("not UTF-8 text: {error}"),
        },
    };
    let list = text.starts_with(b"[");
    let rows = if list { elements::rows(text) } else { lines(text) };
    let objects = rows.iter().filter(|row| row.value.as_ref().is_ok_and(Value::is_object)).count();
    // A list shows where its elements end. Lines are only rows if few are damaged: a truncated document of many lines has one here and
    // there that is valid by itself.
    if objects > 0 && (list || 2 * objects >= rows.len()) { Ok(rows) } else { Err(whole) }
}

fn lines(text: &[u8]) -> Vec<Row> {
    let line = |(at, line): (usize, &[u8])| {
        let value = serde_json::from_slice::<Value>(line).map_err(|error| files::brief(&error));
        Row { place: format!("line {}", at + 1), value }
    };
    text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).map(line).collect()
}
