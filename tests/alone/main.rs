//! Model folders made to break a reader, and how much memory reading and writing take: an allocator counts that of the whole process, so
//! this is an executable of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use finemem::device::Device;
use finemem::model::{Config, Model, ModelType, Tokenizer};
use finemem::random::Rng;
use serde_json::{Value, json};

/// Bytes in use, and the most there were since [`peak`] began.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, or they would count each other's memory.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `work` gives, and the most bytes that it had in use at a time.
fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (result, PEAK.load(Ordering::Relaxed) - before)
}

const MIB: usize = 1 << 20;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Loads `folder`: it may load or not, but must not panic, must name a file and must not take more memory than twice its files and 64 MiB.
fn load(folder: &Path, what: &str) -> bool {
    let files: u64 = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let (result, bytes) = peak(|| Model::load(folder, &Device::cpu()).map(drop));
    assert!(bytes <= 2 * files as usize + 64 * MIB, "{what}: {bytes} bytes for {files} bytes of files: {:?}", result.err());
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(text.starts_with(folder.to_str().unwrap()) && text.len() < 600, "{what}: {text}");
    }
    result.is_ok()
}

/// A folder with a copy of the files that make a model.
fn copy(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden(source)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("golden") && !name.starts_with("gradients") {
            std::fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    folder
}

/// `text` with one to three random changes.
fn mutate(text: &[u8], rng: &mut Rng) -> Vec<u8> {
    const NUMBERS: [&str; 10] =
        ["0", "-1", "1e308", "1e-320", "18446744073709551615", "18446744073709551616", "4294967296", "16777216", "null", "[0]"];
    let mut text = text.to_vec();
    for _ in 0..1 + rng.next_u32() % 3 {
        let mut below = |n: usize| rng.next_u32() as usize % n.max(1);
        let at = below(text.len());
        // The number, or the text in quotes, around a place after `at`.
        let number = text[at..].iter().position(u8::is_ascii_digit).map(|skip| {
            let digits = text[at + skip..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            at + skip..at + skip + digits
        });
        let quotes: Vec<usize> = (0..text.len()).filter(|i| text[*i] == b'"').collect();
        match (below(7), number) {
            (0, _) if !text.is_empty() => text[at] = below(256) as u8,
            (1, _) => text.truncate(at),
            (2 | 3, Some(range)) => drop(text.splice(range, NUMBERS[below(NUMBERS.len())].bytes())),
            (4, _) => {
                let piece = text[at..text.len().min(at + below(200))].to_vec();
                text.splice(at..at, piece);
            }
            (5, _) if quotes.len() >= 4 => {
                let (from, to) = (2 * below(quotes.len() / 2), 2 * below(quotes.len() / 2));
                let word = text[quotes[from]..=quotes[from + 1]].to_vec();
                text.splice(quotes[to]..=quotes[to + 1], word);
            }
            _ => drop(text.splice(at..text.len().min(at + below(40)), std::iter::empty())),
        }
    }
    text
}

/// Loads the folder `source` with `file` mutated by `change` in many ways; some must fail.
fn fuzz(source: &str, file: &str, seed: u64, change: impl Fn(&[u8], &mut Rng) -> Vec<u8>) {
    let _alone = alone();
    let (folder, mut rng) = (copy(source), Rng::new(&[seed]));
    let path = folder.path().join(file);
    let good = std::fs::read(&path).unwrap();
    assert!(load(folder.path(), "the folder itself"));
    let loaded = (0..1500)
        .filter(|case| {
            std::fs::write(&path, change(&good, &mut rng)).unwrap();
            load(folder.path(), &format!("{source}/{file}, case {case}"))
        })
        .count();
    eprintln!("{source}/{file}: {loaded} of 1500 changes were harmless");
    assert!(loaded < 1200);
}

/// A safetensors file with its header mutated; its length is mostly told as it is.
fn mutate_header(file: &[u8], rng: &mut Rng) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header = mutate(&file[8..8 + length], rng);
    let told = match rng.next_u32() % 8 {
        0 => length as u64 ^ (1 << (rng.next_u32() % 64)),
        _ => header.len() as u64,
    };
    [&told.to_le_bytes()[..], &header, &file[8 + length..]].concat()
}

#[test]
fn mutated_configurations() {
    fuzz("llama", "config.json", 1, mutate);
    fuzz("qwen2", "config.json", 2, mutate);
    fuzz("qwen2", "generation_config.json", 3, mutate);
}

#[test]
fn mutated_indices() {
    fuzz("qwen2-bf16", "model.safetensors.index.json", 4, mutate);
}

#[test]
fn mutated_headers() {
    fuzz("llama", "model.safetensors", 5, mutate_header);
    fuzz("qwen2-bf16", "model-00002-of-00002.safetensors", 6, mutate_header);
}

/// A tokenizer with one to three values changed: missing, of another type, huge, nested deeply, or another part of the file.
fn mutate_values(text: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut root: Value = serde_json::from_slice(text).unwrap();
    for _ in 0..1 + rng.next_u32() % 3 {
        let mut below = |n: usize| rng.next_u32() as usize % n.max(1);
        let other = match below(14) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(u32::MAX),
            4 => json!(u64::MAX),
            5 => json!(1e300),
            6 => json!(""),
            7 => json!("Ġ"),
            8 => json!("é".repeat(300)),
            9 => json!([]),
            10 => json!({}),
            11 => (0..100).fold(json!([]), |inner, _| json!([inner])),
            12 => root["added_tokens"][below(20)].clone(),
            _ => root["model"].clone(),
        };
        // Half of the changes are near the top, where few values are and much depends on them.
        let mut path = String::new();
        for _ in 0..below(4) {
            let at = root.pointer(&path).unwrap();
            let next = match at {
                Value::Object(map) if !map.is_empty() => map.keys().nth(below(map.len())).unwrap().replace('~', "~0").replace('/', "~1"),
                Value::Array(list) if !list.is_empty() => below(list.len()).to_string(),
                _ => break,
            };
            path += &format!("/{next}");
        }
        match (root.pointer_mut(&path).unwrap(), below(3)) {
            (Value::Object(map), 0) if !map.is_empty() => {
                let key = map.keys().nth(below(map.len())).unwrap().clone();
                map.remove(&key);
            }
            (Value::Object(map), 1) => drop(map.insert(["type", "vocab", "x", "id"][below(4)].into(), other)),
            (Value::Array(list), 0) if !list.is_empty() => list.push(list[below(list.len())].clone()),
            (value, _) => *value = other,
        }
    }
    root.to_string().into_bytes()
}

#[test]
fn mutated_tokenizers() {
    let _alone = alone();
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(tiny.join(name), folder.path().join(name)).unwrap();
    }
    let (path, good) = (folder.path().join("tokenizer.json"), std::fs::read(tiny.join("tokenizer.json")).unwrap());
    let config: Value = serde_json::from_slice(&std::fs::read(tiny.join("config.json")).unwrap()).unwrap();
    let size = config["vocab_size"].as_u64().unwrap() as u32;
    let text = "Ana's cat,  Tom\n42 é 猫 <|im_end|> <tool_call>{\"name\": \"memory_insert\"";
    let (mut rng, mut worked) = (Rng::new(&[8]), 0);
    // Texts in the special cases: an id that is told twice, one beyond the vocabulary, a prefix that is longer than what it begins.
    let replaced = |from: &str, to: &str| String::from_utf8(good.clone()).unwrap().replacen(from, to, 1).into_bytes();
    let told = serde_json::from_slice::<Value>(&good).unwrap()["added_tokens"][1]["id"].as_u64().unwrap();
    let id = |id: u64| format!("\"id\": {id}");
    let mut cases = vec![
        replaced(&id(told), &id(told - 1)),
        replaced(&id(told), &id(4_294_967_295)),
        replaced("\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"longer than any token is\""),
        replaced("\"merges\": [", &format!("\"merges\": {}[", "[".repeat(100_000))),
        replaced("\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\""),
    ];
    assert!(cases.iter().all(|case| *case != good));
    cases.extend((0..500).map(|_| mutate(&good, &mut rng)));
    cases.extend((0..500).map(|_| mutate_values(&good, &mut rng)));
    for (i, case) in cases.iter().enumerate() {
        std::fs::write(&path, case).unwrap();
        if !load(folder.path(), &format!("tokenizer.json, case {i}")) {
            continue;
        }
        worked += 1;
        let ((), bytes) = peak(|| {
            let tokenizer = Tokenizer::load(&path).unwrap();
            // What cannot be tokenised may be an error.
            let Ok(ids) = tokenizer.encode(text) else { return };
            assert!(ids.iter().all(|id| *id < size), "case {i}: {ids:?}");
            let _ = tokenizer.decode(&ids);
            let _ = tokenizer.decode_without_special(&ids);
            let _ = tokenizer.decode(&[size, u32::MAX]);
            tokenizer.save(&folder.path().join("again.json")).unwrap();
            std::fs::remove_file(folder.path().join("again.json")).unwrap();
        });
        assert!(bytes <= 2 * case.len() + 64 * MIB, "case {i}: {bytes} bytes for a file of {}", case.len());
    }
    eprintln!("tokenizer.json: {worked} of {} changes were harmless", cases.len());
    assert!(worked > 20 && worked < 800);
}

#[test]
fn a_tokenizer_of_published_size_takes_twice_its_file() {
    let _alone = alone();
    let letters = || (b'a'..=b'z').map(|c| char::from(c).to_string());
    let longer = |tokens: &[String]| tokens.iter().flat_map(|token| letters().map(move |c| format!("{token}{c}"))).collect::<Vec<_>>();
    let one: Vec<String> = letters().collect();
    let (two, three) = (longer(&one), longer(&longer(&one)));
    let four = longer(&three);
    let tokens: Vec<&String> = [&one, &two, &three, &four].into_iter().flatten().take(150_000).collect();
    let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect();
    let merges: Vec<Value> = tokens[26..].iter().map(|token| json!(token.split_at(token.len() - 1))).collect();
    let file = json!({ "version": "1.0", "added_tokens": [], "model": { "type": "BPE", "vocab": vocab, "merges": merges } });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, format!("{file:#}")).unwrap();
    drop(file);
    let bytes = std::fs::metadata(&path).unwrap().len() as usize;
    let (tokenizer, taken) = peak(|| Tokenizer::load(&path).unwrap());
    assert_eq!(tokenizer.vocab_size(), 150_000);
    eprintln!("a tokenizer.json of {bytes} bytes took {taken}");
    assert!(taken <= 2 * bytes + 64 * MIB, "{taken} bytes for a file of {bytes}");
}

#[test]
fn huge_claims_take_no_memory() {
    let _alone = alone();
    let folder = copy("llama");
    let path = folder.path().join("config.json");
    let good: serde_json::Map<String, Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let keys = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim", "num_attention_heads"];
    for huge in keys.iter().map(|key| vec![*key]).chain([keys.to_vec()]) {
        let mut config = good.clone();
        huge.iter().for_each(|key| drop(config.insert((*key).into(), (1 << 24).into())));
        config.insert("num_key_value_heads".into(), 1.into());
        std::fs::write(&path, Value::Object(config).to_string()).unwrap();
        assert!(!load(folder.path(), &format!("huge {huge:?}")));
    }
    // As much as the readers take of each kind of file, as expensive as JSON can be.
    let zeros = |bytes: usize| format!("[{}0]", "0,".repeat(bytes / 2));
    for (file, texts) in [
        ("config.json", vec![zeros(500 << 10), format!("{{\"a\": {}}}", zeros(500 << 10)), zeros(10 << 20)]),
        ("generation_config.json", vec![format!("{{\"eos_token_id\": {}}}", zeros(500 << 10))]),
        ("model.safetensors", vec![]),
    ] {
        let folder = copy("llama");
        for text in texts {
            std::fs::write(folder.path().join(file), text).unwrap();
            load(folder.path(), file);
        }
        let header = format!("{{\"a\": {{\"dtype\": \"F32\", \"shape\": {}, \"data_offsets\": [0, 0]}}}}", zeros(1000 << 10));
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        assert!(!load(folder.path(), "a long shape"));
        let names: Vec<String> =
            (0..16_000).map(|i| format!("\"{i}\":{{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[{},{}]}}", 4 * i, 4 * i + 4)).collect();
        let header = format!("{{{}}}", names.join(","));
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; 64_000]].concat();
        std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        assert!(!load(folder.path(), "many tensors"));
    }
}

#[test]
fn loading_and_saving_take_a_chunk_of_memory() {
    let _alone = alone();
    let config = Config {
        model_type: ModelType::Qwen2,
        vocab_size: 80_000,
        hidden_size: 256,
        intermediate_size: 256,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        max_position_embeddings: 64,
        rope_theta: 1e4,
        rope_scaling: None,
        rms_norm_eps: 1e-6,
        attention_bias: false,
        tie_word_embeddings: true,
        eos_token_id: vec![0],
    };
    let tokenizer = Tokenizer::load(&golden("qwen2").join("tokenizer.json")).unwrap();
    let model = Model::random(config, tokenizer, &Device::cpu(), 1).unwrap();
    let weights = 4 * model.weights.count();
    assert!(weights > 80 * MIB);
    for dtype in ["f32", "bf16"] {
        let folder = tempfile::tempdir().unwrap();
        let ((), saving) = peak(|| model.save(folder.path(), dtype).unwrap());
        let (again, loading) = peak(|| Model::load(folder.path(), &Device::cpu()).unwrap());
        eprintln!("{dtype}: saving took {} MiB, loading {} MiB more than the weights", saving / MIB, (loading - weights) / MIB);
        assert!(saving < 48 * MIB, "saving took {saving} bytes");
        assert!(loading - weights < 24 * MIB, "loading took {} bytes more than the weights", loading - weights);
        drop(again);
    }
}
