//! Damage to one element of a JSON list, or to one line, costs only that one, and is named.

use finemem::data::Options;

use super::read_as;

/// An episode as JSON, and so is what it is made into by replacing its end.
fn row(id: &str) -> String {
    format!(r#"{{"id": "{id}", "chunks": ["text of {id}"], "questions": []}}"#)
}

/// What of a file is read and what is skipped; or the error.
fn read(content: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let found = read_as("some.json", content, &Options::default())?;
    let strict = read_as("some.json", content, &Options { strict: true, ..Options::default() });
    assert_eq!(strict.is_err(), !found.skipped.is_empty(), "strict reading fails where something is skipped");
    Ok((found.episodes.into_iter().map(|episode| episode.id).collect(), found.skipped))
}

#[test]
fn the_other_elements_of_a_list_survive() {
    let (a, b, c) = (row("a"), row("b"), row("c"));
    let with = |value: &str| format!(r#"{{"id": "x", "chunks": ["t"], "questions": [], "more": {value}}}"#);
    let deep = |depth: usize| with(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let list = |element: &str| format!("[{a}, {element}, {c}]");
    let cut = |text: &str| text[..text.len() - 9].to_owned();
    // The file, the episodes that are read, and the beginnings of what is said.
    let cases: Vec<(String, &[&str], &[&str])> = vec![
        (list(&with("NaN")), &["a", "c"], &["row 1: expected value"]),
        (list(&with("Infinity")), &["a", "c"], &["row 1: expected value"]),
        (list(&with("-Infinity")), &["a", "c"], &["row 1: invalid number"]),
        (list(&with("1e999")), &["a", "c"], &["row 1: number out of range"]),
        (list(&with(r#""\ud83d""#)), &["a", "c"], &["row 1: unexpected end of hex escape"]),
        (list(&with(r#""\ude00 x""#)), &["a", "c"], &["row 1: lone leading surrogate"]),
        (list(&with(r#""\x41""#)), &["a", "c"], &["row 1: invalid escape"]),
        (list(&with("undefined")), &["a", "c"], &["row 1: expected value"]),
        (list(&with("'text'")), &["a", "c"], &["row 1: expected value"]),
        (list(&with("True")), &["a", "c"], &["row 1: expected value"]),
        (list(&with("[1, 2")), &["a", "c"], &["row 1: expected"]),
        (list(&with("1]")), &["a", "c"], &["row 1: expected"]),
        (list(&with("\"a\tb\"")), &["a", "c"], &["row 1: control character"]),
        (list(&with("[1,]")), &["a", "c"], &["row 1: trailing comma"]),
        (list(&deep(120)), &["a", "x", "c"], &[]),
        (list(&deep(500)), &["a", "c"], &["row 1: recursion limit"]),
        (list(r#"{"id": "x", "id": "y", "chunks": ["t"], "questions": []}"#), &["a", "y", "c"], &[]),
        (list("NaN"), &["a", "c"], &["row 1: expected value"]),
        (format!("\u{feff}{}", list(&with("NaN"))), &["a", "c"], &["row 1: expected value"]),
        (format!(" \n{}\n ", list(&b)), &["a", "b", "c"], &[]),
        (format!("[{a}, {b},]"), &["a", "b"], &["row 2: a comma stands before the end"]),
        (format!("[{a},, {b}]"), &["a", "b"], &["row 1: there is nothing before the comma"]),
        (format!("[, {a}]"), &["a"], &["row 0: there is nothing before the comma"]),
        (format!("[{a} {b}, {c}]"), &["c"], &["row 0: trailing characters"]),
        (format!("[{a}, {b}] {c}"), &["a", "b"], &["row 2: there is more text"]),
        (format!("[{a}, {b}"), &["a", "b"], &["row 2: the file ends before the list does"]),
        (format!("[{a}, {b},"), &["a", "b"], &["row 2: the file ends before the list does"]),
        (format!("[{a}, {b}, {}", cut(&c)), &["a", "b"], &["row 2: the file ends before its end"]),
        (format!("[{a}, {}, {c}]", &b[..b.len() - 1]), &["a"], &["row 1: the file ends before its end"]),
        (format!("[{a}, {b}}}, {c}]"), &["a", "c"], &["row 1: trailing characters"]),
        (format!("[{a},\n{},\n{c}]", b.replace("\"b\",", "\"b,\n")), &["a", "c"], &["row 1: control character"]),
        // After a quote that is missing within a line, texts and brackets are taken for one another.
        (format!("[{a},\n{},\n{c}]", b.replace("\"text of b\"", "\"text of b")), &["a"], &["row 1: the file ends before its end"]),
        (format!("[{}, {}]", with("NaN"), c), &["c"], &["row 0: expected value"]),
        (format!("[{}, {}, {a}, {}]", with("NaN"), with("NaN"), with("NaN")), &["a"], &["row 0: ", "row 1: ", "row 3: "]),
    ];
    assert!(cases.len() >= 20);
    for (file, ids, said) in &cases {
        let (read, skipped) = read(file.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read, *ids, "{file}: {skipped:?}");
        assert_eq!(skipped.len(), said.len(), "{file}: {skipped:?}");
        for (found, part) in skipped.iter().zip(*said) {
            assert!(found.starts_with(part), "{file}: {found}");
        }
    }
    let bytes = [b"[".as_slice(), a.as_bytes(), b", {\"id\": \"\xff\"}, ", c.as_bytes(), b"]"].concat();
    let (ids, skipped) = read(&bytes).unwrap();
    assert_eq!((ids, skipped.len()), (vec!["a".to_owned(), "c".to_owned()], 1));
    assert!(skipped[0].starts_with("row 1: invalid unicode code point"), "{skipped:?}");
}

#[test]
fn a_list_without_a_whole_element_is_refused() {
    for (file, said) in [
        (r#"[{"id": NaN, "chunks": []}]"#, "expected value at line 1 column 9"),
        (r#"[{"chunks": ["a"], "ques"#, "EOF while parsing"),
        ("[", "EOF while parsing"),
        ("[NaN, NaN]", "expected value"),
        ("[1, NaN]", "expected value"),
    ] {
        let error = read(file.as_bytes()).unwrap_err();
        assert!(error.contains("as JSON: ") && error.contains(said), "{file}: {error}");
    }
}

#[test]
fn the_other_lines_survive() {
    let (a, b) = (row("a"), row("b"));
    for (file, ids, said) in [
        (format!("{a}\n{{\"id\": NaN}}\n"), vec!["a"], "line 2: expected value"),
        (format!("{{\"id\": \"\\ud83d\"}}\n{b}"), vec!["b"], "line 1: "),
        (format!("{a}\r\n\r\n{{\"id\"\r\n{b}\r\n"), vec!["a", "b"], "line 3: EOF"),
        (format!("\u{feff}{a}\n{b}\nnothing\n"), vec!["a", "b"], "line 3: expected"),
    ] {
        let (read, skipped) = read(file.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read, ids, "{file}");
        assert!(skipped.len() == 1 && skipped[0].starts_with(said), "{file}: {skipped:?}");
    }
    // A document that was cut off is no file of lines, although some of its lines are objects.
    let document = format!("{{\"data\": [\n  {{\"title\": \"t\", \"paragraphs\": [\n    {a}\n");
    assert!(read(document.as_bytes()).unwrap_err().contains("as JSON: EOF"));
}
