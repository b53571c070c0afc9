//! What an evaluation writes about files that have no questions, episodes of one name, or sessions that are not sorted.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Evaluates a file, and returns what was printed.
fn evaluate(data: &Value, folder: &Path) -> String {
    let (file, out) = (folder.join("data.json"), folder.join("out"));
    std::fs::write(&file, data.to_string()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_finemem-engine"))
        .args(["run", "--device", "cpu", "scripts/eval.lua", "--", "--policy", "none", "--baselines", "add_everything,no_memory"])
        .args(["--data", &text(&file), "--out", &text(&out)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_without_questions_has_no_results() {
    let folder = tempfile::tempdir().unwrap();
    evaluate(&json!([{"id": "e", "chunks": ["Ada is here."], "questions": []}]), folder.path());
    assert_eq!(std::fs::read_to_string(folder.path().join("out/results.jsonl")).unwrap(), "");
    assert_eq!(lines(&folder.path().join("out/memories.jsonl")).len(), 2);
}

#[test]
fn results_of_equal_episodes_can_be_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let question = json!({"question": "Where is Ada?", "answers": ["here"]});
    let episode = json!({"id": "e", "chunks": ["Ada is here."], "questions": [question, question]});
    let printed = evaluate(&json!([episode, episode, episode]), folder.path());
    assert!(printed.contains("note: another episode is called \"e\" too; it is \"e (2)\" here"), "{printed}");
    let results = lines(&folder.path().join("out/results.jsonl"));
    assert_eq!(results.len(), 12);
    let key = |row: &Value| ["method", "episode", "number"].map(|name| row[name].to_string());
    assert_eq!(results.iter().map(key).collect::<BTreeSet<_>>().len(), 12, "{results:?}");
    let memories = lines(&folder.path().join("out/memories.jsonl"));
    assert_eq!(memories.iter().map(|row| ["method", "episode"].map(|name| row[name].to_string())).collect::<BTreeSet<_>>().len(), 6);
    let page = std::fs::read_to_string(folder.path().join("out/page.html")).unwrap();
    assert!(["\"e\"", "\"e (2)\"", "\"e (3)\""].iter().all(|name| page.contains(name)));
}

#[test]
fn what_was_sorted_is_in_the_table_and_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let chunks =
        ["[Dialogue at 2023/06/20 (Tue) 10:00]\nuser: Ada lives in Oslo.", "[Dialogue at 2023/03/02 (Thu) 10:00]\nuser: Ada lives in Bem."];
    let episode = json!({"id": "e", "chunks": chunks, "questions": [{"question": "Where does Ada live?", "answers": ["Oslo"]}]});
    let printed = evaluate(&json!([episode]), folder.path());
    let said = "he chunks of 1 of 1 episodes were not in the order of their dates and are read in that order";
    assert!(printed.contains(&format!("note: t{said}")), "{printed}");
    assert!(std::fs::read_to_string(folder.path().join("out/table.md")).unwrap().contains(&format!("T{said}.")));
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("out/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["notes"], json!([format!("t{said}")]));
    // Both statements stay, and Ada lived in Bem before she lived in Oslo.
    assert_eq!(summary["methods"][0]["harm"]["stale"], json!(0.5), "{summary}");
    assert!(printed.contains("| words of the chunks copied |"), "{printed}");
}
