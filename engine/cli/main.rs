//! The command line.

mod bench;
mod chat;
mod plan;
mod repl;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use finemem::device::{Device, gpu};
use finemem::ops;
use finemem::stop;
use finemem::train::{self, log::Run};
use finemem::{Error, Result, files, view};
use finemem_script::{Runtime, RuntimeOptions};

/// Trains, evaluates and runs memory managers with reinforcement learning, on any GPU or on the CPU.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script.
    Run {
        /// The script; a resumed run knows its own.
        #[arg(required_unless_present = "resume")]
        script: Option<PathBuf>,
        /// Where to compute: auto, gpu, cpu, or a part of an adapter's name.
        #[arg(long, default_value = "auto")]
        device: String,
        /// Memory that models and training keep to, in GiB, instead of what the device has.
        #[arg(long, value_name = "GIB")]
        memory: Option<f64>,
        /// Go on with a run, from its newest valid checkpoint.
        #[arg(long, value_name = "RUN")]
        resume: Option<PathBuf>,
        /// Go on with a reward as its file says by the next step, when that has changed.
        #[arg(long)]
        watch: bool,
        /// What the script sees as fm.args. A resumed run has its own, and these after them.
        #[arg(last = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// Say what was found to compute on, and what is chosen.
    Info {
        /// Where to compute: auto, gpu, cpu, or a part of an adapter's name.
        #[arg(long, default_value = "auto")]
        device: String,
    },
    /// Talk with a model in the terminal.
    Chat(chat::Settings),
    /// Type Lua on a loaded model. Piped input runs in the same way and ends at the first line that fails.
    Repl(repl::Settings),
    /// Measure what a device does.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Look for mistakes in a script and in what it requires, without running them.
    Check {
        /// The script.
        script: PathBuf,
    },
    /// Say what training a model takes of a device's memory, buffer by buffer, and whether it is there.
    Plan(plan::Settings),
    /// Get a published data set from the Hugging Face hub.
    Fetch {
        /// Its name; a wrong one lists all.
        name: String,
        /// The folder to write to; by default data/NAME.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Write a model with its adapter merged into the weights, and compare log-probabilities before the folder is there.
    Export {
        /// The folder of the base model.
        #[arg(long, value_name = "DIR")]
        model: PathBuf,
        /// The folder of the adapter, as PEFT and model:save write it.
        #[arg(long, value_name = "DIR")]
        adapter: PathBuf,
        /// The folder to write, empty or not there yet.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How numbers are stored: f32, f16 or bf16; by default as in the base model.
        #[arg(long)]
        dtype: Option<String>,
        /// Where to compute: auto, gpu, cpu, or a part of an adapter's name.
        #[arg(long, default_value = "auto")]
        device: String,
    },
    /// Write a page that shows a run, and open it: curves, and a reader that steps through its rollouts.
    View {
        /// The run's folder.
        run: PathBuf,
        /// The page to write; by default view.html in the run's folder.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Write the page and do not open it.
        #[arg(long)]
        no_open: bool,
    },
    /// Write the types of the API for editors.
    Types {
        /// The folder to write to.
        #[arg(long, value_name = "DIR", default_value = "scripts/types")]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    // Mesa's device-select layer orders adapters for a desktop session and writes errors where there is none. The engine orders
    // adapters itself.
    // SAFETY: no other thread has started, so none reads the environment meanwhile.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    let done = match Arguments::parse().command {
        Command::Run { script, device, memory, resume, watch, arguments } => {
            let device_memory = memory.map(|gib| (gib * f64::from(1 << 30)) as u64);
            run(script, RuntimeOptions { device, device_memory, resume, watch, arguments, ..RuntimeOptions::default() })
        }
        Command::Info { device } => info(&device),
        Command::Chat(settings) => chat::chat(&settings),
        Command::Repl(settings) => repl::repl(&settings),
        Command::Bench(what) => bench::bench(&what),
        Command::Plan(settings) => plan::plan(&settings),
        Command::Fetch { name, out } => fetch(&name, out),
        Command::Check { script } => check(&script),
        Command::Export { model, adapter, out, dtype, device } => export(&model, &adapter, &out, dtype.as_deref(), &device),
        Command::View { run, out, no_open } => show(&run, out, !no_open),
        Command::Types { out } => types(&out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut script: Option<PathBuf>, mut options: RuntimeOptions) -> Result<()> {
    if let Some(folder) = &options.resume {
        let known = Run::description_of(folder)?;
        if script.as_ref().is_some_and(|script| *script != known.script) {
            return Err(Error::argument(format!("{} is a run of {}; name no other script", folder.display(), known.script.display())));
        }
        script = Some(known.script);
        options.arguments.splice(..0, known.arguments);
    }
    stop::install()?;
    Runtime::new(options)?.run(&script.expect("the parser asks for one"))
}

fn export(model: &Path, adapter: &Path, out: &Path, dtype: Option<&str>, device: &str) -> Result<()> {
    let found = train::export::export(model, adapter, out, dtype, &Device::open(device)?)?;
    println!("wrote {} in {}, and read it again", out.display(), found.dtype);
    println!(
        "{} log-probabilities: merging changed them by at most {:.1e}, with rounding to {} by at most {:.1e}",
        found.compared, found.merged, found.dtype, found.rounded
    );
    Ok(())
}

fn info(device: &str) -> Result<()> {
    println!("finemem-engine {}, {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    println!("found:");
    println!("  {}", Device::cpu().describe());
    let adapters = gpu::adapters();
    for caps in &adapters {
        println!("  {caps}");
        println!("    features: {}", caps.features());
        println!("    limits: {}", caps.limits());
    }
    if adapters.is_empty() {
        println!("  no GPU adapter. {}", gpu::INSTALL_HINT);
    }
    let why = match (device, adapters.first()) {
        ("auto", None) => ", because no GPU adapter was found",
        ("auto", Some(first)) if first.software => {
            ", because no hardware GPU was found and the CPU executor is faster than a software adapter; --device gpu takes one all the same"
        }
        ("auto", Some(_)) => ", because a hardware GPU is faster than the CPU executor; --device cpu takes that all the same",
        _ => "",
    };
    let chosen = Device::open(device)?;
    println!("chosen by --device {device}: {}{why}", chosen.describe());
    if let Some(caps) = chosen.caps() {
        println!("shader variants it runs for the sizes of published models; weights of 16 bits take the same with .bf16 or .f16:");
        for (ending, kernels) in ops::chosen(caps)? {
            println!("  {:<14}{}", if ending.is_empty() { "default" } else { ending }, kernels.join(", "));
        }
    }
    Ok(())
}

fn fetch(name: &str, out: Option<PathBuf>) -> Result<()> {
    let out = out.unwrap_or_else(|| Path::new("data").join(name));
    for path in finemem::data::fetch::fetch(name, &out)? {
        println!("{}", path.display());
    }
    Ok(())
}

fn show(run: &Path, out: Option<PathBuf>, open: bool) -> Result<()> {
    let out = out.unwrap_or_else(|| run.join("view.html"));
    view::page_of_run(run)?.write(&out)?;
    println!("wrote {}", out.display());
    // Elsewhere than on Linux and its kin there is always a desktop.
    let desktop = !cfg!(all(unix, not(target_os = "macos")))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    match (open, desktop) {
        (true, true) => {
            // The page is there; a desktop without a browser is no failure.
            open::that_detached(&out).unwrap_or_else(|e| eprintln!("cannot open it: {e}"));
        }
        (true, false) => println!("there is no display to open it on"),
        (false, _) => {}
    }
    Ok(())
}

fn types(folder: &Path) -> Result<()> {
    finemem_script::types().iter().try_for_each(|(path, text)| files::write(folder.join(path), text.as_bytes()))
}

fn check(path: &Path) -> Result<()> {
    let found = finemem_script::check(path)?;
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
