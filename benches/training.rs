//! Milliseconds of one training step (forward, backward, clipping, AdamW) of 16 sequences of 256 tokens.
//!
//! `cargo bench --bench training -- [hidden] [layers] [device]`; `benches/compare.py` puts PyTorch beside it.

mod common;

use std::time::Instant;

use finemem::random::Rng;
use finemem::train::learner::Budget;
use finemem::train::optimizer::Settings;
use finemem::train::sft::{Supervised, Weighted};

fn main() {
    let model = common::model();
    let mut rng = Rng::new(&[2]);
    let sequences: Vec<Weighted> = (0..16).map(|_| Weighted { tokens: common::tokens(&mut rng, 256), weights: vec![1.0; 255] }).collect();
    let mut trainer = Supervised::new(&model, Budget::default(), Settings::default()).expect("a trainer");
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        trainer.step(&model, &sequences, 1e-3).expect("a step");
        best = best.min(start.elapsed().as_secs_f64());
    }
    common::report("training", &model, 16 * 256, best);
}
