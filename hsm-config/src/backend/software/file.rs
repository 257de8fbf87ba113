//! Key files on disk: owner-only, bounded, made new and whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::reference::KeyRef;

/// Far above any key file, so that a wrong path costs little.
const MAX_FILE_BYTES: u64 = 16 * 1_024;

/// Reads a key file that nobody but its owner can read or write.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, HsmError> {
    let failed = |source| failure("read key file", path, source);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(HsmError::KeyMissing { key: KeyRef::file(path).into() });
        }
        other => other.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(super::invalid(path, "not a file, or too large"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HsmError::PermissionsTooOpen { path: path.to_owned(), mode });
    }
    // Full capacity from the start: growing would leave copies that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() as u64 <= MAX_FILE_BYTES => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(super::invalid(path, "not a text file")),
    }
}

/// Refuses a path where anything stands already, were it a dangling link.
pub(super) fn refuse_existing(path: &Path) -> Result<(), HsmError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(HsmError::KeyExists { key: KeyRef::file(path).into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failure("look for key file", path, source)),
    }
}

/// Writes a new owner-only file, synced under its final name, and never replaces one.
pub(super) fn create_new(path: &Path, bytes: &[u8]) -> Result<(), HsmError> {
    let failed = |source| failure("create key file", path, source);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = Temporary(temporary_name(path)?);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary.0).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    match renameat_with(CWD, &temporary.0, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Err(HsmError::KeyExists { key: KeyRef::file(path).into() }),
        Err(error) => return Err(failed(error.into())),
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// A file that goes away unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename nothing has this name, and on the way out of a failure there is no better answer.
        let _ = fs::remove_file(&self.0);
    }
}

fn temporary_name(path: &Path) -> Result<PathBuf, HsmError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|source| HsmError::Random { source: source.into() })?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    Ok(name.into())
}

fn failure(action: &'static str, path: &Path, source: io::Error) -> HsmError {
    HsmError::File { action, path: path.to_owned(), source }
}
