//! Licenses: which entitlement and device each one answers, and for which request.
//!
//! A row is written with the intent to sign (`log`, `batch`) and never changes. It counts against the
//! entitlement from then on, whether or not the signature has been made. What an entitlement has left is found
//! by the number of its last activation, so that the hundred thousandth license takes no longer than the first.
//! Not here: the license itself, a document.

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction};

use super::{Repository, RepositoryError};

/// What a license is about to mean.
#[derive(Clone, Copy, Debug)]
pub struct NewLicense {
    /// Random; the claim `cti`.
    pub id: LicenseId,
    /// What it draws from.
    pub entitlement: EntitlementId,
    /// The device's key; none for a license that is bound to no device.
    pub device: Option<Thumbprint>,
    /// As [`Repository::next_revision`] gave it.
    pub revision: u64,
    /// SHA-256 of the whole request document, where there is one.
    pub request_hash: Option<[u8; 32]>,
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
    /// The device's key; none for a license that is bound to no device.
    pub device: Option<Thumbprint>,
    /// From 1 for each device of an entitlement, and over all licenses of it that are bound to none.
    pub revision: u64,
    /// SHA-256 of the whole request document, where there was one.
    pub request_hash: Option<[u8; 32]>,
    /// When it was intended, in Unix seconds.
    pub recorded_at: u64,
    /// When its last signature was made, in Unix seconds; `None` for interrupted or waiting work.
    pub signed_at: Option<u64>,
}

/// A statement over licenses, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT license_id, license.log_index, entitlement_id, customer_id, product_id, device,
                    license.revision, request_hash, recorded_at,
                    coalesce(signed_at, (SELECT CASE WHEN license.log_index < first_index + leaf_count THEN sealed_at END
                                         FROM batch WHERE first_index <= license.log_index
                                         ORDER BY first_index DESC LIMIT 1))
             FROM license
             JOIN log_leaf ON log_leaf.log_index = license.log_index
             JOIN entitlement USING (entitlement_id)
             LEFT JOIN signed_document ON signed_document.log_index = license.log_index ",
            $tail
        )
    };
}

impl Repository {
    /// Returns the revision that the next license of this device, or of none, under this entitlement carries.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn next_revision(
        &self,
        entitlement: EntitlementId,
        device: Option<Thumbprint>,
    ) -> Result<u64, RepositoryError> {
        next_revision(&self.connection, entitlement, device)
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
        self.one_license(select!("WHERE request_hash = ?1"), [request_hash])
    }

    /// Returns a license.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownLicense`].
    pub fn license(&self, id: LicenseId) -> Result<LicenseRecord, RepositoryError> {
        let found = self.one_license(select!("WHERE license_id = ?1"), [id.0])?;
        found.ok_or(RepositoryError::UnknownLicense { license: id })
    }

    /// Returns every license, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn licenses(&self) -> Result<Vec<LicenseRecord>, RepositoryError> {
        let mut statement = self.connection.prepare(select!("ORDER BY license.log_index"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(license(row)?);
        }
        Ok(found)
    }

    fn one_license(
        &self,
        sql: &'static str,
        params: impl Params,
    ) -> Result<Option<LicenseRecord>, RepositoryError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(license).transpose()
    }
}

/// Returns the revision of the next license of a device, also within a transaction.
pub(super) fn next_revision(
    connection: &Connection,
    entitlement: EntitlementId,
    device: Option<Thumbprint>,
) -> Result<u64, RepositoryError> {
    let sql = "SELECT coalesce(max(revision), 0) + 1 FROM license WHERE entitlement_id = ?1 AND device = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row((entitlement.0, column(device.as_ref())), |row| row.get(0))?)
}

/// Writes the row of a license whose revision was found before the transaction began.
///
/// The transaction holds the write lock, so of two processes one sees the other's row.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    new: &NewLicense,
    log_index: u64,
) -> Result<(), RepositoryError> {
    require_unanswered(transaction, new)?;
    if new.revision != next_revision(transaction, new.entitlement, new.device)? {
        return Err(RepositoryError::RevisionTaken);
    }
    append(transaction, new, log_index)
}

/// Refuses a request that has its license.
pub(super) fn require_unanswered(
    transaction: &Transaction<'_>,
    new: &NewLicense,
) -> Result<(), RepositoryError> {
    let Some(hash) = new.request_hash else {
        return Ok(());
    };
    let sql = "SELECT license_id FROM license WHERE request_hash = ?1";
    match transaction.prepare_cached(sql)?.query_row([hash], |row| row.get(0)).optional()? {
        None => Ok(()),
        Some(id) => Err(RepositoryError::RequestKnown { license: LicenseId(id) }),
    }
}

/// Writes the row of a license that answers no known request and whose revision was found in this transaction, after
/// asking whether the entitlement has an activation left for the device.
///
/// Every look-up is one descent of an index.
pub(super) fn append(
    transaction: &Transaction<'_>,
    new: &NewLicense,
    log_index: u64,
) -> Result<(), RepositoryError> {
    let activation = activation(transaction, new)?;
    transaction
        .prepare_cached(
            "INSERT INTO license (license_id, log_index, entitlement_id, device, revision, request_hash, activation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            new.id.0,
            log_index,
            new.entitlement.0,
            column(new.device.as_ref()),
            new.revision,
            new.request_hash,
            activation,
        ))?;
    Ok(())
}

/// Returns the activation that a license draws: that of its device, or the next one of the entitlement.
fn activation(transaction: &Transaction<'_>, new: &NewLicense) -> Result<u64, RepositoryError> {
    if let Some(device) = new.device
        && new.revision > 1
    {
        let sql = "SELECT activation FROM license WHERE entitlement_id = ?1 AND device = ?2 LIMIT 1";
        let mut statement = transaction.prepare_cached(sql)?;
        return Ok(statement.query_row((new.entitlement.0, device.0), |row| row.get(0))?);
    }
    let sql = "SELECT quantity, (SELECT coalesce(max(activation), 0) FROM license WHERE entitlement_id = ?1)
               FROM entitlement WHERE entitlement_id = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row([new.entitlement.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (quantity, used): (u64, u64) =
        found.ok_or(RepositoryError::UnknownEntitlement { entitlement: new.entitlement })?;
    if used >= quantity {
        return Err(RepositoryError::EntitlementExhausted { entitlement: new.entitlement, used, quantity });
    }
    Ok(used + 1)
}

/// Returns what the column `device` holds.
fn column(device: Option<&Thumbprint>) -> &[u8] {
    device.map_or(&[], |thumbprint| &thumbprint.0)
}

fn device(row: &Row<'_>, index: usize) -> Result<Option<Thumbprint>, RepositoryError> {
    let malformed = || RepositoryError::malformed("license");
    match row.get_ref(index)?.as_blob().map_err(|_| malformed())? {
        [] => Ok(None),
        bytes => Ok(Some(Thumbprint(bytes.try_into().map_err(|_| malformed())?))),
    }
}

fn license(row: &Row<'_>) -> Result<LicenseRecord, RepositoryError> {
    Ok(LicenseRecord {
        id: LicenseId(row.get(0)?),
        log_index: row.get(1)?,
        entitlement: EntitlementId(row.get(2)?),
        customer: row.get(3)?,
        product: row.get(4)?,
        device: device(row, 5)?,
        revision: row.get(6)?,
        request_hash: row.get(7)?,
        recorded_at: row.get(8)?,
        signed_at: row.get(9)?,
    })
}
