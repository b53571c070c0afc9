//! The folder of a run: what is kept, and what is forgotten.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use finemem::Error;
use finemem::train::log::{Description, Run};
use serde_json::{Map, Value};

fn values(reward: f64) -> Map<String, Value> {
    Map::from_iter([("reward".to_string(), Value::from(reward))])
}

fn lines(folder: &Path) -> Vec<String> {
    fs::read_to_string(folder.join("metrics.jsonl")).unwrap().lines().map(String::from).collect()
}

#[test]
fn resumes_after_the_newest_valid_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/run");
    let mut run = Run::create(&folder, Description { seed: Some(7), ..Default::default() }).unwrap();
    for step in 1..=9 {
        run.log(step, &values(step as f64)).unwrap();
        if step % 2 == 0 {
            run.checkpoint(step, |at| fs::write(at.join("weights"), step.to_string()).map_err(|e| Error::io(at, e))).unwrap();
        }
    }
    assert_eq!(run.newest_checkpoint().unwrap().0, 8);
    assert!(!folder.join("checkpoints/step-000004").exists(), "old ones go");
    assert!(Run::resume(&folder).unwrap_err().to_string().contains("another process"));
    drop(run);

    fs::write(folder.join("checkpoints/step-000008/weights"), "9").unwrap();
    OpenOptions::new().append(true).open(folder.join("metrics.jsonl")).unwrap().write_all(b"{\"step\":10,\"rew").unwrap();
    let mut run = Run::resume(&folder).unwrap();
    assert_eq!(run.newest_checkpoint().unwrap().0, 6);
    assert_eq!(run.description().resumed, [6]);
    assert_eq!(lines(&folder).len(), 6);
    run.log(7, &values(0.25)).unwrap();
    assert_eq!(lines(&folder)[6], r#"{"step":7,"reward":0.25}"#);
    run.checkpoint(8, |at| fs::write(at.join("weights"), "8").map_err(|e| Error::io(at, e))).unwrap();
    drop(run);
    assert_eq!(Run::resume(&folder).unwrap().newest_checkpoint().unwrap().0, 8);
}

#[test]
fn a_failed_checkpoint_leaves_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::create(folder.path(), Description::default()).unwrap();
    run.checkpoint(1, |at| fs::write(at.join("weights"), "1").map_err(|e| Error::io(at, e))).unwrap();
    assert!(run.checkpoint(2, |_| Err(Error::Stopped(None))).is_err());
    drop(run);
    assert_eq!(Run::resume(folder.path()).unwrap().newest_checkpoint().unwrap().0, 1);
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    drop(Run::create(folder.path(), Description::default()).unwrap());
    assert!(Run::create(folder.path(), Description::default()).unwrap_err().to_string().contains("--resume"));
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("x"), "").unwrap();
    assert!(Run::create(other.path(), Description::default()).is_err());
    assert!(Run::resume(other.path()).unwrap_err().to_string().contains("cannot be resumed"));
}

#[test]
fn a_damaged_checkpoint_is_named() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &str); 7] = [
        ("weights", |at| fs::write(at.join("weights"), "changed").unwrap(), "is not what the checkpoint was saved with"),
        ("weights", |at| fs::write(at.join("weights"), "").unwrap(), "is not what the checkpoint was saved with"),
        ("weights", |at| fs::remove_file(at.join("weights")).unwrap(), "is missing from the checkpoint"),
        ("more", |at| fs::write(at.join("more"), "").unwrap(), "is not part of the checkpoint"),
        ("manifest.json", |at| fs::remove_file(at.join("manifest.json")).unwrap(), "list of files cannot be read"),
        ("manifest.json", |at| fs::write(at.join("manifest.json"), "{\"step\": 2, ").unwrap(), "is no list of a checkpoint's files: EOF"),
        ("manifest.json", |at| fs::write(at.join("manifest.json"), "{\"step\": 3, \"files\": {}}").unwrap(), "is of step 3, not of step 2"),
    ];
    for (file, damage, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::create(folder.path(), Description::default()).unwrap();
        for step in 1..=2 {
            run.checkpoint(step, |at| fs::write(at.join("weights"), step.to_string()).map_err(|e| Error::io(at, e))).unwrap();
        }
        assert_eq!(run.passed_over(), [""; 0]);
        drop(run);
        let newest = folder.path().join("checkpoints/step-000002");
        damage(&newest);
        let run = Run::resume(folder.path()).unwrap();
        assert_eq!(run.newest_checkpoint().unwrap().0, 1);
        let [fault] = run.passed_over() else { panic!("{:?}", run.passed_over()) };
        let path = newest.join(file).display().to_string();
        assert!(fault.starts_with(&path) && fault.contains(said) && fault.ends_with("; the run goes on after step 1"), "{fault}");
        drop(run);
        fs::remove_file(folder.path().join("checkpoints/step-000001/weights")).unwrap();
        let run = Run::resume(folder.path()).unwrap();
        assert!(run.newest_checkpoint().is_none() && run.passed_over().len() == 2);
        assert!(run.passed_over().iter().all(|fault| fault.ends_with("; the run goes on from the start")), "{:?}", run.passed_over());
    }
}
