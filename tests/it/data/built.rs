//! Files made by hand to the schemas, where no real file is at hand or where the real ones lack a case. None of them is a published file.

use std::path::Path;

use finemem::data::{self, Episode, Options, Question};
use finemem::metrics::{Judged, Metric};
use serde_json::{Value, json};

use super::files::{self, parquet};
use super::{episodes, error, read_as};

fn texts(questions: &[Question]) -> Vec<(&str, Vec<&str>)> {
    questions.iter().map(|q| (q.question.as_str(), q.answers.iter().map(String::as_str).collect())).collect()
}

fn metrics(episodes: &[Episode]) -> Vec<&str> {
    episodes.iter().map(|e| e.questions[0].metric.map_or("none", Metric::name)).collect()
}

#[test]
fn memalpha_from_texts_of_json() {
    let read = episodes(parquet(files::MEMALPHA, &files::memalpha(), 2));
    assert_eq!(read, episodes(Value::Array(files::memalpha()).to_string()));
    assert_eq!(read.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["squad/7", "pubmed-rct/8", "perltqa/9"]);
    assert_eq!(read[0].chunks, ["one", "two"]);
    assert_eq!(texts(&read[0].questions), [("q?", vec!["a"]), ("r?", vec!["b", "c"])]);
    assert_eq!(metrics(&read), ["substring_match", "boxed_label_strict", "parts_fraction"]);
    assert!(read[1].questions[0].instruction.as_ref().unwrap().contains("\\boxed{label}") && read[1].questions[0].answers == ["3"]);
    let label = "Which label does this sentence have?";
    let (first, second) = (format!("Sentence: It helps.\n{label}"), format!("Sentence: Two\nlines.\n{label}"));
    assert_eq!(texts(&read[1].chunk_questions[0]), [(first.as_str(), vec!["3"]), (second.as_str(), vec!["0"])]);
}

#[test]
fn memalpha_from_lists_without_metadata() {
    let rows = [
        json!({"chunks": ["one", "two"], "questions_and_answers": [{"question": "q", "answer": 4}], "data_source": "squad"}),
        json!({"chunks": ["one"], "questions_and_answers": []}),
    ];
    let read = episodes(parquet(files::MEMALPHA_LISTS, &rows, 9));
    assert_eq!((read[0].chunks.len(), texts(&read[0].questions)), (2, vec![("q", vec!["4"])]));
    assert_eq!((read[1].source.as_str(), read[1].questions.len()), ("memalpha", 0));
    // Some tools write lists as Python does.
    let python =
        json!([{"chunks": "['it\\'s', \"b\"]", "questions_and_answers": "[{'question': 'q', 'answer': 'a'}]", "data_source": "hotpotqa"}]);
    assert_eq!(episodes(python.to_string())[0].chunks, ["it's", "b"]);
}

#[test]
fn every_source_of_memalpha_has_its_metric() {
    let sources = [
        ("squad", "substring_match"),
        ("hotpotqa", "substring_match"),
        ("perltqa", "parts_fraction"),
        ("booksum", "keyword_fraction"),
        ("infbench_sum_eng_shots2", "keyword_fraction"),
        ("pubmed-rct", "boxed_label_strict"),
        ("ttl_train", "boxed_label_strict"),
        ("icl_nlu_8296shot_balance", "boxed_label_strict"),
        ("lme_train", "judge_memalpha"),
        ("longmemeval_s*", "judge_memalpha"),
        ("ruler_qa1_197K", "substring_exact_match"),
        ("eventqa_full", "all_recalled"),
        ("infbench_qa", "rouge_l"),
        ("recsys_redial_full", "recall_at_5"),
    ];
    let row = |(source, _): &(&str, &str)| json!({"chunks": ["a"], "questions_and_answers": [{"question": "q", "answer": "a"}], "data_source": source});
    let read = episodes(sources.iter().map(row).collect::<Value>().to_string());
    assert_eq!(metrics(&read), sources.map(|(_, metric)| metric));
}

#[test]
fn memoryagentbench_of_every_split() {
    let rows = files::memoryagentbench();
    let options = Options { facts_per_chunk: Some(4), strict: true, ..Options::default() };
    let read = read_as("some.json", Value::Array(rows.clone()).to_string(), &options).unwrap().episodes;
    for group in [1, 9] {
        assert_eq!(read_as("some.json", parquet(files::MEMORYAGENTBENCH, &rows, group), &options).unwrap().episodes, read);
    }
    assert_eq!(metrics(&read), ["substring_exact_match", "exact_match", "judge_longmemeval", "judge_summary", "substring_exact_match"]);
    assert_eq!(read[3].questions[0].answers, ["Night and rain.", "It is night.", "It rains."]);
    let facts = &read[0];
    assert_eq!(
        facts.chunks,
        ["Ana is a citizen of Peru.\nThe author of Rain is Bo Li.\nAna is a citizen of Chile.\nX.", "Jo's child is Al."]
    );
    let asked = [("Who is the author of Rain?", vec!["Bo Li"]), ("Which country is Ana a citizen of?", vec!["Chile"])];
    assert_eq!(texts(&facts.chunk_questions[0]), asked);
    assert_eq!(texts(&facts.chunk_questions[1]), [("Who is the child of Jo?", vec!["Al"])]);
    assert!(read.iter().flat_map(|e| &e.questions).all(|q| q.metric.is_some()));
    assert_eq!(facts.questions[0].answers, ["Chile", "Republic of Chile"]);
    assert_eq!(facts.questions[0].id.as_deref(), Some("factconsolidation_sh_6k_no0"));
    // Without a number of facts a chunk has as many as its tokens hold, of four bytes each.
    for (tokens, lengths) in [(5, vec![1, 1, 1, 1, 1]), (14, vec![2, 3]), (1000, vec![5])] {
        let options = Options { chunk_tokens: Some(tokens), strict: true, ..Options::default() };
        let read = read_as("some.json", Value::Array(rows.clone()).to_string(), &options).unwrap().episodes;
        assert_eq!(read[0].chunks.iter().map(|chunk| chunk.lines().count()).collect::<Vec<_>>(), lengths, "{tokens} tokens");
    }
    let labels = &read[1];
    assert_eq!(labels.chunks, ["What is X ?\nlabel: 2\n\nA line\nlabel: 9 is meant\nand more\nlabel: 0"]);
    assert_eq!(texts(&labels.chunk_questions[0]), [("What is X ?", vec!["2"]), ("A line\nlabel: 9 is meant\nand more", vec!["0"])]);
    let dialogue = &read[2];
    assert_eq!(dialogue.chunks.len(), 2);
    assert_eq!(dialogue.chunks[0], "[Dialogue at 2023/05/20 (Sat) 19:19]\nuser: I'm at \"home\" – é\nassistant: It's\nfine\\ Aé");
    assert_eq!((dialogue.questions[0].evidence.as_slice(), dialogue.questions[0].kind.as_deref()), (&[1][..], Some("single-session-user")));
    assert_eq!((dialogue.questions[1].evidence.len(), dialogue.questions[1].kind.as_deref()), (0, Some("abstention")));
    assert_eq!(read[3].chunks, ["It was night. Nobody came. Then it rained!"]);
}

#[test]
fn prose_is_cut_between_sentences() {
    let text: String = (0..400).map(|at| format!("Sentence number {at} is here, as it should be. ")).collect();
    let long = "word ".repeat(300);
    let context = format!("{text}\n{long}");
    let row = files::row("detective_qa", &context, &["q"], json!([["a"]]));
    let options = Options { chunk_tokens: Some(100), strict: true, ..Options::default() };
    let read = read_as("some.json", json!([row]).to_string(), &options).unwrap().episodes;
    assert!(read[0].chunks.iter().all(|chunk| chunk.len() <= 400), "{:?}", read[0].chunks);
    assert!(read[0].chunks[0].ends_with("as it should be.") && read[0].chunks[1].starts_with("Sentence number"));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&read[0].chunks.join(" ")), words(&context));
    // Without spaces, and with letters of several bytes.
    let row = files::row("detective_qa", &"日本".repeat(1000), &["q"], json!([["a"]]));
    let read = read_as("some.json", json!([row]).to_string(), &Options { chunk_tokens: Some(1), ..Options::default() }).unwrap();
    assert_eq!(read.episodes[0].chunks.len(), 2000);
    assert_eq!(episodes(json!([row]).to_string())[0].chunks.len(), 1);
}

#[test]
fn python_literals() {
    let context = |context: &str| {
        let row = files::row("longmemeval_s*", context, &["q"], json!([["a"]]));
        read_as("some.json", json!([row]).to_string(), &Options { strict: true, ..Options::default() })
    };
    let turn =
        |text: &str| context(&format!("['t', [{{'role': 'user', 'content': {text}}}]]")).map(|found| found.episodes[0].chunks[0].clone());
    assert_eq!(turn(r"'a\'b\\n\n\q \u00e9 \U0001F600'").unwrap(), "[Dialogue at t]\nuser: a'b\\n\n\\q é 😀");
    assert_eq!(turn("\"it's\"").unwrap(), "[Dialogue at t]\nuser: it's");
    assert_eq!(turn(r"'\ud800'").unwrap(), "[Dialogue at t]\nuser: \u{fffd}");
    assert_eq!(context("['t', ({'role': 'u', 'content': 'x',},), ]").unwrap().episodes[0].chunks, ["[Dialogue at t]\nu: x"]);
    for (text, part) in [
        ("['t', [{'role': 'u'", "row 0: \"context\" as a Python literal: ',' or '}' was expected at byte"),
        ("['t", "the text that begins at byte 1 has no end"),
        ("['t'] x", "the end was expected"),
        ("['t', import]", "a value was expected at byte 6"),
        (r"['\u12']", "4 hexadecimal digits"),
        ("['t', []]", "it has no chunks"),
    ] {
        let error = context(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(context(&format!("['t', {}", "[".repeat(100_000))).unwrap_err().contains("nested more than 64 deep"));
}

#[test]
fn locomo_with_all_its_quirks() {
    let read = &episodes(files::locomo().to_string())[0];
    assert_eq!(
        read.chunks,
        [
            "[Dialogue at 1:56 pm on 8 May, 2023]\nAna: Hi!\nBo: Look [shares a picture: a dog]",
            "[Dialogue at later]\nAna: Two.",
            "Ana: Ten."
        ]
    );
    let found: Vec<_> = read.questions.iter().map(|q| (q.kind.as_deref().unwrap(), q.evidence.clone(), q.answers[0].as_str())).collect();
    let refusal = "no information available";
    assert_eq!(
        found,
        [("2", vec![0], "2022"), ("1", vec![0, 1], "a, b"), ("4", vec![2], "c"), ("5", vec![1], refusal), ("3", vec![], "d")]
    );
    let about: Vec<usize> = read.chunk_questions.iter().map(Vec::len).collect();
    assert_eq!(about, [1, 0, 1]);
    assert!(read.questions.iter().all(|q| q.metric == Some(Metric::LocomoF1)));
    let told: Vec<bool> =
        read.questions.iter().map(|q| q.instruction.as_ref().is_some_and(|told| told.contains("approximate date"))).collect();
    assert_eq!(told, [true, false, false, false, false], "only beside the temporal question");
    let smaller =
        read_as("l.json", files::locomo().to_string(), &Options { chunk_tokens: Some(2), ..Options::default() }).unwrap().episodes;
    assert_eq!((smaller[0].chunks.len(), smaller[0].questions[1].evidence.as_slice()), (4, &[1, 2][..]));
}

#[test]
fn longmemeval_records() {
    let read = episodes(files::longmemeval().to_string());
    assert_eq!(
        read[0].chunks,
        ["[Dialogue at 2023/05/20 (Sat) 02:21]\nuser: One.\nassistant: Two.", "[Dialogue at 2023/05/21 (Sun) 02:21]\nuser: No."]
    );
    let question = &read[0].questions[0];
    assert_eq!(
        (question.answers[0].as_str(), question.evidence.as_slice(), question.kind.as_deref()),
        ("3", &[0][..], Some("multi-session"))
    );
    assert_eq!(question.instruction.as_deref(), Some("Today is 2023/05/30 (Tue) 23:40."));
    assert_eq!(read[0].chunk_questions[0].len(), 1);
    let unanswerable = &read[1].questions[0];
    assert_eq!((read[1].id.as_str(), unanswerable.kind.as_deref(), read[1].chunk_questions[0].len()), ("q2_abs", Some("abstention"), 0));
    assert!(unanswerable.evidence.is_empty());
    assert!(judge(unanswerable).contains("cannot be answered") && judge(question).contains("Correct answer: 3"));
}

/// What a judge is asked about an answer to a question.
fn judge(question: &Question) -> String {
    let judged = Judged {
        question: &question.question,
        answer: "answer",
        gold: &question.answers,
        kind: question.kind.as_deref(),
        id: question.id.as_deref(),
    };
    question.metric.unwrap().judge(&judged).unwrap().concat()
}

#[test]
fn abstention_in_memoryagentbench_shows_in_the_id() {
    let mut lme = files::memoryagentbench().swap_remove(2);
    lme["metadata"]["question_ids"] = json!(["a1_abs", "a2"]);
    lme["metadata"]["question_types"] = json!(["multi-session", null]);
    let read = &episodes(json!([lme]).to_string())[0];
    let found: Vec<_> = read.questions.iter().map(|q| (q.kind.as_deref(), q.evidence.len())).collect();
    assert_eq!(found, [(Some("abstention"), 0), (None, 0)]);
    assert!(judge(&read.questions[0]).contains("cannot be answered"));
    // Without a type the general question is asked.
    assert!(judge(&read.questions[1]).contains("contains the correct answer"));
}

/// Otherwise an evaluation would end in its middle.
#[test]
fn questions_whose_answers_cannot_be_scored_are_skipped() {
    let mut locomo = files::locomo();
    locomo[0]["qa"][1]["category"] = json!(9);
    locomo[0]["qa"][3]["category"] = json!(null);
    let mut records = files::longmemeval();
    records[1]["question_type"] = json!("chat");
    records[1]["question_id"] = json!("q2");
    let mut rows = files::memoryagentbench();
    rows[2]["metadata"]["question_types"] = json!(["chat", "multi-session"]);
    let own = json!({"chunks": ["a"], "questions": [{"question": "q", "answers": "a", "metric": "nope"}, {"question": "r", "answers": "a"}],
                     "chunk_questions": [[{"question": "q", "answers": "a", "metric": "locomo_f1", "kind": "0"}]]});
    let ids = "known are 1 or multi-hop";
    for (content, reasons) in [
        (locomo.to_string(), vec![("row 0: question 1: '9' is not a LoCoMo category", ids), ("row 0: question 3: it has no category", "")]),
        (records.to_string(), vec![("row 1: LongMemEval has no judge for a question of type 'chat'", "multi-session")]),
        (Value::Array(rows).to_string(), vec![("row 2: question 0: LongMemEval has no judge for a question of type 'chat'", "")]),
        (
            own.to_string(),
            vec![
                ("line 1: question 0: 'nope' is not one of exact_match", "rouge_l"),
                ("line 1: chunk 0, question 0: '0' is not a LoCoMo category", ids),
            ],
        ),
    ] {
        let found = read_as("some.json", &content, &Options::default()).unwrap();
        assert_eq!(found.skipped.len(), reasons.len(), "{:?}", found.skipped);
        for (skipped, (start, part)) in found.skipped.iter().zip(&reasons) {
            assert!(skipped.starts_with(start) && skipped.contains(part), "{skipped}");
        }
        assert!(found.episodes.iter().any(|episode| !episode.questions.is_empty()));
        assert!(error(&content).contains(reasons[0].0));
    }
}

#[test]
fn squad_articles() {
    let read = episodes(files::squad().to_string());
    assert_eq!((read[0].id.as_str(), read[0].chunks.len(), read[1].id.as_str(), read[1].questions.len()), ("Rain", 2, "Sun", 0));
    assert_eq!(texts(&read[0].questions), [("What is wet?", vec!["Rain"]), ("What is cold?", vec!["Snow"])]);
    assert_eq!((read[0].questions[1].evidence.as_slice(), read[0].questions[1].id.as_deref()), (&[1][..], Some("b")));
    assert_eq!(texts(&read[0].chunk_questions[1]), [("What is cold?", vec!["Snow"])]);
}

#[test]
fn intents_take_turns() {
    let read = &episodes(files::clinc().to_string())[0];
    assert_eq!(read.chunks, ["a one\nlabel: a\n\nb one\nlabel: b\n\no\nlabel: oos\n\na two\nlabel: a"]);
    assert_eq!(texts(&read.questions), [("a three", vec!["a"]), ("p", vec!["oos"])]);
    assert_eq!((read.chunk_questions[0].len(), read.source.as_str()), (4, "clinc150"));
    let read = &episodes(files::BANKING)[0];
    let first = "Where is it, please?\nAnd why?";
    assert_eq!(texts(&read.questions)[..2], [(first, vec!["arrival"]), ("What \"\"now\"\"?", vec!["other"])]);
    assert_eq!(texts(&read.questions)[2], ("He said \"no\".", vec!["arrival"]));
    assert_eq!(read.questions[0].evidence, [0]);
    let read = &episodes(files::HWU)[0];
    assert_eq!(texts(&read.questions), [("tell; me", vec!["alarm_query"]), ("Set it", vec!["alarm_set"])]);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("train.csv", files::BANKING), ("test.csv", "text,category\nWell?,other\n"), ("notes.md", "text,category\n")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let read = data::read(folder.path(), &Options { strict: true, ..Options::default() }).unwrap().episodes;
    assert_eq!((texts(&read[0].questions), read[0].chunk_questions[0].len()), (vec![("Well?", vec!["other"])], 3));
}

#[test]
fn membuilder_conversations() {
    let read = &episodes(files::membuilder_lines())[0];
    assert_eq!(read.chunks, ["[Dialogue at 2024-03-15]\nuser: First.", "[Dialogue at 2024-03-15]\nuser: Second."]);
    assert_eq!(texts(&read.questions), [("Q1?", vec!["a"]), ("Q2?", vec!["a"])]);
    assert_eq!(read.chunk_questions[1][0].kind.as_deref(), Some("single-session"));
    let read = &episodes(parquet(files::MEMBUILDER, &files::membuilder_rows(), 9))[0];
    assert_eq!(read.chunks, ["user: Session 0.", "user: Session 1."]);
    assert_eq!(texts(&read.chunk_questions[0]), [("Q?", vec!["a"])]);
}

#[test]
fn own_episodes_are_read_back() {
    let read = episodes(files::own());
    assert_eq!((read[0].id.as_str(), read[0].questions[0].evidence.as_slice(), read[0].chunk_questions[1].len()), ("e", &[1][..], 1));
    assert_eq!((read[1].id.as_str(), read[1].questions[1].answers[0].as_str()), ("line 3", "7"));
    let written: String = read.iter().map(|episode| serde_json::to_string(episode).unwrap() + "\n").collect();
    assert_eq!(episodes(format!("\u{feff}{written}")), read);
    assert_eq!(episodes(serde_json::to_string(&read[0]).unwrap()), read[..1]);
    assert_eq!(episodes(serde_json::to_string(&read).unwrap()), read);
}

#[test]
fn whatever_is_wrong_is_one_clear_error() {
    let row = |key: &str, value: Value| {
        let mut rows = files::memoryagentbench();
        rows[1][key] = value;
        Value::Array(rows).to_string()
    };
    let alone = |context: &str, question: Value, answer: Value| {
        json!([{"context": context, "questions": [question], "answers": [answer]}]).to_string()
    };
    for (content, part) in [
        (String::new(), "the file is empty"),
        (" \n\t\n".into(), "the file is empty"),
        ("[]".into(), "the file holds an empty list"),
        (" {}\n".into(), "the file holds an empty object"),
        ("hello".into(), "not in a known format"),
        ("{\"chunk\": []}".into(), "not in a known format"),
        ("{\"chunks\": [\"a\"], \"ques".into(), "as JSON: EOF while parsing"),
        (row("context", json!(3)), "as memoryagentbench: row 1: \"context\" must be a text, not 3"),
        (row("questions", json!("q")), "row 1: \"questions\" must be a list, not \"q\""),
        (row("questions", json!([])), "row 1: 0 questions and 1 answers"),
        (alone("0. a", json!(1), json!(["a"])), "row 0: question 0: it is 1, not a text"),
        (alone("0. a", json!("q"), json!([])), "row 0: question 0: the list of accepted answers is empty"),
        (alone("0. a", json!("q"), json!([null])), "row 0: question 0: an answer is a text or a number, not null"),
        (json!([{"context": "0. a", "questions": ["q"]}]).to_string(), "row 0: \"answers\" must be a list, not missing"),
        (json!([{"context": "", "questions": [], "answers": []}]).to_string(), "row 0: it has no chunks"),
        (json!([{"context": "0. a", "questions": [], "answers": []}, 3]).to_string(), "row 1: \"context\""),
        (json!([{"chunks": "[\"a\"", "questions_and_answers": "[]"}]).to_string(), "row 0: \"chunks\" is not a JSON list: EOF"),
        (json!([{"chunks": [1], "questions_and_answers": []}]).to_string(), "row 0: a chunk must be a text, not 1"),
        (
            json!([{"chunks": ["a"], "questions_and_answers": [{"answer": "a"}]}]).to_string(),
            "row 0: question 0: \"question\" must be a text, not missing",
        ),
        ("{\"chunks\": [], \"questions\": []}".into(), "line 1: it has no chunks"),
        ("{\"chunks\": [\"a\"]}".into(), "line 1: missing field `questions`"),
        ("{\"chunks\": [\"a\"], \"questions\": []}\n{\"chunks\": [\"a\"], \"questions\": []}\n{\"chunks\"".into(), "line 3: EOF"),
        ("{\"chunks\": [3], \"questions\": []}".into(), "line 1: invalid type"),
        (
            "{\"chunks\": [\"a\"], \"questions\": [], \"chunk_questions\": [[], []]}".into(),
            "line 1: 2 lists of chunk questions for 1 chunks",
        ),
        (
            "{\"chunks\": [\"a\"], \"questions\": [{\"question\": \"q\", \"answers\": \"a\", \"evidence\": [1]}]}".into(),
            "line 1: a question has chunk 1 as evidence, but there are 1 chunks",
        ),
        (json!([{"conversation": {"session_1": 3}, "qa": []}]).to_string(), "row 0: \"session_1\" must be a list of turns"),
        (json!([{"conversation": {"session_1": [{"text": "a"}]}, "qa": []}]).to_string(), "row 0: session_1: \"speaker\" must be a text"),
        (json!({"data": [{"paragraphs": [{"qas": []}]}]}).to_string(), "article 0: \"context\" must be a text"),
        ("text,category\na,b\nc\n".into(), "row 1: CSV error"),
        ("text,category\n,b\n".into(), "row 0: the text is empty"),
    ] {
        let error = error(&content);
        assert!(error.contains(part), "{content}: {error}");
    }
    assert!(error([0x5b, 0xff, 0xfe]).contains("UTF-8"));
    let named = |format: &str| Options { format: Some(format.into()), ..Options::default() };
    let unknown = read_as("some.json", "[]", &named("parket")).unwrap_err();
    assert!(unknown.starts_with("no data format is called \"parket\"; there are memalpha, memoryagentbench, locomo"), "{unknown}");
    for options in [Options { facts_per_chunk: Some(0), ..Options::default() }, Options { chunk_tokens: Some(0), ..Options::default() }] {
        assert!(read_as("some.json", "[]", &options).unwrap_err().contains("_chunk is 0") || options.chunk_tokens == Some(0));
    }
    for format in data::FORMATS {
        for content in ["[{}]", "[3]", "hello", "a,b\n1,2"] {
            assert!(read_as("some.json", content, &named(format)).unwrap_err().contains("holds no episode"), "{format} {content}");
        }
    }
    assert!(data::read("/nowhere/at/all.json", &Options::default()).unwrap_err().to_string().contains("all.json"));
    let folder = tempfile::tempdir().unwrap();
    assert!(data::read(folder.path(), &Options::default()).unwrap_err().to_string().contains("a folder without CSV files"));
    assert!(data::read(Path::new(""), &Options::default()).is_err());
    std::fs::create_dir(folder.path().join("part")).unwrap();
    std::fs::write(folder.path().join("part/a.CSV"), files::BANKING).unwrap();
    let error = data::read(folder.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.ends_with("is a folder without CSV files; name the one in it that has some: part"), "{error}");
}

#[test]
fn a_table_that_is_no_text_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), b"text,category\ncaf\xe9,x\n").unwrap();
    let error = data::read(folder.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("a.csv: is not UTF-8 text: byte 18 (line 2) is 0xE9"), "{error}");
    std::fs::write(folder.path().join("b.csv"), files::BANKING).unwrap();
    let found = data::read(folder.path(), &Options::default()).unwrap();
    assert_eq!((found.episodes[0].questions.len(), found.skipped.len()), (3, 1));
    assert!(found.skipped[0].starts_with("a.csv: is not UTF-8 text: byte 18"), "{:?}", found.skipped);
    let error = data::read(folder.path(), &Options { strict: true, ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("as intents: a.csv: is not UTF-8"), "{error}");
}

#[test]
fn what_cannot_be_read_is_skipped_and_counted() {
    let mut rows = files::memoryagentbench();
    rows[1]["context"] = json!(null);
    rows[2]["answers"] = json!([["Tom"], []]);
    let found = read_as("some.json", Value::Array(rows.clone()).to_string(), &Options::default()).unwrap();
    assert_eq!((found.episodes.len(), found.episodes[1].questions.len()), (4, 1));
    assert_eq!(found.skipped, ["row 1: \"context\" must be a text, not null", "row 2: question 1: the list of accepted answers is empty"]);
    let error = error(Value::Array(rows).to_string());
    assert!(error.ends_with("as memoryagentbench: row 1: \"context\" must be a text, not null (and 1 more)"), "{error}");
    let lines = files::own().replace("\n\n", "\n{\"chunks\": oops\n");
    let found = read_as("some.jsonl", lines, &Options::default()).unwrap();
    assert_eq!((found.episodes.len(), found.skipped.len()), (2, 1));
    assert!(found.skipped[0].starts_with("line 2: expected value"), "{:?}", found.skipped);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let text = Value::Array(files::memoryagentbench()).to_string();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        error(&text[..end]);
    }
    let bytes = parquet(files::MEMORYAGENTBENCH, &files::memoryagentbench(), 9);
    for end in 0..bytes.len() {
        error(&bytes[..end]);
    }
}
