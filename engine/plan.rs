//! `finemem-engine plan`: the memory of a training run, before it starts.

use std::path::PathBuf;

use clap::Args;
use finemem_engine::device::Device;
use finemem_engine::model::folder::Folder;
use finemem_engine::model::lora::{Lora, TARGETS};
use finemem_engine::tensor::DType;
use finemem_engine::train::learner::Memory;
use finemem_engine::train::plan::{self, Workload, readable};
use finemem_engine::{Error, Result};

#[derive(Args)]
pub(crate) struct Settings {
    /// A model folder, of which config.json and tokenizer.json are read.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Train an adapter of this rank on all linear layers; without it all weights are trained.
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,
    /// Prompts that are continued at the same time: episodes of a batch.
    #[arg(long, default_value_t = 1)]
    prompts: usize,
    /// Completions of a prompt.
    #[arg(long, default_value_t = 8)]
    group: usize,
    /// Longest prompt in tokens.
    #[arg(long, default_value_t = 6144)]
    prompt: usize,
    /// Longest completion in tokens.
    #[arg(long, default_value_t = 2048)]
    completion: usize,
    /// Compute blocks again in the backward pass instead of keeping their activations.
    #[arg(long)]
    recompute: bool,
    /// Tokens that go through the model at a time in an update; a longer sequence goes alone.
    #[arg(long, default_value_t = 4096)]
    micro_tokens: usize,
    /// How matrices are kept: f32, bf16 or f16 [default: with an adapter as in the folder, else f32].
    #[arg(long)]
    dtype: Option<String>,
    /// The device that is to hold it: auto, gpu, cpu, or a part of an adapter's name.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Memory to keep to, in GiB, instead of what the device has.
    #[arg(long, value_name = "GIB")]
    memory: Option<f64>,
}

/// Prints the plan. One that does not fit is an error.
pub(crate) fn plan(settings: &Settings) -> Result<()> {
    let stored = Folder::load(&settings.model)?.1.dtype();
    let dtype = DType::of_weights(settings.dtype.as_deref().unwrap_or(if settings.lora.is_some() { stored } else { "f32" }))?;
    if settings.lora.is_none() && dtype != DType::F32 {
        return Err(Error::argument(format!("all weights can only be trained in f32; {} needs --lora RANK", dtype.name())));
    }
    let work = Workload {
        lora: settings.lora.map(|rank| Lora::new(rank, 2.0 * rank as f64, &TARGETS)).transpose()?,
        dtype,
        prompts: settings.prompts,
        group: settings.group,
        prompt: settings.prompt,
        completion: settings.completion,
        memory: Memory { micro_tokens: settings.micro_tokens, recompute: settings.recompute },
    };
    let found = plan::plan(&settings.model, &work)?;
    println!("{found}");
    let device = Device::open(&settings.device)?;
    let (available, whose) = match settings.memory {
        Some(gib) => (Some((gib * f64::from(1 << 30)) as u64), "--memory".to_string()),
        None => (device.memory(), device.describe()),
    };
    let Some(available) = available else {
        println!("how much memory {whose} has is not known; --memory GIB compares with a size");
        return Ok(());
    };
    if found.peak <= available {
        println!("fits: {whose} has {}", readable(available));
        return Ok(());
    }
    let mut ways = Vec::new();
    let mut consider = |what: String, work: Workload| -> Result<()> {
        let peak = plan::plan(&settings.model, &work)?.peak;
        if peak < found.peak {
            ways.push(format!("{what}: {}{}", readable(peak), if peak <= available { ", fits" } else { "" }));
        }
        Ok(())
    };
    let recompute = Memory { recompute: true, ..work.memory };
    consider("--recompute".into(), Workload { memory: recompute, ..work.clone() })?;
    if work.lora.is_none() {
        let lora = Some(Lora::new(16, 32.0, &TARGETS)?);
        consider("--recompute --lora 16".into(), Workload { memory: recompute, lora: lora.clone(), ..work.clone() })?;
        consider("--recompute --lora 16 --dtype bf16".into(), Workload { memory: recompute, lora, dtype: DType::BF16, ..work.clone() })?;
    } else if dtype == DType::F32 {
        consider("--recompute --dtype bf16".into(), Workload { memory: recompute, dtype: DType::BF16, ..work.clone() })?;
    }
    let (prompt, completion) = (work.prompt / 2, work.completion / 2);
    let memory = Memory { micro_tokens: work.memory.micro_tokens / 2, ..recompute };
    let shorter = format!("--recompute --prompt {prompt} --completion {completion} --micro-tokens {}", memory.micro_tokens);
    consider(shorter, Workload { memory, prompt, completion, ..work.clone() })?;
    let hint = if ways.is_empty() { "a smaller model is needed".into() } else { format!("less takes:\n  {}", ways.join("\n  ")) };
    Err(Error::argument(format!("does not fit: {whose} has {}, {} are needed; {hint}", readable(available), readable(found.peak))))
}
