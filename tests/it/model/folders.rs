//! Model folders that are missing, broken or of the wrong shape: one clear error that names the file and what is wrong in it.

use std::path::{Path, PathBuf};

use finemem::Error;
use finemem::device::{DType, Device};
use finemem::model::rope::{Llama3, Stretch};
use finemem::model::{Config, Model, ModelType};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A copy of a good folder that `spoil` has changed.
fn spoiled(source: &Path, spoil: impl Fn(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    spoil(folder.path());
    folder
}

/// Loads a spoiled copy of the folder `source`, and expects an error about `file` with these words.
fn fails_in(source: &str, spoil: impl Fn(&Path), file: &str, words: &[&str]) {
    let folder = spoiled(&golden(source), spoil);
    let error = Model::load(folder.path(), &Device::cpu()).err().unwrap_or_else(|| panic!("{file} {words:?}: the folder was loaded"));
    assert!(matches!(error, Error::Io { .. } | Error::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(folder.path().join(file).to_str().unwrap()), "{text}\ndoes not name {file}");
    assert!(words.iter().all(|word| text.contains(word)) && text.len() < 500, "{text}\nsays not {words:?}");
}

fn fails(spoil: impl Fn(&Path), file: &str, words: &[&str]) {
    fails_in("untied", spoil, file, words);
}

/// Changes the object in a JSON file.
fn edit(path: &Path, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let mut object = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    change(&mut object);
    std::fs::write(path, Value::Object(object).to_string()).unwrap();
}

/// [`fails`] with one key of config.json set, or removed by null.
fn fails_with_key(key: &str, value: Value, words: &[&str]) {
    fails_with_key_in("untied", key, value, words);
}

fn fails_with_key_in(source: &str, key: &str, value: Value, words: &[&str]) {
    let change = |config: &mut serde_json::Map<String, Value>| match value.clone() {
        Value::Null => drop(config.remove(key)),
        value => drop(config.insert(key.into(), value)),
    };
    fails_in(source, |folder| edit(&folder.join("config.json"), change), "config.json", words);
}

type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

/// Changes the tensors in a file.
fn edit_tensors(path: &Path, change: impl Fn(&mut Vec<Entry>)) {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut entries: Vec<Entry> =
        tensors.tensors().into_iter().map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect();
    change(&mut entries);
    let views = entries.iter().map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// [`fails`] with changed tensors.
fn fails_with_tensors(change: impl Fn(&mut Vec<Entry>), words: &[&str]) {
    fails(|folder| edit_tensors(&folder.join("model.safetensors"), &change), "model.safetensors", words);
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

/// Removes all files but those of these names, and makes those that are missing.
fn only(names: &[&str]) -> impl Fn(&Path) + use<> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    move |folder| {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !names.iter().any(|name| path.file_name().unwrap() == name.as_str()) {
                std::fs::remove_file(path).unwrap();
            }
        }
        for name in &names {
            std::fs::OpenOptions::new().append(true).create(true).open(folder.join(name)).unwrap();
        }
    }
}

#[test]
fn folders_of_other_formats_say_how_to_convert_them() {
    let (config, tokenizer, tensors) = ("config.json", "tokenizer.json", "model.safetensors");
    fails(only(&[]), config, &["no tokenizer.json", "no model.safetensors", INDEX]);
    fails(only(&[tokenizer, tensors]), config, &["no such file"]);
    for bin in ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"] {
        fails(only(&[config, tokenizer, bin]), tensors, &[bin, "pickle", "from_pretrained", "save_pretrained"]);
    }
    fails(only(&[config, tokenizer, "training_args.bin"]), tensors, &["no such file", INDEX]);
    fails(
        only(&[config, "pytorch_model.bin"]),
        tokenizer,
        &["no model.safetensors", "pytorch_model.bin", "AutoTokenizer", "save_pretrained"],
    );
    fails(only(&["model-Q4_K_M.gguf"]), config, &["model-Q4_K_M.gguf", "name the file itself"]);
    fails(only(&[config, tokenizer, "model.gguf"]), tensors, &["model.gguf", "name the file itself"]);
    fails(only(&[config, tensors, "tokenizer.model"]), tokenizer, &["AutoTokenizer", "save_pretrained"]);
    let adapter = "adapter_config.json";
    fails(only(&[adapter, "adapter_model.safetensors", tokenizer]), config, &["adapter", "base model"]);
    // transformers loads the base model that the adapter names, and not the one beside it.
    fails(|folder| std::fs::write(folder.join(adapter), "{}").unwrap(), adapter, &["beside a model"]);
}

/// The tensors of a model as the saved folder has them.
fn saved(model: &Model) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path(), "f32").unwrap();
    let config = serde_json::from_str(&std::fs::read_to_string(folder.path().join("config.json")).unwrap()).unwrap();
    (folder, config)
}

#[test]
fn a_head_that_differs_from_the_embedding_is_used_and_saved() {
    let other = |folder: &Path| {
        edit_tensors(&folder.join("model.safetensors"), |entries| {
            let (_, dtype, shape, mut data) = entry(entries, "model.embed_tokens.weight").clone();
            data.rotate_left(4);
            entries.push(("lm_head.weight".into(), dtype, shape, data));
        });
    };
    let folder = spoiled(&golden("tied"), other);
    let model = Model::load(folder.path(), &Device::cpu()).unwrap();
    assert!(!model.config.tie_word_embeddings && model.weights.head.is_some());
    assert!(model.folder.warnings[0].contains("lm_head.weight"), "{:?}", model.folder.warnings);
    let (folder, config) = saved(&model);
    assert_eq!(config["tie_word_embeddings"], false);
    let again = Model::load(folder.path(), &Device::cpu()).unwrap();
    assert!(again.folder.warnings.is_empty());
    assert_eq!(again.weights.head().read().unwrap(), model.weights.head().read().unwrap());
    again.reload(folder.path()).unwrap();
    // It does not fit a model whose head is tied.
    let tied = Model::load(&golden("tied"), &Device::cpu()).unwrap();
    let error = tied.reload(folder.path()).unwrap_err().to_string();
    assert!(error.contains("lm_head.weight differs"), "{error}");
}

#[test]
fn keys_of_the_configuration() {
    fails_with_key("model_type", json!("mamba"), &["model_type \"mamba\"", "qwen3, qwen2, llama"]);
    fails_with_key("model_type", Value::Null, &["model_type is missing"]);
    for key in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"] {
        if key != "max_position_embeddings" {
            fails_with_key(key, Value::Null, &[key, "missing"]);
        }
        fails_with_key(key, json!("12"), &[key]);
        fails_with_key(key, json!(-1), &[key]);
        fails_with_key(key, json!(0), &[key]);
        fails_with_key(key, json!(1e18), &[key]);
    }
    fails_with_key("rms_norm_eps", json!(-1e-6), &["rms_norm_eps"]);
    fails_with_key("rope_parameters", json!({"rope_type": "su", "rope_theta": 1e4}), &["\"su\"", "default, linear, dynamic, llama3, yarn"]);
    fails_with_key("rope_parameters", json!({"rope_type": "yarn", "rope_theta": 1, "factor": 2}), &["rope_theta = 1"]);
    fails_with_key("rope_parameters", json!({"rope_theta": 1e4, "partial_rotary_factor": 0.5}), &["partial_rotary_factor"]);
    fails_with_key("rope_scaling", json!({"rope_type": "linear", "factor": 0}), &["rope_scaling", "factor"]);
    fails_with_key("rope_scaling", json!({"type": "longrope", "factor": 2}), &["\"longrope\""]);
    fails_with_key("rope_scaling", json!({"rope_type": 3}), &["rope_type 3"]);
    fails_with_key("attention_bias", json!(1), &["attention_bias"]);
    fails_with_key("use_sliding_window", json!(1), &["use_sliding_window"]);
    fails_with_key("tie_word_embeddings", json!("no"), &["tie_word_embeddings"]);
    fails_with_key("eos_token_id", json!("end"), &["eos_token_id"]);
    fails_with_key("eos_token_id", json!([1, -1]), &["eos_token_id"]);
    fails_with_key("num_key_value_heads", json!(4), &["num_attention_heads 6", "num_key_value_heads 4"]);
    fails_with_key("head_dim", json!(7), &["head_dim 7"]);
}

/// Frequencies as transformers computes them for the shape of Llama 3.2 3B, in f32.
const LLAMA_FREQUENCIES: [(usize, f64); 10] = [
    (0, 1.0),
    (1, 0.8146172165870667),
    (20, 0.016560440883040428),
    (28, 0.0032114461064338684),
    (30, 0.0012905480107292533),
    (32, 0.000429556705057621),
    (34, 9.708286233944818e-05),
    (36, 1.9461638657958247e-05),
    (40, 8.570255886297673e-06),
    (63, 7.672314694673332e-08),
];

#[test]
fn published_configurations_in_the_older_and_the_newer_form() {
    let sizes = json!({
        "vocab_size": 128256, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
        "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "tie_word_embeddings": true,
    });
    let with = |keys: Value| {
        let mut all = sizes.clone();
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        Config::from_json(&all).unwrap()
    };
    let mut scaling = json!({
        "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3",
    });
    let older = with(json!({
        "model_type": "llama", "attention_bias": false, "mlp_bias": false, "pretraining_tp": 1, "rope_theta": 500000.0,
        "rope_scaling": scaling, "torch_dtype": "bfloat16", "eos_token_id": [128001, 128008, 128009],
    }));
    scaling["rope_theta"] = 500_000.0.into();
    let newer = with(json!({
        "model_type": "llama", "rope_parameters": scaling, "dtype": "bfloat16", "eos_token_id": [128001, 128008, 128009],
    }));
    assert_eq!(older, newer);
    let stretch = Llama3 { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192 };
    assert_eq!((older.rope_theta, older.rope_scaling), (500_000.0, Some(Stretch::Llama3(stretch))));
    let found = older.rope_frequencies();
    assert_eq!(found.len(), 64);
    for (i, expected) in LLAMA_FREQUENCIES {
        assert!((found[i] / expected - 1.0).abs() < 5e-7, "frequency {i}: {} instead of {expected}", found[i]);
    }
    assert!(!older.qkv_bias() && !older.qk_norm());

    // As Qwen2.5-7B: a window that is switched off, no head_dim, no name for attention_bias.
    let older = json!({
        "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "hidden_act": "silu",
        "rope_theta": 1000000.0, "sliding_window": 131072, "use_sliding_window": false, "max_window_layers": 28,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16", "eos_token_id": 151645,
    });
    let config = Config::from_json(&older).unwrap();
    assert_eq!((config.model_type, config.head_dim, config.attention_bias), (ModelType::Qwen2, 128, false));
    assert!(config.qkv_bias() && !config.qk_norm());
    assert_eq!(config.rope_frequencies()[1], 1e6f64.powf(-2.0 / 128.0));

    // As Qwen3-4B, whose heads are not a share of the width; without head_dim Qwen3 means 128.
    let qwen3 = json!({"model_type": "qwen3", "hidden_size": 2560, "num_attention_heads": 32, "rope_theta": 1e6, "rope_scaling": null});
    let config = with(qwen3);
    assert_eq!((config.head_dim, config.qkv_bias(), config.qk_norm()), (128, false, true));
    let mut map = sizes.clone();
    map.as_object_mut().unwrap().remove("head_dim");
    map.as_object_mut().unwrap().extend([("model_type".into(), "qwen3".into()), ("rope_theta".into(), 1e6.into())]);
    assert_eq!(Config::from_json(&map).unwrap().head_dim, 128);
    map["num_attention_heads"] = 32.into();
    map["model_type"] = "llama".into();
    assert_eq!(Config::from_json(&map).unwrap().head_dim, 96);
}

#[test]
fn written_configurations_mean_the_same() {
    for name in ["tied", "untied", "qwen2", "qwen2-bf16", "llama", "llama-f16"] {
        let config = Model::load(&golden(name), &Device::cpu()).unwrap().config;
        assert_eq!(Config::from_json(&config.to_json()).unwrap(), config, "{name}");
        let biased = Config { attention_bias: config.model_type != ModelType::Qwen2, eos_token_id: vec![1, 2], ..config };
        assert_eq!(Config::from_json(&biased.to_json()).unwrap(), biased, "{name}");
    }
}

#[test]
fn a_key_of_ones_own_configuration_is_not_ignored() {
    let mut config = Model::load(&golden("llama"), &Device::cpu()).unwrap().config.to_json();
    assert!(Config::exact(&config).is_ok());
    config["rms_norm_epsilon"] = 1e-6.into();
    let error = Config::exact(&config).unwrap_err().to_string();
    assert!(error.contains("rms_norm_epsilon") && error.contains("llama"), "{error}");
    assert!(Config::from_json(&config).is_ok());
}

#[test]
fn keys_of_llama() {
    let rope = |key: &str, value: Value| {
        let mut rope = json!({"rope_type": "llama3", "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0});
        rope[key] = value;
        rope
    };
    for key in ["factor", "low_freq_factor", "high_freq_factor"] {
        for value in [json!(null), json!("2"), json!(0), json!(-1.0)] {
            fails_with_key_in("llama", "rope_parameters", rope(key, value), &["rope_parameters", key]);
        }
    }
    fails_with_key_in("llama", "rope_parameters", rope("low_freq_factor", json!(4.0)), &["low_freq_factor 4", "high_freq_factor 4"]);
    let original = "original_max_position_embeddings";
    fails_with_key_in("llama", "rope_parameters", rope(original, json!(0)), &[original]);
    fails_with_key_in("llama", "mlp_bias", json!(true), &["mlp_bias"]);
}

#[test]
fn end_tokens() {
    let ends = |spoil: &dyn Fn(&Path)| {
        let folder = spoiled(&golden("llama"), spoil);
        Model::load(folder.path(), &Device::cpu()).unwrap().config.eos_token_id
    };
    let generation = |text: &'static str| move |folder: &Path| std::fs::write(folder.join("generation_config.json"), text).unwrap();
    assert_eq!(ends(&|_| ()), [60]);
    assert_eq!(ends(&generation("{\"eos_token_id\": 7}")), [7]);
    assert_eq!(ends(&generation("{\"eos_token_id\": [7, 8]}")), [7, 8]);
    assert_eq!(ends(&generation("{\"eos_token_id\": null, \"temperature\": 0.6}")), [60]);
    let file = "generation_config.json";
    fails_in("llama", generation("{\"eos_token_id\": [7, \"x\"]}"), file, &["eos_token_id", "\"x\""]);
    fails_in("llama", generation("[]"), file, &["object"]);
    fails_in("llama", generation("{"), file, &[]);
}

const INDEX: &str = "model.safetensors.index.json";
const SHARDS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

/// `fails_in` with a changed index.
fn fails_with_index(change: impl Fn(&mut serde_json::Map<String, Value>), file: &str, words: &[&str]) {
    let change = |object: &mut serde_json::Map<String, Value>| match object.get_mut("weight_map") {
        Some(Value::Object(map)) => change(map),
        _ => panic!("no weight_map"),
    };
    fails_in("qwen2-bf16", |folder| edit(&folder.join(INDEX), change), file, words);
}

#[test]
fn shards() {
    let (embed, head) = ("model.embed_tokens.weight", "lm_head.weight");
    let fails = |spoil: &dyn Fn(&Path), file: &str, words: &[&str]| fails_in("qwen2-bf16", spoil, file, words);
    fails(&|f| std::fs::remove_file(f.join(INDEX)).unwrap(), "model.safetensors", &["no such file", INDEX]);
    for shard in SHARDS {
        fails(&|f| std::fs::remove_file(f.join(shard)).unwrap(), shard, &[INDEX, "no such file"]);
        for cut in [0, 7, 100, 6000] {
            let spoil = |f: &Path| std::fs::OpenOptions::new().write(true).open(f.join(shard)).unwrap().set_len(cut).unwrap();
            fails(&spoil, shard, &["not a whole safetensors file"]);
        }
    }
    for text in ["", "{}", "[]", "{\"weight_map\": 3}", "{\"weight_map\": {\"a\": 3}}"] {
        fails(&|f| std::fs::write(f.join(INDEX), text).unwrap(), INDEX, &[]);
    }
    fails(&|f| std::fs::write(f.join(INDEX), "{\"weight_map\": {\"a\": \"x\", \"a\": \"x\"}}").unwrap(), INDEX, &["tensor a", "twice"]);
    fails(&|f| std::fs::write(f.join(INDEX), vec![b' '; 2 << 20]).unwrap(), INDEX, &["longer than"]);

    // What the index says of a tensor.
    let put = |name: &'static str, shard: &'static str| {
        move |map: &mut serde_json::Map<String, Value>| drop(map.insert(name.into(), shard.into()))
    };
    fails_with_index(put(embed, SHARDS[1]), SHARDS[0], &[embed, "says that it is in", SHARDS[1]]);
    fails_with_index(put(head, SHARDS[0]), SHARDS[1], &[head, "says that it is in", SHARDS[0]]);
    fails_with_index(|map| drop(map.remove(embed)), SHARDS[0], &[embed, "names no shard"]);
    fails_with_index(put("model.more", SHARDS[1]), INDEX, &["tensor model.more", SHARDS[1]]);
    fails_with_index(put("a", "another.safetensors"), "another.safetensors", &["no such file"]);
    for path in ["../model.safetensors", "/etc/passwd", "..", "", "a/b"] {
        fails_with_index(put("a", path), INDEX, &["not the name of a file"]);
    }

    // What the shards hold.
    let shard = |i: usize, change: &dyn Fn(&mut Vec<Entry>), words: &[&str]| {
        fails(&|f| edit_tensors(&f.join(SHARDS[i]), change), SHARDS[i], words);
    };
    let extra = |name: &str| (name.to_string(), Dtype::BF16, vec![1], vec![0; 2]);
    shard(1, &|entries| entries.push(extra(embed)), &[embed, "is here and in", SHARDS[0]]);
    shard(0, &|entries| entries.push(extra("model.more")), &["tensor model.more", "names no shard"]);
    shard(0, &|entries| entry(entries, embed).2.reverse(), &[embed, "[12, 61]", "[61, 12]"]);
    fails(&|f| edit_tensors(&f.join(SHARDS[1]), |e| e.retain(|e| e.0 != head)), INDEX, &[head, SHARDS[1]]);
    let both = |f: &Path| {
        edit_tensors(&f.join(SHARDS[1]), |entries| entries.retain(|entry| entry.0 != head));
        edit(&f.join(INDEX), |index| drop(index["weight_map"].as_object_mut().unwrap().remove(head)));
    };
    fails(&both, INDEX, &[head, "missing"]);
}

/// A file with this header and so many bytes of tensors.
fn file_with(header: &str, bytes: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat()
}

#[test]
fn headers_that_lie() {
    let fails = |header: &str, bytes: usize, words: &[&str]| {
        fails(|f| std::fs::write(f.join("model.safetensors"), file_with(header, bytes)).unwrap(), "model.safetensors", words);
    };
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"a\": {{\"dtype\": \"{dtype}\", \"shape\": {shape}, \"data_offsets\": {offsets}}}}}")
    };
    fails(&one("F32", "[2]", "[0, 8]"), 4, &["tensor a ends at byte 8 of 4"]);
    fails(&one("F32", "[3]", "[0, 8]"), 8, &["tensor a", "[3]", "does not fill"]);
    fails(&one("F32", "[2]", "[8, 0]"), 8, &["tensor a", "does not fill"]);
    fails(&one("F32", "[2]", "[4, 12]"), 12, &["tensor a starts at byte 4"]);
    fails(&one("F32", "[2]", "[0, 8]"), 12, &["4 bytes belong to no tensor"]);
    fails(&one("F32", "[4294967296, 4294967296]", "[0, 0]"), 0, &["tensor a", "does not fill"]);
    fails(&one("F32", "[4611686018427387904]", "[0, 18446744073709551615]"), 0, &["tensor a"]);
    fails(&one("F32", "[18446744073709551616]", "[0, 8]"), 8, &["tensor a", "header"]);
    fails(&one("F32", "[-1]", "[0, 8]"), 8, &["tensor a", "header"]);
    fails(&one("F33", "[2]", "[0, 8]"), 8, &["tensor a", "F33"]);
    fails("{\"a\": 3}", 0, &["tensor a"]);
    fails("[1]", 0, &["header"]);
    let a = "\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}";
    fails(&format!("{{{a}, {a}}}"), 4, &["tensor a comes twice"]);
    let b = a.replace("\"a\"", "\"b\"");
    fails(&format!("{{{a}, {b}}}"), 4, &["tensor b starts at byte 0", "end at 4"]);
    fails(&one("F32", "[2]", "[0, 8]").replace("\"a\"", &format!("\"{}\"", "a".repeat(300))), 8, &["name of 300 bytes"]);
    fails(&format!("{{}}{}", " ".repeat(1 << 20)), 0, &["its header has"]);
    fails(&"[".repeat(100_000), 0, &["header"]);
}

#[test]
fn tensors() {
    let path = |folder: &Path| folder.join("model.safetensors");
    let whole = std::fs::read(path(&golden("untied"))).unwrap();
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
        std::fs::copy(golden("untied").join(name), folder.path().join(name)).unwrap();
    }
    let bytes = std::fs::read(golden("untied").join("model.safetensors")).unwrap();
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
    let whole = Model::load(&golden("untied"), &Device::cpu()).unwrap();
    let half = Model::load(folder.path(), &Device::cpu()).unwrap();
    for ((name, a), (_, b)) in whole.weights.named().iter().zip(half.weights.named()) {
        let expected: Vec<f32> = a.read().unwrap().iter().map(|v| f32::from_bits(v.to_bits() & 0xFFFF_0000)).collect();
        assert_eq!(b.read().unwrap(), expected, "{name}");
    }
    // Matrices may be kept as they are stored, or rounded; vectors are f32 either way.
    for (folder, dtype) in [(folder.path(), None), (folder.path(), Some(DType::BF16)), (&golden("untied"), Some(DType::BF16))] {
        let device = Device::cpu();
        let kept = Model::load_as(folder, &device, dtype).unwrap();
        for ((name, a), (_, b)) in half.weights.named().iter().zip(kept.weights.named()) {
            let matrix = a.shape().len() == 2;
            assert_eq!(b.dtype(), if matrix { DType::BF16 } else { DType::F32 }, "{name}");
            // Rounding goes to the nearest, the folder above was cut.
            let near = |(x, y): (&f32, &f32)| (x - y).abs() <= x.abs() / 128.0;
            assert!(a.read().unwrap().iter().zip(&b.read().unwrap()).all(near) || !matrix, "{name}");
        }
        let wide: usize = half.weights.named().iter().map(|(_, t)| 4 * t.len()).sum();
        assert!(device.counters().live < wide as u64 * 6 / 10, "{} of {wide} bytes", device.counters().live);
    }
}
