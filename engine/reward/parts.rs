//! Rewards of a batch, computed on a device.

use std::rc::Rc;

use super::pack::{Numbers, Problems};
use super::{Rules, Update};
use crate::device::{DType, Device, Tensor};
use crate::ops::attribution::{self, Evidence};
use crate::ops::{compression, segment_mean};
use crate::rollout::Rollout;
use crate::{Error, Result};

/// Slices of a buffer begin on 256-byte boundaries, as bindings require.
const ALIGN: usize = 64;
/// The least number of elements of a tensor.
const LEAST: usize = 1024;

/// Computes the parts of rewards on a device. Its memory and the last results are kept from call to call: while a batch's numbers stay the
/// same, nothing is recomputed.
pub struct Rewarder {
    device: Device,
    rules: Rules,
    tensors: Tensors,
    numbers: Numbers,
    results: Rc<Results>,
}

/// The parts of a batch's rewards. Each is `[rollout][step]`.
#[derive(Debug)]
pub struct Parts {
    /// Steps of each rollout.
    lengths: Vec<usize>,
    results: Rc<Results>,
    problems: Problems,
}

/// The kernels' results for a batch of `R` rollouts with `S` steps in total.
#[derive(Debug, Default)]
struct Results {
    /// For each rollout: `[R]`
    outcome: Vec<f64>,
    compression: Vec<f64>,
    /// For each step: `[S]`
    format: Vec<f64>,
    chunk_step: Vec<f64>,
    /// For each step, its credit from evidence: `[S]`
    credit: Vec<f64>,
}

/// The kernels' bindings. Each has spare room, and grows on demand.
#[derive(Default)]
struct Tensors {
    values: Room,
    starts: Room,
    entries: Room,
    steps: Room,
    shares: Room,
    lengths: Room,
    memory: Room,
    input: Room,
    /// All results, concatenated.
    out: Room,
}

#[derive(Default)]
struct Room(Option<Tensor>);

impl Rewarder {
    /// Starts without memory.
    pub fn new(device: &Device) -> Self {
        let (tensors, numbers, results) = (Tensors::default(), Numbers::default(), Rc::default());
        Self { device: device.clone(), rules: Rules::default(), tensors, numbers, results }
    }

    /// The device that it computes on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parts of a batch. Only evidence depends on `update`, and only format on `untagged`, the worth of a valid call without tags.
    /// Without them the rules of the last call are kept, so that a reward that asks for one part after another computes them only once.
    ///
    /// # Errors
    /// Device errors. A batch that lacks something still has the parts that do not need it.
    pub fn parts(&mut self, rollouts: &[Rollout], update: Option<Update>, untagged: Option<f64>) -> Result<Parts> {
        self.rules = Rules { update: update.unwrap_or(self.rules.update), untagged: untagged.unwrap_or(self.rules.untagged) };
        let (numbers, problems) = Numbers::of(rollouts, self.rules);
        if numbers != self.numbers {
            // If the device fails, the stored numbers must still be those of the stored results.
            self.results = Rc::new(self.compute(&numbers)?);
            self.numbers = numbers;
        }
        let lengths = rollouts.iter().map(|rollout| rollout.steps.len()).collect();
        Ok(Parts { lengths, results: self.results.clone(), problems })
    }

    fn compute(&mut self, numbers: &Numbers) -> Result<Results> {
        let (rollouts, steps) = (numbers.lengths.len(), numbers.steps_in_all());
        if steps == 0 {
            return Ok(Results { outcome: vec![0.0; rollouts], compression: vec![0.0; rollouts], ..Results::default() });
        }
        let columns = numbers.lengths.iter().copied().max().unwrap_or(0) as usize;
        // Means of the final questions, calls and questions of chunks; then the compression; then the credit of evidence.
        let means = 0..rollouts + 2 * steps;
        let ratios = means.end.next_multiple_of(ALIGN)..means.end.next_multiple_of(ALIGN) + rollouts;
        let credits = ratios.end.next_multiple_of(ALIGN)..ratios.end.next_multiple_of(ALIGN) + rollouts * columns;

        let (device, tensors) = (&self.device, &mut self.tensors);
        let out = tensors.out.with(device, DType::F32, credits.end)?;
        let values = tensors.values.floats(device, &numbers.values)?;
        let starts = tensors.starts.integers(device, &numbers.starts)?;
        let evidence = Evidence {
            // The scores come first among the values, and their questions first among the starts.
            scores: &values,
            questions: &starts.view(&[rollouts + 1])?,
            entries: &tensors.entries.integers(device, &numbers.entries)?,
            steps: &tensors.steps.integers(device, &numbers.steps)?,
            shares: &tensors.shares.floats(device, &numbers.shares)?,
            lengths: &tensors.lengths.integers(device, &numbers.lengths)?,
        };
        let (memory, input) = (tensors.memory.floats(device, &numbers.memory)?, tensors.input.floats(device, &numbers.input)?);
        let mut rec = device.record();
        segment_mean::forward(&mut rec, &values, &starts, &out.slice(means.clone())?)?;
        compression::forward(&mut rec, &memory, &input, &out.slice(ratios.clone())?)?;
        attribution::forward(&mut rec, &evidence, &out.slice(credits.clone())?.view(&[rollouts, columns])?)?;
        let all = rec.submit_and_read_f64(&out)?;

        let (outcome, of_steps) = all[means].split_at(rollouts);
        let (format, chunk_step) = of_steps.split_at(steps);
        let rows = all[credits].chunks_exact(columns).zip(&numbers.lengths);
        Ok(Results {
            outcome: outcome.to_vec(),
            compression: all[ratios].to_vec(),
            format: format.to_vec(),
            chunk_step: chunk_step.to_vec(),
            credit: rows.flat_map(|(row, length)| &row[..*length as usize]).copied().collect(),
        })
    }
}

impl Room {
    /// A tensor of `len` numbers, which reuses the memory if it is large enough.
    fn with(&mut self, device: &Device, dtype: DType, len: usize) -> Result<Tensor> {
        let tensor = match self.0.take() {
            Some(tensor) if tensor.len() >= len => tensor,
            _ => device.zeros(dtype, &[len.next_power_of_two().max(LEAST)])?,
        };
        self.0.insert(tensor).view(&[len])
    }

    /// These numbers; a placeholder if there are none, because a binding must not be empty.
    fn floats(&mut self, device: &Device, values: &[f64]) -> Result<Tensor> {
        let tensor = self.with(device, DType::F32, values.len().max(1))?;
        tensor.write_f64(if values.is_empty() { &[0.0] } else { values })?;
        Ok(tensor)
    }

    /// [`Room::floats`] for integers.
    fn integers(&mut self, device: &Device, values: &[u32]) -> Result<Tensor> {
        let tensor = self.with(device, DType::U32, values.len().max(1))?;
        tensor.write_u32(if values.is_empty() { &[0] } else { values })?;
        Ok(tensor)
    }
}

impl Parts {
    /// The share of valid calls, those without tags at their worth.
    pub fn format(&self) -> Vec<Vec<f64>> {
        self.of_steps(&self.results.format)
    }

    /// The mean score of the questions about the chunk. A chunk without questions has none in any rollout, so its 0 does not change the
    /// advantages.
    ///
    /// # Errors
    /// A question without a score.
    pub fn chunk_step(&self) -> Result<Vec<Vec<f64>>> {
        lacking(&self.problems.chunk_step)?;
        Ok(self.of_steps(&self.results.chunk_step))
    }

    /// The score of the questions at the end, credited in part to the steps that wrote the retrieved items. Sums to the mean score. The
    /// shares of items that were written before a rollout's first step credit no step.
    ///
    /// # Errors
    /// A question without a score, evidence from a step that the rollout does not have, a `beta` outside [0, 1].
    pub fn evidence(&self, beta: f64) -> Result<Vec<Vec<f64>>> {
        if !(0.0..=1.0).contains(&beta) {
            return Err(Error::argument(format!("beta is {beta}; it must be between 0 and 1")));
        }
        lacking(&self.problems.evidence)?;
        let mut credits = self.of_steps(&self.results.credit);
        for (credits, outcome) in credits.iter_mut().zip(&self.results.outcome) {
            let alike = (1.0 - beta) * outcome / credits.len() as f64;
            credits.iter_mut().for_each(|credit| *credit = alike + beta * *credit);
        }
        Ok(credits)
    }

    /// How much shorter the memory is than the input, at every step. 0 without input.
    pub fn compression(&self) -> Vec<Vec<f64>> {
        self.of_rollouts(&self.results.compression)
    }

    /// The mean score of the questions at the end, at every step.
    ///
    /// # Errors
    /// A question without a score.
    pub fn outcome(&self) -> Result<Vec<Vec<f64>>> {
        lacking(&self.problems.outcome)?;
        Ok(self.of_rollouts(&self.results.outcome))
    }

    fn of_steps(&self, values: &[f64]) -> Vec<Vec<f64>> {
        let mut values = values.iter().copied();
        self.lengths.iter().map(|length| values.by_ref().take(*length).collect()).collect()
    }

    fn of_rollouts(&self, values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().zip(&self.lengths).map(|(value, length)| vec![*value; *length]).collect()
    }
}

fn lacking(problem: &Option<Error>) -> Result<()> {
    problem.clone().map_or(Ok(()), Err)
}
