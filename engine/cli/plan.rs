//! `finemem-engine plan`: the memory of a training run, before it starts.

use std::path::PathBuf;

use clap::Args;
use finemem::device::{DType, Device, readable};
use finemem::model::Tokenizer;
use finemem::model::activations::Recompute;
use finemem::model::folder::Folder;
use finemem::model::lora::{Lora, TARGETS};
use finemem::train::learner::Memory;
use finemem::train::plan::{self, Workload};
use finemem::{Error, Result};

#[derive(Args)]
pub(crate) struct Settings {
    /// A model folder, of which config.json and tokenizer.json are read.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Train an adapter of this rank on all linear layers; without it all weights are trained.
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,
    /// Episodes of a batch.
    #[arg(long, default_value_t = 1)]
    episodes: usize,
    /// Rollouts of each episode.
    #[arg(long, default_value_t = 8)]
    group: usize,
    /// Longest prompt in tokens.
    #[arg(long, default_value_t = 6144)]
    prompt: usize,
    /// Longest completion in tokens.
    #[arg(long, default_value_t = 2048)]
    completion: usize,
    /// What the backward pass computes again instead of keeping it: nothing, the attention part of the blocks, or all of them.
    #[arg(long, default_value = "none", value_parser = clap::builder::PossibleValuesParser::new(Recompute::NAMES))]
    recompute: String,
    /// Compare with the weights as they were, for a KL term.
    #[arg(long)]
    kl: bool,
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
    let (config, folder) = Folder::load(&settings.model)?;
    let stored = folder.dtype();
    let dtype = DType::of_weights(settings.dtype.as_deref().unwrap_or(if settings.lora.is_some() { stored } else { "f32" }))?;
    if settings.lora.is_none() && dtype != DType::F32 {
        return Err(Error::argument(format!("all weights can only be trained in f32; {} needs --lora RANK", dtype.name())));
    }
    let work = Workload {
        train: true,
        lora: settings.lora.map(|rank| Lora::new(rank, 2.0 * rank as f64, &TARGETS)).transpose()?,
        dtype,
        kl: settings.kl,
        rollouts: settings.episodes * settings.group,
        prompt: settings.prompt,
        completion: settings.completion,
        memory: Memory { micro_tokens: settings.micro_tokens, recompute: settings.recompute.parse()? },
    };
    let tokenizer = Tokenizer::load(&settings.model.join("tokenizer.json"))?;
    println!("{}", plan::plan(&config, &tokenizer, &work)?);
    let mut device = Device::open(&settings.device)?;
    if let Some(gib) = settings.memory {
        device = device.with_memory((gib * f64::from(1 << 30)) as u64);
    }
    plan::plan_on(&device, &config, &tokenizer, &work, 0)?;
    match device.memory() {
        Some(free) => println!("fits: there are {} on {}", readable(free), device.describe()),
        None => println!("how much memory {} has is not known; --memory GIB compares with a size", device.describe()),
    }
    Ok(())
}
