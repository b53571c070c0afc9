//! `finemem-engine run`: runs a script, or resumes a run.

use std::path::PathBuf;

use clap::Args;
use finemem::train::log::Run;
use finemem::{Error, Result, stop};
use finemem_script::{Runtime, RuntimeOptions};

use crate::device::{Where, gib};

#[derive(Args)]
pub(crate) struct Settings {
    /// The script. A resumed run knows its own.
    #[arg(required_unless_present = "resume")]
    script: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// Memory limit of models and training in GiB. By default it is the device's memory.
    #[arg(long, value_name = "GIB", value_parser = gib)]
    memory: Option<u64>,
    /// Resume a run from its newest valid checkpoint.
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Reload an edited reward; it takes effect at the next step.
    #[arg(long)]
    watch: bool,
    /// What the script sees as fm.args. A resumed run keeps its arguments; these are added at the end.
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

pub(crate) fn run(settings: Settings) -> Result<()> {
    let Settings { mut script, place, memory, resume, watch, mut arguments } = settings;
    if let Some(folder) = &resume {
        let known = Run::description_of(folder)?;
        if script.as_ref().is_some_and(|script| *script != known.script) {
            return Err(Error::argument(format!(
                "{} is a run of {}; it cannot be resumed with another script",
                folder.display(),
                known.script.display()
            )));
        }
        script = Some(known.script);
        arguments.splice(..0, known.arguments);
    }
    stop::install()?;
    let options = RuntimeOptions { device: place.device, device_memory: memory, resume, watch, arguments, ..RuntimeOptions::default() };
    Runtime::new(options)?.run(&script.expect("clap requires a script unless a run is resumed"))
}
