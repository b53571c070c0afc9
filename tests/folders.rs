//! Model folders that are missing, broken or of the wrong shape: one clear error that names the file and what is wrong in it.

use std::path::{Path, PathBuf};

use finemem_engine::Error;
use finemem_engine::device::Device;
use finemem_engine::model::Model;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

fn source() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/untied")
}

/// Loads a copy of a good folder that `spoil` has changed, and expects an error about `file` with these words.
fn fails(spoil: impl Fn(&Path), file: &str, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(source().join(name), folder.path().join(name)).unwrap();
    }
    spoil(folder.path());
    let error = Model::load(folder.path(), &Device::cpu()).err().unwrap_or_else(|| panic!("{file} {words:?}: the folder was loaded"));
    assert!(matches!(error, Error::Io { .. } | Error::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(folder.path().join(file).to_str().unwrap()), "{text}\ndoes not name {file}");
    assert!(words.iter().all(|word| text.contains(word)) && text.len() < 400, "{text}\nsays not {words:?}");
}

/// [`fails`] with one key of config.json set, or removed by null.
fn fails_with_key(key: &str, value: Value, words: &[&str]) {
    let spoil = |folder: &Path| {
        let path = folder.join("config.json");
        let mut config: serde_json::Map<String, Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        match value.clone() {
            Value::Null => drop(config.remove(key)),
            value => drop(config.insert(key.into(), value)),
        }
        std::fs::write(path, Value::Object(config).to_string()).unwrap();
    };
    fails(spoil, "config.json", words);
}

type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

/// [`fails`] with changed tensors.
fn fails_with_tensors(change: impl Fn(&mut Vec<Entry>), words: &[&str]) {
    let spoil = |folder: &Path| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut entries: Vec<Entry> =
            tensors.tensors().into_iter().map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect();
        change(&mut entries);
        let views = entries.iter().map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    };
    fails(spoil, "model.safetensors", words);
}

fn entry<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Entry {
    entries.iter_mut().find(|entry| entry.0 == name).unwrap()
}

const UP: &str = "model.layers.1.mlp.up_proj.weight";

#[test]
fn files_that_are_missing_or_no_files_of_their_kind() {
    let error = Model::load(Path::new("no/such/model"), &Device::cpu()).err().unwrap().to_string();
    assert!(error.starts_with("no/such/model: "), "{error}");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fails(|folder| std::fs::remove_file(folder.join(file)).unwrap(), file, &[]);
        fails(|folder| std::fs::write(folder.join(file), "").unwrap(), file, &[]);
        fails(|folder| std::fs::write(folder.join(file), "{\"a\": 1").unwrap(), file, &[]);
        fails(|folder| std::fs::write(folder.join(file), [0xFF, 0xFE, 0x00, 0x80]).unwrap(), file, &[]);
    }
    fails(|folder| std::fs::write(folder.join("config.json"), "[]").unwrap(), "config.json", &["object"]);
    fails(|folder| std::fs::write(folder.join("tokenizer.json"), "{}").unwrap(), "tokenizer.json", &[]);
}

#[test]
fn keys_of_the_configuration() {
    fails_with_key("model_type", json!("mamba"), &["model_type 'mamba'", "qwen3"]);
    fails_with_key("model_type", Value::Null, &["model_type is missing"]);
    for key in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"] {
        fails_with_key(key, Value::Null, &[key, "missing"]);
        fails_with_key(key, json!("12"), &[key]);
        fails_with_key(key, json!(-1), &[key]);
        fails_with_key(key, json!(0), &[key]);
        fails_with_key(key, json!(1e18), &[key]);
    }
    fails_with_key("rms_norm_eps", json!(-1e-6), &["rms_norm_eps"]);
    fails_with_key("rope_parameters", json!({"rope_type": "default"}), &["rope_theta"]);
    fails_with_key("rope_parameters", json!({"rope_type": "yarn", "rope_theta": 1e4}), &["yarn"]);
    fails_with_key("rope_scaling", json!({"rope_type": "linear", "factor": 2}), &["linear"]);
    fails_with_key("attention_bias", json!(true), &["attention_bias"]);
    fails_with_key("use_sliding_window", json!(true), &["use_sliding_window"]);
    fails_with_key("hidden_act", json!("gelu"), &["hidden_act", "gelu"]);
    fails_with_key("tie_word_embeddings", json!("no"), &["tie_word_embeddings"]);
    fails_with_key("eos_token_id", json!("end"), &["eos_token_id"]);
    fails_with_key("eos_token_id", json!([1, -1]), &["eos_token_id"]);
    fails_with_key("num_key_value_heads", json!(4), &["num_attention_heads 6", "num_key_value_heads 4"]);
    fails_with_key("head_dim", json!(7), &["head_dim 7"]);
}

#[test]
fn tensors() {
    let path = |folder: &Path| folder.join("model.safetensors");
    let whole = std::fs::read(path(&source())).unwrap();
    for length in [4, 8, 100, whole.len() / 2, whole.len() - 1] {
        fails(|folder| std::fs::write(path(folder), &whole[..length]).unwrap(), "model.safetensors", &["not a whole safetensors file"]);
    }
    let long = [&whole[..], &[0; 8]].concat();
    fails(|folder| std::fs::write(path(folder), &long).unwrap(), "model.safetensors", &["not a whole safetensors file"]);
    let header = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    fails(|folder| std::fs::write(path(folder), &header).unwrap(), "model.safetensors", &["not a whole safetensors file"]);

    fails_with_tensors(|entries| entries.retain(|entry| entry.0 != UP), &[UP, "missing"]);
    fails_with_tensors(|entries| entries.clear(), &["model.embed_tokens.weight", "missing"]);
    fails_with_tensors(|entries| entry(entries, UP).2.reverse(), &[UP, "[12, 20]", "[20, 12]"]);
    fails_with_tensors(|entries| entry(entries, UP).2 = vec![240], &[UP, "[240]"]);
    fails_with_tensors(|entries| entry(entries, UP).1 = Dtype::I32, &[UP, "I32", "F32, F16, BF16"]);
    let surplus = ("model.layers.2.mlp.up_proj.weight".to_string(), Dtype::F32, vec![1], vec![0; 4]);
    fails_with_tensors(|entries| entries.push(surplus.clone()), &[&surplus.0, "does not belong"]);
}

#[test]
fn files_that_do_not_fit_together() {
    let config = |folder: &Path, from: &str, to: &str| {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    let (smaller, wider) = ("\"vocab_size\": 60", "\"intermediate_size\": 21");
    fails(|folder| config(folder, "\"vocab_size\": 61", smaller), "tokenizer.json", &["61 tokens", "vocab_size is 60"]);
    fails(
        |folder| config(folder, "\"intermediate_size\": 20", wider),
        "model.safetensors",
        &["mlp.gate_proj.weight", "[20, 12]", "[21, 12]"],
    );
}

#[test]
fn half_precision_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(source().join(name), folder.path().join(name)).unwrap();
    }
    let bytes = std::fs::read(source().join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let rounded: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, t)| {
            // The upper half of an f32 is a bf16.
            (name, t.shape().to_vec(), t.data().chunks_exact(4).flat_map(|b| [b[2], b[3]]).collect())
        })
        .collect();
    let views = rounded.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::BF16, shape.clone(), data).unwrap()));
    std::fs::write(folder.path().join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let whole = Model::load(&source(), &Device::cpu()).unwrap();
    let half = Model::load(folder.path(), &Device::cpu()).unwrap();
    for ((name, a), (_, b)) in whole.weights.named().iter().zip(half.weights.named()) {
        let expected: Vec<f32> = a.read().unwrap().iter().map(|v| f32::from_bits(v.to_bits() & 0xFFFF_0000)).collect();
        assert_eq!(b.read().unwrap(), expected, "{name}");
    }
}
