//! The main job in small: the same seed gives the same figures, and a resumed run goes on as if it had never stopped.

use std::path::Path;
use std::process::Command;

/// Runs the engine in the project's folder; returns what it printed.
fn engine(arguments: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_finemem-engine"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("the engine starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{arguments:?}: {text}");
    text
}

fn train(out: &Path, steps: &str, more: &[&str]) -> String {
    let out = out.to_str().expect("a path of plain letters");
    let common = ["run", "scripts/train.lua", "--device", "cpu", "--", "--held_out", "2", "--episodes", "2", "--group", "3"];
    let mut arguments = common.to_vec();
    arguments.extend(["--steps", steps, "--out", out]);
    arguments.extend(more);
    engine(&arguments)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_same_seed_gives_the_same_run_and_a_resumed_run_is_the_same_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    let said = train(&a, "2", &[]);
    let line = said.lines().find(|line| line.starts_with("memory: ")).unwrap_or_else(|| panic!("no word of memory: {said}"));
    let numbers: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!((numbers[0] / numbers[1] - 1.0).abs() <= 0.05, "{line}");
    train(&b, "2", &[]);
    train(&c, "1", &[]);
    engine(&["run", "--device", "cpu", "--resume", c.to_str().expect("a path"), "--", "--steps", "2"]);
    let metrics = read(&a.join("metrics.jsonl"));
    assert_eq!(metrics.lines().count(), 2);
    assert_eq!(metrics, read(&b.join("metrics.jsonl")), "two runs with one seed");
    assert_eq!(metrics, read(&c.join("metrics.jsonl")), "a resumed run");
    let weights = |run: &Path| std::fs::read(run.join("policy/model.safetensors")).expect("weights");
    assert!(weights(&a) == weights(&b) && weights(&a) == weights(&c), "weights differ");
    let first: serde_json::Value = serde_json::from_str(metrics.lines().next().expect("a line")).expect("JSON");
    let gap = first["sampling/sampling_logp_difference/max"].as_f64().expect("a figure");
    assert!(gap < 1e-3, "rollout and update disagree by {gap}");
    let summary: serde_json::Value = serde_json::from_str(&read(&a.join("summary.json"))).expect("JSON");
    assert!(first["harm/stale"].is_number() && first["harm/talk"].is_number(), "{first}");
    for key in ["accuracy_before", "accuracy_after", "memory_tokens_before", "memory_tokens_after", "stale_before", "talk_after", "seconds"]
    {
        assert!(summary[key].is_number(), "{key} is missing: {summary}");
    }
}

#[test]
fn supervised_training_goes_on_from_a_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("learn.lua");
    let text = r#"
        local fm = require "finemem"
        local policy = fm.model.load { path = "models/tiny" }
        local trainer = fm.sft.new { policy = policy, lr = 1e-3, weight_decay = 0.01, micro_tokens = 256 }
        local run = fm.run.open { path = fm.args[1] }
        for step = run:restore { trainer = trainer } + 1, tonumber(fm.args[#fm.args]) do
          local tokens, weights = {}, {}
          for i = 1, 40 do
            tokens[i], weights[i] = i * (step + 5) % 900, 1
          end
          weights[40] = nil
          run:log { step = step, stats = trainer:step { sequences = { { tokens = tokens, weights = weights } } } }
          run:checkpoint { step = step, trainer = trainer }
        end
        policy:save { path = run.path .. "/policy" }"#;
    std::fs::write(&script, text).expect("written");
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    let path = |path: &Path| path.to_str().expect("a path of plain letters").to_string();
    for (run, steps) in [(&whole, "5"), (&cut, "2")] {
        engine(&["run", &path(&script), "--device", "cpu", "--", &path(run), steps]);
    }
    engine(&["run", "--device", "cpu", "--resume", &path(&cut), "--", "5"]);
    let metrics = read(&whole.join("metrics.jsonl"));
    assert_eq!((metrics.lines().count(), &metrics), (5, &read(&cut.join("metrics.jsonl"))));
    let weights = |run: &Path| std::fs::read(run.join("policy/model.safetensors")).expect("weights");
    assert!(weights(&whole) == weights(&cut), "weights differ");
}

#[test]
fn another_reward_and_its_switches_run() {
    let folder = tempfile::tempdir().expect("a folder");
    train(&folder.path().join("run"), "1", &["--rewards", "finemem", "--without", "chunk,evidence"]);
    let metrics = read(&folder.path().join("run/metrics.jsonl"));
    assert!(metrics.contains("rewards/outcome/mean") && !metrics.contains("rewards/chunk/mean"), "{metrics}");
    // What a page of the run needs to say what each step was rewarded for.
    let rollouts = read(&folder.path().join("run/rollouts.jsonl"));
    let rollout: serde_json::Value = serde_json::from_str(rollouts.lines().next().expect("a rollout")).expect("JSON");
    let steps = rollout["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["chunk"].as_str().is_some_and(|chunk| !chunk.is_empty())));
    for values in [&rollout["rewards"]["total"], &rollout["rewards"]["terms"]["outcome"], &rollout["rewards"]["terms"]["format"]] {
        assert_eq!(values.as_array().map(Vec::len), Some(steps.len()), "{}", rollout["rewards"]);
    }
}

#[test]
fn the_editor_types_and_the_script_check_know_the_shipped_scripts() {
    let make = ["make/policy", "make/conflicts", "make/chunk_questions", "make/open_book_questions"];
    for script in ["train", "train_llm", "compare", "eval", "replay"].iter().chain(&make) {
        let text = engine(&["check", &format!("scripts/{script}.lua")]);
        assert!(text.contains("no mistake"), "{script}: {text}");
    }
}
