//! `finemem-engine check`: mistakes in a script, found without running it.

use std::path::PathBuf;

use clap::Args;
use finemem::{Error, Result};

#[derive(Args)]
pub(crate) struct Settings {
    /// The script.
    script: PathBuf,
}

/// Prints what is wrong. Any mistake makes the command fail.
pub(crate) fn check(settings: &Settings) -> Result<()> {
    let found = finemem_script::check(&settings.script)?;
    for problem in &found.problems {
        eprintln!("{problem}");
    }
    match found.problems.len() {
        0 => println!("no mistake found in {}", found.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")),
        1 => return Err(Error::Script("1 mistake found".into())),
        n => return Err(Error::Script(format!("{n} mistakes found"))),
    }
    Ok(())
}
