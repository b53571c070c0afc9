//! Damaged copies of every kind of file: each is read, skipped in part with reasons, or one error. Nothing panics, and nothing takes memory
//! that the file does not account for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::catch_unwind;

use finemem::data::{self, Options};
use serde_json::{Value, json};

use super::files::{self, parquet};

/// Copies of each kind of file.
const COPIES: u64 = 1000;

/// Memory that reading a small file may take, in bytes.
const MOST: isize = 32 << 20;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

// SAFETY: all calls go to the system's allocator as they come.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(held.get())));
    });
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * end.max(1) as u128) >> 64) as usize
    }
}

/// A copy with bytes changed, cut out, doubled or moved.
fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let (at, length) = (random.below(copy.len()), 1 + random.below(40));
        let end = (at + length).min(copy.len());
        match random.below(8) {
            0 => copy.truncate(at),
            1 => drop(copy.drain(at..end)),
            2 => {
                let piece = copy[at..end].to_vec();
                let to = random.below(copy.len());
                copy.splice(to..to, piece);
            }
            3 if at < copy.len() => copy[at] = [0, 0xff, 0x7f, 0x80, b'"', b'[', b'{', b'\\'][random.below(8)],
            // The footer of a Parquet file, and the length of it.
            4 => {
                let at = copy.len().saturating_sub(1 + random.below(600));
                copy[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8));
            }
            _ if at < copy.len() => copy[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    copy
}

fn somewhere<'a>(value: &'a mut Value, random: &mut Random) -> &'a mut Value {
    let length = match value {
        Value::Array(list) => list.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if length == 0 || random.below(6) == 0 {
        return value;
    }
    let at = random.below(length);
    let child = match value {
        Value::Array(list) => &mut list[at],
        Value::Object(fields) => fields.values_mut().nth(at).unwrap(),
        _ => unreachable!("it has children"),
    };
    somewhere(child, random)
}

/// A copy with a value somewhere in the tree replaced, taken out or nested.
fn restructure(value: &Value, random: &mut Random) -> Value {
    let mut copy = value.clone();
    for _ in 0..=random.below(3) {
        let at = somewhere(&mut copy, random);
        let old = at.take();
        *at = match random.below(12) {
            0 => json!(null),
            1 => json!(-1e300),
            2 => json!(u64::MAX),
            3 => json!([]),
            4 => json!({}),
            5 => json!(""),
            6 => json!([old]),
            7 => json!({"question": old}),
            8 => (0..100).fold(old, |value, _| json!([value])),
            9 => json!("['Chat Time: x', [{'role"),
            10 => json!([old, old]),
            _ => match old {
                Value::Object(mut fields) if !fields.is_empty() => {
                    let key = fields.keys().nth(random.below(fields.len())).unwrap().clone();
                    fields.remove(&key);
                    Value::Object(fields)
                }
                Value::Array(mut list) if !list.is_empty() => {
                    list.remove(random.below(list.len()));
                    Value::Array(list)
                }
                Value::String(text) => json!(text.chars().rev().collect::<String>()),
                other => other,
            },
        };
    }
    copy
}

/// Reads copies of a file; `tree` is its JSON, where it is one document.
fn trial(kind: &str, bytes: &[u8], tree: Option<&Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let (mut whole, mut part, mut errors) = (0, 0, 0);
    for seed in 0..COPIES {
        let mut random = Random(seed);
        let copy = match tree {
            Some(tree) if seed % 2 == 0 => restructure(tree, &mut random).to_string().into_bytes(),
            _ => damage(bytes, &mut random),
        };
        std::fs::write(&path, &copy).unwrap();
        let before = HELD.get();
        PEAK.set(before);
        let read = catch_unwind(|| data::read(&path, &Options::default()));
        let taken = PEAK.get() - before;
        assert!(taken < MOST + 300 * copy.len() as isize, "{kind}, copy {seed}: {taken} bytes for a file of {}", copy.len());
        match read.unwrap_or_else(|_| panic!("{kind}, copy {seed} panics")) {
            Ok(found) if found.skipped.is_empty() => whole += 1,
            Ok(found) => {
                part += 1;
                let places = ["row ", "line ", "article ", "damaged, row ", "conversation ", "train, row ", "test, row ", "oos_"];
                let named = |reason: &String| places.iter().any(|place| reason.starts_with(place)) && reason.len() > 8;
                assert!(found.skipped.iter().all(named), "{kind}, copy {seed}: {:?}", found.skipped);
            }
            Err(error) => {
                errors += 1;
                let error = error.to_string();
                assert!(error.contains("damaged: ") && error.len() < 2000, "{kind}, copy {seed}: {error}");
            }
        }
    }
    println!("{kind}: of {COPIES} copies {whole} are read, {part} in part, {errors} are errors");
    assert!(errors > 0);
}

#[test]
fn parquet_files() {
    trial("memalpha.parquet", &parquet(files::MEMALPHA, &files::memalpha(), 2), None);
    trial("memoryagentbench.parquet", &parquet(files::MEMORYAGENTBENCH, &files::memoryagentbench(), 3), None);
    trial("membuilder.parquet", &parquet(files::MEMBUILDER, &files::membuilder_rows(), 9), None);
    if let Some(folder) = std::env::var_os("FINEMEM_DATA") {
        let folder = std::path::PathBuf::from(folder);
        trial("a real membuilder.parquet", &std::fs::read(folder.join("membuilder/verl_training_example.parquet")).unwrap(), None);
    }
}

#[test]
fn json_files() {
    for (kind, tree) in [
        ("memalpha.json", Value::Array(files::memalpha())),
        ("memoryagentbench.json", Value::Array(files::memoryagentbench())),
        ("locomo.json", files::locomo()),
        ("longmemeval.json", files::longmemeval()),
        ("squad.json", files::squad()),
        ("clinc.json", files::clinc()),
        ("membuilder.json", Value::Array(files::membuilder_rows())),
    ] {
        trial(kind, tree.to_string().as_bytes(), Some(&tree));
    }
}

#[test]
fn tables_and_lines() {
    trial("banking77.csv", files::BANKING.as_bytes(), None);
    trial("hwu64.csv", files::HWU.as_bytes(), None);
    trial("membuilder.jsonl", files::membuilder_lines().as_bytes(), None);
    trial("episodes.jsonl", files::own().as_bytes(), None);
}
