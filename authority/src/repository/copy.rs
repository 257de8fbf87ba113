//! A copy of the whole database while others use it.
//!
//! SQLite's online backup, over one snapshot: what is written meanwhile is in the next copy. Not here:
//! encrypting it (`workflow::backup`), where it lies, whether it is sound (`log::verify`).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Repository, RepositoryError, schema};
use crate::home::Home;

/// Pages a step: 4 MiB, a few tens of milliseconds.
const PAGES: i32 = 1024;

impl Repository {
    /// Copies the database into `target`, a home whose folder exists and is empty; synced on return.
    ///
    /// `progress` is told pages done and pages in all.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadyInitialized`] where `target` has a database, [`RepositoryError::DiskFull`].
    pub fn copy_to(&self, target: &Home, progress: &mut dyn FnMut(u64, u64)) -> Result<(), RepositoryError> {
        let path = target.database();
        let fault = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                RepositoryError::AlreadyInitialized { home: target.path().into() }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RepositoryError::DiskFull,
            _ => RepositoryError::Io { path: path.clone(), source },
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(fault)?;
        // A read transaction holds one snapshot; without it, every write of another process would begin the copy
        // anew.
        let snapshot = self.connection.unchecked_transaction()?;
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let mut copy = Connection::open(&path)?;
        let backup = Backup::new(&snapshot, &mut copy)?;
        loop {
            let step = backup.step(PAGES)?;
            let pages = backup.progress();
            let all = u64::try_from(pages.pagecount).unwrap_or(0);
            progress(all.saturating_sub(u64::try_from(pages.remaining).unwrap_or(0)), all);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(RepositoryError::Busy),
            }
        }
        drop(backup);
        copy.close().map_err(|(_, error)| error)?;
        snapshot.finish()?;
        file.sync_all().and_then(|()| File::open(target.path())?.sync_all()).map_err(fault)
    }

    /// Returns the version of the schema.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn schema_version(&self) -> Result<u32, RepositoryError> {
        schema::version(&self.connection)
    }
}
