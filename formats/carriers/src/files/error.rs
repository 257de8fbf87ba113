//! Why a file cannot be read or written, and what to do about it.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::text::ShownPath;

/// Why a file was refused, or could not be read or written; messages name the path, escaped.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    #[error("{} already exists", ShownPath(.path))]
    AlreadyExists { path: PathBuf },
    #[error("{} does not hold what was written to it", ShownPath(.path))]
    Damaged { path: PathBuf },
    #[error("{} is open to others: mode {mode:03o}", ShownPath(.path))]
    Exposed { path: PathBuf, mode: u32 },
    #[error("no space for {}", ShownPath(.path))]
    Full { path: PathBuf, source: Error },
    #[error("cannot {action} {}", ShownPath(.path))]
    Io { action: &'static str, path: PathBuf, source: Error },
    #[error("{} is not a folder, or lies below a file", ShownPath(.path))]
    NotFolder { path: PathBuf },
    #[error("{} does not exist", ShownPath(.path))]
    NotFound { path: PathBuf },
    #[error("{} is not a regular file but a {found}", ShownPath(.path))]
    NotRegular { path: PathBuf, found: &'static str },
    #[error("{} belongs to another user", ShownPath(.path))]
    OtherOwner { path: PathBuf },
    #[error("no permission to {action} {}", ShownPath(.path))]
    Permission { action: &'static str, path: PathBuf, source: Error },
    #[error("{} is on a read-only file system", ShownPath(.path))]
    ReadOnly { path: PathBuf },
    #[error("{} is larger than {max_bytes} bytes", ShownPath(.path))]
    TooLarge { path: PathBuf, max_bytes: u64 },
}

impl FileError {
    /// Names what the operating system refused while doing `action` ("open", "write") on `path`.
    #[must_use]
    pub fn from_io(action: &'static str, path: &Path, source: Error) -> Self {
        let path = path.into();
        match source.kind() {
            ErrorKind::AlreadyExists => Self::AlreadyExists { path },
            ErrorKind::NotADirectory => Self::NotFolder { path },
            ErrorKind::NotFound => Self::NotFound { path },
            ErrorKind::PermissionDenied => Self::Permission { action, path, source },
            ErrorKind::QuotaExceeded | ErrorKind::StorageFull => Self::Full { path, source },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { action, path, source },
        }
    }

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "file-exists",
            Self::Damaged { .. } => "file-damaged",
            Self::Exposed { .. } => "file-exposed",
            Self::Full { .. } => "disk-full",
            Self::Io { .. } => "file-io",
            Self::NotFolder { .. } => "not-a-folder",
            Self::NotFound { .. } => "file-not-found",
            Self::NotRegular { .. } => "not-a-regular-file",
            Self::OtherOwner { .. } => "file-other-owner",
            Self::Permission { .. } => "file-permission",
            Self::ReadOnly { .. } => "read-only-file-system",
            Self::TooLarge { .. } => "file-too-large",
        }
    }

    /// Returns the next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => {
                "choose another name, or move the existing file away; nothing is overwritten"
            }
            Self::Damaged { .. } => "use another stick or disk; this one does not keep what it is given",
            Self::Exposed { .. } => {
                "take the rights of group and others away with `chmod go=`, and ask who had them"
            }
            Self::Full { .. } => "free some space, or write to another disk",
            Self::Io { .. } => "check that the stick or disk is still connected and healthy",
            Self::NotFolder { .. } => "correct the path; one of its folders is a file",
            Self::NotFound { .. } => "check the spelling; folders are not created on the way",
            Self::NotRegular { .. } => "name a regular file; copy the contents into one if needed",
            Self::OtherOwner { .. } => "run as the user it belongs to, or name another place",
            Self::Permission { .. } => "run as a user who may do this, or name another place",
            Self::ReadOnly { .. } => "mount it writable, or write to another disk",
            Self::TooLarge { .. } => "check that it is the right file; documents are small",
        }
    }
}
