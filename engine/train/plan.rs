//! What a training run takes of a device's memory: everything is set up as for the run, on a device that only counts.

use std::collections::BTreeMap;
use std::path::Path;

use super::learner::{Learner, Memory, Sample};
use super::optimizer::{Optimizer, Settings};
use crate::device::{Device, Planned};
use crate::error::{Error, Result};
use crate::generate::{Generator, Options, Request, Stream};
use crate::model::lora::Lora;
use crate::model::{Config, Model, Tokenizer};
use crate::tensor::DType;

/// What is to be done with the model.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The adapter that is trained; `None` trains all weights.
    pub lora: Option<Lora>,
    /// Element type of the matrices that are read from the folder.
    pub dtype: DType,
    /// Prompts that are continued at the same time: episodes of a batch.
    pub prompts: usize,
    /// Completions of a prompt.
    pub group: usize,
    /// Longest prompt in tokens.
    pub prompt: usize,
    /// Longest completion in tokens.
    pub completion: usize,
    /// How the update uses memory. A sequence that is longer than `micro_tokens` goes alone.
    pub memory: Memory,
}

/// Buffers that are needed for one purpose.
#[derive(Clone, Debug)]
pub struct Part {
    /// What for.
    pub name: &'static str,
    /// Buffers that are alike, and how many of them; the largest in all first.
    pub buffers: Vec<(Planned, usize)>,
    /// Bytes of all.
    pub bytes: u64,
}

/// The memory of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Weights, sampling, update, optimiser.
    pub parts: Vec<Part>,
    /// Whether sampling and update give their memory back to one another, see [`alternates`].
    pub alternates: bool,
    /// The most that is in use at a time, in bytes.
    pub peak: u64,
}

/// Whether the memory of sampling and that of the update are there by turns: so it is for a model with an adapter, which is large, and
/// whose steps take so long that making buffers anew costs nothing beside them (our choice).
pub fn alternates(model: &Model) -> bool {
    model.lora.is_some()
}

/// Plans for the model in a folder, of which `config.json` and `tokenizer.json` are read.
///
/// # Errors
/// A folder that cannot be read, or sequences that are longer than the model allows.
pub fn plan(folder: &Path, work: &Workload) -> Result<Plan> {
    let (config, _) = crate::model::folder::Folder::load(folder)?;
    plan_of(config, Tokenizer::load(&folder.join("tokenizer.json"))?, work)
}

/// [`plan`] for a model that is in no folder.
pub fn plan_of(config: Config, tokenizer: Tokenizer, work: &Workload) -> Result<Plan> {
    let (longest, allowed) = (work.prompt + work.completion, config.max_position_embeddings);
    if longest > allowed {
        return Err(Error::argument(format!("prompt and completion have {longest} tokens, and the model's longest sequence {allowed}")));
    }
    let device = Device::planned();
    let mut parts = Vec::new();
    let mut take = |name| parts.push(Part::new(name, device.take_planned()));
    let mut model = Model::zeros(config, tokenizer, &device, work.dtype)?;
    take("weights");
    if let Some(lora) = &work.lora {
        model.add_lora(lora.clone(), 0)?;
        take("adapter");
    }
    Optimizer::new(&model, Settings::default())?;
    take("gradients and optimiser");
    let streams = vec![Stream::new(0, 0, [0; 3]); work.group];
    // They differ from the first token on: that they share a beginning cannot be counted on.
    let request = |i: usize| Request { prompt: vec![i as u32; work.prompt], streams: streams.clone() };
    let requests: Vec<Request> = (0..work.prompts).map(request).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: work.completion, stop: Vec::new() };
    let mut generator = Generator::new(&model)?;
    generator.reserve(&model, &requests, &options)?;
    take("sampling");
    let targets: Vec<u32> = (work.prompt as u32..longest as u32).collect();
    let sample = Sample { tokens: vec![0; longest], weights: vec![0.0; targets.len()], targets, ..Sample::default() };
    let mut learner = Learner::new(&model, work.memory.for_sequence(longest), true)?;
    learner.begin(&model, &vec![sample; work.prompts * work.group])?;
    take("update");

    let bytes = |name: &str| parts.iter().filter(|part| part.name == name).map(|part| part.bytes).sum::<u64>();
    let (all, sampling, update) = (parts.iter().map(|part| part.bytes).sum::<u64>(), bytes("sampling"), bytes("update"));
    let alternates = alternates(&model);
    let peak = if alternates { all - sampling.min(update) } else { all };
    Ok(Plan { parts, alternates, peak })
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

/// Bytes as people read them.
pub fn readable(bytes: u64) -> String {
    match bytes as f64 {
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
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
        let why = if self.alternates { ", sampling and update by turns" } else { "" };
        write!(f, "{:<44} {:>12}", format!("peak{why}"), readable(self.peak))
    }
}
