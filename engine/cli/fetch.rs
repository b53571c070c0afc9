//! `finemem-engine fetch`: published data sets.

use std::path::{Path, PathBuf};

use clap::Args;
use finemem::Result;

#[derive(Args)]
pub(crate) struct Settings {
    /// The data set's name. An unknown name lists the known ones.
    name: String,
    /// The folder to write to [default: data/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Downloads a data set and prints its files.
pub(crate) fn fetch(settings: &Settings) -> Result<()> {
    let out = settings.out.clone().unwrap_or_else(|| Path::new("data").join(&settings.name));
    for path in finemem::data::fetch::fetch(&settings.name, &out)? {
        println!("{}", path.display());
    }
    Ok(())
}
