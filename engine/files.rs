//! Writing files whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces the file at `path`, and makes the folders above it: the bytes go to a temporary file beside it, which is synced and then
/// renamed, so that a reader sees the old content or the new one, also after a crash.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one becomes a file like any other, as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| Error::io(path, e))?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    sync_folder(folder)
}

/// Makes the entries of a folder survive a power cut, where folders can be opened.
fn sync_folder(folder: &Path) -> Result<()> {
    match std::fs::File::open(folder) {
        Ok(opened) => opened.sync_all().map_err(|e| Error::io(folder, e)),
        Err(_) => Ok(()),
    }
}
