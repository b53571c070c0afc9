//! Writing files whole or not at all, reading small ones, and the hash that names contents.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Replaces the file at `path` with `bytes`, see [`write_with`].
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    write_with(path, |file| file.write_all(bytes).map_err(|e| Error::io(path, e)))
}

/// Replaces the file at `path`, and makes the folders above it: `fill` writes to a temporary file beside it, which is synced and then
/// renamed, so that a reader sees the old content or the new one, also after a crash.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one becomes a file like any other, as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all().map_err(|e| Error::io(path, e))?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    sync_folder(folder)
}

/// Adds `bytes` to the end of a file, and makes the folders above it. They are on the disk when this returns.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let mut file = File::options().create(true).append(true).open(path).map_err(|e| Error::io(path, e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| Error::io(path, e))
}

/// The content of a file of at most `largest` bytes.
pub fn read_small(path: &Path, largest: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.take(largest as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() > largest {
        return Err(Error::format(path, format!("the file is longer than {largest} bytes, which is too much for a file of this kind")));
    }
    Ok(bytes)
}

/// The SHA-256 of `bytes` in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of what a reader of JSON says, which may quote the file at any length.
pub fn brief(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}

/// Makes the entries of a folder survive a power cut, where folders can be opened.
fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder) {
        Ok(opened) => opened.sync_all().map_err(|e| Error::io(folder, e)),
        Err(_) => Ok(()),
    }
}
