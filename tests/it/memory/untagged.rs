//! Answers without tags: which are read, and how they are counted; and what published models answered.

use std::path::Path;

use finemem::memory::Tool;
use finemem::memory::calls::{Parsed, parse};
use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

/// The tools of the flat memory.
fn tools() -> Vec<Tool> {
    let script = "local list = {} for i, tool in ipairs(require 'tools.flat') do
        list[i] = { name = tool.name, description = tool.description, parameters = tool.parameters } end return list";
    let list = Runtime::new(RuntimeOptions::default()).unwrap().evaluate("test.lua", script).unwrap();
    let tool = |tool: &Value| Tool::new(tool["name"].as_str().unwrap(), tool["description"].as_str().unwrap(), tool["parameters"].clone());
    list.as_array().unwrap().iter().map(|given| tool(given).unwrap()).collect()
}

/// The counts of an answer: calls with a tool and fitting arguments, calls without tags, and pieces of other text.
fn counts(tools: &[Tool], read: &Parsed) -> [usize; 3] {
    let fits = |name: Option<&str>, arguments: &Value| tools.iter().any(|tool| Some(tool.name()) == name && tool.check(arguments).is_ok());
    let valid = read.calls.iter().filter(|call| call.error.is_none() && fits(call.name.as_deref(), &call.arguments)).count();
    [valid, read.untagged, read.stray]
}

/// In the format of Hermes, which is read in Rust.
fn hermes(tools: &[Tool], answer: &str) -> Parsed {
    let names: Vec<&str> = tools.iter().map(Tool::name).collect();
    parse(answer).or_untagged(answer, &names)
}

/// Answers, and their counts in the dialects of Hermes and of Llama 3, in which an object without tags is the usual form. `@I` inserts, `@D`
/// deletes, `@P` inserts with "parameters".
const ANSWERS: &[(&str, [usize; 3], [usize; 3])] = &[
    // Nothing but calls.
    ("@I", [1, 1, 0], [1, 0, 0]),
    ("@P", [1, 1, 0], [1, 0, 0]),
    ("  @I \n", [1, 1, 0], [1, 0, 0]),
    ("@I\n@D", [2, 2, 0], [2, 0, 0]),
    ("@I@D", [2, 2, 0], [2, 0, 0]),
    ("@I, @D", [2, 2, 0], [2, 0, 0]),
    ("@I; @P;", [2, 2, 0], [2, 0, 0]),
    ("@I @I @I", [3, 3, 0], [3, 0, 0]),
    ("@I\r\n@D\r\n", [2, 2, 0], [2, 0, 0]),
    ("\u{feff}@I", [1, 1, 0], [1, 1, 0]),
    ("<think>I insert.</think>\n@I", [1, 1, 0], [1, 0, 0]),
    // Lists and fences.
    ("[@I, @D]", [2, 2, 0], [2, 0, 0]),
    ("[\n  @I\n]", [1, 1, 0], [1, 0, 0]),
    ("[@I]\n[@D]", [2, 2, 0], [2, 0, 0]),
    ("```json\n@I\n```", [1, 1, 0], [1, 1, 0]),
    ("```\n@I\n@D\n```", [2, 2, 0], [2, 2, 0]),
    ("```json\n[@I, @D]\n```", [2, 2, 0], [2, 2, 0]),
    ("```json\n@I\n```\n\n```json\n@D\n```", [2, 2, 0], [2, 2, 0]),
    ("```JSON\r\n@I\r\n```", [1, 1, 0], [1, 1, 0]),
    ("```json @I ```", [1, 1, 0], [1, 1, 0]),
    // Cut ends. The last call of several may be cut, as in tags.
    ("```json\n@I", [1, 1, 0], [1, 1, 0]),
    ("[@I, @D", [2, 2, 0], [2, 0, 0]),
    ("@I\n{\"name\": \"memory_ins", [1, 1, 0], [1, 0, 0]),
    ("[@I, {\"name\": \"memory_delete\", \"argu", [1, 1, 0], [1, 0, 0]),
    ("```json\n@I\n{\"name\":", [1, 1, 0], [1, 1, 0]),
    ("{\"name\": \"memory_insert\", \"arguments\": {\"content\": \"a\"}", [0, 0, 0], [0, 0, 0]),
    ("{\"name\": \"memory_insert\", \"arguments\": {\"content\": \"a", [0, 0, 0], [0, 0, 0]),
    // Strings with everything in them that could end a call.
    (r#"{"name": "memory_insert", "arguments": {"content": "```json {\"name\": 1}``` }]"}}"#, [1, 1, 0], [1, 0, 0]),
    (r#"{"name": "memory_insert", "arguments": {"content": "<tool_call>{}</tool_call>"}}"#, [1, 1, 0], [1, 0, 0]),
    (r#"{"name": "memory_insert", "arguments": {"content": "née\n\u00e9 \"q\" \\"}}"#, [1, 1, 0], [1, 0, 0]),
    // Calls with wrong arguments are read, and are not valid.
    (r#"{"name": "memory_insert", "arguments": {"content": {"text": "a"}}}"#, [0, 1, 0], [0, 0, 0]),
    (r#"{"name": "memory_delete", "arguments": {"memory_id": "3"}}"#, [0, 1, 0], [0, 0, 0]),
    (r#"{"name": "memory_insert", "arguments": "{\"content\": \"a\"}"}"#, [0, 1, 0], [0, 1, 0]),
    (r#"{"name": "memory_insert", "content": "a"}"#, [0, 1, 0], [0, 1, 0]),
    (r#"{"name": "memory_insert"}"#, [0, 1, 0], [0, 1, 0]),
    (r#"{"name": "memory_skip"}"#, [1, 1, 0], [1, 1, 0]),
    // Other keys, and keys that occur twice, of which the last counts.
    (r#"{"type": "function", "name": "memory_insert", "parameters": {"content": "a"}}"#, [1, 1, 0], [1, 0, 0]),
    (r#"{"name": "memory_delete", "name": "memory_insert", "arguments": {"content": "a"}}"#, [1, 1, 0], [1, 0, 0]),
    (r#"{"name": "memory_insert", "arguments": {}, "arguments": {"content": "a"}}"#, [1, 1, 0], [1, 0, 0]),
    // Tools that are not known, and objects that are no calls.
    (r#"{"name": "memory_add", "arguments": {"content": "a"}}"#, [0, 0, 0], [0, 0, 0]),
    (r#"{"name": "Memory_Insert", "arguments": {"content": "a"}}"#, [0, 0, 0], [0, 0, 0]),
    ("@I\n{\"name\": \"memory_add\", \"arguments\": {}}", [0, 0, 0], [1, 0, 0]),
    ("{\"tool_calls\": [@I]}", [0, 0, 0], [0, 0, 0]),
    ("{\"type\": \"function\", \"function\": @I}", [0, 0, 0], [0, 0, 0]),
    (r#"{"Name": "memory_insert", "arguments": {"content": "a"}}"#, [0, 0, 1], [0, 0, 0]),
    ("{}", [0, 0, 1], [0, 0, 0]),
    ("[]", [0, 0, 1], [0, 0, 1]),
    ("[1, 2]", [0, 0, 1], [0, 0, 1]),
    ("\"memory_insert\"", [0, 0, 1], [0, 0, 1]),
    ("```json\n```", [0, 0, 1], [0, 0, 1]),
    // Text beside the calls. In Hermes's format, a text with the beginning of a call is an unreadable call.
    ("I insert:\n@I", [0, 0, 0], [1, 0, 1]),
    ("@I\nDone.", [0, 0, 0], [1, 0, 1]),
    ("@I\nand\n@D", [0, 0, 0], [2, 0, 1]),
    ("```json\n@I\n```\nDone.", [0, 0, 0], [1, 0, 2]),
    ("Here: ```@I``` is it", [0, 0, 0], [1, 0, 2]),
    ("```python\n@I\n```", [0, 0, 0], [1, 0, 2]),
    ("`@I`", [0, 0, 0], [1, 0, 2]),
    ("// keep it\n@I", [0, 0, 0], [1, 0, 1]),
    ("@I}", [0, 0, 0], [1, 0, 1]),
    ("[[@I]]", [0, 0, 0], [1, 0, 1]),
    (", @I", [0, 0, 0], [1, 0, 1]),
    // What is not JSON.
    ("{'name': 'memory_insert', 'arguments': {'content': 'a'}}", [0, 0, 1], [0, 0, 0]),
    ("@I\n{'name': 'memory_delete'}", [0, 0, 0], [1, 0, 0]),
    (r#"{"name": "memory_insert", "arguments": {"content": "a",}}"#, [0, 0, 0], [0, 0, 0]),
    (r#"{"name": "memory_delete", "arguments": {"memory_id": NaN}}"#, [0, 0, 0], [0, 0, 0]),
    ("{\"name\": \"memory_insert\", \"arguments\": {\"content\": \"a\nb\"}}", [0, 0, 0], [0, 0, 0]),
    ("memory_insert(content=\"a\")", [0, 0, 1], [0, 0, 1]),
    // With tags.
    ("<tool_call>@I</tool_call>", [1, 0, 0], [1, 0, 2]),
    ("<tool_call>@P</tool_call>\n<tool_call>@D</tool_call>", [2, 0, 0], [2, 0, 3]),
    ("<tool_call>@I</tool_call>\n@D", [1, 0, 0], [2, 0, 2]),
    ("@I</tool_call>", [0, 0, 0], [1, 0, 1]),
    ("<|python_tag|>@P; @D", [0, 0, 0], [2, 0, 0]),
    // Nothing.
    ("", [0, 0, 0], [0, 0, 0]),
    (" \n", [0, 0, 0], [0, 0, 0]),
    ("Done", [0, 0, 1], [0, 0, 1]),
];

fn written(text: &str) -> String {
    let text = text.replace("@I", r#"{"name": "memory_insert", "arguments": {"content": "a"}}"#);
    let text = text.replace("@D", r#"{"name": "memory_delete", "arguments": {"memory_id": 3}}"#);
    text.replace("@P", r#"{"name": "memory_insert", "parameters": {"content": "a"}}"#)
}

/// What `fm.calls.read` makes of answers in a dialect.
fn read_by(dialect: &str, answers: &[String], tools: &[Tool]) -> Vec<[usize; 3]> {
    let given = if tools.is_empty() { "nil" } else { "require 'tools.flat'" };
    let script = format!(
        "local fm, all = require 'finemem', {{}}
        for i, text in ipairs(fm.json.decode {{ text = [====[{}]====] }}) do
            all[i] = fm.calls.read {{ text = text, tools = {given}, dialect = {dialect} }}
        end
        return all",
        json!(answers),
    );
    let found = Runtime::new(RuntimeOptions::default()).unwrap().evaluate("test.lua", &script).unwrap();
    let count = |read: &Value| {
        let of = |call: &Value| tools.iter().any(|tool| call["tool"] == tool.name() && tool.check(&call["arguments"]).is_ok());
        let valid = read["calls"].as_array().into_iter().flatten().filter(|call| call["parsed"] == true && of(call)).count();
        [valid, read["untagged"].as_u64().unwrap() as usize, read["stray"].as_u64().unwrap() as usize]
    };
    found.as_array().unwrap().iter().map(count).collect()
}

#[test]
fn answers_of_nothing_but_calls_are_read_without_tags() {
    let tools = tools();
    let answers: Vec<String> = ANSWERS.iter().map(|(text, ..)| written(text)).collect();
    let read = ["nil", "require 'dialects.hermes'", "require 'dialects.llama3'"].map(|dialect| read_by(dialect, &answers, &tools));
    for (i, (text, hermes, llama)) in ANSWERS.iter().enumerate() {
        assert_eq!([read[0][i], read[1][i], read[2][i]], [*hermes, *hermes, *llama], "{text}");
    }
}

#[test]
fn only_json_dialects_read_calls_without_tags() {
    let tools = tools();
    let answers = [written("@I"), written("```json\n@I\n```")];
    for dialect in ["mem_alpha", "atommem"] {
        assert_eq!(read_by(&format!("require 'dialects.{dialect}'"), &answers, &tools), [[0, 0, 1]; 2], "{dialect}");
    }
    assert_eq!(read_by("require 'dialects.whole'", &answers, &tools), [[0, 0, 0]; 2], "the text is the memory");
    // Without names of tools nothing is read.
    assert_eq!(read_by("nil", &answers, &[]), [[0, 0, 0]; 2]);
}

/// `tests/replies/make.lua` says where the replies are from, and the file's first line how a person counted them.
#[test]
fn replies_of_published_models_are_counted_as_a_person_counts_them() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replies/replies.jsonl")).unwrap();
    let replies: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let (tools, mut wrong) = (tools(), Vec::new());
    for (number, line) in (2..).zip(&replies) {
        let found = counts(&tools, &hermes(&tools, line["reply"].as_str().unwrap()));
        let expected = ["valid", "untagged", "stray"].map(|key| line[key].as_u64().unwrap() as usize);
        if found != expected {
            wrong.push(format!("line {number}: valid, untagged, stray are {found:?}, not {expected:?}: {}", line["reply"]));
        }
    }
    assert!(wrong.is_empty() && replies.len() >= 60, "of {} replies\n{}", replies.len(), wrong.join("\n"));
}
