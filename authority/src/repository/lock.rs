//! Why nothing may be issued, and how each reason ended.
//!
//! A lock is never taken back, only released by a row of its own. While one stands, nothing is begun and nothing comes
//! to stand, whoever has signed it, but what an alarm calls for: closing keys, revoking, and the manifests and
//! checkpoints that tell of it. While the log may lack what was signed (`restored`, `adopted`), no key signs at all,
//! not even a checkpoint: a restored home could otherwise sign the very checkpoint that is to release it. Not here:
//! who may release what.

use chancery_formats::document::Kind;
use rusqlite::{Connection, OptionalExtension};

use super::{Repository, RepositoryError};

/// The home was copied and taken over: its log may lack what the original signed.
pub const ADOPTED: &str = "adopted";

/// The home was made from a backup: its log may lack what was signed since.
pub const RESTORED: &str = "restored";

/// What goes on under a lock, where the log is whole.
const GOES_ON: [Kind; 3] = [Kind::Closing, Kind::RevocationList, Kind::Manifest];

/// A reason for which nothing may be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuingLock {
    /// From 1.
    pub id: u64,
    /// Stable kebab-case code.
    pub reason: String,
    /// What was found, for people.
    pub detail: String,
    /// Unix seconds.
    pub locked_at: u64,
}

impl Repository {
    /// Locks issuing; durable on return. A lock with the same reason and detail that stands is enough.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn lock_issuing(&mut self, reason: &str, detail: &str, now: u64) -> Result<(), RepositoryError> {
        if self.issuing_locks()?.iter().any(|lock| lock.reason == reason && lock.detail == detail) {
            return Ok(());
        }
        self.write(|transaction| {
            let sql = "INSERT INTO issuing_lock (lock_id, reason, detail, locked_at)
                       SELECT coalesce(max(lock_id), 0) + 1, ?1, ?2, ?3 FROM issuing_lock";
            transaction.execute(sql, (reason, detail, now))?;
            Ok(())
        })
    }

    /// Returns the locks that stand, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn issuing_locks(&self) -> Result<Vec<IssuingLock>, RepositoryError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT lock_id, reason, detail, locked_at FROM issuing_lock
             WHERE lock_id NOT IN (SELECT lock_id FROM issuing_lock_release) ORDER BY lock_id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(IssuingLock {
                id: row.get(0)?,
                reason: row.get(1)?,
                detail: row.get(2)?,
                locked_at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Releases a lock and says why; durable on return. One that is released stays so.
    ///
    /// # Errors
    ///
    /// Those of the database; a constraint where there is no such lock.
    pub fn release_issuing(&mut self, lock: u64, reason: &str, now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "INSERT INTO issuing_lock_release (lock_id, reason, released_at) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, (lock, reason, now))?;
            Ok(())
        })
    }
}

/// Whether a document is held back by every lock, and not by those alone under which the log may not be whole.
pub(super) fn holds_back(kind: Kind) -> bool {
    !GOES_ON.contains(&kind)
}

/// Refuses to begin or attempt what a standing lock holds back: a document of a kind, or none for a checkpoint.
pub(super) fn require_unlocked(connection: &Connection, kind: Option<Kind>) -> Result<(), RepositoryError> {
    let mut statement = connection.prepare_cached(
        "SELECT reason, detail FROM issuing_lock
         WHERE lock_id NOT IN (SELECT lock_id FROM issuing_lock_release) AND (?1 OR reason IN (?2, ?3))
         ORDER BY lock_id LIMIT 1",
    )?;
    let lock = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match statement.query_row((kind.is_some_and(holds_back), ADOPTED, RESTORED), lock).optional()? {
        None => Ok(()),
        Some((reason, detail)) => Err(RepositoryError::IssuingLocked { reason, detail }),
    }
}
