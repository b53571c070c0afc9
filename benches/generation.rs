//! Milliseconds of sampling 64 sequences of 64 tokens at temperature 1: after prompts of 64 tokens of their own, or as a rollout does it,
//! eight after each of eight prompts of 256 tokens.
//!
//! `cargo bench --bench generation -- [hidden] [layers] [device] [rollout]`; `benches/compare.py` puts transformers beside it.

mod common;

use std::time::Instant;

use finemem::generate::{Generator, Options, Request, Stream};
use finemem::random::Rng;

fn main() {
    let model = common::model();
    let mut rng = Rng::new(&[2]);
    let (prompts, length) = if std::env::args().any(|arg| arg == "rollout") { (8, 256) } else { (64, 64) };
    let streams = |i| (0..64 / prompts).map(|g| Stream::new(7, 0, [i, g, 0])).collect();
    let requests: Vec<Request> = (0..prompts).map(|i| Request { prompt: common::tokens(&mut rng, length), streams: streams(i) }).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 64, stop: Vec::new() };
    let mut generator = Generator::new(&model).expect("a generator");
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        let results = generator.generate(&model, &requests, &options).expect("completions");
        best = best.min(start.elapsed().as_secs_f64());
        assert!(results.iter().flatten().all(|completion| completion.tokens.len() == 64), "every completion has its length");
    }
    common::report("generation", &model, 64 * 64, best);
}
