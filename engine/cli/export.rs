//! `finemem-engine export`: a model with its adapter merged into the weights.

use std::path::PathBuf;

use clap::Args;
use finemem::Result;
use finemem::train::export::export as merge;

use crate::device::Where;

#[derive(Args)]
pub(crate) struct Settings {
    /// The folder of the base model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The folder of the adapter, as PEFT and model:save write it.
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// The folder to write. It must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number format of the weights: f32, f16 or bf16 [default: the base model's].
    #[arg(long)]
    dtype: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(crate) fn export(settings: &Settings) -> Result<()> {
    let Settings { model, adapter, out, dtype, place } = settings;
    let found = merge(model, adapter, out, dtype.as_deref(), &place.open()?)?;
    println!("wrote {} in {} and read it back", out.display(), found.dtype);
    println!(
        "{} log-probabilities: merging changed them by at most {:.1e}, with rounding to {} by at most {:.1e}",
        found.compared, found.merged, found.dtype, found.rounded
    );
    Ok(())
}
