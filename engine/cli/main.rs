//! The command line. Each command has a file of its own.

mod bench;
mod chat;
mod check;
mod device;
mod export;
mod fetch;
mod info;
mod input;
mod output;
mod plan;
mod repl;
mod run;
mod types;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Run(run::Settings),
    /// List the compute devices found, and the one that would be used.
    Info(device::Where),
    /// Chat with a model in the terminal.
    Chat(chat::Settings),
    /// Type Lua at a prompt. Piped input runs the same way and stops at the first line that fails.
    Repl(repl::Settings),
    /// Measure the speed of a device.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Find mistakes in a script, and in the modules it requires, without running them.
    Check(check::Settings),
    /// List the device memory that training a model takes, buffer by buffer, and say whether it fits.
    Plan(plan::Settings),
    /// Download a published data set from the Hugging Face hub.
    Fetch(fetch::Settings),
    /// Merge an adapter into its model and write the result, after comparing log-probabilities.
    Export(export::Settings),
    /// Write and open a page that shows a run: its curves, and a reader that steps through its rollouts.
    View(view::Settings),
    /// Write the API's types for editors.
    Types(types::Settings),
}

fn main() -> ExitCode {
    // Mesa's device-select layer orders adapters for a desktop session and prints errors where there is none. The engine orders
    // adapters itself.
    // SAFETY: no other thread has started, so none reads the environment meanwhile.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    output::end_with_reader();
    finemem::device::parallel::start_threads();
    let done = match Arguments::parse().command {
        Command::Run(settings) => run::run(settings),
        Command::Info(place) => info::info(&place),
        Command::Chat(settings) => chat::chat(&settings),
        Command::Repl(settings) => repl::repl(&settings),
        Command::Bench(what) => bench::bench(&what),
        Command::Check(settings) => check::check(&settings),
        Command::Plan(settings) => plan::plan(&settings),
        Command::Fetch(settings) => fetch::fetch(&settings),
        Command::Export(settings) => export::export(&settings),
        Command::View(settings) => view::show(&settings),
        Command::Types(settings) => types::types(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
