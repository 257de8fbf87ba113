//! What devices record of their own use, kept for the auditor; how often our keys were asked to sign; and what came
//! of comparing the two.
//!
//! Entries are stored as the device gave them. Not here: their chain (`chancery-hsm-config`), and whether the
//! two agree (`workflow::reconcile`).

use std::collections::BTreeMap;

use chancery_formats::id::Thumbprint;
use rusqlite::{OptionalExtension, Transaction};

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

/// Entries that are looked at for those that another process kept meanwhile: many times what a device holds.
const RECENT: u64 = 1_024;

/// Where a device's log begins anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLogChain {
    /// Position of the first entry after the reset.
    pub position: u64,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub begun_at: u64,
}

/// What an auditor accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewAcceptance {
    /// An entry of the device that no operation explains, by its position.
    Entry(u64),
    /// An operation that no entry shows, by its number.
    Operation(u64),
}

/// What an auditor accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// What.
    pub what: NewAcceptance,
    /// Why, for people.
    pub reason: String,
    /// Who.
    pub accepted_by: String,
    /// Unix seconds.
    pub accepted_at: u64,
}

impl Repository {
    /// Returns the newest entry kept of a device; none where its log begins anew with the next.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn newest_device_entry(&self, serial: &str) -> Result<Option<[u8; ENTRY_BYTES]>, RepositoryError> {
        let sql = "SELECT entry FROM device_log_entry WHERE serial = ?1 AND position >=
                       (SELECT coalesce(max(position), 0) FROM device_log_chain WHERE serial = ?1)
                   ORDER BY position DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [serial], |row| row.get(0)).optional()?)
    }

    /// Keeps entries of a device, oldest first; durable on return. `now` is Unix seconds.
    ///
    /// Those that another process kept since the device was read are not kept twice.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::DeviceEntryDiffers`] where the other was shown something else; those of the database.
    /// Nothing is kept then.
    pub fn keep_device_entries(
        &mut self,
        serial: &str,
        entries: &[[u8; ENTRY_BYTES]],
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT coalesce(max(position) + 1, 0) FROM device_log_entry WHERE serial = ?1";
            let first: u64 = transaction.query_row(sql, [serial], |row| row.get(0))?;
            let entries = not_kept(&recent(transaction, serial, first)?, entries)
                .ok_or_else(|| RepositoryError::DeviceEntryDiffers { serial: serial.to_owned() })?;
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

    /// Returns where a device's log begins anew, in order.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn device_log_chains(&self, serial: &str) -> Result<Vec<DeviceLogChain>, RepositoryError> {
        let sql =
            "SELECT position, reason, begun_at FROM device_log_chain WHERE serial = ?1 ORDER BY position";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([serial], |row| {
            Ok(DeviceLogChain { position: row.get(0)?, reason: row.get(1)?, begun_at: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records that a device's log begins anew with its next entry; durable on return. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn begin_device_log_chain(
        &mut self,
        serial: &str,
        reason: &str,
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "INSERT INTO device_log_chain (serial, position, reason, begun_at)
                       SELECT ?1, coalesce(max(position) + 1, 0), ?2, ?3 FROM device_log_entry WHERE serial = ?1
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, (serial, reason, now))?;
            Ok(())
        })
    }

    /// Returns how operations of unknown outcome ended: by number, the position of the entry on the device, or
    /// nothing where it did not sign.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn operation_settlements(&self) -> Result<BTreeMap<u64, Option<u64>>, RepositoryError> {
        let mut statement =
            self.connection.prepare("SELECT operation_id, position FROM operation_settlement")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records how operations of unknown outcome ended; durable on return. What is recorded stays.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn settle_operations(
        &mut self,
        serial: &str,
        settled: &[(u64, Option<u64>)],
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "INSERT INTO operation_settlement (operation_id, serial, position, settled_at)
                       VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            for (operation_id, position) in settled {
                transaction.execute(sql, (operation_id, serial, position, now))?;
            }
            Ok(())
        })
    }

    /// Returns what an auditor accepted of a device, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database; [`RepositoryError::Corrupted`] for a row that accepts nothing.
    pub fn device_log_acceptances(&self, serial: &str) -> Result<Vec<Acceptance>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT position, operation_id, reason, accepted_by, accepted_at FROM device_log_acceptance
             WHERE serial = ?1 ORDER BY acceptance_id",
        )?;
        let mut rows = statement.query([serial])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let what = match (row.get(0)?, row.get(1)?) {
                (Some(position), None) => NewAcceptance::Entry(position),
                (None, Some(operation)) => NewAcceptance::Operation(operation),
                _ => return Err(RepositoryError::malformed("device_log_acceptance")),
            };
            let (reason, accepted_by) = (row.get(2)?, row.get(3)?);
            found.push(Acceptance { what, reason, accepted_by, accepted_at: row.get(4)? });
        }
        Ok(found)
    }

    /// Records what an auditor accepts of a device, all or nothing; durable on return. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn accept_of_device_log(
        &mut self,
        serial: &str,
        accepted: &[NewAcceptance],
        (reason, accepted_by): (&str, &str),
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "INSERT INTO device_log_acceptance
                       (acceptance_id, serial, position, operation_id, reason, accepted_by, accepted_at)
                       SELECT coalesce(max(acceptance_id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6
                       FROM device_log_acceptance";
            for what in accepted {
                let (position, operation) = match *what {
                    NewAcceptance::Entry(position) => (Some(position), None),
                    NewAcceptance::Operation(operation) => (None, Some(operation)),
                };
                transaction.execute(sql, (serial, position, operation, reason, accepted_by, now))?;
            }
            Ok(())
        })
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

/// Returns the newest entries kept of a device's present log, oldest first; `next` is the position after them.
fn recent(
    transaction: &Transaction<'_>,
    serial: &str,
    next: u64,
) -> Result<Vec<[u8; ENTRY_BYTES]>, RepositoryError> {
    let sql = "SELECT entry FROM device_log_entry WHERE serial = ?1 AND position >=
                   max(?2, (SELECT coalesce(max(position), 0) FROM device_log_chain WHERE serial = ?1))
               ORDER BY position";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map((serial, next.saturating_sub(RECENT)), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns those of `entries` that are not kept yet; nothing where one stands beside another of the same number.
fn not_kept<'e>(
    kept: &[[u8; ENTRY_BYTES]],
    entries: &'e [[u8; ENTRY_BYTES]],
) -> Option<&'e [[u8; ENTRY_BYTES]]> {
    let number = |entry: &[u8; ENTRY_BYTES]| [entry[0], entry[1]];
    let Some(first) = entries.first() else { return Some(entries) };
    let Some(at) = kept.iter().rposition(|entry| number(entry) == number(first)) else {
        return Some(entries);
    };
    let same = kept.get(at..).unwrap_or_default();
    if same.iter().zip(entries).any(|(kept, entry)| kept != entry) {
        return None;
    }
    Some(entries.get(same.len()..).unwrap_or_default())
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
