//! `finemem-engine types`: the API's types for editors.

use std::path::PathBuf;

use clap::Args;
use finemem::{Result, files};

#[derive(Args)]
pub(crate) struct Settings {
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = "scripts/types")]
    out: PathBuf,
}

pub(crate) fn types(settings: &Settings) -> Result<()> {
    finemem_script::types().iter().try_for_each(|(path, text)| files::write(settings.out.join(path), text.as_bytes()))
}
