//! The one error type. A message says what failed, with which shapes, file or key, and what to do about it.

use std::path::{Path, PathBuf};

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong because of input, files or the device. Our own bugs panic instead.
#[derive(Debug, Clone)]
pub enum Error {
    /// A file or folder could not be read or written.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A file was read but its content is not what it should be.
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
    /// The device cannot do what was asked, or was lost.
    Device(String),
    /// A server did not answer, or not as it should; the text has its address, what it said and how often it was asked.
    Server(String),
    /// A Lua script failed; the text carries the script's line and traceback.
    Script(String),
    /// The run was stopped by the user or by a signal; with the file of a server's replies that it was waiting for, if there is one.
    Stopped(Option<PathBuf>),
    /// The script ended itself by `fm.exit`, with what went wrong if anything did.
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

    /// The error with the name of the tensor it is about, if it is an [`Error::Device`], which knows none.
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
            Self::Exit(reason) => f.write_str(reason.as_deref().unwrap_or("the script ended itself")),
            Self::Stopped(None) => f.write_str("stopped by the user"),
            Self::Stopped(Some(replies)) => write!(
                f,
                "stopped by the user; the server's replies are kept in {}: the same command goes on, or `finemem-engine run --resume` if that is in a \
                 run's folder",
                replies.display()
            ),
        }
    }
}

impl std::error::Error for Error {}
