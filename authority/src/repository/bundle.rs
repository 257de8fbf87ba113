//! Bundles that were published, whole, so that each can be written again as it was.
//!
//! Not here: what a bundle holds (`chancery-formats`), whether a site would take it (`chancery-verifier`).

use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Repository, RepositoryError};

/// A bundle that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRecord {
    /// From 1, without gaps.
    pub number: u64,
    /// Log index of its manifest.
    pub log_index: u64,
    /// The whole bundle.
    pub bytes: Vec<u8>,
}

impl Repository {
    /// Returns the newest bundle.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn newest_bundle(&self) -> Result<Option<BundleRecord>, RepositoryError> {
        let sql = "SELECT number, log_index, bytes FROM bundle ORDER BY number DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], record).optional()?)
    }

    /// Returns a bundle by its number.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn bundle(&self, number: u64) -> Result<Option<BundleRecord>, RepositoryError> {
        let sql = "SELECT number, log_index, bytes FROM bundle WHERE number = ?1";
        Ok(self.connection.query_row(sql, [number], record).optional()?)
    }

    /// Returns every bundle, the first one first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn bundles(&self) -> Result<Vec<BundleRecord>, RepositoryError> {
        let mut statement =
            self.connection.prepare("SELECT number, log_index, bytes FROM bundle ORDER BY number")?;
        let rows = statement.query_map([], record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Writes a bundle that is published.
pub(super) fn insert(transaction: &Transaction<'_>, bundle: &BundleRecord) -> Result<(), RepositoryError> {
    transaction.execute(
        "INSERT INTO bundle (number, log_index, bytes) VALUES (?1, ?2, ?3)",
        (bundle.number, bundle.log_index, &bundle.bytes),
    )?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<BundleRecord> {
    Ok(BundleRecord { number: row.get(0)?, log_index: row.get(1)?, bytes: row.get(2)? })
}
