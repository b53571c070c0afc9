//! The scripts under `scripts/tests` assert what the other scripts promise.

use std::path::Path;

use finemem_script::{Runtime, RuntimeOptions};

/// Runs a script with a folder of its own as argument.
fn run(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let options = RuntimeOptions { arguments: vec![folder.path().display().to_string()], ..RuntimeOptions::default() };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tests").join(name).with_extension("lua");
    Runtime::new(options).unwrap().run(&path).unwrap();
}

#[test]
fn rewards_keep_their_word() {
    run("rewards_properties");
}

#[test]
fn rewards_agree_with_their_papers() {
    run("rewards_examples");
}

#[test]
fn every_reward_trains() {
    run("rewards_train");
}

#[test]
fn scripts_keep_their_word() {
    for name in [
        "judged",
        "baselines",
        "memory_designs",
        "readings",
        "branches",
        "roles",
        "conflicts",
        "worlds",
        "prompts",
        "length",
        "plain",
        "harm",
        "audit",
        "warm_up",
    ] {
        run(name);
    }
}

#[test]
fn every_script_in_tests_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let files = |folder: &str| -> Vec<_> { root.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect() };
    let scripts = files("scripts/tests");
    let rooms = files("tests/it").into_iter().filter(|path| path.is_dir());
    let rust: Vec<_> =
        rooms.flat_map(|room| room.read_dir().unwrap().map(|entry| entry.unwrap().path())).filter(|path| path.is_file()).collect();
    let mentions: String = rust.iter().chain(&scripts).map(|path| text(path)).collect();
    for script in &scripts {
        let name = script.file_stem().unwrap().to_str().unwrap();
        let named = [format!("\"{name}\""), format!("tests/{name}.lua"), format!("tests.{name}\"")]
            .iter()
            .any(|mention| mentions.contains(mention));
        assert!(named, "no test runs scripts/tests/{name}.lua: name it in tests/it/script/scripts.rs");
    }
}
