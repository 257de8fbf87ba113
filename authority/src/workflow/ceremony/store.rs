//! What a ceremony has done so far, durable in the home in the making: small files, each written once.
//!
//! A file is whole and synced before anything is told of it, and never changes. Not here: what is in them.

use std::fs::File;
use std::path::PathBuf;

use chancery_carriers::files::{create_private_folder, read_private, write_private};
use chancery_carriers::text::shown_path;

use crate::error::CommandError;
use crate::home::Home;

/// Largest record of a step, in bytes.
pub(super) const MAX_STEP: u64 = 64 * 1024;

/// The folder of a ceremony in its home.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the folder in a home, and makes it where it is missing.
    pub(super) fn open(home: &Home) -> Result<Self, CommandError> {
        for folder in [home.ceremony(), home.keys()] {
            if folder.symlink_metadata().is_err() {
                create_private_folder(&folder)?;
            }
        }
        Ok(Self { folder: home.ceremony() })
    }

    /// Keeps other processes out until the value is dropped or the process ends.
    pub(super) fn lock(&self) -> Result<File, CommandError> {
        let path = self.folder.join("lock");
        let failed = |error: std::io::Error| {
            CommandError::failed("ceremony-unlockable", "the ceremony cannot be kept for this process alone")
                .cause(error.to_string())
                .hint("check the folder beside the home, and its rights")
        };
        let file = File::options().create(true).append(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(CommandError::failed("ceremony-busy", "another process runs this ceremony")
                    .hint("wait for it, or go on there"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Reads a file; none where it was not written yet.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, CommandError> {
        let path = self.folder.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => Ok(Some(read_private(&path, max_bytes)?)),
        }
    }

    /// Writes a file that is not there yet.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        Ok(write_private(&self.folder.join(name), bytes)?)
    }

    /// Returns a file that was written before, or writes the one that `make` gives.
    pub(super) fn once(
        &self,
        name: &str,
        max_bytes: u64,
        make: impl FnOnce() -> Result<Vec<u8>, CommandError>,
    ) -> Result<Vec<u8>, CommandError> {
        if let Some(bytes) = self.read(name, max_bytes)? {
            return Ok(bytes);
        }
        let bytes = make()?;
        self.write(name, &bytes)?;
        Ok(bytes)
    }

    /// Returns the path of a file, for people.
    pub(super) fn shown(&self, name: &str) -> String {
        shown_path(&self.folder.join(name))
    }
}
