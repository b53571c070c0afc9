//! What TensorBoard reads in the event files of a run is what `metrics.jsonl` says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use finemem::train::log::{Description, Run};
use finemem::train::tensorboard::EventFile;
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

/// A protobuf message as (field number, integer or bits of a fixed field, bytes).
fn fields(mut data: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    fn varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut out = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let (value, length) = match key & 7 {
            0 => (varint(&mut data), 0),
            1 => (u64::from_le_bytes(data[..8].try_into().unwrap()), 8),
            2 => (0, varint(&mut data) as usize),
            5 => (u64::from(u32::from_le_bytes(data[..4].try_into().unwrap())), 4),
            other => panic!("wire type {other}"),
        };
        out.push((key >> 3, value, data[..length].to_vec()));
        data = &data[length..];
    }
    out
}

/// A checksum as Castagnoli's polynomial gives it, bit by bit.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1));
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// The checksum of a TFRecord.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[test]
fn records_decode() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventFile::create(folder.path(), 1).unwrap();
    events.log(300, [("reward", 0.5), ("rewards/finemem/mean", -2.0)]).unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let path = files().remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let crc = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        assert_eq!(crc(8), masked_crc(&rest[..8]));
        assert_eq!(crc(12 + length), masked_crc(&rest[12..12 + length]));
        messages.push(fields(&rest[12..12 + length]));
        rest = &rest[16 + length..];
    }
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0][2], (3, 0, b"brain.Event:2".to_vec()));
    assert_eq!((messages[1][1].1, fields(&messages[1][2].2)), (1, vec![(1, 1, vec![])]));
    assert!(f64::from_bits(messages[2][0].1) > 1.6e9);
    assert_eq!(messages[2][1], (2, 300, vec![]));
    let values: Vec<_> = fields(&messages[2][2].2).iter().map(|(_, _, value)| fields(value)).collect();
    assert_eq!((values[0][0].2.as_slice(), values[1][0].2.as_slice()), (b"reward".as_slice(), b"rewards/finemem/mean".as_slice()));
    assert_eq!(values[1][1].2, (-2.0f32).to_le_bytes());
    EventFile::create(folder.path(), 1).unwrap();
    assert_eq!((files().len(), std::fs::read(&path).unwrap()), (2, bytes), "an old file stays");
}
