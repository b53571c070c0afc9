//! Files made by hand to the schemas of the published ones.

use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;
use serde_json::{Value, json};

pub(crate) const MEMALPHA: &str =
    "message schema { optional int64 instance_id; optional binary prompt (STRING); optional binary chunks (STRING);
    optional binary questions_and_answers (STRING); optional binary data_source (STRING); optional binary metadata (STRING); }";

pub(crate) const MEMALPHA_LISTS: &str = "message schema { optional group chunks (LIST) { repeated group list { optional binary element (STRING); } }
    optional group questions_and_answers (LIST) { repeated group list { optional group element { optional binary question (STRING); optional int64 answer; } } }
    optional binary data_source (STRING); }";

pub(crate) const MEMORYAGENTBENCH: &str = "message schema { optional binary context (STRING);
    optional group questions (LIST) { repeated group list { optional binary element (STRING); } }
    optional group answers (LIST) { repeated group list { optional group element (LIST) { repeated group list { optional binary element (STRING); } } } }
    optional group metadata { optional binary demo (STRING);
      optional group haystack_sessions (LIST) { repeated group list { optional group element (LIST) { repeated group list { optional group element (LIST) { repeated group list { optional group element { optional binary content (STRING); optional boolean has_answer; optional binary role (STRING); } } } } } } }
      optional group keypoints (LIST) { repeated group list { optional binary element (STRING); } }
      optional group qa_pair_ids (LIST) { repeated group list { optional binary element (STRING); } }
      optional group question_types (LIST) { repeated group list { optional binary element (STRING); } }
      optional binary source (STRING); } }";

pub(crate) const MEMBUILDER: &str = "message schema { optional group prompt (LIST) { repeated group list { optional group element { optional binary content (STRING); optional binary role (STRING); } } }
    optional binary ability (STRING); optional binary reward_model (STRING); optional binary data_source (STRING);
    optional group meta { optional binary conversation_id (STRING); optional int64 session_index; } }";

/// A column's values, and where each stands in the rows.
#[derive(Default)]
struct Leaf {
    values: Vec<Value>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// A Parquet file with these rows, in groups of `group` rows.
pub(crate) fn parquet(schema: &str, rows: &[Value], group: usize) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let compression = parquet::basic::Compression::SNAPPY;
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema.clone(), properties).unwrap();
    for rows in rows.chunks(group) {
        let mut leaves = Vec::new();
        rows.iter().for_each(|row| {
            let mut at = 0;
            schema.get_fields().iter().for_each(|field| shred(field, row.get(field.name()), [0, 0, 0], &mut leaves, &mut at));
        });
        let mut writer = file.next_row_group().unwrap();
        for leaf in leaves {
            let mut column = writer.next_column().unwrap().unwrap();
            let levels = (Some(leaf.definition.as_slice()), Some(leaf.repetition.as_slice()));
            let text = |value: &Value| ByteArray::from(value.as_str().unwrap());
            match leaf.values.first() {
                Some(Value::Number(_)) => {
                    let values: Vec<i64> = leaf.values.iter().map(|value| value.as_i64().unwrap()).collect();
                    column.typed::<Int64Type>().write_batch(&values, levels.0, levels.1).unwrap();
                }
                Some(Value::Bool(_)) => {
                    let values: Vec<bool> = leaf.values.iter().map(|value| value.as_bool().unwrap()).collect();
                    column.typed::<BoolType>().write_batch(&values, levels.0, levels.1).unwrap();
                }
                Some(_) => {
                    let values: Vec<ByteArray> = leaf.values.iter().map(text).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, levels.0, levels.1).unwrap();
                }
                None => match &mut column.untyped() {
                    parquet::column::writer::ColumnWriter::Int64ColumnWriter(column) => {
                        column.write_batch(&[], levels.0, levels.1).map(|_| ())
                    }
                    parquet::column::writer::ColumnWriter::BoolColumnWriter(column) => {
                        column.write_batch(&[], levels.0, levels.1).map(|_| ())
                    }
                    parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(column) => {
                        column.write_batch(&[], levels.0, levels.1).map(|_| ())
                    }
                    _ => unreachable!("no such column in these schemas"),
                }
                .unwrap(),
            }
            column.close().unwrap();
        }
        writer.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// Takes a value apart into the columns below a field. `levels`: definition, repetition, and how many repeated fields are around it.
fn shred(field: &Type, value: Option<&Value>, levels: [i16; 3], leaves: &mut Vec<Leaf>, at: &mut usize) {
    use parquet::basic::Repetition;
    let value = value.filter(|value| !value.is_null());
    let [definition, repetition, depth] = levels;
    let [more, _, _] = [definition + 1, 0, 0];
    match field.get_basic_info().repetition() {
        Repetition::OPTIONAL if value.is_some() => content(field, value, [more, repetition, depth], leaves, at),
        Repetition::REPEATED if value.and_then(Value::as_array).is_some_and(|list| !list.is_empty()) => {
            let start = *at;
            for (index, item) in value.and_then(Value::as_array).unwrap().iter().enumerate() {
                *at = start;
                // The repeated group of a list has one field, the element.
                let item = json!({ field.get_fields()[0].name(): item });
                content(field, Some(&item), [more, if index == 0 { repetition } else { depth + 1 }, depth + 1], leaves, at);
            }
        }
        Repetition::REQUIRED => content(field, value, levels, leaves, at),
        _ => content(field, None, levels, leaves, at),
    }
}

fn content(field: &Type, value: Option<&Value>, levels: [i16; 3], leaves: &mut Vec<Leaf>, at: &mut usize) {
    if field.is_group() {
        let list = matches!(value, Some(Value::Array(_)));
        for child in field.get_fields() {
            match value {
                Some(value) => shred(child, if list { Some(value) } else { value.get(child.name()) }, levels, leaves, at),
                None => content(child, None, levels, leaves, at),
            }
        }
        return;
    }
    if leaves.len() == *at {
        leaves.push(Leaf::default());
    }
    leaves[*at].values.extend(value.cloned());
    leaves[*at].definition.push(levels[0]);
    leaves[*at].repetition.push(levels[1]);
    *at += 1;
}

/// Rows as Mem-α has them: lists as texts of JSON.
pub(crate) fn memalpha() -> Vec<Value> {
    let row = |id: i64, source: &str, chunks: Value, asked: Value| json!({"instance_id": id, "prompt": "p", "chunks": chunks.to_string(), "questions_and_answers": asked.to_string(), "data_source": source, "metadata": "{}"});
    vec![
        row(7, "squad", json!(["one", "two"]), json!([{"question": "q?", "answer": "a"}, {"question": "r?", "answer": ["b", "c"]}])),
        row(
            8,
            "pubmed-rct",
            json!(["[Dialogue]\n<User>Learn:\nSentence: It helps.\nLabel: 3\n\nSentence: Two\nlines.\nLabel: 0"]),
            json!([{"question": "Sentence: x", "answer": 3}]),
        ),
        row(9, "perltqa", json!(["c"]), json!([{"question": "q", "answer": "red; blue"}])),
    ]
}

/// A row of MemoryAgentBench.
pub(crate) fn row(source: &str, context: &str, questions: &[&str], answers: Value) -> Value {
    let ids: Vec<String> = (0..questions.len()).map(|at| format!("{source}_no{at}")).collect();
    json!({"context": context, "questions": questions, "answers": answers,
           "metadata": {"demo": null, "haystack_sessions": null, "keypoints": [], "qa_pair_ids": ids, "question_types": null, "source": source}})
}

/// A row of each split of MemoryAgentBench.
pub(crate) fn memoryagentbench() -> Vec<Value> {
    let facts = "Here is a list of facts:\n0. Ana is a citizen of Peru.\n1. The author of Rain is Bo Li.\n2. Ana is a citizen of Chile.\n3. X.\n4. Jo's child is Al.\n";
    let examples = "What is X ?\nlabel: 2\n\nA line\nlabel: 9 is meant\nand more\nlabel: 0\n\n";
    let dialogue = r#"['Chat Time: 2023/05/20 (Sat) 19:19', [{'role': 'user', 'content': "I'm at \"home\" – é"}, {'role': 'assistant', 'content': 'It\'s\nfine\\ \x41\u00e9'}], 'Chat Time: 2023/05/21 (Sun) 08:00', [{'role': 'user', 'content': 'My cat is Tom.', 'n': None, 'ok': True, 'x': -1.5}]]"#;
    let mut lme = row("longmemeval_s*", dialogue, &["Which cat?", "Where?"], json!([["Tom"], ["home"]]));
    lme["metadata"]["question_types"] = json!(["single-session-user", "abstention"]);
    lme["metadata"]["haystack_sessions"] = json!([[[{"content": "My cat is Tom.", "has_answer": true, "role": "user"}], [{"content": "x", "has_answer": null, "role": "user"}]], []]);
    let mut summary =
        row("infbench_sum_eng_shots2", "It was night. Nobody came. Then it rained!", &["Summarise."], json!([["Night and rain."]]));
    summary["metadata"]["keypoints"] = json!(["It is night.", "It rains."]);
    vec![
        row("factconsolidation_sh_6k", facts, &["Which country is Ana a citizen of?"], json!([["Chile", "Republic of Chile"]])),
        row("icl_trec_coarse_6600shot_balance", examples, &["What is Y ?"], json!([["2"]])),
        lme,
        summary,
        row("eventqa_full", "Document 1: a. Document 2: b.", &["What happened?"], json!([["a", "b"]])),
    ]
}

/// A record of LongMemEval.
pub(crate) fn longmemeval() -> Value {
    json!([
        {"question_id": "q1", "question_type": "multi-session", "question": "How many?", "answer": 3, "question_date": "2023/05/30 (Tue) 23:40",
         "haystack_session_ids": ["s1", "s2"], "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 02:21"],
         "haystack_sessions": [[{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two.", "has_answer": true}], [{"role": "user", "content": "No."}]],
         "answer_session_ids": ["s1", "s2"]},
        {"question_id": "q2_abs", "question_type": "single-session-user", "question": "Who?", "answer": "Nobody said.", "question_date": "d",
         "haystack_session_ids": ["s1", "s2"], "haystack_dates": [], "haystack_sessions": [[{"role": "user", "content": "One."}], []],
         "answer_session_ids": ["s1"]}
    ])
}

/// A dialogue of LoCoMo with the quirks of the published file.
pub(crate) fn locomo() -> Value {
    let turn = |id: &str, text: &str| json!({"speaker": "Ana", "dia_id": id, "text": text});
    json!([{"sample_id": "conv-1", "conversation": {
        "speaker_a": "Ana", "speaker_b": "Bo", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_2_date_time": "later", "session_9_date_time": "never",
        "session_10": [turn("D10:1", "Ten.")], "session_1": [turn("D1:1", "Hi! "), {"speaker": "Bo", "dia_id": "D1:2", "text": "Look", "blip_caption": "a dog", "img_url": ["u"]}],
        "session_2": [turn("D2:1", "Two.")], "session_3": []},
      "qa": [
        {"question": "When?", "answer": 2022, "evidence": ["D1:1"], "category": 2},
        {"question": "What?", "answer": "a, b", "evidence": ["D1:2; D2:1", "D"], "category": 1},
        {"question": "Which?", "answer": "c", "evidence": ["D:10:1"], "category": 4},
        {"question": "Whose?", "evidence": ["D2:1"], "category": 5, "adversarial_answer": "hers"},
        {"question": "Why?", "answer": "d", "evidence": [], "category": 3}]}])
}

pub(crate) fn squad() -> Value {
    json!({"version": "1.1", "data": [
        {"title": "Rain", "paragraphs": [
            {"context": "Rain is wet.", "qas": [{"id": "a", "question": "What is wet?", "answers": [{"text": "Rain", "answer_start": 0}, {"text": "Rain", "answer_start": 0}]}]},
            {"context": "Snow is cold.", "qas": [{"id": "b", "question": "What is cold?", "answers": [{"text": "Snow", "answer_start": 0}]}]}]},
        {"title": "Sun", "paragraphs": [{"context": "Hot.", "qas": []}]}]})
}

pub(crate) fn clinc() -> Value {
    json!({"oos_val": [["v", "oos"]], "val": [["v", "x"]], "train": [["a one", "a"], ["a two", "a"], ["b one", "b"]], "oos_train": [["o", "oos"]],
           "test": [["a three", "a"]], "oos_test": [["p", "oos"]]})
}

pub(crate) const BANKING: &str =
    "text,category\n\"Where is it, please?\nAnd why?\",arrival\nWhat \"\"now\"\"?,other\n\"He said \"\"no\"\".\",arrival\n";
pub(crate) const HWU: &str = "answerid;scenario;intent;answer_annotation;answer_from_anno;answer_from_user\n1;alarm;query;\"a\";\"tell; me\";\"Tell me\"\n2;alarm;set;\"a\";\"null\";\"Set it\"\n";

pub(crate) fn membuilder_lines() -> String {
    let line = |index: i64, text: &str, question: &str| {
        json!({"conversation_id": "c", "session_index": index, "session": {"messages": [{"role": "user", "content": text}], "timestamp": "2024-03-15"},
               "questions": [{"question": question, "answer": "a", "type": "single-session"}]})
    };
    format!("{}\n{}\n", line(1, "Second.", "Q2?"), line(0, "First.", "Q1?"))
}

pub(crate) fn membuilder_rows() -> Vec<Value> {
    let row = |index: i64, who: &str, reward: &str| {
        json!({"prompt": [{"content": "Be brief.", "role": "system"}, {"content": format!("You are {who}.\n\nNew Messages:\nuser: Session {index}."), "role": "user"}],
               "reward_model": reward, "data_source": "longmemeval", "meta": {"conversation_id": "c", "session_index": index}})
    };
    let asked = json!({"questions": [{"question": "Q?", "answer": "a"}]}).to_string();
    vec![row(1, "core", "memory_reward"), row(0, "core", &asked), row(0, "semantic", "memory_reward")]
}

pub(crate) fn own() -> String {
    let first = json!({"id": "e", "source": "s", "chunks": ["one\ntwo", "three"], "questions": [{"question": "q?", "answers": ["a"], "kind": "new", "evidence": [1], "metric": "exact_match"}],
                       "chunk_questions": [[], [{"question": "r?", "answers": ["b"]}]]});
    let second = json!({"chunks": ["x"], "events": 1, "questions": [{"question": "q", "answers": "a"}, {"question": "q", "answers": 7}]});
    format!("{first}\n\n{second}\n")
}
