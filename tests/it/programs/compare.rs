//! scripts/compare.lua: its table against figures worked out by hand, and that it skips what is done and takes up what was cut off.

use std::path::Path;
use std::process::Command;

fn compare(out: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "scripts/compare.lua", "--device", "cpu", "--", "--out"]);
    let out = command.arg(out).args(arguments).output().expect("the engine starts");
    (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

/// Writes the figures of a run whose training accuracy is given.
fn run(folder: &Path, method: &str, seed: usize, curve: &[f64], accuracy: f64) {
    let rows = curve.iter().enumerate().map(|(i, value)| {
        let mut row = serde_json::json!({ "step": i + 1, "memory/accuracy": value, "memory/memory_tokens": 100, "memory/insert": 1,
            "memory/update": 0.5, "memory/delete": 0, "memory/skip": 0, "rewards/outcome/mean": 0.5, "rewards/format/mean": 1 });
        if i + 1 == curve.len() {
            row["eval/accuracy"] = accuracy.into();
            row["eval/memory_tokens"] = (100 + seed).into();
            row["eval/invalid"] = 0.25.into();
            if method == "mine" {
                row["eval/office"] = 0.6.into();
                row["eval/office_share"] = 0.75.into();
            }
        }
        row.to_string() + "\n"
    });
    let folder = folder.join(method).join(seed.to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("metrics.jsonl"), rows.collect::<String>()).expect("written");
}

#[test]
fn the_table_is_as_by_hand() {
    let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (slow, fast) = ([0.2, 0.2, 0.2, 0.5, 0.8], [0.4, 0.8, 0.9, 1.0, 0.9]);
    for (seed, accuracy) in [(1, 0.4), (2, 0.5), (3, 0.6)] {
        run(here.path(), "outcome only", seed, &slow, accuracy);
    }
    run(here.path(), "both", 1, &fast, 0.8);
    // Made elsewhere; the last has a line that was cut off, so it is not finished.
    run(there.path(), "both", 3, &fast, 0.9);
    run(there.path(), "mine", 1, &fast, 0.7);
    run(there.path(), "both", 4, &fast[..2], 0.9);
    let cut = there.path().join("both/4/metrics.jsonl");
    let text = std::fs::read_to_string(&cut).expect("read");
    std::fs::write(&cut, &text[..text.len() - 10]).expect("written");
    let (done, said) = compare(here.path(), &["--seeds", "0", "--add", there.path().to_str().expect("a plain path")]);
    assert!(done, "{said}");
    let table = std::fs::read_to_string(here.path().join("table.md")).expect("a table");
    // t of 2 degrees of freedom 4.3027, of 1 12.7062. Deviations: 0.1 of three; 0.0707 of two; differences 0.4 and 0.3.
    // Means of three steps: 0.2, 0.3, 0.5 and 0.7, 0.9, 0.9333: the best is 0.9333, and 90 % of it 0.84.
    let rows = [
        "| outcome only | 3 | 0.500 (0.252 to 0.748) | - | - | - | 102 (100 to 104) | -; 0 of 3 runs reach it | 25.0 (25.0 to 25.0) % |",
        "| both | 2 | 0.850 (0.215 to 1.485) | 0.350 (-0.285 to 0.985) | - | - | 102 (89 to 115) | 4.0 (4.0 to 4.0) | 25.0 (25.0 to 25.0) % |",
        "| mine | 1 | 0.700 | 0.300 | 0.600 | 0.75 | 101 | 4.0 | 25.0 % |",
    ];
    for row in rows {
        assert!(table.contains(row), "{row}\nis not in\n{table}");
    }
    assert!(said.contains("1 unfinished runs are left out"), "{said}");
    let page = std::fs::read_to_string(here.path().join("page.html")).expect("a page");
    assert!(page.contains("Shares of the reward") && page.contains("mine"));
}

#[test]
fn what_is_done_is_skipped_and_what_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let short = ["--seeds", "1", "--steps", "2", "--episodes", "1", "--group", "2", "--held_out", "1"];
    let (done, said) = compare(folder.path(), &short);
    assert!(done && said.contains("4 runs took"), "{said}");
    let path = folder.path().join("+CSR/1/metrics.jsonl");
    let whole = std::fs::read_to_string(&path).expect("figures");
    let last: serde_json::Value = serde_json::from_str(whole.lines().last().expect("a line")).expect("figures");
    assert!(["before/accuracy", "before/office", "eval/accuracy", "eval/office"].iter().all(|name| last[*name].is_number()), "{last}");
    let table = std::fs::read_to_string(folder.path().join("table.md")).expect("a table");
    let (done, said) = compare(folder.path(), &short);
    assert!(done && !said.contains("runs took"), "{said}");
    // As if it had been killed while it evaluated.
    std::fs::write(&path, whole.lines().next().expect("a line").to_string() + "\n").expect("written");
    let (done, said) = compare(folder.path(), &short);
    assert!(done && said.contains("1 runs took"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).expect("figures"), whole);
    assert_eq!(std::fs::read_to_string(folder.path().join("table.md")).expect("a table"), table);
}

#[test]
fn policies_of_finished_runs_read_published_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("list.json");
    let list = list.to_str().expect("a plain path");
    let mut make = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    make.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "run",
        "scripts/make/conflicts.lua",
        "--",
        "--tokens",
        "1000",
        "--questions",
        "8",
        "--out",
        list,
    ]);
    assert!(make.output().expect("the engine starts").status.success());
    let out = folder.path().join("runs");
    let short = ["--seeds", "1", "--steps", "1", "--episodes", "1", "--group", "2", "--held_out", "1"];
    let (done, said) = compare(&out, &short);
    assert!(done && said.contains("4 runs took"), "{said}");
    let metrics = std::fs::read_to_string(out.join("both/1/metrics.jsonl")).expect("figures");
    // Nothing is trained again, and what was read is not read again.
    let read = [&short[..], &["--data", list]].concat();
    let (done, said) = compare(&out, &read);
    assert!(done && said.contains("4 runs took"), "{said}");
    let (done, said) = compare(&out, &read);
    assert!(done && !said.contains("runs took"), "{said}");
    assert_eq!(std::fs::read_to_string(out.join("both/1/metrics.jsonl")).expect("figures"), metrics);
    let kept = std::fs::read_to_string(out.join("both/1/published.jsonl")).expect("figures");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("one line");
    let score = kept["figures"]["factconsolidation_made_up_sh_1k"].as_f64().expect("a score");
    let memory = kept["figures"]["memory"].as_f64().expect("a share");
    assert!(kept["file"] == "list" && (0.0..=1.0).contains(&score) && memory > 0.1 && memory < 2.0, "{kept}");
    let table = std::fs::read_to_string(out.join("table.md")).expect("a table");
    assert!(table.contains("| list: tokens of the memory, of the text's |") && table.contains(&format!("| {score:.3} |")), "{table}");
    let (done, said) = compare(&out, &[&short[..], &["--data", "no/such.json"]].concat());
    assert!(!done && said.contains("no/such.json"), "{said}");
}

#[test]
fn a_table_that_cannot_be_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, why) in [
        (&["--seeds", "0"][..], "there is no finished run in"),
        (&["--seeds", "many"], "--seeds needs a number, not 'many'"),
        (&["--table", "comparisons.none"], "comparisons.none"),
    ] {
        let (done, said) = compare(folder.path(), arguments);
        assert!(!done && said.contains(why), "{why}: {said}");
    }
}
