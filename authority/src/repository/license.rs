//! Licenses: which entitlement and device each one answers, and for which request.
//!
//! A row is written with the intent to sign (`log`, `batch`) and never changes. It counts against the
//! entitlement from then on, whether or not the signature has been made. What an entitlement has left is found
//! by the number of its last activation, so that the hundred thousandth license takes no longer than the first.
//! Not here: the license itself, a document.

use chancery_formats::grant::State;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction};

use super::entitlement::state_of;
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
    /// Number of the grant whose terms it carries.
    pub grant: u64,
    /// The activation that it goes on with, for one that is bound to no device; none draws a new one. A device goes
    /// on with its own.
    pub activation: Option<u64>,
}

/// A license of an activation that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLicense {
    /// The claim `cti`.
    pub id: LicenseId,
    /// Its place in the log.
    pub log_index: u64,
    /// The device's key; none for a license that is bound to no device.
    pub device: Option<Thumbprint>,
    /// Rises with each license of the same device.
    pub revision: u64,
    /// Which activation of the entitlement it draws.
    pub activation: u64,
    /// Number of the grant whose terms it carries.
    pub grant: u64,
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

    /// Returns the licenses of the activations of an entitlement that count, by activation and revision.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn held_licenses(&self, entitlement: EntitlementId) -> Result<Vec<HeldLicense>, RepositoryError> {
        held(&self.connection, entitlement)
    }

    /// Returns whether a device has an activation of an entitlement that counts, so that a license draws no other.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn is_activated(
        &self,
        entitlement: EntitlementId,
        device: Thumbprint,
    ) -> Result<bool, RepositoryError> {
        let sql = "SELECT 1 FROM license JOIN entitlement USING (entitlement_id)
                   WHERE entitlement_id = ?1 AND device = ?2 AND activation > returned LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.exists((entitlement.0, device.0))?)
    }

    /// Refuses a device that had a trial of the same product under another entitlement, where this one is a trial.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::TrialUsed`].
    pub fn require_first_trial(
        &self,
        entitlement: EntitlementId,
        device: Thumbprint,
    ) -> Result<(), RepositoryError> {
        require_first_trial(&self.connection, entitlement, device)
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
/// asking whether the entitlement is in force, says what the license says, and has an activation left for the device.
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
            "INSERT INTO license (license_id, log_index, entitlement_id, device, revision, request_hash, activation,
                                  grant_revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            new.id.0,
            log_index,
            new.entitlement.0,
            column(new.device.as_ref()),
            new.revision,
            new.request_hash,
            activation,
            new.grant,
        ))?;
    Ok(())
}

/// What an entitlement has to give.
struct Giving {
    state: State,
    is_trial: bool,
    quantity: u64,
    returned: u64,
    revision: u64,
    drawn: u64,
}

fn giving(transaction: &Transaction<'_>, entitlement: EntitlementId) -> Result<Giving, RepositoryError> {
    let sql = "SELECT entitlement.state, coalesce(parent.state, 'active'), entitlement.model = 'trial',
                      entitlement.quantity - entitlement.in_islands, entitlement.returned, entitlement.revision,
                      (SELECT coalesce(max(activation), 0) FROM license WHERE entitlement_id = ?1)
               FROM entitlement LEFT JOIN entitlement AS parent ON parent.entitlement_id = entitlement.parent_id
               WHERE entitlement.entitlement_id = ?1";
    let state = |row: &Row<'_>, column| {
        let name: String = row.get(column)?;
        state_of(&name).ok_or_else(|| RepositoryError::malformed("entitlement"))
    };
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query([entitlement.0])?;
    let row = rows.next()?.ok_or(RepositoryError::UnknownEntitlement { entitlement })?;
    Ok(Giving {
        state: state(row, 0)?.max(state(row, 1)?),
        is_trial: row.get(2)?,
        quantity: row.get(3)?,
        returned: row.get(4)?,
        revision: row.get(5)?,
        drawn: row.get(6)?,
    })
}

/// Returns the activation that a license draws: that of its device or the one it goes on with, or else the next one.
fn activation(transaction: &Transaction<'_>, new: &NewLicense) -> Result<u64, RepositoryError> {
    let entitlement = new.entitlement;
    let Giving { state, is_trial, quantity, returned, revision, drawn } = giving(transaction, entitlement)?;
    match state {
        State::Active => {}
        State::Suspended => return Err(RepositoryError::EntitlementSuspended { entitlement }),
        State::Revoked => return Err(RepositoryError::EntitlementRevoked { entitlement }),
    }
    if revision != new.grant {
        return Err(RepositoryError::EntitlementChanged { entitlement });
    }
    if let Some(device) = new.device.filter(|_| is_trial) {
        require_first_trial(transaction, entitlement, device)?;
    }
    let own = match new.device {
        Some(device) if new.revision > 1 => {
            let sql = "SELECT activation FROM license WHERE entitlement_id = ?1 AND device = ?2
                       ORDER BY revision DESC LIMIT 1";
            let mut statement = transaction.prepare_cached(sql)?;
            Some(statement.query_row((entitlement.0, device.0), |row| row.get(0))?)
        }
        Some(_) => None,
        None => new.activation,
    };
    // What was taken back counts no more, whoever had it.
    if let Some(own) = own.filter(|own| (returned + 1..=drawn).contains(own)) {
        return Ok(own);
    }
    let used = drawn.saturating_sub(returned);
    if used >= quantity {
        return Err(RepositoryError::EntitlementExhausted { entitlement, used, quantity });
    }
    Ok(drawn + 1)
}

/// Refuses a device that had a trial of the same product under another entitlement, where this one is a trial.
fn require_first_trial(
    connection: &Connection,
    entitlement: EntitlementId,
    device: Thumbprint,
) -> Result<(), RepositoryError> {
    let sql = "SELECT earlier.entitlement_id FROM entitlement AS this
               JOIN license ON license.device = ?2 AND license.device <> x''
               JOIN entitlement AS earlier ON earlier.entitlement_id = license.entitlement_id
               WHERE this.entitlement_id = ?1 AND this.model = 'trial' AND earlier.began_as_trial = 1
                 AND earlier.product_id = this.product_id AND earlier.entitlement_id <> ?1 LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    match statement.query_row((entitlement.0, device.0), |row| row.get(0)).optional()? {
        None => Ok(()),
        Some(earlier) => Err(RepositoryError::TrialUsed {
            device: device.device_id(),
            entitlement: EntitlementId(earlier),
        }),
    }
}

/// Returns the licenses of the activations that count, also within a transaction.
pub(super) fn held(
    connection: &Connection,
    entitlement: EntitlementId,
) -> Result<Vec<HeldLicense>, RepositoryError> {
    let sql = "SELECT license_id, log_index, device, license.revision, activation, grant_revision
               FROM license JOIN entitlement USING (entitlement_id)
               WHERE entitlement_id = ?1 AND activation > returned ORDER BY activation, license.revision";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([entitlement.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(HeldLicense {
            id: LicenseId(row.get(0)?),
            log_index: row.get(1)?,
            device: device(row, 2)?,
            revision: row.get(3)?,
            activation: row.get(4)?,
            grant: row.get(5)?,
        });
    }
    Ok(found)
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
