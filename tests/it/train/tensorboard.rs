//! What TensorBoard reads in the event files of a run is what `metrics.jsonl` says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use finemem::train::log::{Description, Run};
use serde_json::{Map, Value, json};

fn figures(step: u64, reward: f64) -> Map<String, Value> {
    let figures =
        json!({ "reward": reward, "rewards/finemem/mean": -reward, "loss": 1e-7, "entropy": null, "num_tokens": 1_000_000 * step });
    figures.as_object().expect("an object").clone()
}

/// Runs `check.py`, where `FINEMEM_PYTHON` names a Python that has TensorBoard.
#[test]
fn tensorboard_reads_what_was_logged() {
    let skipped = |why: &str| {
        // Not eprintln, which the test harness hides.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {why}, so event files are not read in TensorBoard");
    };
    let Ok(python) = std::env::var("FINEMEM_PYTHON") else { return skipped("FINEMEM_PYTHON is not set") };
    if !Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|output| output.status.success()) {
        return skipped("FINEMEM_PYTHON has no tensorboard");
    }
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let mut run = Run::create(&folder, Description::default()).expect("a run");
    for step in 1..=300 {
        run.log(step, &figures(step, 0.5 * step as f64)).expect("logged");
        if step == 200 {
            run.checkpoint(step, |_: &Path| Ok(())).expect("a checkpoint");
        }
    }
    drop(run);
    // What came after the checkpoint is forgotten, in both files.
    let mut run = Run::resume(&folder).expect("the run");
    run.log(201, &figures(201, -3.0)).expect("logged");
    drop(run);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/check.py");
    let output = Command::new(python).arg("-B").arg(script).arg(&folder).output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("201 steps of 4 figures agree"), "{said}");
}
