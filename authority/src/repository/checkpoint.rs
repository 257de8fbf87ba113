//! Checkpoints of the log: signed notes, and the uses of keys that made them.
//!
//! A checkpoint is made as a document is: its operation is durable before the key signs, and the note with the
//! end of the operation. Not here: what a note says (`chancery-formats`), signing.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::log::{insert_operation, insert_outcome};
use super::{NewOperation, Repository, RepositoryError};

/// A checkpoint of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// Number of leaves that it covers.
    pub tree_size: u64,
    /// The signed note, with its signature lines.
    pub note: String,
    /// When it was first made, in Unix seconds.
    pub made_at: u64,
}

impl Repository {
    /// Records the intent to sign a checkpoint and returns the number of the operation.
    ///
    /// On return the intent is durable and the key may sign. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownKey`], [`RepositoryError::IssuingLocked`], [`RepositoryError::DiskFull`]. Nothing may be signed then.
    pub fn begin_checkpoint(&mut self, operation: &NewOperation, now: u64) -> Result<u64, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| insert_operation(transaction, operation, None, 0, now))
    }

    /// Records that the key signed, and the note, in one transaction; with the reserve where no other space is.
    ///
    /// A note for a size that has one takes its place, and must begin with it: it has more signature lines.
    ///
    /// # Errors
    ///
    /// A constraint of the database where the note says something else than the one that is there; the end of
    /// the operation stays unknown then.
    pub fn complete_checkpoint(
        &mut self,
        operation_id: u64,
        tree_size: u64,
        note: &str,
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write_with_reserve(|transaction| {
            insert_outcome(transaction, operation_id, "signed", None, now)?;
            put(transaction, tree_size, note, now)
        })
    }

    /// Keeps a note with signature lines that came from elsewhere, such as a witness; durable on return.
    ///
    /// # Errors
    ///
    /// As [`Repository::complete_checkpoint`].
    pub fn keep_checkpoint(&mut self, tree_size: u64, note: &str, now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| put(transaction, tree_size, note, now))
    }

    /// Returns the checkpoint of the largest size.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn newest_checkpoint(&self) -> Result<Option<CheckpointRecord>, RepositoryError> {
        let sql = "SELECT tree_size, note, made_at FROM checkpoint ORDER BY tree_size DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], record).optional()?)
    }

    /// Returns the checkpoint of a size.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn checkpoint(&self, tree_size: u64) -> Result<Option<CheckpointRecord>, RepositoryError> {
        let sql = "SELECT tree_size, note, made_at FROM checkpoint WHERE tree_size = ?1";
        Ok(self.connection.query_row(sql, [tree_size], record).optional()?)
    }

    /// Gives every checkpoint to `each`, in the order of sizes.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_checkpoint<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(CheckpointRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = "SELECT tree_size, note, made_at FROM checkpoint ORDER BY tree_size";
        let mut statement = self.connection.prepare(sql).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(record(row).map_err(database)?)?;
        }
        Ok(())
    }
}

fn put(transaction: &Transaction<'_>, tree_size: u64, note: &str, now: u64) -> Result<(), RepositoryError> {
    let sql = "INSERT INTO checkpoint (tree_size, note, made_at) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET note = excluded.note";
    transaction.execute(sql, (tree_size, note, now))?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<CheckpointRecord> {
    Ok(CheckpointRecord { tree_size: row.get(0)?, note: row.get(1)?, made_at: row.get(2)? })
}
