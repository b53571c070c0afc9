//! A run's folder written by hand, and a script that writes a page with every kind of section.

use serde_json::{Value, json};

/// A text that breaks pages that take it for markup.
pub(crate) const HOSTILE: &str = "</script><script>alert('x')</script><!-- <img src=x onerror=alert(1)> \u{2028}\u{2029} \"quoted\" 'too' &amp; 😀 \\u003c {{data}} \u{0007}";

fn item(id: u64, content: &str, created: u64, step: u64, history: Value) -> Value {
    json!({ "id": id, "content": content, "created": created, "step": step, "history": history })
}

fn scored(mut item: Value, score: f64) -> Value {
    item["score"] = json!(score);
    item
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({ "tool": tool, "arguments": arguments, "valid": true, "parsed": true, "raw": "…" })
}

/// The folder of a run of three steps, with two rollouts: in the first a memory is inserted to, updated and deleted from.
pub(crate) fn run_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
    let run = json!({
        "script": "scripts/train.lua", "arguments": ["--steps", "3", HOSTILE], "seed": 7, "device": "CPU executor",
        "settings": { "lr": 0.0006, "out": false }, "versions": { "finemem-engine": "0.1.0" }, "scripts": {}, "resumed": [2],
    });
    write("run.json", run.to_string());
    let figures = |step: u64, entropy: Value| {
        json!({
            "step": step, "reward": 0.5 * step as f64, "entropy": entropy, "memory/accuracy": 0.25, "memory/insert": 2.0, "memory/delete": 0.5,
            "tools/untagged_rate": (3 - step) as f64 / 2.0, "memory/memory_tokens": 200.0, "memory/input_tokens": 400.0, "rewards/chunk/mean": 0.3, "rewards/compression/mean": -0.01,
            "completions/mean_length": 50.0, "completions/min_length": 13.0, "completions/max_length": 160.0, "num_tokens": 14878,
        })
    };
    let lines = [figures(1, json!(0.5)), figures(2, Value::Null), figures(3, json!(0.25))];
    write("metrics.jsonl", lines.iter().map(|line| line.to_string() + "\n").collect());

    let bonn = item(1, "Ann lives in Bonn.", 1, 1, json!([]));
    let ulm = item(1, "Ann lives in Ulm.", 1, 2, json!([{ "step": 1, "content": "Ann lives in Bonn." }]));
    let cat = item(2, HOSTILE, 1, 1, json!([]));
    let answer = |score: f64, evidence: Value| json!({ "question": "Where does Ann live?", "answer": "Ulm", "gold": ["Ulm"], "score": score, "kind": "changed", "evidence": evidence });
    let steps = json!([
        {
            "chunk": HOSTILE, "prompt": HOSTILE, "completion": HOSTILE, "tokens": 40, "stray": 3, "untagged": 2,
            "calls": [call("memory_insert", json!({ "content": "Ann lives in Bonn." })), call("memory_insert", json!({ "content": HOSTILE }))],
            "memory_before": {}, "memory_after": [bonn, cat], "chunk_answers": [answer(0.0, json!([scored(bonn.clone(), 1.5)]))],
        },
        {
            "chunk": "A".repeat(300_000), "calls": [call("memory_update", json!({ "memory_id": 1, "new_content": "Ann lives in Ulm." }))],
            "memory_before": [bonn, cat], "memory_after": [ulm, cat], "chunk_answers": [answer(1.0, json!([scored(ulm.clone(), 1.5)]))],
        },
        {
            "chunk": "Nothing.", "memory_before": [ulm, cat], "memory_after": [ulm],
            "calls": [
                call("memory_delete", json!({ "memory_id": 2 })),
                { "valid": false, "parsed": true, "tool": "sing", "arguments": {}, "reason": "there is no tool 'sing'" },
                { "valid": false, "parsed": false, "raw": "<tool_call>{\"na", "reason": "the call is not closed" },
            ],
        },
    ]);
    let rewards = json!({ "total": [1.0, 1.5, null], "terms": { "chunk": [0.5, 0.5, null], "compression": [-0.1, -0.1, 0.5], "evidence": [0.1, 0.9, 0.0] } });
    let first = json!({
        "step": 2, "rollout": 1, "episode": 1, "steps": steps, "memory": [ulm], "memory_tokens": 9, "input_tokens": 90,
        "answers": [answer(1.0, json!([scored(ulm.clone(), 2.5)])), answer(0.0, json!([]))], "rewards": rewards,
    });
    // Everything that may be missing is, and nothing is of the right type.
    let second =
        json!({ "step": 3, "rollout": 1, "steps": [{ "calls": 3, "memory_after": "no", "tokens": null }], "answers": [{}], "rewards": 4 });
    write("rollouts.jsonl", format!("{first}\n{second}\n"));
    folder
}

/// Writes a page with every kind of section to PATH.
pub(crate) const LUA: &str = r#"
local fm = require "finemem"
local memory = { { id = 1, content = "Ann lives in Ulm.", step = 2, created = 1, history = { { step = 1, content = "Ann lives in Bonn." } } } }
return fm.page.write {
  path = [[PATH]],
  title = "An evaluation",
  sections = {
    { kind = "text", title = "What this is", text = "One.\n\nTwo." },
    { kind = "table", title = "Results", columns = { { name = "policy" }, { name = "accuracy", percent = true }, { name = "tokens", digits = 0 } },
      rows = { { "flat", { value = 0.5, low = 0.4, high = 0.6 }, 120 }, { "none", fm.json.null, 0 } } },
    { kind = "charts", title = "Curves", charts = {
      { title = "Accuracy", kind = "lines", percent = true, series = {
        { name = "a", x = { 1, 2, 3 }, y = { 0.1, 0 / 0, 0.3 }, low = { 0, 0.1, 0.2 }, high = { 0.2, 0.3, 0.4 } },
        { name = "b", x = { 1, 3 }, y = { 0.2, 0.1 } } } },
      { title = "Calls", kind = "areas", series = { { name = "insert", x = { 1, 2 }, y = { 2, 1 } }, { name = "skip", x = { 1, 2 }, y = { 0, 1 } } } },
      { title = "Shares", kind = "shares", series = { { name = "a", x = { 1, 2 }, y = { 2, 1 } }, { name = "b", x = { 1, 2 }, y = { 0, -1 } } } },
      { title = "Accuracy against memory", kind = "scatter", x = "tokens", series = {
        { name = "flat", x = { 120 }, y = { 0.5 }, low = { 0.4 }, high = { 0.6 }, x_low = { 100 }, x_high = { 140 } } } },
      { title = "Nothing", kind = "lines", series = {} },
    } },
    { kind = "episodes", title = "Episodes", episodes = {
      { title = "dialogue 1", group = "add everything", rollout = {
        chunks = { "Ann lives in Bonn.", "Ann moved to Ulm." }, memory = memory,
        answers = { { question = "Where?", answer = "Ulm", gold = { "Ulm" }, score = 1, evidence = memory } } } },
    } },
    { kind = "facts", title = "Settings", rows = { { "seed", "7" } }, folded = true },
  },
}
"#;
