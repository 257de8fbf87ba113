//! Files and folders that belong to one user alone: state, and keys that software keeps.
//!
//! Modes keep other users out, not the machine's administrator.

use std::fs::Metadata;
use std::path::Path;

use super::{FileError, Output, create_new_private, open_regular, os, read_open, split};

/// Writes a new owner-only file, whole and synced.
///
/// # Errors
///
/// As [`super::create_new`] and [`Output::commit`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let output = create_new_private(path)?;
    output.reserve(bytes.len() as u64)?;
    output.commit(bytes)
}

/// Writes an owner-only file, whole and synced, in place of the one that has the name, if any.
///
/// A reader sees the old file or the new one. A link is replaced, not followed.
///
/// # Errors
///
/// As [`super::create_new`] and [`Output::commit`], but for a name that is taken.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let output = Output::new(path, true, true)?;
    output.reserve(bytes.len() as u64)?;
    output.replace(bytes)
}

/// Reads a file that must belong to this user and be closed to all others.
///
/// # Errors
///
/// [`FileError::Exposed`], [`FileError::OtherOwner`]; as [`super::read_document`].
pub fn read_private(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let file = open_regular(path)?;
    let metadata = file.metadata().map_err(|source| FileError::from_io("read", path, source))?;
    check_private(path, &metadata)?;
    read_open(&file, path, max_bytes)
}

/// Creates a folder that only its owner may enter (mode 0700). Its parent must exist.
///
/// # Errors
///
/// [`FileError::AlreadyExists`] where anything has the name; what the operating system refuses.
pub fn create_private_folder(path: &Path) -> Result<(), FileError> {
    // `components` drops a slash at the end, which folders may have.
    let (parent_path, name) = split(path.components().as_path())?;
    let parent =
        os::open_folder(&parent_path).map_err(|source| FileError::from_io("open", &parent_path, source))?;
    os::create_private_folder(&parent, name).map_err(|source| FileError::from_io("create", path, source))?;
    os::sync_folder(&parent).map_err(|source| FileError::from_io("sync the folder of", path, source))
}

/// Checks that a folder belongs to this user and is closed to all others; changes nothing.
///
/// # Errors
///
/// [`FileError::Exposed`], [`FileError::OtherOwner`]; [`FileError::NotFolder`] for anything else of that name,
/// a link to a folder among them; what the operating system refuses.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    let metadata =
        std::fs::symlink_metadata(path).map_err(|source| FileError::from_io("read", path, source))?;
    if !metadata.is_dir() {
        return Err(FileError::NotFolder { path: path.into() });
    }
    check_private(path, &metadata)
}

fn check_private(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if !os::is_own(metadata) {
        return Err(FileError::OtherOwner { path: path.into() });
    }
    match os::exposed_mode(metadata) {
        Some(mode) => Err(FileError::Exposed { path: path.into(), mode }),
        None => Ok(()),
    }
}
