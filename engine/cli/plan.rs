//! `finemem-engine plan`: how much memory a training run would take.

use std::path::PathBuf;

use clap::Args;
use finemem::device::{DType, readable};
use finemem::model::activations::Recompute;
use finemem::model::lora::{Lora, TARGETS};
use finemem::model::{Model, Weights};
use finemem::train::learner::Budget;
use finemem::train::plan::{self, Workload};
use finemem::{Error, Result};

use crate::device::{Where, gib};

#[derive(Args)]
pub(crate) struct Settings {
    /// The model folder. Only config.json and tokenizer.json are read.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Train an adapter of this rank on all linear layers [default: train all weights].
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,
    /// Episodes in a batch.
    #[arg(long, default_value_t = 1)]
    episodes: usize,
    /// Rollouts of each episode.
    #[arg(long, default_value_t = 8)]
    group: usize,
    /// Longest prompt, in tokens.
    #[arg(long, default_value_t = 6144)]
    prompt: usize,
    /// Longest completion, in tokens.
    #[arg(long, default_value_t = 2048)]
    completion: usize,
    /// What the backward pass recomputes to save memory: nothing, the attention half of each block, or whole blocks.
    #[arg(long, default_value = "none", value_parser = clap::builder::PossibleValuesParser::new(Recompute::NAMES))]
    recompute: String,
    /// Train with a KL term, which needs the reference policy.
    #[arg(long)]
    kl: bool,
    /// Tokens in a micro-batch of the update. A longer sequence is a micro-batch of its own.
    #[arg(long, default_value_t = 4096)]
    micro_tokens: usize,
    /// Number format of the matrices: f32, bf16, f16, q8_0 or q4_k [default: with --lora the model's, else f32].
    #[arg(long)]
    dtype: Option<String>,
    #[command(flatten)]
    place: Where,
    /// Compare with this many GiB [default: the device's memory].
    #[arg(long, value_name = "GIB", value_parser = gib)]
    memory: Option<u64>,
}

/// Prints the plan. Fails if it does not fit.
pub(crate) fn plan(settings: &Settings) -> Result<()> {
    let (config, tokenizer, stored) = Model::describe(&settings.model)?;
    let types = match &settings.dtype {
        Some(name) => Weights::types(&config, DType::of_weights(name)?)?,
        None if settings.lora.is_some() => stored,
        None => Weights::types(&config, DType::F32)?,
    };
    if settings.lora.is_none() && !types.wide() {
        return Err(Error::argument("full training needs f32; to train with other types, give --lora RANK"));
    }
    let work = Workload {
        train: true,
        lora: settings.lora.map(|rank| Lora::new(rank, 2.0 * rank as f64, &TARGETS)).transpose()?,
        types,
        kl: settings.kl,
        rollouts: settings.episodes * settings.group,
        prompt: settings.prompt,
        completion: settings.completion,
        memory: Budget { micro_tokens: settings.micro_tokens, recompute: settings.recompute.parse()? },
    };
    println!("{}", plan::plan(&config, &tokenizer, &work)?);
    let mut device = settings.place.open()?;
    if let Some(bytes) = settings.memory {
        device = device.with_memory(bytes);
    }
    plan::plan_on(&device, &config, &tokenizer, &work, 0)?;
    match device.memory() {
        Some(free) => println!("fits: {} has {}", device.describe(), readable(free)),
        None => println!("it is not known how much memory {} has; --memory GIB compares with a size of your choice", device.describe()),
    }
    Ok(())
}
