//! Lines of standard input.

use std::io::BufRead;
use std::path::Path;

use finemem::{Error, Result, files};

/// Standard input, line by line.
#[derive(Default)]
pub(crate) struct Input {
    read: usize,
}

impl Input {
    /// The next line without its end; `None` at the end of the input. A line that is not UTF-8 is an [`Error::Format`], after which the next
    /// line can be read; that the whole input is in another encoding is an [`Error::Io`].
    pub(crate) fn line(&mut self) -> Result<Option<String>> {
        let place = Path::new("standard input");
        let mut line = Vec::new();
        if std::io::stdin().lock().read_until(b'\n', &mut line).map_err(|e| Error::io(place, e))? == 0 {
            return Ok(None);
        }
        self.read += 1;
        if let Some(encoding) = files::other_encoding(&line) {
            return Err(Error::io(place, encoding));
        }
        for end in *b"\n\r" {
            line.pop_if(|last| *last == end);
        }
        let number = self.read;
        files::text(line).map(Some).map_err(|why| Error::format(place, format!("line {number} {why}")))
    }
}
