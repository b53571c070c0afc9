//! Exports a model, with its adapter merged, as a model folder or a GGUF file, which is checked before it appears.

use std::path::Path;

use super::learner::{Budget, Learner};
use super::sft::{self, Weighted};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::random::Rng;
use crate::words;

/// The number of tokens whose log-probabilities are compared.
const TOKENS: usize = 64;
/// The largest change of a log-probability when the adapter is merged in f32, due to the order of sums.
const MERGED: f32 = 1e-3;
/// The largest change of a log-probability between a model and the same numbers read back.
const RELOADED: f32 = 1e-4;

words! {
    /// What [`export`] writes.
    pub enum Format {
        /// A model folder.
        Folder = "folder",
        /// A GGUF file, for llama.cpp.
        Gguf = "gguf",
    }
}

/// The result of [`export`].
#[derive(Clone, Debug)]
pub struct Exported {
    /// The number of compared log-probabilities.
    pub compared: usize,
    /// The largest change by merging in f32.
    pub merged: f32,
    /// The largest change by merging and rounding: the difference between what was written and base with adapter.
    pub rounded: f32,
    /// Element type of the matrices.
    pub dtype: String,
}

/// Writes the model in `base`, with the adapter in `adapter` merged into its weights if there is one, to `out`, in `dtype`: `f32`, `f16` or
/// `bf16`, in a GGUF file also `q8_0`; by default that of `base`. `out` only appears once it has been read back and gives the right
/// log-probabilities.
///
/// # Errors An `out` that exists and is not empty, folders that cannot be read, and log-probabilities that are not finite or that differ
/// from those of base and adapter by more than rounding to `dtype` explains. Nothing is left behind then.
pub fn export(base: &Path, adapter: Option<&Path>, out: &Path, format: Format, dtype: Option<&str>, device: &Device) -> Result<Exported> {
    if out.exists() && !std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none() && format == Format::Folder) {
        let wanted = if format == Format::Folder { "a folder that is empty or does not exist" } else { "a file that does not exist" };
        return Err(Error::io(out, format!("exists already; choose {wanted}")));
    }
    if format == Format::Gguf && out.extension().is_none_or(|ending| ending != "gguf") {
        return Err(Error::io(out, "the name of a GGUF file ends with .gguf"));
    }
    let mut model = Model::load(base, device)?;
    if let Some(adapter) = adapter {
        model.load_lora(adapter)?;
    }
    let dtype = dtype.unwrap_or(model.folder.dtype()).to_string();

    let apart = score(&model, "base and adapter")?;
    let model = if adapter.is_some() { model.merge_lora()? } else { model };
    let merged = largest_change(&apart, &score(&model, "the merged model")?, MERGED, "merging")?;

    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".export-");
    // Temporary folders are private by default. This one gets the permissions of any new folder, according to the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let folder = builder.tempdir_in(parent).map_err(|e| Error::io(parent, e))?;
    let written = match format {
        Format::Folder => {
            model.save(folder.path(), &dtype)?;
            model.weights.round(&dtype)?;
            folder.path().to_path_buf()
        }
        Format::Gguf => {
            let file = folder.path().join("model.gguf");
            model.save_gguf(&file, &dtype)?;
            model.weights.round_as_gguf(&dtype)?;
            file
        }
    };
    let expected = score(&model, &format!("the merged model in {dtype}"))?;
    // Two models at once would need twice the memory.
    drop(model);
    let found = score(&Model::load(&written, device)?, "what was written")?;
    largest_change(&expected, &found, RELOADED, "writing and reading")?;
    let rounded = largest_change(&apart, &found, f32::INFINITY, "rounding")?;

    if out.exists() {
        std::fs::remove_dir(out).map_err(|e| Error::io(out, e))?;
    }
    std::fs::rename(&written, out).map_err(|e| Error::io(out, e))?;
    if format == Format::Folder {
        // It was renamed, so there is nothing to remove.
        let _ = folder.keep();
    }
    Ok(Exported { compared: apart.len(), merged, rounded, dtype })
}

/// Log-probabilities of some tokens; the tokens are the same for every model with this vocabulary.
fn score(model: &Model, what: &str) -> Result<Vec<f32>> {
    let mut rng = Rng::new(&[0xE0]);
    let tokens: Vec<u32> =
        (0..model.config.max_position_embeddings.min(TOKENS + 1)).map(|_| rng.next_u32() % model.config.vocab_size as u32).collect();
    let samples = sft::samples(&[Weighted { weights: vec![1.0; tokens.len() - 1], tokens }])?;
    let memory = Budget { micro_tokens: 128, ..Budget::default() };
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
