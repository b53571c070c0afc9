//! Stopping on request. The first Ctrl-C asks the program to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Installs the handler for Ctrl-C and SIGTERM.
pub fn install() -> Result<()> {
    listen(|| eprintln!("stopping as soon as the current work is done; press Ctrl-C again to stop at once"))
}

/// As [`install`], but the first signal prints nothing: for programs that stop within a moment.
pub fn install_quietly() -> Result<()> {
    listen(|| ())
}

fn listen(first: impl Fn() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(move || {
        let again = ASKED.swap(true, Ordering::SeqCst);
        if again || !WATCHED.load(Ordering::SeqCst) {
            std::process::exit(130);
        }
        first();
    })
    .map_err(|error| match error {
        ctrlc::Error::System(why) => {
            Error::Device(format!("cannot listen for Ctrl-C: {why}; is there a limit of processes (ulimit -u) or of memory (ulimit -v)?"))
        }
        error => Error::Device(format!("cannot listen for Ctrl-C: {error}")),
    })
}

/// Whether a stop was requested. The caller must act on it: after the first call, the first signal no longer ends the process.
pub fn asked() -> bool {
    WATCHED.store(true, Ordering::SeqCst);
    ASKED.load(Ordering::SeqCst)
}

/// Runs `call`, which checks [`pending`] and stops early, such as a line typed at a prompt. While it runs, the first signal does not end
/// the process. The request is cleared when `call` returns.
pub fn during<R>(call: impl FnOnce() -> R) -> R {
    ASKED.store(false, Ordering::SeqCst);
    WATCHED.store(true, Ordering::SeqCst);
    let result = call();
    WATCHED.store(false, Ordering::SeqCst);
    ASKED.store(false, Ordering::SeqCst);
    result
}

/// Runs `call`, which checks [`pending`] and gives up soon. While it runs, the first signal does not end the process. The caller must check
/// [`pending`] afterwards.
pub fn watched<R>(call: impl FnOnce() -> R) -> R {
    let before = WATCHED.swap(true, Ordering::SeqCst);
    let result = call();
    WATCHED.store(before, Ordering::SeqCst);
    result
}

/// Whether a stop was requested, for code that waits a long time on behalf of a script and gives up with [`Error::Stopped`]. Unlike
/// [`asked`] it does not change what a signal does, so the first signal still ends a script that never calls [`asked`].
pub fn pending() -> bool {
    ASKED.load(Ordering::SeqCst)
}
