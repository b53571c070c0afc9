//! The elements of a JSON list that is damaged somewhere, so that the others can be read.

use serde_json::Value;

use super::content::Row;
use crate::files;

/// The elements of a list, which begins with the text; what is wrong in one, or about the list, takes the place of its value.
pub(super) fn rows(text: &[u8]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut from = 1;
    loop {
        let end = end(text, from);
        let element = text[from..end].trim_ascii();
        let (last, closed) = (text.get(end) != Some(&b','), end < text.len());
        let value = match serde_json::from_slice::<Value>(element) {
            _ if element.is_empty() && last && rows.is_empty() => None,
            _ if element.is_empty() && last && closed => Some(Err("a comma stands before the end of the list".to_owned())),
            _ if element.is_empty() && closed => Some(Err("there is nothing before the comma".to_owned())),
            _ if element.is_empty() => None,
            Err(_) if !closed => Some(Err("the file ends before its end is found".to_owned())),
            value => Some(value.map_err(|error| files::brief(&error))),
        };
        let mut push = |value| rows.push(Row { place: format!("row {}", rows.len()), value });
        let whole = !matches!(value, Some(Err(_)));
        value.into_iter().for_each(&mut push);
        if !closed && whole {
            push(Err("the file ends before the list does".to_owned()));
        }
        if last {
            if closed && !text[end + 1..].trim_ascii().is_empty() {
                push(Err("there is more text after the end of the list".to_owned()));
            }
            return rows;
        }
        from = end + 1;
    }
}

/// Where the element that begins at `at` ends: at a comma or the bracket that closes the list, or at the end of the text.
fn end(text: &[u8], mut at: usize) -> usize {
    // The brackets that close what is open.
    let mut open = Vec::new();
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = quoted(text, at),
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b',' | b']' if open.is_empty() => return at,
            // A bracket whose partner is missing inside closes what is around it too; one that closes nothing is passed over.
            b'}' | b']' => open.truncate(open.iter().rposition(|closes| *closes == byte).unwrap_or(open.len())),
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Where the text in quotes that begins at `at` ends. A line end is not allowed in it, so there a quote is missing.
fn quoted(text: &[u8], mut at: usize) -> usize {
    loop {
        at += 1;
        match text.get(at) {
            Some(b'\\') => at += 1,
            Some(b'"' | b'\n') | None => return at,
            Some(_) => {}
        }
    }
}
