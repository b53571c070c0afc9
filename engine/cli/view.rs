//! `finemem-engine view`: the page of a run.

use std::path::PathBuf;

use clap::Args;
use finemem::{Result, view};

#[derive(Args)]
pub(crate) struct Settings {
    /// The run's folder.
    run: PathBuf,
    /// The page to write [default: view.html in the run's folder].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not open the page.
    #[arg(long)]
    no_open: bool,
}

/// Writes the page, and opens it where there is a desktop.
pub(crate) fn show(settings: &Settings) -> Result<()> {
    let out = settings.out.clone().unwrap_or_else(|| settings.run.join("view.html"));
    view::page_of_run(&settings.run)?.write(&out)?;
    println!("wrote {}", out.display());
    // Windows and macOS always have a desktop.
    let desktop = !cfg!(all(unix, not(target_os = "macos")))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    match (!settings.no_open, desktop) {
        (true, true) => {
            // The page is written, so a desktop without a browser is not a failure.
            open::that_detached(&out).unwrap_or_else(|e| eprintln!("cannot open it: {e}"));
        }
        (true, false) => println!("there is no display to open it on"),
        (false, _) => {}
    }
    Ok(())
}
