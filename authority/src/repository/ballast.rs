//! Space kept on the disk so that what a key has signed can still be recorded when the disk fills.
//!
//! Allocated before signing, where running out is only an inconvenience, and given back when the
//! record of a signature finds no space. A file system that compresses or copies on write may hold
//! less than it promises. Not here: the space that exported files need.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::error::RepositoryError;
use crate::home::Home;

/// Bytes kept: a bound on what recording one document of 64 KiB adds to the database, many times over.
const RESERVED_BYTES: u64 = 1024 * 1024;

/// The file `reserve` in the home.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Names the reserve of a home; touches nothing.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { path: home.reserve() }
    }

    /// Returns whether the reserve is allocated in full.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| is_allocated(&found))
    }

    /// Allocates the reserve where it is not.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::DiskFull`] when the space is not there; the part that fitted is given back.
    pub fn ensure(&self) -> Result<(), RepositoryError> {
        self.allocate().map_err(|error| {
            if is_full(&error) {
                // Keeping a part would only make the disk fuller. The error that counts is the first.
                let _ = self.truncate();
            }
            self.explain(error)
        })
    }

    /// Gives the space back to the file system.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Io`] when the file cannot be opened or cut.
    pub fn release(&self) -> Result<(), RepositoryError> {
        self.truncate().map_err(|error| self.explain(error))
    }

    fn allocate(&self) -> io::Result<()> {
        let mut file = self.open(true)?;
        if is_allocated(&file.metadata()?) {
            return Ok(());
        }
        match fallocate(&file, FallocateFlags::empty(), 0, RESERVED_BYTES) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.write_all(&vec![0; RESERVED_BYTES as usize])?,
            result => result?,
        }
        file.sync_all()
    }

    fn truncate(&self) -> io::Result<()> {
        let file = self.open(false)?;
        file.set_len(0)?;
        file.sync_all()
    }

    fn open(&self, create: bool) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&self.path)
    }

    fn explain(&self, error: io::Error) -> RepositoryError {
        if is_full(&error) {
            RepositoryError::DiskFull
        } else {
            RepositoryError::Io { path: self.path.clone(), source: error }
        }
    }
}

fn is_allocated(found: &std::fs::Metadata) -> bool {
    // `blocks` counts units of 512 bytes on every file system.
    found.is_file() && found.len() >= RESERVED_BYTES && found.blocks() * 512 >= RESERVED_BYTES
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
