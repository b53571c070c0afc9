//! `finemem-engine bench`: how fast a device runs models of published shapes, with random weights.

mod report;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use finemem::device::{DType, Device, parallel, readable};
use finemem::generate::{Generator, Options, Request, Room, Stream};
use finemem::model::activations::Recompute;
use finemem::model::lora::{Lora, TARGETS};
use finemem::model::shapes::{Sizes, shapes};
use finemem::model::{Config, Model, Tokenizer, Weights};
use finemem::ops::elementwise;
use finemem::ops::matmul::{self, Write};
use finemem::random::Rng;
use finemem::train::learner::Budget;
use finemem::train::optimizer;
use finemem::train::plan::fits;
use finemem::train::sft::{Supervised, Weighted};
use finemem::{Error, Result};
use report::Row;
use serde_json::json;

use crate::device::Where;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Measure loading, prefill, decoding and training of a model of a published shape, with random weights.
    Model(Settings),
}

#[derive(Args)]
pub(crate) struct Settings {
    /// The published model whose shape to use.
    #[arg(long, value_parser = PossibleValuesParser::new(shapes().map(|(name, _)| name)))]
    shape: String,
    #[command(flatten)]
    place: Where,
    /// Number format of the matrices. Full training always uses f32.
    #[arg(long, default_value = "bf16", value_parser = ["bf16", "f16", "f32"])]
    dtype: String,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Tokens in the long prompt, and in the sequence of a training step.
const TOKENS: usize = 512;
/// Tokens in the prompt before decoding.
const SHORT: usize = 32;
/// Timed decoding steps, not counting the first.
const STEPS: usize = 16;
/// Numbers of sequences decoded together.
const BATCHES: [usize; 3] = [1, 16, 64];
/// How often each is measured; the fastest counts.
const ROUNDS: usize = 3;

/// The memory settings of a training step.
const MEMORY: Budget = Budget { micro_tokens: TOKENS, recompute: Recompute::None };
/// Rank of the adapter.
const RANK: usize = 16;

/// Measures and reports.
pub(crate) fn bench(what: &Bench) -> Result<()> {
    let Bench::Model(settings) = what;
    let (name, config) = shapes().into_iter().find(|(name, _)| *name == settings.shape).expect("clap accepts known shapes only");
    let dtype = DType::of_weights(&settings.dtype)?;
    let device = settings.place.open()?;
    let sizes = Sizes::of(&config)?;
    let add_adapter = |model: &mut Model| model.add_lora(Lora::new(RANK, 2.0 * RANK as f64, &TARGETS)?, 0);
    let train = |model: &mut Model| Supervised::new(model, MEMORY, optimizer::Settings::default()).map(drop);
    // Before any of the memory is taken. Without room for sampling there is nothing to measure.
    fits("sampling", &device, &config, &tokenizer()?, dtype, |model| {
        let (request, options) = request(model, SHORT, BATCHES[BATCHES.len() - 1], STEPS + 1);
        Generator::new(model)?.reserve(model, Room::of(&[request], &options))
    })
    .map_err(|e| Error::argument(format!("{name} in {}: {e}", settings.dtype)))?;
    let lora_fits = fits("training", &device, &config, &tokenizer()?, dtype, |model| add_adapter(model).and_then(|()| train(model)));
    let full_fits = fits("training", &device, &config, &tokenizer()?, DType::F32, train);
    println!("{name} in {} on {}", settings.dtype, device.describe());
    eprintln!("measuring the device");
    let peaks = Peaks::measure(&device)?;
    eprintln!("making {} of weights", readable(sizes.bytes(dtype)));
    let (mut model, seconds) = make(&config, &device, dtype)?;
    let load = Row { seconds, bytes: Some(sizes.bytes(dtype)), ..Row::new("load", &device) };
    let mut generator = Generator::new(&model)?;
    // Prefill ends with one decoding step, on the prompt's last token. Its time is subtracted.
    let first = decoding(&model, &mut generator, &sizes, dtype, 1);
    let step = first.as_ref().map_or((0.0, 0.0), |row| (row.seconds, row.dispatches.unwrap_or(0.0)));
    // Measured again after decoding, which reading bounds: other programs may have taken memory bandwidth the first time.
    let peaks = Peaks::measure(&device).map_or(peaks, |again| peaks.max(again));

    let layers = config.num_hidden_layers;
    println!("{:.2} M parameters in {}; {peaks}", sizes.all as f64 / 1e6, readable(sizes.bytes(dtype)));
    report::heading();
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    let mut add = |work: String, measured: Result<Row>| match measured {
        Ok(row) => {
            row.print(&peaks, layers);
            rows.push(row);
        }
        Err(error) => {
            let line = format!("{work}: {error}");
            println!("{line}");
            left_out.push(line);
        }
    };
    add("load".into(), Ok(load));
    add("decode, batch 1".into(), first);
    for batch in &BATCHES[1..] {
        add(format!("decode, batch {batch}"), decoding(&model, &mut generator, &sizes, dtype, *batch));
    }
    add("prefill".into(), prefill(&model, &mut generator, &sizes, dtype, step));
    drop(generator);

    // For each token and weight: two operations forward, two for the gradient of the activations, two for that of the weights.
    let operations = ((sizes.blocks + sizes.head) * TOKENS) as f64;
    let work = format!("training, LoRA {RANK}");
    let trained = lora_fits.and_then(|()| add_adapter(&mut model)).and_then(|()| training(&work, &model, 4.0 * operations));
    add(work, trained);
    drop(model);
    let trained = full_fits.and_then(|()| {
        eprintln!("making {} of weights for full training", readable(sizes.bytes(DType::F32)));
        training("training, full", &make(&config, &device, DType::F32)?.0, 6.0 * operations)
    });
    add("training, full".into(), trained);
    let Some(path) = &settings.json else { return Ok(()) };
    let figures = json!({
        "shape": name,
        "dtype": settings.dtype,
        "device": device.describe(),
        "parameters": sizes.all,
        "weight_bytes": sizes.bytes(dtype),
        "read_bytes_per_s": peaks.read,
        "product_operations_per_s": peaks.product,
        "rows": rows.iter().map(|row| row.json(&peaks, layers)).collect::<Vec<_>>(),
        "left_out": left_out,
    });
    std::fs::write(path, format!("{figures:#}\n")).map_err(|e| Error::io(path, e))
}

/// The least tokenizer that a model can have; no text goes through it.
fn tokenizer() -> Result<Tokenizer> {
    Tokenizer::train(vec!["a".into()], 300, &[], "<end>")
}

/// The device's peak rates.
#[derive(Clone, Copy)]
struct Peaks {
    /// Bytes a second: a sum on all cores, or what a GPU's copy kernel reads and writes.
    read: f64,
    /// Operations a second in a product of large f32 matrices.
    product: f64,
}

impl Peaks {
    fn measure(device: &Device) -> Result<Self> {
        const BYTES: usize = 256 << 20;
        const SIDE: usize = 2048;
        // A GPU needs a queue of work for a meaningful time; a CPU is busy with one piece.
        let times = if device.caps().is_some_and(|caps| !caps.software) { 32 } else { 1 };
        let read = if device.caps().is_none() {
            let words = vec![1u64; BYTES / 8];
            let best = best(5, || {
                assert_eq!(std::hint::black_box(parallel::total(&words)), words.len() as u64);
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

/// Seconds of the fastest round.
fn best(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    (0..rounds).try_fold(f64::INFINITY, |best, _| {
        let start = Instant::now();
        work()?;
        Ok(best.min(start.elapsed().as_secs_f64()))
    })
}

/// A model whose matrices repeat one block of random numbers, each from its own offset, and the seconds it took to make.
fn make(config: &Config, device: &Device, dtype: DType) -> Result<(Model, f64)> {
    const BLOCK: usize = 1 << 22;
    const STARTS: usize = 1 << 16;
    let tokenizer = tokenizer()?;
    let start = Instant::now();
    let mut rng = Rng::new(&[0]);
    // Uniform, with the standard deviation of fresh weights, 0.02.
    let wide: Vec<f32> = (0..BLOCK + STARTS).map(|_| (rng.next_u32() as f32 / u32::MAX as f32 - 0.5) * 0.02 * 12f32.sqrt()).collect();
    let narrow = dtype.narrow(&wide);
    let mut matrices = 0;
    let model = Model::new(config.clone(), tokenizer, device, |config| {
        Weights::build(config, |name, shape| {
            let &[rows, columns] = shape else {
                return device.tensor(&vec![if name.ends_with(".bias") { 0.0 } else { 1.0 }; shape[0]], shape);
            };
            let tensor = device.zeros(dtype, shape)?;
            matrices += 1;
            let first = matrices * 4099 % STARTS;
            // A slice of a tensor must start at a multiple of 256 bytes.
            let step = BLOCK / columns / 128 * 128;
            for row in (0..rows).step_by(step) {
                let part = tensor.slice(row..rows.min(row + step))?;
                let numbers = first..first + part.len();
                if dtype.packed() { part.write_bits(&narrow[numbers])? } else { part.write(&wide[numbers])? }
            }
            Ok(tensor)
        })
    })?;
    // Uploads are complete once something has been read back.
    model.weights.norm.read()?;
    Ok((model, start.elapsed().as_secs_f64()))
}

/// A prompt with `batch` completions of `max_tokens` tokens each.
fn request(model: &Model, prompt: usize, batch: usize, max_tokens: usize) -> (Request, Options) {
    let streams = (0..batch as u32).map(|i| Stream::new(0, 0, [i, 0, 0])).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens, stop: Vec::new() };
    (Request { prompt: tokens(model, prompt), streams }, options)
}

fn tokens(model: &Model, count: usize) -> Vec<u32> {
    let mut rng = Rng::new(&[1]);
    (0..count).map(|_| rng.next_u32() % model.config.vocab_size as u32).collect()
}

/// The start, then the end of each decoding step: when it was, and the dispatches up to it.
fn times(model: &Model, generator: &mut Generator, prompt: usize, batch: usize, steps: usize) -> Result<Vec<(Instant, u64)>> {
    let (request, options) = request(model, prompt, batch, steps);
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

/// Decodes `batch` sequences.
fn decoding(model: &Model, generator: &mut Generator, sizes: &Sizes, dtype: DType, batch: usize) -> Result<Row> {
    eprintln!("decoding, batch {batch}");
    let (mut seconds, mut dispatches) = (f64::INFINITY, 0.0);
    for _ in 0..ROUNDS {
        let times = times(model, generator, SHORT, batch, STEPS + 1)?;
        let (first, last) = (times[1], times[STEPS + 1]);
        seconds = seconds.min((last.0 - first.0).as_secs_f64() / STEPS as f64);
        dispatches = (last.1 - first.1) as f64 / STEPS as f64;
    }
    let read = sizes.blocks + sizes.head;
    Ok(Row {
        seconds,
        tokens: Some(batch),
        bytes: Some(dtype.bytes(read) as u64),
        operations: Some((2 * read * batch) as f64),
        dispatches: Some(dispatches),
        ..Row::new(&format!("decode, batch {batch}"), &model.device)
    })
}

/// Runs a long prompt. `step` has the seconds and dispatches of a decoding step.
fn prefill(model: &Model, generator: &mut Generator, sizes: &Sizes, dtype: DType, step: (f64, f64)) -> Result<Row> {
    eprintln!("prefill of {TOKENS} tokens");
    let (mut seconds, mut dispatches) = (f64::INFINITY, 0.0);
    for _ in 0..ROUNDS {
        let times = times(model, generator, TOKENS + 1, 1, 1)?;
        seconds = seconds.min((times[1].0 - times[0].0).as_secs_f64() - step.0);
        dispatches = (times[1].1 - times[0].1) as f64 - step.1;
    }
    Ok(Row {
        seconds,
        tokens: Some(TOKENS),
        bytes: Some(dtype.bytes(sizes.blocks) as u64),
        operations: Some((2 * sizes.blocks * TOKENS) as f64),
        dispatches: Some(dispatches),
        ..Row::new("prefill", &model.device)
    })
}

/// Trains on one sequence: the adapter if `model` has one, else all weights.
fn training(work: &str, model: &Model, operations: f64) -> Result<Row> {
    eprintln!("{work}, {TOKENS} tokens");
    let mut trainer = Supervised::new(model, MEMORY, optimizer::Settings::default())?;
    let sequence = [Weighted { tokens: tokens(model, TOKENS), weights: vec![1.0; TOKENS - 1] }];
    let before = model.device.counters().dispatches;
    let seconds = best(ROUNDS, || trainer.step(model, &sequence, 1e-5).map(drop))?;
    let dispatches = (model.device.counters().dispatches - before) as f64 / ROUNDS as f64;
    let (operations, dispatches) = (Some(operations), Some(dispatches));
    Ok(Row { seconds, tokens: Some(TOKENS), operations, dispatches, ..Row::new(work, &model.device) })
}
