//! What happens when standard output or standard error cannot be written.

use std::io::Write;
use std::panic;

/// Ends the program when nobody reads what it prints, as other programs do, and with an error if it cannot be written for another reason.
pub(crate) fn end_with_reader() {
    // Rust ignores this signal, so that writing to a pipe without a reader fails, and `println!` panics. Sockets are not concerned: the
    // standard library writes to them without the signal.
    #[cfg(unix)]
    // SAFETY: the default action is no function of ours, and no other thread has started.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| match panicked.payload_as_str() {
        // Such as "failed printing to stdout: No space left on device (os error 28)".
        Some(text) if text.starts_with("failed printing to std") => {
            let _ = writeln!(std::io::stderr(), "error: {text}");
            std::process::exit(1);
        }
        _ => usual(panicked),
    }));
}
