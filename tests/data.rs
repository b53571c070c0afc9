//! Reading episodes: what is read, and that whatever is wrong with a file is one clear error.

use std::path::PathBuf;

use finemem_engine::data::{self, Episode, Options, Question};
use serde_json::json;

/// Opens a file with this content and returns the episodes, or the error's text.
fn open(content: impl AsRef<[u8]>, options: &Options) -> Result<Vec<Episode>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.json");
    std::fs::write(&path, content).unwrap();
    data::open(&path, options).map_err(|error| {
        assert!(error.to_string().contains("some.json") || matches!(error, finemem_engine::Error::Argument(_)), "{error}");
        error.to_string()
    })
}

fn rows() -> serde_json::Value {
    json!([
        {"context": "Here is a list of facts:\n0. A is B.\n1. C was born in 1984. D.C. is E.\ngoes on\n2. F is G.\n", "questions": ["What is A?", "What is F?"],
         "answers": [["B", "b"], ["G"]], "metadata": {"source": "facts_sh", "question_types": null, "demo": null}},
        {"context": "0. A is B.", "questions": [], "answers": []},
        {"context": "7. A is B.", "questions": ["How many?"], "answers": [[3]], "metadata": {"source": "x", "question_types": ["count"]}}
    ])
}

#[test]
fn memoryagentbench_rows_become_episodes() {
    let options = Options { facts_per_chunk: 2, ..Default::default() };
    for text in [rows().to_string(), format!("\u{feff}  \n{:#}", rows())] {
        let episodes = open(text, &options).unwrap();
        assert_eq!(episodes.len(), 3);
        assert_eq!((episodes[0].id.as_str(), episodes[0].source.as_str()), ("facts_sh/0", "facts_sh"));
        assert_eq!(episodes[0].chunks, ["A is B.\nC was born in 1984. D.C. is E. goes on", "F is G."]);
        assert_eq!(
            episodes[0].questions[0],
            Question { question: "What is A?".into(), answers: vec!["B".into(), "b".into()], ..Question::default() }
        );
        assert_eq!(episodes[0].chunk_questions, [vec![], vec![]]);
        assert_eq!(episodes[1].source, "memoryagentbench");
        assert_eq!((episodes[2].questions[0].answers[0].as_str(), episodes[2].questions[0].kind.as_deref()), ("3", Some("count")));
    }
}

#[test]
fn own_episodes_are_read_back() {
    let episode = Episode {
        id: "e".into(),
        source: "s".into(),
        chunks: vec!["one\ntwo".into(), "three".into()],
        questions: vec![Question { question: "q?".into(), answers: vec!["a".into()], kind: Some("new".into()), ..Question::default() }],
        chunk_questions: vec![vec![], vec![Question { question: "r?".into(), answers: vec!["b".into()], ..Question::default() }]],
    };
    let short = "{\"chunks\": [\"x\"], \"events\": 1, \"questions\": [{\"question\": \"q\", \"answers\": \"a\"}, {\"question\": \"q\", \"answers\": 7}]}";
    let text = format!("{}\n\n{short}", serde_json::to_string(&episode).unwrap());
    let read = open(&text, &Options::default()).unwrap();
    assert_eq!(read[0], episode);
    assert_eq!((read[1].id.as_str(), read[1].questions[1].answers[0].as_str()), ("line 3", "7"));
    assert_eq!(open(&text, &Options { format: Some("episodes".into()), ..Default::default() }).unwrap(), read);
}

#[test]
fn whatever_is_wrong_is_one_clear_error() {
    let row = |key: &str, value: serde_json::Value| {
        let mut rows = rows();
        rows[1][key] = value;
        rows.to_string()
    };
    for (content, part) in [
        (String::new(), "none of the formats"),
        ("[]".into(), "none of the formats"),
        ("hello".into(), "none of the formats"),
        ("{\"chunk\": []}".into(), "none of the formats"),
        (row("context", json!(3)), "row 1: \"context\" must be a text"),
        (row("context", json!("a book")), "row 1: the context of memoryagentbench is no list of numbered facts"),
        (row("questions", json!("q")), "row 1: \"questions\" must be a list"),
        (row("questions", json!([1])), "row 1: 1 questions and 0 answers"),
        (json!([{"context": "0. a", "questions": [1], "answers": [["a"]]}]).to_string(), "row 0: question 0 is 1, not a text"),
        (
            json!([{"context": "0. a", "questions": ["q"], "answers": [[]]}]).to_string(),
            "row 0: answer 0: the list of accepted answers is empty",
        ),
        (json!([{"context": "0. a", "questions": ["q"], "answers": [[null]]}]).to_string(), "row 0: answer 0: an answer is a text"),
        (json!([{"context": "0. a", "questions": ["q"]}]).to_string(), "row 0: \"answers\" must be a list, not missing"),
        (json!([{"context": "0. a", "questions": [], "answers": []}, 3]).to_string(), "row 1: \"context\""),
        ("{\"chunks\": [], \"questions\": []}".into(), "line 1: it has no chunks"),
        ("{\"chunks\": [\"a\"]}".into(), "line 1: missing field `questions`"),
        ("{\"chunks\": [\"a\"], \"questions\": []}\n{\"chunks\": [\"a\"], \"ques".into(), "line 2: "),
        ("{\"chunks\": [3], \"questions\": []}".into(), "line 1: invalid type"),
        (
            "{\"chunks\": [\"a\"], \"questions\": [{\"question\": \"q\", \"answers\": []}]}".into(),
            "line 1: the list of accepted answers is empty",
        ),
        (
            "{\"chunks\": [\"a\"], \"questions\": [], \"chunk_questions\": [[], []]}".into(),
            "line 1: 2 lists of chunk questions for 1 chunks",
        ),
    ] {
        let error = open(&content, &Options::default()).unwrap_err();
        assert!(error.contains(part), "{content}: {error}");
    }
    assert!(open([0x5b, 0xff, 0xfe], &Options::default()).unwrap_err().contains("UTF-8"));
    let error = open("[]", &Options { format: Some("parket".into()), ..Default::default() }).unwrap_err();
    assert_eq!(error, "no data format is called \"parket\"; there are memoryagentbench, episodes");
    assert!(open("[]", &Options { facts_per_chunk: 0, ..Default::default() }).unwrap_err().contains("facts_per_chunk"));
    let named = Options { format: Some("memoryagentbench".into()), ..Default::default() };
    assert!(open("[]", &named).unwrap_err().contains("holds no episode"));
    assert!(open("{}", &named).is_err());
    assert!(data::open("/nowhere/at/all.json", &Options::default()).unwrap_err().to_string().contains("all.json"));
    assert!(data::open(std::env::temp_dir(), &Options::default()).is_err());
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let text = rows().to_string();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(open(&text[..end], &Options::default()).is_err(), "{end}");
    }
}

#[test]
fn published_files_are_read() {
    let Some(folder) = std::env::var_os("FINEMEM_DATA").map(PathBuf::from) else {
        println!("skipped: FINEMEM_DATA is not set");
        return;
    };
    let episodes = data::open(folder.join("memoryagentbench/conflict_resolution_small.json"), &Options::default()).unwrap();
    let shapes: Vec<_> = episodes.iter().map(|e| (e.source.as_str(), e.chunks.len(), e.questions.len())).collect();
    assert_eq!(
        shapes,
        [
            ("factconsolidation_mh_6k", 114, 100),
            ("factconsolidation_mh_32k", 578, 100),
            ("factconsolidation_sh_6k", 114, 100),
            ("factconsolidation_sh_32k", 578, 100)
        ]
    );
    assert!(episodes[2].chunks[0].starts_with("Thomas Kyd was born in the city of London.\nThe chairperson of Fatah is"));
    assert!(episodes.iter().all(|e| e.chunks.iter().rev().skip(1).all(|chunk| chunk.lines().count() == 4)));
}
