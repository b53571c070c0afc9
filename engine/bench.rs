//! `finemem-engine bench`: what a device does with models of published shapes, without their files.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use finemem_engine::device::{Device, parallel};
use finemem_engine::generate::{Generator, Options, Request, Stream};
use finemem_engine::model::config::Llama3;
use finemem_engine::model::{Config, Model, ModelType, Tokenizer, Weights};
use finemem_engine::ops::elementwise;
use finemem_engine::ops::matmul::{self, Write};
use finemem_engine::random::Rng;
use finemem_engine::tensor::DType;
use finemem_engine::train::learner::Memory;
use finemem_engine::train::optimizer;
use finemem_engine::train::sft::{Supervised, Weighted};
use finemem_engine::{Error, Result};
use half::bf16;
use rayon::prelude::*;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Measure loading, prefill, decoding and training of a published shape with random weights.
    Model(Settings),
}

#[derive(Args)]
pub(crate) struct Settings {
    /// The published model whose sizes are taken.
    #[arg(long, value_parser = PossibleValuesParser::new(shapes().map(|(name, _)| name)))]
    shape: String,
    /// Where to compute: auto, gpu, cpu, or a part of an adapter's name.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Element type of the matrices. Full training holds them in f32 whatever this says.
    #[arg(long, default_value = "bf16", value_parser = ["bf16", "f32"])]
    dtype: String,
    /// Write the figures here as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The sizes in the `config.json` of each model. There are no end tokens: a random model would stop at random.
fn shapes() -> [(&'static str, Config); 5] {
    let qwen3 = Config {
        model_type: ModelType::Qwen3,
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        max_position_embeddings: 40_960,
        rope_theta: 1e6,
        rope_scaling: None,
        rms_norm_eps: 1e-6,
        attention_bias: false,
        tie_word_embeddings: true,
        eos_token_id: Vec::new(),
    };
    let stretch = Llama3 { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 8192 };
    [
        ("qwen3-0.6b", qwen3.clone()),
        ("qwen3-1.7b", Config { hidden_size: 2048, intermediate_size: 6144, ..qwen3.clone() }),
        (
            "qwen3-4b",
            Config { hidden_size: 2560, intermediate_size: 9728, num_hidden_layers: 36, num_attention_heads: 32, ..qwen3.clone() },
        ),
        (
            "llama-3.2-3b",
            Config {
                model_type: ModelType::Llama,
                vocab_size: 128_256,
                hidden_size: 3072,
                intermediate_size: 8192,
                num_attention_heads: 24,
                max_position_embeddings: 131_072,
                rope_theta: 5e5,
                rope_scaling: Some(stretch),
                rms_norm_eps: 1e-5,
                ..qwen3.clone()
            },
        ),
        (
            "qwen2.5-7b",
            Config {
                model_type: ModelType::Qwen2,
                vocab_size: 152_064,
                hidden_size: 3584,
                intermediate_size: 18_944,
                num_attention_heads: 28,
                num_key_value_heads: 4,
                max_position_embeddings: 131_072,
                tie_word_embeddings: false,
                ..qwen3
            },
        ),
    ]
}

/// Tokens of the long prompt, and of the sequence of a training step.
const TOKENS: usize = 512;
/// Tokens of the prompt of decoding.
const SHORT: usize = 32;
/// Decoding steps that are timed, after the first.
const STEPS: usize = 16;
/// Sequences that are decoded side by side.
const BATCHES: [usize; 3] = [1, 16, 64];
/// Each is measured so often, and the fastest counts.
const ROUNDS: usize = 2;

/// Measures and reports.
pub(crate) fn bench(what: &Bench) -> Result<()> {
    let Bench::Model(settings) = what;
    let (name, config) = shapes().into_iter().find(|(name, _)| *name == settings.shape).expect("the parser knows the shapes");
    let dtype = if settings.dtype == "f32" { DType::F32 } else { DType::BF16 };
    let device = Device::open(&settings.device)?;
    let sizes = Sizes::of(&config)?;
    fits(&device, sizes.generation(&config, dtype)).map_err(|e| Error::argument(format!("{name} in {}: {e}", settings.dtype)))?;
    println!("{name} in {} on {}", settings.dtype, device.describe());
    eprintln!("measuring the device");
    let mut peaks = Peaks::measure(&device)?;
    let mut rows = Vec::new();

    eprintln!("making {:.2} GB of weights", sizes.bytes(dtype) / 1e9);
    let (model, seconds) = make(&config, &device, dtype)?;
    let written = Some(sizes.bytes(dtype));
    rows.push(Row { work: "load".into(), seconds, bytes: written, peak_rss: status("VmHWM"), ..Row::default() });
    rows.extend(generation(&model, &sizes, dtype)?);
    peaks = peaks.max(Peaks::measure(&device)?);

    // A step that trains an adapter belongs here, on the model as it is.
    drop(model);
    let left_out = match fits(&device, sizes.training(&config)) {
        Ok(()) => {
            rows.push(full_training(&config, &sizes, &device)?);
            None
        }
        Err(error) => Some(format!("training, full: {error}")),
    };

    println!("{}; {peaks}", sizes.describe(dtype));
    print(&rows, &peaks, config.num_hidden_layers);
    left_out.iter().for_each(|line| println!("{line}"));
    let Some(path) = &settings.json else { return Ok(()) };
    let figures = json!({
        "shape": name, "dtype": settings.dtype, "device": device.describe(), "parameters": sizes.all,
        "weight_bytes": sizes.bytes(dtype), "read_bytes_per_s": peaks.read, "product_flop_per_s": peaks.product,
        "rows": rows.iter().map(|row| row.json(&peaks, config.num_hidden_layers)).collect::<Vec<_>>(), "left_out": left_out,
    });
    std::fs::write(path, format!("{figures:#}\n")).map_err(|e| Error::io(path, e))
}

/// Numbers of parameters.
struct Sizes {
    all: usize,
    /// In norms and biases, which are always f32.
    vectors: usize,
    /// In the matrices of the blocks, and of the head.
    blocks: usize,
    head: usize,
}

impl Sizes {
    fn of(config: &Config) -> Result<Self> {
        let shapes = Weights::build(config, |_, shape| Ok(shape.to_vec()))?;
        let sum = |keep: &dyn Fn(&str, &[usize]) -> bool| {
            let all = shapes.named();
            all.iter().filter(|(name, shape)| keep(name, shape)).map(|(_, shape)| shape.iter().product::<usize>()).sum()
        };
        Ok(Self {
            all: sum(&|_, _| true),
            vectors: sum(&|_, shape| shape.len() == 1),
            blocks: sum(&|name, shape| shape.len() > 1 && name.contains(".layers.")),
            head: config.vocab_size * config.hidden_size,
        })
    }

    fn describe(&self, dtype: DType) -> String {
        format!("{:.2} M parameters in {:.2} GB", self.all as f64 / 1e6, self.bytes(dtype) / 1e9)
    }

    /// Bytes of all weights.
    fn bytes(&self, dtype: DType) -> f64 {
        ((self.all - self.vectors) * dtype.size() + self.vectors * DType::F32.size()) as f64
    }

    /// Bytes that loading and generating take, about: weights, activations of a prefill, logits, keys and values.
    fn generation(&self, config: &Config, dtype: DType) -> f64 {
        let (prefill, slots, cached) = (2048, 128, 2048);
        let cache = 2 * cached * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
        self.bytes(dtype) + (4 * (prefill * activations(config, 1) + slots * config.vocab_size + cache)) as f64
    }

    /// Bytes that full training takes, about: weights, gradients, two moments, activations, and their gradients in one block.
    fn training(&self, config: &Config) -> f64 {
        (16 * self.all + 4 * TOKENS * activations(config, config.num_hidden_layers + 1) + (64 << 20)) as f64
    }
}

/// Numbers that are held for each token when `layers` blocks keep theirs.
fn activations(config: &Config, layers: usize) -> usize {
    let (q, kv) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
    layers * (4 * config.hidden_size + 3 * q + 3 * kv + 3 * config.intermediate_size) + 4 * config.hidden_size
}

/// An error if the memory at hand is known, and too small. A GPU with memory of its own does not tell how much is left; there, making a
/// buffer is what fails.
fn fits(device: &Device, needed: f64) -> Result<()> {
    match status("MemAvailable").filter(|_| device.caps().is_none_or(|caps| ["software", "integrated"].contains(&caps.kind))) {
        Some(available) if available < needed => Err(Error::argument(format!(
            "about {:.1} GB of memory are needed and {:.1} GB are available: free some, or take a smaller shape",
            needed / 1e9,
            available / 1e9
        ))),
        _ => Ok(()),
    }
}

/// Bytes of the machine's (`MemAvailable`) or of this process's memory (`VmHWM`, the most it had), where Linux tells.
fn status(key: &str) -> Option<f64> {
    let path = if key.starts_with("Vm") { "/proc/self/status" } else { "/proc/meminfo" };
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// What the device does at best.
#[derive(Clone, Copy)]
struct Peaks {
    /// Bytes a second: of a sum on all cores, or read and written by the copy kernel of a GPU.
    read: f64,
    /// Operations a second of a product of large f32 matrices.
    product: f64,
}

impl Peaks {
    fn measure(device: &Device) -> Result<Self> {
        const BYTES: usize = 256 << 20;
        const SIDE: usize = 2048;
        // A GPU takes a queue of work before its clock says something; a CPU is as busy with one piece.
        let times = if device.caps().is_some_and(|caps| !caps.software) { 32 } else { 1 };
        let read = if device.caps().is_none() {
            let words = vec![1u64; BYTES / 8];
            let sum = || words.par_chunks(1 << 16).map(|block| parallel::dispatch(|| block.iter().sum::<u64>())).sum::<u64>();
            let best = best(5, || {
                assert_eq!(std::hint::black_box(sum()), words.len() as u64);
                Ok(())
            })?;
            BYTES as f64 / best
        } else {
            let bytes = device.caps().map_or(BYTES, |caps| BYTES.min(caps.max_binding as usize));
            let (x, y) = (device.zeros(DType::F32, &[bytes / 4])?, device.zeros(DType::F32, &[bytes / 4])?);
            let best = best(5, || {
                let mut rec = device.record();
                (0..times).try_for_each(|_| elementwise::copy(&mut rec, &x, &y))?;
                rec.submit_and_read(&y.slice(0..1)?).map(drop)
            })?;
            (2 * bytes * times) as f64 / best
        };
        let square = || device.tensor(&vec![1.0; SIDE * SIDE], &[SIDE, SIDE]);
        let (a, b, y) = (square()?, square()?, square()?);
        let best = best(5, || {
            let mut rec = device.record();
            (0..times).try_for_each(|_| matmul::nt(&mut rec, &a, &b, &y, Write::Replace))?;
            rec.submit_and_read(&y.slice(0..1)?).map(drop)
        })?;
        Ok(Self { read, product: (2 * SIDE * SIDE * SIDE * times) as f64 / best })
    }

    fn max(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), product: self.product.max(other.product) }
    }
}

impl std::fmt::Display for Peaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the device reads {:.1} GB/s and multiplies f32 matrices at {:.0} GFLOP/s", self.read / 1e9, self.product / 1e9)
    }
}

/// Seconds of the fastest of `rounds`.
fn best(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    (0..rounds).try_fold(f64::INFINITY, |best, _| {
        let start = Instant::now();
        work()?;
        Ok(best.min(start.elapsed().as_secs_f64()))
    })
}

/// A model whose matrices repeat one block of random numbers, each from another start, and the seconds that took.
fn make(config: &Config, device: &Device, dtype: DType) -> Result<(Model, f64)> {
    const BLOCK: usize = 1 << 22;
    const STARTS: usize = 1 << 16;
    let tokenizer = Tokenizer::train(vec!["a".into()], 300, &[], "<end>")?;
    let start = Instant::now();
    let mut rng = Rng::new(&[0]);
    // Uniform with the deviation 0.02 of fresh weights.
    let wide: Vec<f32> = (0..BLOCK + STARTS).map(|_| (rng.next_u32() as f32 / u32::MAX as f32 - 0.5) * 0.02 * 12f32.sqrt()).collect();
    let narrow: Vec<bf16> = wide.iter().map(|v| bf16::from_f32(*v)).collect();
    let mut matrices = 0;
    let model = Model::new(config.clone(), tokenizer, device, |config| {
        Weights::build(config, |name, shape| {
            let &[rows, columns] = shape else {
                return device.tensor(&vec![if name.ends_with(".bias") { 0.0 } else { 1.0 }; shape[0]], shape);
            };
            let tensor = device.zeros(dtype, shape)?;
            matrices += 1;
            let first = matrices * 4099 % STARTS;
            // A part of a tensor begins at a multiple of 256 bytes.
            let step = BLOCK / columns / 128 * 128;
            for row in (0..rows).step_by(step) {
                let part = tensor.slice(row..rows.min(row + step))?;
                match dtype {
                    DType::BF16 => part.write_bf16(&narrow[first..][..part.len()])?,
                    _ => part.write(&wide[first..][..part.len()])?,
                }
            }
            Ok(tensor)
        })
    })?;
    // Uploads are done when something has been read back.
    model.weights.norm.read()?;
    Ok((model, start.elapsed().as_secs_f64()))
}

/// Something measured. Operations and bytes are those of the products with weights alone.
#[derive(Default)]
struct Row {
    work: String,
    seconds: f64,
    tokens: usize,
    /// Of weights read, or written when loading.
    bytes: Option<f64>,
    operations: Option<f64>,
    dispatches: Option<f64>,
    /// The most memory that the process had by then.
    peak_rss: Option<f64>,
}

/// When each decoding step ended, and the dispatches by then, from the start on.
fn times(model: &Model, generator: &mut Generator, prompt: usize, batch: usize, steps: usize) -> Result<Vec<(Instant, u64)>> {
    let mut rng = Rng::new(&[1]);
    let prompt = (0..prompt).map(|_| rng.next_u32() % model.config.vocab_size as u32).collect();
    let request = Request { prompt, streams: (0..batch as u32).map(|i| Stream::new(0, 0, [i, 0, 0])).collect() };
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: steps, stop: Vec::new() };
    let now = || (Instant::now(), model.device.counters().dispatches);
    let mut times = vec![now()];
    let mut count = |_: usize, completion: usize, _: &_| {
        if completion == 0 {
            times.push(now());
        }
        ControlFlow::Continue(())
    };
    generator.stream(model, &[request], &options, &mut count)?;
    Ok(times)
}

/// Prefill, then decoding at each batch size.
fn generation(model: &Model, sizes: &Sizes, dtype: DType) -> Result<Vec<Row>> {
    let mut generator = Generator::new(model)?;
    let mut rows = Vec::new();
    for batch in BATCHES {
        eprintln!("decoding, batch {batch}");
        let (mut seconds, mut dispatches) = (f64::INFINITY, 0.0);
        for _ in 0..ROUNDS {
            let times = times(model, &mut generator, SHORT, batch, STEPS + 1)?;
            let (first, last) = (times[1], times[STEPS + 1]);
            seconds = (last.0 - first.0).as_secs_f64().min(seconds * STEPS as f64) / STEPS as f64;
            dispatches = (last.1 - first.1) as f64 / STEPS as f64;
        }
        let read = sizes.blocks + sizes.head;
        rows.push(Row {
            work: format!("decode, batch {batch}"),
            seconds,
            tokens: batch,
            bytes: Some((read * dtype.size()) as f64),
            operations: Some((2 * read * batch) as f64),
            dispatches: Some(dispatches),
            peak_rss: status("VmHWM"),
        });
    }
    eprintln!("prefill of {TOKENS} tokens");
    let (mut seconds, mut dispatches) = (f64::INFINITY, 0.0);
    for _ in 0..ROUNDS {
        // The prompt's last token is the input of the first decoding step, whose time is known.
        let times = times(model, &mut generator, TOKENS + 1, 1, 1)?;
        seconds = seconds.min((times[1].0 - times[0].0).as_secs_f64() - rows[0].seconds);
        dispatches = (times[1].1 - times[0].1) as f64 - rows[0].dispatches.unwrap_or(0.0);
    }
    let prefill = Row {
        work: "prefill".into(),
        seconds,
        tokens: TOKENS,
        bytes: Some((sizes.blocks * dtype.size()) as f64),
        operations: Some((2 * sizes.blocks * TOKENS) as f64),
        dispatches: Some(dispatches),
        peak_rss: status("VmHWM"),
    };
    rows.insert(0, prefill);
    Ok(rows)
}

/// Optimiser steps over all weights, in f32, which is what an optimiser needs them in.
fn full_training(config: &Config, sizes: &Sizes, device: &Device) -> Result<Row> {
    eprintln!("making {:.2} GB of weights for full training", sizes.bytes(DType::F32) / 1e9);
    let (model, _) = make(config, device, DType::F32)?;
    // Two operations a token and weight forwards, four backwards.
    training("training, full", &model, (6 * (sizes.blocks + sizes.head) * TOKENS) as f64)
}

/// A step of whatever in `model` is trained, on one sequence.
fn training(work: &str, model: &Model, operations: f64) -> Result<Row> {
    eprintln!("{work}, {TOKENS} tokens");
    let memory = Memory { micro_tokens: TOKENS, recompute: false };
    let mut trainer = Supervised::new(model, memory, optimizer::Settings::default())?;
    let mut rng = Rng::new(&[2]);
    let tokens = (0..TOKENS).map(|_| rng.next_u32() % model.config.vocab_size as u32).collect();
    let sequence = [Weighted { tokens, weights: vec![1.0; TOKENS - 1] }];
    let before = model.device.counters().dispatches;
    let seconds = best(ROUNDS, || trainer.step(model, &sequence, 1e-5).map(drop))?;
    let dispatches = (model.device.counters().dispatches - before) as f64 / ROUNDS as f64;
    Ok(Row {
        work: work.into(),
        seconds,
        tokens: TOKENS,
        bytes: None,
        operations: Some(operations),
        dispatches: Some(dispatches),
        peak_rss: status("VmHWM"),
    })
}

impl Row {
    fn json(&self, peaks: &Peaks, layers: usize) -> Value {
        json!({
            "work": self.work,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "tokens_per_s": self.tokens as f64 / self.seconds,
            "weight_bytes": self.bytes,
            "share_of_read": self.bytes.map(|bytes| bytes / self.seconds / peaks.read),
            "operations": self.operations,
            "share_of_product": self.operations.map(|operations| operations / self.seconds / peaks.product),
            "dispatches": self.dispatches,
            "dispatches_per_layer": self.dispatches.map(|dispatches| dispatches / layers as f64),
            "peak_rss": self.peak_rss,
        })
    }
}

fn print(rows: &[Row], peaks: &Peaks, layers: usize) {
    let cell = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
    let heads = ["work", "ms", "tokens/s", "GB/s", "% of read", "GFLOP/s", "% of peak", "dispatches", "a layer", "peak RSS, GB"];
    let line = |cells: [String; 10]| {
        let [work, rest @ ..] = cells;
        println!("{work:<17}{}", rest.map(|cell| format!("{cell:>13}")).concat());
    };
    line(heads.map(String::from));
    for row in rows {
        let (bytes, operations) = (row.bytes.map(|b| b / row.seconds), row.operations.map(|o| o / row.seconds));
        line([
            row.work.clone(),
            cell(Some(1e3 * row.seconds), 1),
            cell((row.tokens > 0).then(|| row.tokens as f64 / row.seconds), 1),
            cell(bytes.map(|b| b / 1e9), 1),
            cell(bytes.map(|b| 100.0 * b / peaks.read), 0),
            cell(operations.map(|o| o / 1e9), 1),
            cell(operations.map(|o| 100.0 * o / peaks.product), 0),
            cell(row.dispatches, 0),
            cell(row.dispatches.map(|d| d / layers as f64), 1),
            cell(row.peak_rss.map(|b| b / 1e9), 2),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_the_published_numbers_of_parameters() {
        let counts = shapes().map(|(name, config)| (name, Sizes::of(&config).unwrap().all));
        let published = [
            ("qwen3-0.6b", 596_049_920),
            ("qwen3-1.7b", 1_720_574_976),
            ("qwen3-4b", 4_022_468_096),
            ("llama-3.2-3b", 3_212_749_824),
            ("qwen2.5-7b", 7_615_616_512),
        ];
        assert_eq!(counts, published);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_sizes() {
        if status("MemAvailable").is_some() {
            let said = fits(&Device::cpu(), 1e18).unwrap_err().to_string();
            assert!(said.contains("1000000000.0 GB") && said.contains("available"), "{said}");
        }
        fits(&Device::cpu(), 0.0).unwrap();
    }
}
