//! Replies of servers, kept so that nothing is asked twice, neither by a repeated run nor after a kill and resume.
//!
//! The file has one reply per line. A line is written immediately and synced before the reply is used; a truncated last line is dropped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The text as received, with any thought before the answer.
    pub text: String,
    /// Tokens of the prompt, 0 if the server does not say.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the text.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Whether it was cut off.
    #[serde(default)]
    pub cut: bool,
    /// How many requests it took.
    #[serde(default)]
    pub tries: u64,
    /// Seconds from the first of them to the reply.
    #[serde(default)]
    pub seconds: f64,
}

/// A known reply.
struct Known {
    kept: Kept,
    /// Whether an earlier process asked for it.
    old: bool,
    /// Whether this process has taken it.
    taken: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    kept: Kept,
}

/// Replies by the [`key`] of their request, in memory and optionally in a file.
#[derive(Default)]
pub struct Cache {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Known>,
    file: Option<File>,
}

/// The files that this process has open. Two reasoners that use the same file share it.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Cache>>>> = LazyLock::new(Mutex::default);

/// The name of a request in the cache: the SHA-256 of its body with sorted keys. The address is not part of it.
pub fn key(body: &Value) -> String {
    let mut body = body.clone();
    body.sort_all_objects();
    crate::files::sha256(body.to_string().as_bytes())
}

impl Cache {
    /// The cache in a file. One process at a time can add to it; `offline` only reads, and needs an existing file.
    pub fn open(path: &Path, offline: bool) -> Result<Arc<Self>> {
        let place = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
        let mut open = locked(&OPEN);
        if let Some(cache) = open.get(&place).and_then(Weak::upgrade).filter(|cache| offline || locked(&cache.state).file.is_some()) {
            return Ok(cache);
        }
        let state = if offline {
            let file = File::open(path).map_err(|e| Error::io(path, format!("cannot replay from this cache: {e}")))?;
            State { known: read(path, &file)?.0, file: None }
        } else {
            Self::append(path)?
        };
        let cache = Arc::new(Self { path: path.to_path_buf(), state: Mutex::new(state) });
        open.retain(|_, cache| cache.strong_count() > 0);
        open.insert(place, Arc::downgrade(&cache));
        Ok(cache)
    }

    /// Opens the file for adding lines after the last complete one.
    fn append(path: &Path) -> Result<State> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(|e| Error::io(path, e))?;
        if file.try_lock().is_err() {
            return Err(Error::io(path, "this cache is in use by another process; give each its own"));
        }
        let (known, end) = read(path, &file)?;
        file.set_len(end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| Error::io(path, e))?;
        Ok(State { known, file: Some(file) })
    }

    /// Whether the reply to a request is known.
    pub fn has(&self, key: &str) -> bool {
        locked(&self.state).known.contains_key(key)
    }

    /// The reply to a request, if it is known, and whether it was cached. Its cost is charged to the first caller; for later ones it took
    /// no tries and no time.
    pub fn take(&self, key: &str) -> Option<(Kept, bool)> {
        let mut state = locked(&self.state);
        let Known { kept, old, taken } = state.known.get_mut(key)?;
        let mut reply = kept.clone();
        let again = std::mem::replace(taken, true);
        if again {
            (reply.tries, reply.seconds) = (0, 0.0);
        }
        Some((reply, *old || again))
    }

    /// Keeps a reply.
    pub fn put(&self, key: &str, kept: &Kept) -> Result<()> {
        let mut state = locked(&self.state);
        if let Some(file) = &mut state.file {
            let line = serde_json::to_string(&Line { key: key.into(), kept: kept.clone() }).map_err(|e| Error::io(&self.path, e))? + "\n";
            file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|e| Error::io(&self.path, e))?;
        }
        state.known.insert(key.into(), Known { kept: kept.clone(), old: false, taken: false });
        Ok(())
    }

    /// The cache's file; empty for a cache in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A lock that survives a panic elsewhere: what it guards is consistent between any two statements.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The replies of a file, and where its last complete line ends.
fn read(path: &Path, file: &File) -> Result<(HashMap<String, Known>, u64)> {
    let (mut known, mut end, mut number) = (HashMap::new(), 0, 0);
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
        number += 1;
        if !line.ends_with(b"\n") {
            return Ok((known, end));
        }
        let wrong = |e| Error::format(path, format!("line {number} is not a server's reply ({e}): remove the line, or name another cache"));
        let Line { key, kept } = serde_json::from_slice(&line).map_err(wrong)?;
        known.insert(key, Known { kept, old: true, taken: false });
        end += length as u64;
    }
}
