//! Milliseconds of one training step (forward, backward, AdamW) of 16 sequences of 256 tokens.
//!
//! `cargo bench --bench training -- [hidden] [layers] [device]`; `benches/compare.py` puts PyTorch beside it.

use std::time::Instant;

use finemem_engine::device::Device;
use finemem_engine::model::{Config, Model, Tokenizer};
use finemem_engine::random::Rng;
use finemem_engine::train::learner::{Learner, Loss, Memory, Sample};
use finemem_engine::train::optimizer::{Optimizer, Settings};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let number = |i: usize, default: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (hidden, layers) = (number(0, 256), number(1, 4));
    let device = Device::open(args.get(2).map_or("cpu", String::as_str)).expect("the device opens");
    let config = Config {
        vocab_size: 1024,
        hidden_size: hidden,
        intermediate_size: 3 * hidden,
        num_hidden_layers: layers,
        num_attention_heads: hidden / 64 * 2,
        num_key_value_heads: hidden / 64,
        head_dim: 64,
        max_position_embeddings: 512,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        eos_token_id: vec![256],
    };
    let tokenizer = Tokenizer::train(vec!["a b".into()], 258, &[], "<|im_end|>").expect("a tokenizer");
    let model = Model::random(config, tokenizer, &device, 1).expect("a model");
    let mut rng = Rng::new(&[2]);
    let samples: Vec<Sample> = (0..16)
        .map(|_| Sample {
            tokens: (0..256).map(|_| rng.next_u32() % 1024).collect(),
            targets: (1..256).collect(),
            values: vec![[-1.0 / 4096.0, 0.0, 0.0, 0.0]; 255],
        })
        .collect();
    let mut learner = Learner::new(&model, Memory::default(), true).expect("a learner");
    let mut optimizer = Optimizer::new(&model.config, &device, Settings::default()).expect("an optimiser");
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let start = Instant::now();
        learner.begin(&model, &samples).expect("begin");
        learner.run(&model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).expect("run");
        learner.step(&model, &mut optimizer, 1e-3).expect("step");
        learner.finish(&model).expect("finish");
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{{\"device\": \"{}\", \"hidden\": {hidden}, \"layers\": {layers}, \"step_ms\": {:.1}, \"tokens_per_second\": {:.0}}}",
        device.describe(),
        best * 1e3,
        4096.0 / best
    );
}
