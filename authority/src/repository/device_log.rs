//! What devices record of their own use, kept for the auditor, and how often our keys were asked to sign.
//!
//! Entries are stored as the device gave them. Not here: their chain (`chancery-hsm-config`), and whether the
//! two agree (`workflow::device_log`).

use chancery_formats::id::Thumbprint;
use rusqlite::OptionalExtension;

use super::{Repository, RepositoryError};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 32;

/// How often a key was asked to sign, by how that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCount {
    /// The key signed.
    pub signed: u64,
    /// Whether it signed is unknown.
    pub unknown: u64,
}

impl Repository {
    /// Returns the newest entry kept of a device.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn newest_device_entry(&self, serial: &str) -> Result<Option<[u8; ENTRY_BYTES]>, RepositoryError> {
        let sql = "SELECT entry FROM device_log_entry WHERE serial = ?1 ORDER BY position DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [serial], |row| row.get(0)).optional()?)
    }

    /// Keeps entries of a device, oldest first; durable on return. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database; nothing is kept then.
    pub fn keep_device_entries(
        &mut self,
        serial: &str,
        entries: &[[u8; ENTRY_BYTES]],
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT coalesce(max(position) + 1, 0) FROM device_log_entry WHERE serial = ?1";
            let first: u64 = transaction.query_row(sql, [serial], |row| row.get(0))?;
            let sql =
                "INSERT INTO device_log_entry (serial, position, entry, kept_at) VALUES (?1, ?2, ?3, ?4)";
            for (position, entry) in (first..).zip(entries) {
                transaction.execute(sql, (serial, position, entry, now))?;
            }
            Ok(())
        })
    }

    /// Returns every entry kept of a device, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn device_entries(&self, serial: &str) -> Result<Vec<[u8; ENTRY_BYTES]>, RepositoryError> {
        let sql = "SELECT entry FROM device_log_entry WHERE serial = ?1 ORDER BY position";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([serial], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns how often a key was asked to sign.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn operation_count(&self, key: Thumbprint) -> Result<OperationCount, RepositoryError> {
        // A signature that was made and did not verify is one that the device counts.
        let sql = "SELECT
                coalesce(sum(outcome = 'signed' OR detail = 'bad-signature'), 0),
                coalesce(sum(outcome IS NULL), 0)
            FROM operation LEFT JOIN operation_outcome USING (operation_id) WHERE key = ?1";
        Ok(self.connection.query_row(sql, [key.0], |row| {
            Ok(OperationCount { signed: row.get(0)?, unknown: row.get(1)? })
        })?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
impl Repository {
    /// Changes an entry, or removes it, as somebody would who has the file.
    pub(crate) fn falsify_device_entry(&mut self, position: u64, entry: Option<[u8; ENTRY_BYTES]>) {
        for trigger in ["update", "delete"] {
            self.connection.execute_batch(&format!("DROP TRIGGER device_log_entry_{trigger}")).unwrap();
        }
        let changed = match entry {
            Some(entry) => {
                let sql = "UPDATE device_log_entry SET entry = ?2 WHERE position = ?1";
                self.connection.execute(sql, (position, entry))
            }
            None => self.connection.execute("DELETE FROM device_log_entry WHERE position = ?1", [position]),
        };
        assert_eq!(changed.unwrap(), 1);
    }
}
