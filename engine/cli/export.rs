//! `finemem-engine export`: a model, with its adapter merged into the weights, as a folder or a GGUF file.

use std::path::PathBuf;

use clap::Args;
use finemem::Result;
use finemem::train::export::{Format, export as write};

use crate::device::Where;

#[derive(Args)]
pub(crate) struct Settings {
    /// The folder or GGUF file of the model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The folder of its adapter, if there is one, as PEFT and model:save write it.
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The folder to write, which must be empty or not exist, or the GGUF file, which must not exist.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// A model folder, or a GGUF file for llama.cpp.
    #[arg(long, default_value = "folder", value_parser = clap::builder::PossibleValuesParser::new(Format::NAMES))]
    format: String,
    /// Number format of the weights: f32, f16 or bf16, in a GGUF file also q8_0 [default: the model's, or f32 if that is quantised].
    #[arg(long)]
    dtype: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(crate) fn export(settings: &Settings) -> Result<()> {
    let Settings { model, adapter, out, format, dtype, place } = settings;
    let found = write(model, adapter.as_deref(), out, format.parse()?, dtype.as_deref(), &place.open()?)?;
    println!("wrote {} in {} and read it back", out.display(), found.dtype);
    println!(
        "{} log-probabilities: merging changed them by at most {:.1e}, with rounding to {} by at most {:.1e}",
        found.compared, found.merged, found.dtype, found.rounded
    );
    Ok(())
}
