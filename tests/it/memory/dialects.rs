//! Tool-call dialects: every call is read or kept with the reason, whatever a policy writes.

use std::path::Path;

use finemem::memory::calls::{Call, Parsed, split_thought};
use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

fn evaluate(text: &str) -> Result<Value, String> {
    let text = format!("local fm = require \"finemem\" {text}");
    Runtime::new(RuntimeOptions::default()).unwrap().evaluate("test.lua", &text).map_err(|error| error.to_string())
}

/// What a dialect reads, as lines: `tool {arguments}` for good calls, `! reason` for others, and the number of stray stretches.
fn read(dialect: &str, text: &str) -> (Vec<String>, u64) {
    let script = format!(
        "local read = fm.calls.read {{ text = {}, dialect = require \"dialects.{dialect}\" }}
        local lines = {{}}
        for i, call in ipairs(read.calls) do
            lines[i] = call.parsed and call.tool .. ' ' .. fm.json.encode {{ value = call.arguments }} or '! ' .. call.reason
        end
        return {{ lines = lines, stray = read.stray }}",
        json!(text).to_string().replace("\\u", "\\x") // every text here is escaped alike in JSON and Lua
    );
    let found = evaluate(&script).unwrap_or_else(|error| panic!("{dialect}, {text}: {error}"));
    let lines = found["lines"].as_array().map_or(&[][..], Vec::as_slice);
    (lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect(), found["stray"].as_u64().unwrap())
}

/// Texts, the beginnings of what is read, and the stray stretches.
fn check(dialect: &str, cases: &[(&str, &[&str], u64)]) {
    for (text, expected, stray) in cases {
        let (found, loose) = read(dialect, text);
        let fits = found.len() == expected.len() && found.iter().zip(*expected).all(|(line, start)| line.starts_with(start));
        assert!(fits && loose == *stray, "{dialect}: {text}\nread {found:?} and {loose} stray\nnot  {expected:?} and {stray}");
    }
}

#[test]
fn hermes() {
    check(
        "hermes",
        &[
            (
                "<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": \"}{</tool_call>\"}}\n</tool_call>",
                &["a {\"x\":\"}{</tool_call>\"}"],
                0,
            ),
            (
                "I do.<tool_call>{\"name\":\"a\"}</tool_call> and <tool_call>{\"name\":\"b\",\"arguments\":{\"l\":[]}}</tool_call>",
                &["a {}", "b {\"l\":[]}"],
                2,
            ),
            ("<tool_call>{\"name\":\"a\",\"arguments\":{", &["! the call is not closed"], 0),
            ("<tool_call>{\"name\":\"a\",\"arguments\":[1]}</tool_call>", &["! \"arguments\" is not"], 0),
            ("<think>I may <tool_call>{\"name\":\"z\"}</tool_call></think>\n<tool_call>{\"name\":\"a\"}</tool_call>", &["a {}"], 0),
            ("<think>never done <tool_call>{\"name\":\"z\"}</tool_call>", &[], 0),
            ("<tool_call>{\"name\":\"a\",\"arguments\":{\"x\":\"</think>\"}}</tool_call>", &["a {\"x\":\"</think>\"}"], 0),
            ("", &[], 0),
        ],
    );
}

#[test]
fn llama3() {
    check(
        "llama3",
        &[
            ("{\"name\": \"a\", \"parameters\": {\"x\": \"}; {\\\"name\\\": 1}\"}}", &["a {\"x\":\"}; {\\\"name\\\": 1}\"}"], 0),
            (
                "<|python_tag|>{\"name\": \"a\", \"parameters\": {}}; {\"name\": \"b\", \"arguments\": {\"n\": 1}}",
                &["a {}", "b {\"n\":1}"],
                0,
            ),
            ("[{\"name\": \"a\", \"parameters\": {}},\n {\"name\": \"b\", \"parameters\": {}}]", &["a {}", "b {}"], 0),
            ("{\"name\": \"a\", \"parameters\": {}}\n{\"name\": \"b\", \"parameters\": {}}\n", &["a {}", "b {}"], 0),
            ("Sure {gladly}: {\"name\": \"a\", \"parameters\": {}} done", &["a {}"], 2),
            ("{\"name\": \"a\", \"parameters\": {\"x\": 1}\n{\"name\": \"b\", \"parameters\": {}}", &["! not JSON", "b {}"], 0),
            ("{\"name\": \"a\", \"parameters\": {\"x\": \"cut", &["! not JSON"], 0),
            ("{'name': 'a', 'parameters': {}}", &["! not JSON"], 0),
            ("{\"parameters\": {}}", &["! the call names no tool"], 0),
            ("{\"name\": \"a\"}", &["! \"parameters\" is not"], 0),
            ("{\"name\": \"a\", \"parameters\": \"{}\"}", &["! \"parameters\" is not"], 0),
            ("{\"name\": \"a\", \"parameters\": [1]}", &["! \"parameters\" is not"], 0),
            ("{}", &["! the call names no tool"], 0),
            ("{", &["! not JSON"], 0),
            ("{\"a\": {\"name\": \"b\", \"parameters\": {}}}", &["! the call names no tool"], 0),
            ("Nothing to store.", &[], 1),
        ],
    );
}

#[test]
fn mem_alpha() {
    check(
        "mem_alpha",
        &[
            ("✿FUNCTION✿: a\n✿ARGS✿: {\"x\": \"✿FUNCTION✿: b {\"}", &["a {\"x\":\"✿FUNCTION✿: b {\"}"], 0),
            ("I store.\n✿FUNCTION✿: a\n✿ARGS✿: {\"x\": [1]}\n✿FUNCTION✿: b\n✿ARGS✿:\n{}\n", &["a {\"x\":[1]}", "b {}"], 1),
            ("✿FUNCTION✿: a\n✿ARGS✿: {\"x\": 1} and so on", &["a {\"x\":1}"], 1),
            ("✿FUNCTION✿: a\n✿ARGS✿: {\"x\": \n✿FUNCTION✿: b\n✿ARGS✿: {}", &["! the arguments are not JSON", "b {}"], 0),
            ("✿FUNCTION✿: a\n✿ARGS✿: {\"x\": \"cut", &["! the arguments are not JSON"], 0),
            ("✿FUNCTION✿: a\n✿FUNCTION✿: b\n✿ARGS✿: {}", &["! the call has no ✿ARGS✿", "b {}"], 0),
            ("✿FUNCTION✿: a", &["! the call has no ✿ARGS✿"], 0),
            ("✿FUNCTION✿", &["! the call has no ✿ARGS✿"], 0),
            ("✿FUNCTION✿: a\n✿ARGS✿:", &["! the arguments are empty"], 0),
            ("✿FUNCTION✿: \n✿ARGS✿: {}", &["! the call names no tool"], 0),
            ("✿FUNCTION✿: a b\n✿ARGS✿: {}", &["! the call names no tool"], 0),
            ("✿FUNCTION✿: a\n✿ARGS✿: [1]", &["! the arguments are not a JSON object"], 0),
            ("✿ARGS✿: {}", &["! arguments without"], 0),
            ("✿FUNCTION✿: a\n✿ARGS✿: {}\n✿RESULT✿: ok\n✿FUNCTION✿: b\n✿ARGS✿: {}", &["a {}", "! the call stands after"], 1),
            ("Done", &[], 1),
        ],
    );
}

#[test]
fn atommem() {
    check(
        "atommem",
        &[
            (
                "<add_memory> Ada {\"x\"} <b>lives</b> here </add_memory>",
                &["memory_insert {\"content\":\"Ada {\\\"x\\\"} <b>lives</b> here\"}"],
                0,
            ),
            (
                "<modify_memory>Memory 12: a: b\nc</modify_memory> then <delete_memory>Memory 3</delete_memory>",
                &["memory_update {\"memory_id\":12,\"new_content\":\"a: b\\nc\"}", "memory_delete {\"memory_id\":3}"],
                1,
            ),
            (
                "<update_query>who</update_query><final_answer>\\boxed{x}</final_answer>",
                &["update_query {\"query\":\"who\"}", "final_answer {\"answer\":\"\\\\boxed{x}\"}"],
                0,
            ),
            ("<modify_memory>the third: x</modify_memory>", &["! a change is written"], 0),
            ("<delete_memory>3, 4</delete_memory>", &["! a deletion is written"], 0),
            ("<add_memory></add_memory>", &["! the action is empty"], 0),
            ("<add_memory>cut", &["! <add_memory> is not closed"], 0),
            (
                "<add_memory>a <delete_memory>Memory 1</delete_memory>",
                &["! <add_memory> is not closed", "memory_delete {\"memory_id\":1}"],
                0,
            ),
            ("<add_memory>a <delete_memory>Memory 1</delete_memory> b</add_memory>", &["! another action's tag inside"], 0),
            ("<add_memory>a <add_memory>b</add_memory>", &["! <add_memory> is not closed", "memory_insert {\"content\":\"b\"}"], 0),
            ("</add_memory>", &["! a closing tag"], 0),
            ("<add_memory>a</add_memory></add_memory>", &["memory_insert {\"content\":\"a\"}", "! a closing tag"], 0),
            ("so <add_mem", &["! the tag is not finished"], 1),
            ("<other>a</other>", &[], 1),
        ],
    );
}

#[test]
fn what_a_dialect_writes_it_reads() {
    let script = "
        local seen = {}
        for _, name in ipairs { 'hermes', 'llama3', 'mem_alpha', 'atommem' } do
            local dialect = require('dialects.' .. name)
            local calls = {
                { name = 'memory_insert', arguments = { content = 'Ada said: \"}{\" \\n née ✿' } },
                { name = 'memory_update', arguments = { memory_id = 3, new_content = 'x: y' } },
                { name = 'memory_delete', arguments = { memory_id = 12 } },
            }
            local texts = {}
            for i, call in ipairs(calls) do texts[i] = dialect.write(call) end
            local read = fm.calls.read { text = table.concat(texts, '\\n'), dialect = dialect }
            assert(read.stray == 0 and #read.calls == 3, name)
            for i, call in ipairs(calls) do
                local again = { name = read.calls[i].tool, arguments = read.calls[i].arguments }
                assert(fm.json.encode { value = again } == fm.json.encode { value = call }, name .. fm.json.encode { value = again })
            end
            seen[#seen + 1] = dialect.tools == nil or #dialect.tools(require 'tools.flat') > 200
        end
        return { dialects = #seen }";
    // Two of them leave the description of the tools to the chat template.
    assert_eq!(evaluate(script).unwrap()["dialects"], 4);
}

/// Nothing that is cut anywhere breaks a dialect, and every letter belongs to a call, to stray text, or is blank.
#[test]
fn cut_and_mixed_texts_are_read() {
    let parts = [
        "<tool_call>",
        "</tool_call>",
        "{\"name\": \"a\", \"arguments\": {\"x\": \"y\"}}",
        "{\"name\": \"b\", \"parameters\": {}}",
        "✿FUNCTION✿: a\n",
        "✿ARGS✿: {}\n",
        "✿RESULT✿",
        "<add_memory>x",
        "</add_memory>",
        "<delete_memory>Memory 1</delete_memory>",
        "Done. ",
        "{",
        "}",
        "\"",
        "[",
        "]; ",
        "<|python_tag|>",
        "é",
        "\n",
    ];
    let script = format!(
        "local parts = fm.json.decode {{ text = {} }}
        local rng, seen = fm.rng.new {{ seed = 5 }}, 0
        for _, name in ipairs {{ 'hermes', 'llama3', 'mem_alpha', 'atommem' }} do
            local dialect = require('dialects.' .. name)
            for i = 1, 400 do
                local pieces = {{}}
                for j = 1, rng:integer {{ low = 0, high = 9 }} do
                    local piece = rng:pick {{ list = parts }}
                    if rng:integer {{ high = 4 }} == 1 and not piece:find '[\\128-\\255]' then
                        piece = piece:sub(1, rng:integer {{ low = 0, high = #piece }})
                    end
                    pieces[j] = piece
                end
                local text = table.concat(pieces)
                local read = fm.calls.read {{ text = text, dialect = dialect }}
                seen += #read.calls
                local covered = read.stray > 0 or not text:find '%S'
                assert(covered or #read.calls > 0, name .. ' lost ' .. text)
            end
        end
        return {{ seen = seen }}",
        json!(json!(parts).to_string())
    );
    assert!(evaluate(&script).unwrap()["seen"].as_u64().unwrap() > 500);
}

#[test]
fn a_script_can_add_a_dialect() {
    let read = |parse: &str, text: &str| {
        evaluate(&format!(
            "return fm.calls.read {{ text = '{text}', dialect = {{ name = 'mine', parse = {parse}, write = function() return '' end }} }}"
        ))
    };
    let upper = "function(text) local calls = {} for raw, name in text:gmatch '(@(%a+))' do calls[#calls + 1] = { raw = raw, name = name, arguments = {} } end return calls end";
    let found = read(upper, "go @a and @b").unwrap();
    assert_eq!((&found["calls"][1]["tool"], &found["stray"]), (&json!("b"), &json!(2)));
    for (parse, said) in [
        (
            "function() return { { raw = 'x', name = 'a', arguments = {} } } end",
            "the dialect 'mine' cannot be used: the raw text \"x\" of a call is not in the answer",
        ),
        ("function() return { { raw = 'b' }, { raw = 'a' } } end", "not in this order"),
        ("function() return { { raw = '' } } end", "the raw text \"\""),
        ("function() return { { name = 'a' } } end", "what 'parse' returned is wrong at [1]: 'raw' is missing"),
        ("function() return { { raw = 'a', reason = 'x' } } end", "unknown key 'reason'"),
        ("function() return 'a' end", "what 'parse' returned must be a list"),
        ("function() end", "what 'parse' returned must be a list"),
        ("function() error('boom') end", "boom"),
    ] {
        let found = read(parse, "a b").unwrap_err();
        assert!(found.contains(said), "{parse}\nsaid {found}\nnot {said}");
    }
    for (call, reason) in [
        ("raw = 'a'", "the call names no tool"),
        ("raw = 'a', name = 'x'", "the call has no arguments"),
        ("raw = 'a', name = 'x', arguments = {}, error = 'so'", "so"),
    ] {
        let found = read(&format!("function() return {{ {{ {call} }} }} end"), "a b").unwrap();
        assert_eq!((&found["calls"][0]["reason"], &found["calls"][0]["parsed"]), (&json!(reason), &json!(false)));
    }
}

#[test]
fn thoughts_are_set_aside() {
    assert_eq!(split_thought("", "a </think> b"), (None, "a </think> b"));
    assert_eq!(split_thought("", " <think>a</think> b"), (Some(" <think>a"), " b"));
    assert_eq!(split_thought("x<think>\n", "a</think> b"), (Some("a"), " b"));
    assert_eq!(split_thought("x<think>\n", "a"), (Some("a"), ""));
    assert_eq!(split_thought("<think></think>", "a"), (None, "a"));
    let call = |raw: &str| Call { raw: raw.into(), name: None, arguments: Value::Null, error: None };
    assert_eq!(Parsed::from_calls(" a é b ", vec![call("é")]).unwrap().stray, 2);
    assert!(Parsed::from_calls("aa", vec![call("a"), call("a"), call("a")]).is_err());
}

#[test]
fn a_rollout_reads_a_scripted_dialect() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let run = |parse: &str| {
        evaluate(&format!(
            "local trainer = fm.grpo.new {{
                policy = fm.model.load {{ path = [[{}]], device = 'cpu' }}, tools = require 'tools.flat', reasoner = fm.reasoner.extractive {{}},
                prompt = require 'prompts.flat',
                dialect = {{ name = 'mine', write = function() return '' end, parse = {parse}, stop = {{ 'memory_' }} }},
                group = 2, max_tokens = 40, temperature = 0,
            }}
            local batch = trainer:rollout {{ episodes = {{ {{ chunks = {{ 'Ada is here.', 'Bo is there.' }}, questions = {{ {{ question = 'Who?', answers = {{ 'Ada' }} }} }} }} }} }}
            return {{ steps = batch.rollouts[2].steps, memory = batch.rollouts[2].memory }}",
            tiny.display()
        ))
    };
    let two = "function(text) return {
        { raw = text:sub(1, 1), name = 'memory_insert', arguments = { content = 'heard ' .. #text .. text:sub(1, 9) } },
        { raw = text:sub(2, 2), name = 'memory_insert', arguments = { content = 7 } },
        { raw = text:sub(3, 3), error = 'unreadable' },
    } end";
    let found = run(two).unwrap();
    let calls = &found["steps"][0]["calls"];
    assert_eq!((&calls[0]["valid"], &calls[0]["parsed"]), (&json!(true), &json!(true)));
    assert_eq!((&calls[1]["valid"], &calls[1]["parsed"]), (&json!(false), &json!(true)));
    assert_eq!((&calls[2]["valid"], &calls[2]["parsed"], &calls[2]["reason"]), (&json!(false), &json!(false), &json!("unreadable")));
    assert_eq!(found["steps"][0]["stray"], 1);
    assert!(found["steps"][0]["completion"].as_str().unwrap().contains("memory_"));
    assert!(found["steps"][0]["tokens"].as_u64().unwrap() < 40, "the stop text ends the answer");
    assert!(found["memory"][0]["content"].as_str().unwrap().starts_with("heard "));
    assert!(run("function(text) return { { raw = 'not in it' } } end").unwrap_err().contains("the dialect 'mine' cannot be used"));
}
