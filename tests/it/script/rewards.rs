//! The reward scripts: what they promise, an example of each by hand, and that each of them trains.

use std::path::Path;

use finemem_script::{Runtime, RuntimeOptions};

fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tests").join(name);
    Runtime::new(RuntimeOptions::default()).unwrap().run(&path).unwrap();
}

#[test]
fn rewards_keep_their_word() {
    run("rewards_properties.lua");
}

#[test]
fn rewards_agree_with_their_papers() {
    run("rewards_examples.lua");
}

#[test]
fn every_reward_trains() {
    run("rewards_train.lua");
}
