//! The model that benches run, by command line: `[hidden] [layers] [device]`.

use finemem::device::Device;
use finemem::model::{Config, Model, ModelType, Tokenizer};
use finemem::random::Rng;

/// Size of the vocabulary.
pub(crate) const VOCABULARY: u32 = 1024;

/// A random model without end tokens, on the device that was asked for; 256 wide with 4 layers on the CPU by default.
pub(crate) fn model() -> Model {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let number = |i: usize, default: usize| args.get(i).map_or(default, |a| a.parse().expect("[hidden] [layers] are whole numbers"));
    let hidden = number(0, 256);
    let device = Device::open(args.get(2).map_or("cpu", String::as_str)).expect("the device opens");
    let config = Config {
        model_type: ModelType::Qwen3,
        vocab_size: VOCABULARY as usize,
        hidden_size: hidden,
        intermediate_size: 3 * hidden,
        num_hidden_layers: number(1, 4),
        num_attention_heads: hidden / 64 * 2,
        num_key_value_heads: hidden / 64,
        head_dim: 64,
        max_position_embeddings: 512,
        rope_theta: 10_000.0,
        rope_scaling: None,
        rms_norm_eps: 1e-6,
        attention_bias: false,
        tie_word_embeddings: true,
        eos_token_id: Vec::new(),
    };
    let tokenizer = Tokenizer::train(vec!["a b".into()], 258, &[], "<|im_end|>").expect("a tokenizer");
    Model::random(config, tokenizer, &device, 1).expect("a model")
}

/// Random tokens.
pub(crate) fn tokens(rng: &mut Rng, count: usize) -> Vec<u32> {
    (0..count).map(|_| rng.next_u32() % VOCABULARY).collect()
}

/// Prints one line of JSON about the fastest of some runs that process `tokens` tokens each.
pub(crate) fn report(work: &str, model: &Model, tokens: usize, seconds: f64) {
    let line = serde_json::json!({
        "work": work,
        "device": model.device.describe(),
        "hidden": model.config.hidden_size,
        "layers": model.config.num_hidden_layers,
        "ms": (seconds * 1e4).round() / 10.0,
        "tokens_per_second": (tokens as f64 / seconds).round(),
    });
    println!("{line}");
}
