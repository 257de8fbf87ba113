//! Licenses: which entitlement and device each one answers, and for which request.
//!
//! A row is written with the intent to sign (`log`) and never changes. It counts against the entitlement
//! from then on, whether or not the signature has been made. Not here: the license itself, a document.

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Repository, RepositoryError};

/// What a license is about to mean.
#[derive(Clone, Copy, Debug)]
pub struct NewLicense {
    /// Random; the claim `cti`.
    pub id: LicenseId,
    /// What it draws from.
    pub entitlement: EntitlementId,
    /// The device's key.
    pub device: Thumbprint,
    /// As [`Repository::next_revision`] gave it.
    pub revision: u64,
    /// SHA-256 of the whole request document.
    pub request_hash: [u8; 32],
}

/// What a license means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRecord {
    /// The claim `cti`.
    pub id: LicenseId,
    /// Its place in the log.
    pub log_index: u64,
    /// What it draws from.
    pub entitlement: EntitlementId,
    /// Customer of the entitlement.
    pub customer: String,
    /// Product of the entitlement.
    pub product: String,
    /// The device's key.
    pub device: Thumbprint,
    /// From 1 for each device of an entitlement.
    pub revision: u64,
    /// SHA-256 of the whole request document.
    pub request_hash: [u8; 32],
    /// When it was intended, in Unix seconds.
    pub recorded_at: u64,
    /// When it was signed, in Unix seconds; `None` for interrupted work.
    pub signed_at: Option<u64>,
}

/// A statement over licenses, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT license_id, license.log_index, entitlement_id, customer_id, product_id, device,
                    license.revision, request_hash, recorded_at, signed_at
             FROM license
             JOIN log_leaf ON log_leaf.log_index = license.log_index
             JOIN entitlement USING (entitlement_id)
             LEFT JOIN signed_document ON signed_document.log_index = license.log_index ",
            $tail
        )
    };
}

impl Repository {
    /// Returns the revision that the next license of this device under this entitlement carries.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn next_revision(
        &self,
        entitlement: EntitlementId,
        device: Thumbprint,
    ) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(revision), 0) + 1 FROM license
                   WHERE entitlement_id = ?1 AND device = ?2";
        Ok(self.connection.query_row(sql, (entitlement.0, device.0), |row| row.get(0))?)
    }

    /// Returns the license that answers a request, by the SHA-256 of the whole request document.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn license_by_request(
        &self,
        request_hash: &[u8; 32],
    ) -> Result<Option<LicenseRecord>, RepositoryError> {
        let sql = select!("WHERE request_hash = ?1");
        Ok(self.connection.query_row(sql, [request_hash], license).optional()?)
    }

    /// Returns a license.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownLicense`].
    pub fn license(&self, id: LicenseId) -> Result<LicenseRecord, RepositoryError> {
        let sql = select!("WHERE license_id = ?1");
        let found = self.connection.query_row(sql, [id.0], license).optional()?;
        found.ok_or(RepositoryError::UnknownLicense { license: id })
    }

    /// Returns every license, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn licenses(&self) -> Result<Vec<LicenseRecord>, RepositoryError> {
        let mut statement = self.connection.prepare(select!("ORDER BY license.log_index"))?;
        Ok(statement.query_map([], license)?.collect::<Result<_, _>>()?)
    }
}

/// Writes the row after asking whether the entitlement has an activation left for this device.
///
/// The transaction holds the write lock, so of two processes one sees the other's row.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    new: &NewLicense,
    log_index: u64,
) -> Result<(), RepositoryError> {
    let sql = "SELECT license_id FROM license WHERE request_hash = ?1";
    if let Some(id) = transaction.query_row(sql, [new.request_hash], |row| row.get(0)).optional()? {
        return Err(RepositoryError::RequestKnown { license: LicenseId(id) });
    }
    let sql = "SELECT quantity, (SELECT count(DISTINCT device) FROM license WHERE entitlement_id = ?1),
                      (SELECT coalesce(max(revision), 0) FROM license WHERE entitlement_id = ?1 AND device = ?2)
               FROM entitlement WHERE entitlement_id = ?1";
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found = transaction.query_row(sql, (new.entitlement.0, new.device.0), columns).optional()?;
    let (quantity, used, revision): (u64, u64, u64) =
        found.ok_or(RepositoryError::UnknownEntitlement { entitlement: new.entitlement })?;
    let is_new_device = revision == 0;
    if is_new_device && used >= quantity {
        return Err(RepositoryError::EntitlementExhausted { entitlement: new.entitlement, used, quantity });
    }
    if new.revision != revision + 1 {
        return Err(RepositoryError::RevisionTaken);
    }
    transaction.execute(
        "INSERT INTO license (license_id, log_index, entitlement_id, device, revision, request_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (new.id.0, log_index, new.entitlement.0, new.device.0, new.revision, new.request_hash),
    )?;
    Ok(())
}

fn license(row: &Row<'_>) -> rusqlite::Result<LicenseRecord> {
    Ok(LicenseRecord {
        id: LicenseId(row.get(0)?),
        log_index: row.get(1)?,
        entitlement: EntitlementId(row.get(2)?),
        customer: row.get(3)?,
        product: row.get(4)?,
        device: Thumbprint(row.get(5)?),
        revision: row.get(6)?,
        request_hash: row.get(7)?,
        recorded_at: row.get(8)?,
        signed_at: row.get(9)?,
    })
}
