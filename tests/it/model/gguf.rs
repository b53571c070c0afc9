//! GGUF files: what is written is read again, to the bit, and a file that is broken anywhere is an error, never a panic.

use std::path::{Path, PathBuf};

use finemem::Error;
use finemem::device::{DType, Device, Quant};
use finemem::model::Model;
use serde_json::json;

/// The folder `tests/golden/NAME` with a tokenizer that llama.cpp has too, and a chat template.
fn folder(name: &str) -> tempfile::TempDir {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(source).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let letters: Vec<String> = ('a'..='z').chain('A'..='Z').map(String::from).chain(["Ġ".into(), "th".into(), "the".into()]).collect();
    let vocab: serde_json::Map<String, serde_json::Value> =
        letters.iter().enumerate().map(|(id, text)| (text.clone(), id.into())).collect();
    let (end, bytes) = (letters.len(), json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true }));
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null, "decoder": bytes,
        "added_tokens": [
            { "id": end, "content": "<|im_end|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true },
            { "id": end + 1, "content": "<tool>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false },
        ],
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [{ "type": "Digits", "individual_digits": true }, bytes] },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": ["t h", "th e"] },
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).expect("written");
    let config = json!({ "bos_token": "<|im_end|>", "chat_template": "{% for m in messages %}{{ bos_token }}{{ m.content }}{% endfor %}" });
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).expect("written");
    folder
}

fn numbers(model: &Model) -> Vec<(String, Vec<u32>)> {
    model.weights.named().into_iter().map(|(name, t)| (name, t.read().expect("numbers").iter().map(|v| v.to_bits()).collect())).collect()
}

fn chat(model: &Model) -> String {
    let chat = finemem::model::Chat { messages: vec![json!({ "role": "user", "content": "the hat" })], ..Default::default() };
    model.chat_template.render(&chat).expect("a text")
}

#[test]
fn what_is_written_is_read_again() {
    for device in crate::common::devices() {
        // Tied and untied; norms of queries, biases, interleaved rows; stretched frequencies.
        for name in ["tied", "untied", "qwen2", "llama", "llama-f16"] {
            let folder = folder(name);
            let model = Model::load(folder.path(), &device).expect("a model");
            let path = folder.path().join("out/model.gguf");
            model.save_gguf(&path, "f32").expect("written");
            let found = Model::load(&path, &device).expect("a model");
            assert_eq!(found.config, model.config, "{name}");
            assert_eq!(numbers(&found), numbers(&model), "{name}");
            let text = "the hat<|im_end|>o the<tool>The";
            assert_eq!(found.tokenizer.encode(text).expect("tokens"), model.tokenizer.encode(text).expect("tokens"));
            assert_eq!(chat(&found), chat(&model));
            // A folder of it is the same model once more.
            let again = folder.path().join("again");
            found.save(&again, "f32").expect("written");
            let again = Model::load(&again, &device).expect("a model");
            assert_eq!(numbers(&again), numbers(&model), "{name}");
            assert_eq!((chat(&again), &again.config), (chat(&model), &model.config));
        }
    }
}

#[test]
fn types_are_kept_and_rounded() {
    let device = Device::cpu();
    let folder = folder("llama-f16");
    let path = folder.path().join("model.gguf");
    let model = Model::load(folder.path(), &device).expect("a model");
    for (dtype, kept) in [("f16", DType::F16), ("bf16", DType::BF16), ("q8_0", DType::F16)] {
        model.save_gguf(&path, dtype).expect("written");
        let found = Model::load_as(&path, &device, None).expect("a model");
        for (name, tensor) in found.weights.named() {
            // Rows of 12 have no whole block of 32 numbers.
            let expected = if tensor.shape().len() == 1 { DType::F32 } else { kept };
            assert_eq!(tensor.dtype(), expected, "{name} in {dtype}");
        }
        let wide = Model::load(&path, &device).expect("a model");
        assert!(wide.weights.named().iter().all(|(_, tensor)| tensor.dtype() == DType::F32));
        let rounded = numbers(&found);
        assert_eq!(numbers(&wide), rounded);
        if dtype != "bf16" {
            assert_eq!(rounded, numbers(&model), "the weights are numbers of 16 bits");
        }
    }
    assert!(model.save_gguf(&path, "q4_k").unwrap_err().to_string().contains("f32, f16, bf16 or q8_0, not q4_k"));
}

/// A model whose rows are whole blocks.
#[test]
fn quantised_weights_stay_quantised() {
    let device = Device::cpu();
    let folder = folder("qwen2");
    let config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("config.json")).expect("readable")).expect("JSON");
    let mut config = finemem::model::Config::from_json(&config).expect("a configuration");
    (config.hidden_size, config.intermediate_size, config.head_dim, config.num_attention_heads) = (64, 96, 16, 6);
    let tokenizer = finemem::model::Tokenizer::load(&folder.path().join("tokenizer.json")).expect("a tokenizer");
    let model = Model::random(config, tokenizer, &device, 5).expect("a model");
    let path = folder.path().join("model.gguf");
    model.save_gguf(&path, "q8_0").expect("written");
    let [quantised, wide] = [None, Some(DType::F32)].map(|dtype| Model::load_as(&path, &device, dtype).expect("a model"));
    let matrices = quantised.weights.named().into_iter().filter(|(_, tensor)| tensor.shape().len() == 2);
    assert!(matrices.into_iter().all(|(_, tensor)| tensor.dtype() == DType::Quant(Quant::Q8_0)));
    assert_eq!(numbers(&quantised), numbers(&wide));
    let smaller = quantised.weights.bytes() * 3;
    assert!(smaller < wide.weights.bytes(), "{smaller}");
}

/// A file with these bytes is an error that names it, or a model.
fn opens(path: &Path, bytes: &[u8]) -> Option<String> {
    std::fs::write(path, bytes).expect("written");
    match Model::load(path, &Device::cpu()) {
        Ok(_) => None,
        Err(error @ (Error::Io { .. } | Error::Format { .. })) => {
            let text = error.to_string();
            assert!(text.starts_with(path.to_str().expect("a plain path")) && text.len() < 600, "{text}");
            Some(text)
        }
        Err(other) => panic!("{other:?} does not name the file"),
    }
}

#[test]
fn broken_files_are_errors() {
    let folder = folder("llama");
    let path = folder.path().join("out/model.gguf");
    Model::load(folder.path(), &Device::cpu()).expect("a model").save_gguf(&path, "f16").expect("written");
    let whole = std::fs::read(&path).expect("read");
    assert_eq!(opens(&path, &whole), None);
    // The last tensor's numbers are followed by less than 32 bytes.
    for length in (0..whole.len() - 32).step_by(97) {
        assert!(opens(&path, &whole[..length]).is_some(), "{length} bytes of {}", whole.len());
    }
    // Bytes of the header: names, types, lengths, counts, places.
    let mut refused = 0;
    for at in 0..4096 {
        for value in [0, 0xFF, whole[at] ^ 1, whole[at] ^ 0x80] {
            let mut broken = whole.clone();
            broken[at] = value;
            refused += usize::from(opens(&path, &broken).is_some());
        }
    }
    assert!(refused > 2000, "{refused}");
    let says = |bytes: &[u8], words: &str| {
        let text = opens(&path, bytes).unwrap_or_default();
        assert!(text.contains(words), "{text}\nsays not {words}");
    };
    says(b"GGML", "the letters GGUF");
    says(&[b"GGUF\x01\0\0\0".as_slice(), &whole[8..]].concat(), "version 1 is not supported");
    says(&[&whole[..16], &u64::MAX.to_le_bytes(), &whole[24..]].concat(), "byte");
    says(&whole[..whole.len() - 40], "cut short");
}
