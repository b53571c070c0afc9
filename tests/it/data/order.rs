//! The order in which sessions are read, against the order that the authors' way of sorting gives; and episodes of one name.

use std::path::Path;

use finemem::data::{Episode, Options};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{files, read_as};

/// A file of tests/dates/make.py.
#[derive(Deserialize)]
struct Case {
    what: String,
    file: Value,
    lines: bool,
    sessions: usize,
    /// The sessions as they are to be read; `None` if their dates do not say.
    order: Option<Vec<usize>>,
}

/// The number of the session that a text names: `S3`.
fn named(text: &str) -> usize {
    let digits: String = text[text.rfind('S').unwrap() + 1..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Questions that name a session have it as evidence, and stand beside it; the question about the last session of the file is found there.
fn follows(episode: &Episode, case: &Case) {
    let at = |session: usize| episode.chunks.iter().position(|chunk| named(chunk) == session).unwrap();
    for (chunk, asked) in episode.chunk_questions.iter().enumerate() {
        for question in asked {
            assert_eq!(question.evidence, [chunk], "{}: {question:?}", case.what);
        }
    }
    for question in episode.questions.iter().chain(episode.chunk_questions.iter().flatten()) {
        let expected = match question.question.as_str() {
            own if own.starts_with('S') => vec![at(named(own))],
            _ if question.evidence.is_empty() => continue,
            _ if case.what.starts_with("episodes") => vec![at(0), at(2)],
            _ => vec![at(case.sessions - 1)],
        };
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(question.evidence, expected, "{}: {question:?}", case.what);
    }
}

#[test]
fn sessions_are_read_as_their_authors_sort_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dates/orders.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut equal, mut named_reason) = (0, 0);
    for case in &cases {
        let text = match (&case.file, case.lines) {
            (Value::Array(rows), true) => rows.iter().map(|row| format!("{row}\n")).collect(),
            (file, _) => file.to_string(),
        };
        let found = read_as("some.json", text, &Options { strict: true, ..Options::default() }).unwrap();
        let [episode] = &found.episodes[..] else { panic!("{}: {} episodes", case.what, found.episodes.len()) };
        let read: Vec<usize> = episode.chunks.iter().map(|chunk| named(chunk)).collect();
        let in_file: Vec<usize> = (0..case.sessions).collect();
        assert_eq!(read, *case.order.as_ref().unwrap_or(&in_file), "{}", case.what);
        follows(episode, case);
        match &case.order {
            Some(order) if *order == in_file => assert_eq!(found.notes, [""; 0], "{}", case.what),
            Some(_) => {
                let said = "the chunks of 1 of 1 episodes were not in the order of their dates and are read in that order";
                assert_eq!(found.notes, [said], "{}", case.what);
            }
            None => {
                let [note] = &found.notes[..] else { panic!("{}: {:?}", case.what, found.notes) };
                let reasons = ["has no date", "has a date that cannot be read", "only one has a time zone"];
                assert!(reasons.iter().any(|reason| note.contains(reason)), "{}: {note}", case.what);
                assert!(note.contains("chunk") && note.ends_with(", so its chunks stay in the order of the file"), "{}: {note}", case.what);
                named_reason += 1;
            }
        }
        equal += usize::from(case.order.is_some());
    }
    assert!(equal >= 20 && named_reason >= 10, "{equal} {named_reason}");
}

#[test]
fn sorting_is_said_once_for_a_file() {
    let mut rows: Vec<Value> = Vec::new();
    for (at, dates) in
        [["2023/06/20", "2023/03/02"], ["2023/03/02", "2023/06/20"], ["2023/06/20", "2023/03/02"], ["x", "2023/03/02"]].iter().enumerate()
    {
        let mut row = files::longmemeval()[0].clone();
        row["question_id"] = json!(format!("q{at}"));
        row["haystack_dates"] = json!(dates);
        rows.push(row);
    }
    let found = read_as("some.json", Value::Array(rows).to_string(), &Options::default()).unwrap();
    assert_eq!(
        found.notes,
        [
            "the chunks of 2 of 4 episodes were not in the order of their dates and are read in that order",
            "row 3: chunk 0 has a date that cannot be read, \"x\", so its chunks stay in the order of the file",
        ]
    );
    // A session that is cut into chunks stays together.
    let mut row = files::longmemeval()[0].clone();
    row["haystack_dates"] = json!(["2023/06/20", "2023/03/02"]);
    let options = Options { chunk_tokens: Some(1), ..Options::default() };
    let found = read_as("some.json", json!([row]).to_string(), &options).unwrap();
    let said: Vec<&str> = found.episodes[0].chunks.iter().map(|chunk| chunk.lines().last().unwrap()).collect();
    assert_eq!(said, ["user: No.", "user: One.", "assistant: Two."]);
    assert_eq!(found.episodes[0].questions[0].evidence, [2]);
}

#[test]
fn episodes_of_one_name_are_numbered() {
    let row = |id: &str| json!({"id": id, "chunks": ["a"], "questions": []});
    let file = json!([row("e"), row("e"), row("e (2)"), row("f"), row("e")]);
    let found = read_as("some.json", file.to_string(), &Options::default()).unwrap();
    let names: Vec<&str> = found.episodes.iter().map(|episode| episode.id.as_str()).collect();
    assert_eq!(names, ["e", "e (3)", "e (2)", "f", "e (4)"]);
    assert_eq!(found.notes[0], "another episode is called \"e\" too; it is \"e (3)\" here");
    // Conversations of one file are told apart as well; their sessions are not mixed.
    let conversation = |text: &str| json!({"id": "c", "sessions": [{"messages": [{"role": "user", "content": text}]}], "questions": []});
    let file = json!({"conversations": [conversation("One."), conversation("Two.")]});
    let found = read_as("some.json", file.to_string(), &Options::default()).unwrap();
    let read: Vec<(&str, &str)> = found.episodes.iter().map(|e| (e.id.as_str(), e.chunks[0].as_str())).collect();
    assert_eq!(read, [("c", "user: One."), ("c (2)", "user: Two.")]);
    // Rows of one session are of one text.
    let line = |text: &str| json!({"conversation_id": "c", "session_index": 0, "session": {"messages": [{"role": "user", "content": text}]}, "questions": []});
    let found = read_as("some.json", format!("{}\n{}\n", line("One."), line("Two.")), &Options::default()).unwrap();
    assert_eq!((found.episodes.len(), found.episodes[0].chunks.len()), (1, 1));
    assert_eq!(found.skipped, ["line 2: session 0 of conversation c has another text in an earlier row"]);
}
