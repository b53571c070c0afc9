//! Tokens a second of a published model as its file has it: prefill of 512 tokens, and decoding of 1, 8 and 64 sequences of 64 tokens.
//!
//! `cargo bench --bench published -- FILE [device]`, where FILE is a model folder or a GGUF file; `benches/llama.py` puts llama.cpp beside it.

use std::path::Path;
use std::time::Instant;

use finemem::device::{Device, parallel};
use finemem::generate::{Generator, Options, Request, Stream};
use finemem::model::Model;
use finemem::random::Rng;

const PREFILL: usize = 512;
const PROMPT: usize = 32;
const STEPS: usize = 64;
const ROUNDS: usize = 3;

fn main() {
    parallel::start_threads();
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let path = args.first().expect("the model's folder or file");
    let device = Device::open(args.get(1).map_or("cpu", String::as_str)).expect("the device opens");
    let model = Model::load_as(Path::new(path), &device, None).expect("a model");
    println!("{}", serde_json::json!({ "work": "prefill", "tokens_per_second": PREFILL as f64 / seconds(&model, 1, PREFILL, 1).0 }));
    for batch in [1, 8, 64] {
        let (first, _) = seconds(&model, batch, PROMPT, 1);
        let (all, tokens) = seconds(&model, batch, PROMPT, STEPS + 1);
        let speed = (tokens - batch) as f64 / (all - first);
        println!("{}", serde_json::json!({ "work": "decoding", "batch": batch, "tokens_per_second": speed }));
    }
}

/// The fastest of some runs, in seconds, and the tokens sampled.
fn seconds(model: &Model, batch: usize, prompt: usize, max_tokens: usize) -> (f64, usize) {
    let mut rng = Rng::new(&[2]);
    let mut requests = Vec::new();
    for i in 0..batch {
        let prompt = (0..prompt).map(|_| 1000 + rng.next_u32() % 30_000).collect();
        requests.push(Request { prompt, streams: vec![Stream::new(7, 0, [i as u32, 0, 0])] });
    }
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens, stop: Vec::new() };
    let mut generator = Generator::new(model).expect("a generator");
    let (mut best, mut tokens) = (f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let results = generator.generate(model, &requests, &options).expect("completions");
        best = best.min(start.elapsed().as_secs_f64());
        tokens = results.iter().flatten().map(|completion| completion.tokens.len()).sum();
    }
    (best, tokens)
}
