//! A model with an adapter as a model folder of its own, checked before it is there.

use std::path::Path;

use super::learner::{Learner, Memory};
use super::sft::{self, Weighted};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Model, tensor_files};
use crate::random::Rng;

/// Tokens whose log-probabilities are compared.
const TOKENS: usize = 64;
/// By how much the order of sums in f32 may change a log-probability when the adapter becomes a part of the weights.
const MERGED: f32 = 1e-3;
/// By how much the same numbers may give another log-probability, in another folder.
const RELOADED: f32 = 1e-4;

/// What [`export`] found.
#[derive(Clone, Copy, Debug)]
pub struct Exported {
    /// How many log-probabilities were compared.
    pub compared: usize,
    /// Their largest change by merging in f32.
    pub merged: f32,
    /// Their largest change by merging and rounding to the type of the folder: what separates the folder from base and adapter.
    pub rounded: f32,
    /// Element type of the folder.
    pub dtype: &'static str,
}

/// Writes the model in `base` with the adapter in `adapter` merged into its weights to the folder `out`, in `dtype` (`f32`, `f16` or
/// `bf16`; by default that of `base`). `out` appears when the folder has been read again and gives the log-probabilities that it should.
///
/// # Errors
/// An `out` that is there and not empty, folders that cannot be read, and log-probabilities that are not finite, or that differ from
/// those of base and adapter by more than rounding to `dtype` explains. Then nothing is left behind.
pub fn export(base: &Path, adapter: &Path, out: &Path, dtype: Option<&str>, device: &Device) -> Result<Exported> {
    if out.exists() && !std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none()) {
        return Err(Error::io(out, "it is there already; name a folder that is empty or not there yet"));
    }
    let mut model = Model::load(base, device)?;
    model.load_lora(adapter)?;
    let dtype = tensor_files::name(tensor_files::dtype(dtype.unwrap_or(model.folder.dtype()))?);

    let apart = score(&model, "base and adapter")?;
    let model = model.merge_lora()?;
    let merged = largest_change(&apart, &score(&model, "the merged model")?, MERGED, "merging")?;

    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".export-");
    // Temporary folders are private by default; this one becomes a folder like any other, as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let written = builder.tempdir_in(parent).map_err(|e| Error::io(parent, e))?;
    model.save(written.path(), dtype)?;
    model.weights.round(dtype)?;
    let expected = score(&model, &format!("the merged model in {dtype}"))?;
    // Two models at a time would need twice the memory.
    drop(model);
    let found = score(&Model::load(written.path(), device)?, "the written folder")?;
    largest_change(&expected, &found, RELOADED, "writing and reading")?;
    let rounded = largest_change(&apart, &found, f32::INFINITY, "rounding")?;

    if out.exists() {
        std::fs::remove_dir(out).map_err(|e| Error::io(out, e))?;
    }
    std::fs::rename(written.path(), out).map_err(|e| Error::io(out, e))?;
    // It is not there any more, so it need not be removed.
    let _ = written.keep();
    Ok(Exported { compared: apart.len(), merged, rounded, dtype })
}

/// Log-probabilities of some tokens, the same for every model with this vocabulary.
fn score(model: &Model, what: &str) -> Result<Vec<f32>> {
    let mut rng = Rng::new(&[0xE0]);
    let tokens: Vec<u32> =
        (0..model.config.max_position_embeddings.min(TOKENS + 1)).map(|_| rng.next_u32() % model.config.vocab_size as u32).collect();
    let samples = sft::samples(&[Weighted { weights: vec![1.0; tokens.len() - 1], tokens }])?;
    let memory = Memory { micro_tokens: 128, ..Memory::default() };
    let found = Learner::new(model, memory, false)?.score(model, &samples, 1.0)?.logprob;
    match found.iter().all(|lp| lp.is_finite()) {
        true => Ok(found),
        false => Err(Error::argument(format!("log-probabilities of {what} are not finite, so nothing is exported"))),
    }
}

fn largest_change(before: &[f32], after: &[f32], most: f32, what: &str) -> Result<f32> {
    let largest = before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if largest <= most {
        return Ok(largest);
    }
    Err(Error::argument(format!("{what} changed a log-probability by {largest:.1e}, more than {most:.0e}, so nothing is exported")))
}
