//! The one error type. A message says what failed, with which shapes, file or key, and what to do about it.

use std::path::{Path, PathBuf};

/// The result of every fallible function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong because of input, files or the device. A bug of the engine panics instead.
#[derive(Debug, Clone)]
pub enum Error {
    /// A file or folder could not be read or written.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        reason: String,
    },
    /// A file was read, but its content is wrong.
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, where in the file, and what was expected.
        reason: String,
    },
    /// A tensor has the wrong shape.
    Shape(String),
    /// An argument is missing, unknown or out of range.
    Argument(String),
    /// The device cannot do what was asked, or it was lost.
    Device(String),
    /// A server did not answer, or answered wrongly. The text has its address, its reply and the number of attempts.
    Server(String),
    /// A Lua script failed. The text has the script's line and the traceback.
    Script(String),
    /// The user or a signal stopped the run. If it was waiting for a server, this has the file that keeps the server's replies.
    Stopped(Option<PathBuf>),
    /// The script called `fm.exit`, with a reason if it failed.
    Exit(Option<String>),
}

impl Error {
    /// An [`Error::Io`] about `path`.
    pub fn io(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), reason: reason.to_string() }
    }

    /// An [`Error::Format`] about `path`.
    pub fn format(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), reason: reason.to_string() }
    }

    /// Adds a tensor's name to an [`Error::Device`]; leaves other errors as they are.
    pub fn of_tensor(self, name: &str) -> Self {
        match self {
            Self::Device(reason) => Self::Device(format!("{name}: {reason}")),
            other => other,
        }
    }

    /// An [`Error::Argument`].
    pub fn argument(reason: impl ToString) -> Self {
        Self::Argument(reason.to_string())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { path, reason } | Self::Format { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Shape(text) | Self::Argument(text) | Self::Device(text) | Self::Server(text) | Self::Script(text) => f.write_str(text),
            Self::Exit(reason) => f.write_str(reason.as_deref().unwrap_or("the script called fm.exit")),
            Self::Stopped(None) => f.write_str("stopped by the user"),
            Self::Stopped(Some(replies)) => write!(
                f,
                "stopped by the user; the server's replies are kept in {}: run the same command again to continue, or `finemem-engine run --resume` \
                 if that is in a run's folder",
                replies.display()
            ),
        }
    }
}

impl std::error::Error for Error {}
