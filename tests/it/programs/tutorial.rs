//! The tutorial of scripts/README.md, carried out from top to bottom in a copy of the scripts.
//!
//! A block ```` ```lua PATH ```` is written to that file, the commands of a block ```` ```sh ```` are run, and each line of a block ```` ```text ```` must
//! be in what the commands above it printed, `…` standing for anything.

use std::path::Path;
use std::process::Command;

struct Block {
    /// What stands behind the fence.
    info: String,
    text: String,
}

/// The fenced blocks of a section.
fn blocks(section: &str) -> Vec<Block> {
    let mut lines = section.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { info: info.to_string(), text: text.join("\n") + "\n" });
        }
    }
    blocks
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Runs a command of the tutorial: whether it succeeded, and what it printed.
fn run(folder: &Path, command: &str) -> (bool, String) {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("finemem-engine"), "{command}");
    let out = Command::new(env!("CARGO_BIN_EXE_finemem-engine")).current_dir(folder).args(words).output().expect("the engine starts");
    (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

/// Whether a line has the parts of a pattern, in their order.
fn fits(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split('…').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_tutorial_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["scripts", "models"] {
        copy(&root.join(name), &folder.path().join(name));
    }
    let mine = folder.path().join("scripts/rewards/mine.lua");
    assert!(!mine.exists(), "the tutorial starts from nothing");

    let readme = read(&root.join("scripts/README.md"));
    let from = readme.find("\n## A reward of one's own").expect("the tutorial");
    let section = &readme[from + 1..];
    let section = &section[..section.find("\n## ").expect("what follows it")];
    let mut said = String::new();
    let (mut written, mut commands, mut printed) = (0, 0, 0);
    for Block { info, text } in blocks(section) {
        match info.split_once(' ').map_or((info.as_str(), ""), |(kind, path)| (kind, path)) {
            ("lua", path) if !path.is_empty() => {
                std::fs::write(folder.path().join(path), text).expect("written");
                written += 1;
            }
            ("sh", "") => {
                said.clear();
                for command in text.lines() {
                    let (done, output) = run(folder.path(), command);
                    assert!(done, "{command}\n{output}");
                    said += &output;
                    commands += 1;
                }
            }
            ("text", "") => {
                for pattern in text.lines() {
                    assert!(said.lines().any(|line| fits(line, pattern)), "no line like\n{pattern}\nin\n{said}");
                    printed += 1;
                }
            }
            _ => panic!("a block of the tutorial is neither 'lua PATH' nor sh nor text: {info}"),
        }
    }
    assert!(written >= 4 && commands >= 7 && printed >= 10, "{written} files, {commands} commands, {printed} lines");

    // What the prose between the blocks says.
    let reward = read(&mine);
    assert_eq!(reward.lines().count(), 20, "the reward of 20 lines");
    let (first, second) = (folder.path().join("runs/mine-outcome"), folder.path().join("runs/mine-revision"));
    let metrics = |run: &Path| -> Vec<serde_json::Value> {
        read(&run.join("metrics.jsonl")).lines().map(|line| serde_json::from_str(line).expect("a line of figures")).collect()
    };
    for (run, terms) in [(&first, &["outcome"][..]), (&second, &["outcome", "revision"])] {
        let steps = metrics(run);
        assert_eq!(steps.len(), 2);
        for step in &steps {
            let number = |name: &str| step[name].as_f64().unwrap_or_else(|| panic!("no number '{name}' in {step}"));
            let sum: f64 = terms.iter().map(|term| number(&format!("rewards/{term}/mean"))).sum();
            assert!((number("reward") - sum).abs() < 1e-6, "{step}");
            for name in ["memory/accuracy", "memory/update", "grad_norm", "entropy", "clip_ratio/region_mean", "frac_reward_zero_std"] {
                number(name);
            }
        }
    }
    let page = read(&second.join("view.html"));
    assert!(page.contains("revision") && page.contains("outcome"), "the page shows the terms");

    std::fs::write(&mine, reward.replacen("{ batch = batch }", "{ bach = batch }", 1)).expect("written");
    let (done, output) = run(folder.path(), "finemem-engine check scripts/rewards/mine.lua");
    assert!(!done && output.contains("mine.lua:15:") && output.contains("did you mean 'batch'?"), "{output}");
    // The penalty of one line.
    let line = section.split('`').find(|part| part.starts_with("length = {")).expect("the penalty");
    let more = reward.replacen("    revision =", &format!("    {line},\n    revision ="), 1);
    std::fs::write(&mine, more).expect("written");
    let short = "finemem-engine run scripts/train.lua -- --rewards mine --steps 1 --episodes 1 --group 2 --held_out 1 --out runs/length";
    let (done, output) = run(folder.path(), short);
    assert!(done, "{output}");
    assert!(metrics(&folder.path().join("runs/length"))[0]["rewards/length/mean"].as_f64().is_some_and(|mean| mean < 0.0), "{output}");
}
