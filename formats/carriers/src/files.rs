//! Files on sticks and disks: read only what is a regular file, write whole files or none.
//!
//! Reading bounds the size before anything is read and refuses links, FIFOs, devices, sockets and
//! folders by name, because a stick is a stranger's (threats 11 and 13). Writing makes a
//! temporary file beside the target, reserves its space, and publishes it under the final name only
//! when it is whole, synced and read back; an existing file is never overwritten.
//!
//! The calls to the operating system stand in `files/unix.rs`. Not here: standard input, which
//! documents are valid, mounting.

use std::fs::{File, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

mod error;
mod name;
mod new;
mod private;
mod unix;

pub use error::FileError;
pub use name::portable_name;
pub use new::{
    Leftover, Output, Parts, Reader, Stream, create_new, create_new_private, leftovers, remove_leftovers,
    sync_folder,
};
pub use private::{create_private_folder, private_folder, read_private, replace_private, write_private};

use unix as os;

/// Reads a regular file of at most `max_bytes` bytes.
///
/// The file itself must not be a link; folders on the way may be. Never waits for a writer.
///
/// # Errors
///
/// [`FileError::NotRegular`] for a link, FIFO, device, socket or folder; [`FileError::TooLarge`]
/// before reading, or as soon as a growing file passes the limit; what the operating system refuses.
pub fn read_document(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    read_open(&open_regular(path)?, path, max_bytes)
}

/// Opens a regular file that is too large to be read at once; whoever reads it bounds what is read.
///
/// # Errors
///
/// As [`read_document`], but for the size.
pub fn open_document(path: &Path) -> Result<File, FileError> {
    open_regular(path)
}

fn open_regular(path: &Path) -> Result<File, FileError> {
    let fault = |source| FileError::from_io("open", path, source);
    // Looking first keeps a device from being opened at all; looking again after opening closes the race.
    refuse_special(path, std::fs::symlink_metadata(path).map_err(fault)?.file_type())?;
    let file = os::open_to_read(path).map_err(fault)?;
    refuse_special(path, file.metadata().map_err(fault)?.file_type())?;
    Ok(file)
}

fn refuse_special(path: &Path, kind: FileType) -> Result<(), FileError> {
    if kind.is_file() {
        return Ok(());
    }
    Err(FileError::NotRegular { path: path.into(), found: os::name_of(kind) })
}

fn read_open(mut file: &File, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let fault = |source| FileError::from_io("read", path, source);
    let too_large = || FileError::TooLarge { path: path.into(), max_bytes };
    let size = file.metadata().map_err(fault)?.len();
    if size > max_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| too_large())?);
    (&mut file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > max_bytes { Err(too_large()) } else { Ok(bytes) }
}

// The folder that holds `path`, and the name of `path` in it.
fn split(path: &Path) -> Result<(PathBuf, &std::ffi::OsStr), FileError> {
    let folder_like = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if !folder_like => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok((folder.into(), name))
        }
        _ => Err(FileError::NotRegular { path: path.into(), found: "folder" }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
