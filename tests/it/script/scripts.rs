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
    for name in ["judged", "baselines", "memory_designs", "readings", "branches", "roles", "conflicts", "plain"] {
        run(name);
    }
}
