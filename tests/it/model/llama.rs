//! What is exported as GGUF, in llama.cpp itself: SmolLM2-135M-Instruct with an adapter merged into it.
//!
//! The Python package xllamacpp has llama.cpp. It is installed once, into the user's cache. Where that is not possible, the test says so and
//! passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use finemem::device::{DType, Device};
use finemem::model::{Lora, Model};
use finemem::train::learner::Budget;
use finemem::train::optimizer::Settings;
use finemem::train::sft::{Supervised, Weighted};
use serde::Deserialize;

use super::published::{cache, file, greedy, recorded};

const PACKAGE: &str = "xllamacpp==2026.10.11549";
const TOKENS: usize = 32;

#[derive(Deserialize)]
struct Said {
    text: String,
    logprobs: Vec<f32>,
}

/// A folder with the package. None, with a word why, where it is neither in the cache nor can be installed.
fn package() -> Option<PathBuf> {
    let folder = cache()?.join(PACKAGE.replace("==", "-"));
    if !folder.join("xllamacpp").is_dir() {
        let pip =
            ["-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "20", PACKAGE, "--target"];
        let installed = Command::new("python3").args(pip).arg(&folder).output().ok()?;
        if !installed.status.success() {
            let why = String::from_utf8_lossy(&installed.stderr).lines().last().unwrap_or("no reason").to_string();
            println!("SKIPPED: {PACKAGE} cannot be installed: {why}");
            return None;
        }
    }
    Some(folder)
}

fn llama(package: &Path, file: &Path, prompt: &str) -> Said {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/llama.py");
    let mut python = Command::new("python3");
    let run = python.env("PYTHONPATH", package).arg(script).arg(file).arg(prompt).arg(TOKENS.to_string()).output().expect("python3");
    let out = String::from_utf8_lossy(&run.stdout);
    let line = out.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&run.stderr)))).expect("what llama.py prints")
}

fn ours(file: &Path, prompt: &str) -> (String, Vec<f32>) {
    let model = Model::load_as(file, &Device::cpu(), None).expect("what was exported");
    let completion = greedy(&model, &model.tokenizer.encode(prompt).expect("tokens"), TOKENS);
    (completion.text(&model).expect("a text"), completion.logprobs)
}

#[test]
fn llama_cpp_reads_what_is_exported() {
    let (Some(file), Some(package)) = (file(), package()) else { return };
    let mut model = Model::load_as(&file, &Device::cpu(), Some(DType::F32)).expect("a model");
    model.add_lora(Lora::new(4, 8.0, &["q_proj", "down_proj"]).expect("an adapter"), 1).expect("added");
    let recorded = recorded();
    let tokens = recorded.tokens[..48].to_vec();
    let mut trainer = Supervised::new(&model, Budget::default(), Settings::default()).expect("memory");
    for _ in 0..3 {
        trainer.step(&model, &[Weighted { tokens: tokens.clone(), weights: vec![1.0; 47] }], 2e-3).expect("a step");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let merged = model.merge_lora().expect("merged");
    // llama.cpp sums f16 products in another order. For Q8_0 it rounds the activations to 8 bits too.
    for (dtype, most) in [("f16", 0.005), ("q8_0", 0.1)] {
        let path = folder.path().join(format!("{dtype}.gguf"));
        merged.save_gguf(&path, dtype).expect("written");
        let (text, logprobs) = ours(&path, &recorded.rendered);
        let said = llama(&package, &path, &recorded.rendered);
        assert_eq!(text, said.text, "{dtype}");
        // llama.cpp leaves the end token out.
        assert!(said.logprobs.len() + 1 >= logprobs.len() && logprobs.len() > 8);
        let apart = logprobs.iter().zip(&said.logprobs).map(|(a, b)| (a - b).abs());
        let mean = apart.clone().sum::<f32>() / said.logprobs.len() as f32;
        println!("{dtype}: log-probabilities differ by {mean} on average, at most {}: {text:?}", apart.fold(0.0, f32::max));
        assert!(mean < most, "{dtype}: off by {mean}");
    }
}
