//! Stopping on request: the first Ctrl-C asks, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Installs the handler for Ctrl-C and for the signal that asks a process to end.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        let again = ASKED.swap(true, Ordering::SeqCst);
        if again || !WATCHED.load(Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("stopping as soon as this is done; once more to stop at once");
    })
    .map_err(|e| Error::Device(format!("cannot listen for Ctrl-C: {e}")))
}

/// Whether somebody asked to stop. Who asks this promises to act on it: from then on the first signal no longer ends the process.
pub fn asked() -> bool {
    WATCHED.store(true, Ordering::SeqCst);
    ASKED.load(Ordering::SeqCst)
}

/// Calls what acts on [`pending`], such as a line of a prompt: the first signal while it runs no longer ends the process, and is forgotten after.
pub fn during<R>(call: impl FnOnce() -> R) -> R {
    ASKED.store(false, Ordering::SeqCst);
    WATCHED.store(true, Ordering::SeqCst);
    let result = call();
    WATCHED.store(false, Ordering::SeqCst);
    ASKED.store(false, Ordering::SeqCst);
    result
}

/// Calls what looks at [`pending`] itself and gives up soon: the first signal while it runs no longer ends the process. Who calls it looks at
/// [`pending`] afterwards.
pub fn watched<R>(call: impl FnOnce() -> R) -> R {
    let before = WATCHED.swap(true, Ordering::SeqCst);
    let result = call();
    WATCHED.store(before, Ordering::SeqCst);
    result
}

/// Whether somebody asked to stop, for what waits long on behalf of a script: it gives up with [`Error::Stopped`]. Promises nothing, so
/// that a script that never asks is ended by the first signal as ever.
pub fn pending() -> bool {
    ASKED.load(Ordering::SeqCst)
}
