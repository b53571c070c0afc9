//! `finemem-engine repl`: a Lua prompt, with a policy loaded if one is named.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use finemem::{Error, Result, stop};
use finemem_script::{Entered, Prompt, RuntimeOptions};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};

use crate::device::Where;
use crate::input::Input;

#[derive(Args)]
pub(crate) struct Settings {
    /// A model folder, loaded as `policy`.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// A script to run first; `_` is what it returns.
    script: Option<PathBuf>,
}

/// Reads lines and runs them until the input ends or a line calls `fm.exit`. Piped input stops at the first line that fails.
pub(crate) fn repl(settings: &Settings) -> Result<()> {
    match session(settings) {
        Err(Error::Exit(None)) => Ok(()),
        done => done,
    }
}

fn session(settings: &Settings) -> Result<()> {
    stop::install()?;
    let prompt = Prompt::new(RuntimeOptions { device: settings.place.device.clone(), ..RuntimeOptions::default() })?;
    if let Some(model) = &settings.model {
        prompt.load_policy(model)?;
    }
    if let Some(script) = &settings.script {
        say(&prompt.run(script)?);
    }
    if std::io::stdin().is_terminal() { typed(&prompt, settings.model.is_some()) } else { piped(&prompt) }
}

fn typed(prompt: &Prompt, policy: bool) -> Result<()> {
    let config = Config::builder().max_history_size(1000).and_then(|c| c.history_ignore_dups(true)).map_err(terminal)?.build();
    let mut editor = DefaultEditor::with_config(config).map_err(terminal)?;
    let history = std::env::home_dir().map(|home| home.join(".finemem_history"));
    if let Some(path) = &history {
        // The first session has no history to load.
        editor.load_history(path).ok();
    }
    let known = if policy { "fm and policy are" } else { "fm is" };
    println!(
        "Lua on finemem-engine; {known} loaded, and names assigned without local are kept. Ctrl-C cancels a line, Ctrl-D ends the session."
    );
    let mut text = String::new();
    let end = loop {
        match editor.readline(if text.is_empty() { "> " } else { ">> " }) {
            Ok(line) => {
                text += &line;
                match prompt.enter(&text) {
                    Ok(Entered::Unfinished) => {
                        text.push('\n');
                        continue;
                    }
                    Ok(Entered::Done(shown)) => say(&shown),
                    Err(end @ Error::Exit(_)) => break Err(end),
                    Err(error) => eprintln!("error: {error}"),
                }
                if !text.trim().is_empty() {
                    editor.add_history_entry(text.as_str()).map_err(terminal)?;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break Ok(()),
            Err(error) => return Err(terminal(error)),
        }
        text.clear();
    };
    if let Some(path) = &history {
        editor.save_history(path).map_err(|e| Error::io(path, e))?;
    }
    end
}

fn piped(prompt: &Prompt) -> Result<()> {
    let mut text = String::new();
    let mut input = Input::default();
    while let Some(line) = input.line()? {
        text += &line;
        match prompt.enter(&text)? {
            Entered::Unfinished => text.push('\n'),
            Entered::Done(shown) => {
                say(&shown);
                text.clear();
            }
        }
    }
    match text.is_empty() {
        true => Ok(()),
        false => Err(Error::Script(format!("the input ends inside this statement: {}", text.trim_end()))),
    }
}

/// Prints a value, if there is one.
fn say(text: &str) {
    if !text.is_empty() {
        println!("{text}");
    }
}

fn terminal(error: ReadlineError) -> Error {
    Error::Device(format!("cannot read from the terminal: {error}"))
}
