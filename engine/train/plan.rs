//! How much device memory a training run takes. Everything is set up as for the run, on a device that only counts.

use std::collections::BTreeMap;

use super::learner::{Budget, Learner};
use super::optimizer::{Optimizer, Settings};
use crate::device::{DType, Device, Planned, readable};
use crate::error::{Error, Result};
use crate::generate::{Generator, Room, SLOTS};
use crate::model::activations::Recompute;
use crate::model::lora::{Lora, TARGETS};
use crate::model::{Config, Model, Tokenizer, Weights};

/// The length of the prompts' common beginning for which a plan leaves room, in tokens.
const SHARED: usize = 1024;

/// What a run does with the model.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Whether there are updates or only rollouts.
    pub train: bool,
    /// The adapter that is trained; `None` trains all weights.
    pub lora: Option<Lora>,
    /// Element types of the weights.
    pub types: Weights<DType>,
    /// Whether there is a KL term, which needs the reference weights. With an adapter these need no copy.
    pub kl: bool,
    /// Rollouts sampled together: those of a batch, up to the generator's number of slots.
    pub rollouts: usize,
    /// Longest prompt, in tokens.
    pub prompt: usize,
    /// Longest completion, in tokens.
    pub completion: usize,
    /// The memory settings of the update. A sequence longer than `micro_tokens` is a micro-batch of its own.
    pub memory: Budget,
}

impl Workload {
    /// The room that sampling needs in the caches. Each rollout of an episode has its own memory, and so its own prompts.
    pub fn room(&self) -> Room {
        let (longest, sequences) = (self.prompt.saturating_sub(1), self.rollouts.min(SLOTS));
        let shared = if sequences > 1 { longest.min(SHARED) } else { 0 };
        Room { prompts: sequences * longest, longest, sequences, max_tokens: self.completion, shared }
    }

    /// The memory settings of the update, with room for the longest sequence.
    pub fn update(&self) -> Budget {
        self.memory.for_sequence(self.prompt + self.completion)
    }
}

/// The buffers for one purpose.
#[derive(Clone, Debug)]
pub struct Part {
    /// The purpose.
    pub name: &'static str,
    /// Groups of equal buffers and their number, the largest total first.
    pub buffers: Vec<(Planned, usize)>,
    /// Bytes of all buffers.
    pub bytes: u64,
}

/// The memory plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Weights, sampling, update, optimiser.
    pub parts: Vec<Part>,
    /// Whether sampling and update take turns using the same memory, see [`alternates`].
    pub alternates: bool,
    /// The peak, in bytes.
    pub peak: u64,
}

/// Whether sampling and update take turns using the same memory. True for adapter runs, where the model is large and a step takes so long
/// that allocating buffers again costs little in comparison (our choice).
pub fn alternates(model: &Model) -> bool {
    model.lora.is_some()
}

/// Plans the run.
///
/// # Errors
/// Sequences that are longer than the model allows.
pub fn plan(config: &Config, tokenizer: &Tokenizer, work: &Workload) -> Result<Plan> {
    let (longest, allowed) = (work.prompt + work.completion, config.max_position_embeddings);
    if longest > allowed {
        return Err(Error::argument(format!("prompt and completion have {longest} tokens, and the model's longest sequence {allowed}")));
    }
    let device = Device::planned();
    let mut parts = Vec::new();
    let mut take = |name| parts.push(Part::new(name, device.take_planned()));
    let mut model = Model::zeros(config.clone(), tokenizer.clone(), &device, &work.types)?;
    take("weights");
    if let Some(lora) = &work.lora {
        model.add_lora(lora.clone(), 0)?;
        take("adapter");
    } else if work.train && work.kl {
        model.weights.map(|_, tensor| device.zeros(tensor.dtype(), tensor.shape()))?;
        take("weights as they were, for KL");
    }
    if work.train {
        Optimizer::new(&model, Settings::default())?;
        take("gradients and optimiser");
    }
    Generator::new(&model)?.reserve(&model, work.room())?;
    take("sampling");
    if work.train {
        Learner::new(&model, work.update(), true)?;
        take("update");
    }

    let bytes = |name: &str| parts.iter().filter(|part| part.name == name).map(|part| part.bytes).sum::<u64>();
    let (all, sampling, update) = (parts.iter().map(|part| part.bytes).sum::<u64>(), bytes("sampling"), bytes("update"));
    let alternates = alternates(&model);
    let peak = if alternates { all - sampling.min(update) } else { all };
    Ok(Plan { parts, alternates, peak })
}

/// The bytes that `set_up` allocates for such a model.
pub fn more(model: &Model, set_up: impl FnOnce(&Model) -> Result<()>) -> Result<u64> {
    let device = Device::planned();
    let types = Weights::types_of(&model.config, &model.weights)?;
    let mut like = Model::zeros(model.config.clone(), model.tokenizer.clone(), &device, &types)?;
    if let Some(lora) = &model.lora {
        like.add_lora(lora.clone(), 0)?;
    }
    let before = device.counters().live;
    set_up(&like)?;
    Ok(device.counters().peak - before)
}

/// Fails if a model and what `set_up` makes for it do not fit the device. Both are made on a device that only counts.
pub fn fits(
    what: &str,
    device: &Device,
    config: &Config,
    tokenizer: &Tokenizer,
    dtype: DType,
    set_up: impl FnOnce(&mut Model) -> Result<()>,
) -> Result<()> {
    let counting = Device::planned();
    set_up(&mut Model::zeros(config.clone(), tokenizer.clone(), &counting, &Weights::types(config, dtype)?)?)?;
    device.expect_memory(what, counting.counters().peak, |_| "free some, or choose a smaller shape".into())
}

/// [`plan`] for a run on `device`, where `taken` of its bytes are allocated already. Fails if there is no room for the rest; the error
/// names settings that take less.
pub fn plan_on(device: &Device, config: &Config, tokenizer: &Tokenizer, work: &Workload, taken: u64) -> Result<Plan> {
    let found = plan(config, tokenizer, work)?;
    device.expect_memory("the run", found.peak.saturating_sub(taken), |free| {
        let ways: Vec<String> = less(config, work)
            .into_iter()
            .filter_map(|(what, work)| {
                let peak = plan(config, tokenizer, &work).ok()?.peak;
                let needed = peak.saturating_sub(taken);
                (peak < found.peak).then(|| format!("\n  {what}: {}{}", readable(needed), if needed <= free { ", fits" } else { "" }))
            })
            .collect();
        if ways.is_empty() { "use a smaller model".into() } else { format!("the run takes less with{}", ways.concat()) }
    })?;
    Ok(found)
}

/// Variants of `work` that take less memory, each with its change.
fn less(config: &Config, work: &Workload) -> Vec<(String, Workload)> {
    let mut ways = Vec::new();
    let mut with = |what: &str, memory: Budget, change: &dyn Fn(&mut Workload)| {
        let mut other = Workload { memory, ..work.clone() };
        change(&mut other);
        let name = Recompute::NAMES[memory.recompute as usize];
        ways.push((format!("recompute {name}{what}"), other));
    };
    let all = Budget { recompute: Recompute::All, ..work.memory };
    with("", Budget { recompute: Recompute::Attention, ..work.memory }, &|_| ());
    with("", all, &|_| ());
    let lora = work.lora.clone().or_else(|| Lora::new(16, 32.0, &TARGETS).ok());
    let all_weights = work.train && work.lora.is_none();
    if all_weights {
        with(", lora 16", all, &|work| work.lora.clone_from(&lora));
    }
    if work.types.wide()
        && let Ok(narrow) = Weights::types(config, DType::BF16)
    {
        with(if all_weights { ", lora 16, dtype bf16" } else { ", dtype bf16" }, all, &|work| {
            work.lora.clone_from(&lora);
            work.types.clone_from(&narrow);
        });
    }
    let (prompt, completion, micro_tokens) = (work.prompt / 2, work.completion / 2, work.memory.micro_tokens / 2);
    let what = format!(", prompts of {prompt} tokens, completions of {completion}, micro_tokens {micro_tokens}");
    with(&what, Budget { micro_tokens, ..all }, &|work| {
        work.prompt = prompt;
        work.completion = completion;
    });
    ways
}

impl Part {
    fn new(name: &'static str, planned: Vec<Planned>) -> Self {
        let mut alike: BTreeMap<(u64, Vec<usize>), (Planned, usize)> = BTreeMap::new();
        let bytes = planned.iter().map(|buffer| buffer.bytes).sum();
        for buffer in planned {
            alike.entry((buffer.bytes, buffer.shape.clone())).or_insert_with(|| (buffer, 0)).1 += 1;
        }
        let mut buffers: Vec<(Planned, usize)> = alike.into_values().collect();
        buffers.sort_by_key(|(buffer, count)| std::cmp::Reverse(buffer.bytes * *count as u64));
        Self { name, buffers, bytes }
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in &self.parts {
            writeln!(f, "{:<44} {:>12}", part.name, readable(part.bytes))?;
            for (buffer, count) in &part.buffers {
                let shape: Vec<String> = buffer.shape.iter().map(usize::to_string).collect();
                let what = format!("  {count} × {} [{}]", format!("{:?}", buffer.dtype).to_lowercase(), shape.join(", "));
                writeln!(f, "{what:<44} {:>12}", readable(buffer.bytes * *count as u64))?;
            }
        }
        let why = if self.alternates { ", sampling and update take turns" } else { "" };
        write!(f, "{:<44} {:>12}", format!("peak{why}"), readable(self.peak))
    }
}
