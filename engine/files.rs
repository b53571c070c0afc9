//! Atomic writes, bounded reads, and the hash that identifies contents.

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

/// Replaces the file at `path` and creates its parent folders. `fill` writes to a temporary file beside it, which is then synced and
/// renamed: readers see the old content or the new, even after a crash.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default. This one gets the permissions of any new file, according to the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all().map_err(|e| Error::io(path, e))?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    sync_folder(folder)
}

/// Appends `bytes` to a file and creates its parent folders. The bytes are on disk when this returns.
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
        return Err(Error::format(path, format!("the file is longer than {largest} bytes, the limit for files of this kind")));
    }
    Ok(bytes)
}

/// The text of a file without its byte order mark, or what is wrong with it.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(encoding) = other_encoding(&bytes) {
        return Err(encoding);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let line = match bytes.contains(&b'\n') {
            true => format!(" (line {})", 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count()),
            false => String::new(),
        };
        format!("is not UTF-8 text: byte {}{line} is 0x{:02X}", at + 1, bytes[at])
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// If bytes look like text of two or four bytes a character: that they are, and what to do.
pub fn other_encoding(bytes: &[u8]) -> Option<String> {
    let start = &bytes[..bytes.len().min(4096)];
    // Where most characters are ASCII, their other bytes are 0.
    let zeros = |odd: usize| 2 * start.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count() > start.len() / 2;
    let name = match start {
        [0xFF, 0xFE, 0, 0, ..] => "UTF-32LE",
        [0, 0, 0xFE, 0xFF, ..] => "UTF-32BE",
        [0xFF, 0xFE, ..] => "UTF-16LE",
        [0xFE, 0xFF, ..] => "UTF-16BE",
        [_, _, _, _, ..] if zeros(1) && !zeros(0) => "UTF-16LE",
        [_, _, _, _, ..] if zeros(0) && !zeros(1) => "UTF-16BE",
        _ => return None,
    };
    Some(format!("is {name} text, but only UTF-8 is read: convert it, for example with iconv -f {name} -t UTF-8"))
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The start of a JSON reader's message, which may quote any amount of the file.
pub fn brief(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}

/// Syncs a folder, so that its entries survive a power cut. Does nothing on systems that cannot open folders.
fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder) {
        Ok(opened) => opened.sync_all().map_err(|e| Error::io(folder, e)),
        Err(_) => Ok(()),
    }
}
