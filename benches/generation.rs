//! Milliseconds of sampling 64 tokens after each of 64 prompts of 64 tokens, at temperature 1.
//!
//! `cargo bench --bench generation -- [hidden] [layers] [device]`; `benches/compare.py` puts transformers beside it.

mod common;

use std::time::Instant;

use finemem_engine::generate::{Generator, Options, Request, Stream};
use finemem_engine::random::Rng;

fn main() {
    let model = common::model();
    let mut rng = Rng::new(&[2]);
    let requests: Vec<Request> =
        (0..64).map(|i| Request { prompt: common::tokens(&mut rng, 64), streams: vec![Stream::new(7, 0, [i, 0, 0])] }).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 64, stop: Vec::new() };
    let mut generator = Generator::new(&model).expect("a generator");
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        let results = generator.generate(&model, &requests, &options).expect("completions");
        best = best.min(start.elapsed().as_secs_f64());
        assert!(results.iter().all(|group| group[0].tokens.len() == 64), "every completion has its length");
    }
    common::report("generation", &model, 64 * 64, best);
}
