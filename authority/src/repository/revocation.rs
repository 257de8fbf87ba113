//! Revocations, in the order in which they were decided, and the lists that say so.
//!
//! A revocation is a draft until a list holds it; it is never taken back. Not here: what a list says
//! (`chancery-formats`), sealing it, and what it refuses (`chancery-verifier`).

use std::fmt;

use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::merkle::Head;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::log::{next, number_of};
use super::{Repository, RepositoryError};

/// What a revocation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationTarget {
    /// One license.
    License(LicenseId),
    /// A device, by the thumbprint of its key.
    Device(Thumbprint),
    /// An entitlement, with every license that draws from it.
    Entitlement(EntitlementId),
    /// A customer, with every license issued to it.
    Customer(String),
    /// A key of the authority; what stands in the log below this size stands.
    Key {
        /// The key.
        thumbprint: Thumbprint,
        /// Size and root of the log.
        head: Head,
    },
}

impl RevocationTarget {
    /// Returns the name of its kind, as the database and `--json` have it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::License(_) => "license",
            Self::Device(_) => "device",
            Self::Entitlement(_) => "entitlement",
            Self::Customer(_) => "customer",
            Self::Key { .. } => "key",
        }
    }

    /// Returns the id as a list carries it.
    pub(super) fn value(&self) -> &[u8] {
        match self {
            Self::License(id) => &id.0,
            Self::Device(thumbprint) | Self::Key { thumbprint, .. } => &thumbprint.0,
            Self::Entitlement(id) => &id.0,
            Self::Customer(name) => name.as_bytes(),
        }
    }

    /// Returns what it names, as people see it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::License(id) => id.to_string(),
            Self::Device(thumbprint) => thumbprint.device_id().to_string(),
            Self::Entitlement(id) => id.to_string(),
            Self::Customer(name) => name.clone(),
            Self::Key { thumbprint, .. } => thumbprint.key_id().to_string(),
        }
    }
}

impl fmt::Display for RevocationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRecord {
    /// From 1, without gaps.
    pub id: u64,
    /// What is revoked.
    pub target: RevocationTarget,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub added_at: u64,
    /// The first list that holds it; none for a draft.
    pub list: Option<u64>,
}

/// A revocation list that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationListRecord {
    /// From 1, without gaps.
    pub number: u64,
    /// Its place in the log.
    pub log_index: u64,
    /// The list holds every revocation up to this one; none where it is empty.
    pub last_revocation: Option<u64>,
}

/// A document sealed alone whose signatures are not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Its place in the log.
    pub log_index: u64,
    /// Payload, as encoded.
    pub payload: Vec<u8>,
}

impl Repository {
    /// Adds a revocation as a draft and returns its number. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::RevocationExists`]; nothing is recorded then.
    pub fn add_revocation(
        &mut self,
        target: &RevocationTarget,
        reason: &str,
        now: u64,
    ) -> Result<u64, RepositoryError> {
        self.write(|transaction| insert(transaction, target, reason, now))
    }

    /// Returns every revocation, in the order in which they were decided.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] for a row that the program never writes.
    pub fn revocations(&self) -> Result<Vec<RevocationRecord>, RepositoryError> {
        all(&self.connection)
    }

    /// Returns the newest revocation list.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn newest_revocation_list(&self) -> Result<Option<RevocationListRecord>, RepositoryError> {
        let sql =
            "SELECT number, log_index, last_revocation FROM revocation_list ORDER BY number DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], list).optional()?)
    }

    /// Returns the number of the revocation list that the newest bundle carries; 0 for none.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn travelling_revocation_list(&self) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(number), 0) FROM revocation_list
                   WHERE log_index < (SELECT log_index FROM bundle ORDER BY number DESC LIMIT 1)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Returns the thumbprints of devices that licenses are bound to, each once.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn devices(&self) -> Result<Vec<Thumbprint>, RepositoryError> {
        let sql = "SELECT DISTINCT device FROM license WHERE length(device) = 32 ORDER BY device";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok(Thumbprint(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the documents of a kind that were to be sealed alone and are not, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn unsealed(&self, kind: Kind) -> Result<Vec<Unsealed>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT log_index, payload FROM batch JOIN log_leaf ON log_index = first_index
             WHERE sealed_at IS NULL AND leaf_count = 1 AND kind = ?1 ORDER BY log_index",
        )?;
        let rows = statement.query_map([number_of(kind)], |row| {
            Ok(Unsealed { log_index: row.get(0)?, payload: row.get(1)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Returns every revocation, also within a transaction.
pub(super) fn all(connection: &Connection) -> Result<Vec<RevocationRecord>, RepositoryError> {
    let mut statement = connection.prepare(
        "SELECT revocation_id, kind, value, tree_size, tree_root, reason, added_at,
                (SELECT min(number) FROM revocation_list WHERE last_revocation >= revocation_id)
         FROM revocation ORDER BY revocation_id",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(revocation(row)?);
    }
    Ok(found)
}

/// Writes a revocation and returns its number.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    target: &RevocationTarget,
    reason: &str,
    now: u64,
) -> Result<u64, RepositoryError> {
    let head = match target {
        RevocationTarget::Key { head, .. } => Some((head.size, head.root)),
        _ => None,
    };
    let (size, root) = head.unzip();
    let sql = "SELECT 1 FROM revocation WHERE kind = ?1 AND value = ?2";
    if transaction.prepare(sql)?.exists((target.kind(), target.value()))? {
        return Err(RepositoryError::RevocationExists { what: target.to_string() });
    }
    let id = next(transaction, "SELECT coalesce(max(revocation_id), 0) + 1 FROM revocation")?;
    transaction.execute(
        "INSERT INTO revocation (revocation_id, kind, value, tree_size, tree_root, reason, added_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (id, target.kind(), target.value(), size, root, reason, now),
    )?;
    Ok(id)
}

/// Writes a list that stands.
pub(super) fn insert_list(
    transaction: &Transaction<'_>,
    list: &RevocationListRecord,
) -> Result<(), RepositoryError> {
    transaction.execute(
        "INSERT INTO revocation_list (number, log_index, last_revocation) VALUES (?1, ?2, ?3)",
        (list.number, list.log_index, list.last_revocation),
    )?;
    Ok(())
}

fn list(row: &Row<'_>) -> rusqlite::Result<RevocationListRecord> {
    Ok(RevocationListRecord { number: row.get(0)?, log_index: row.get(1)?, last_revocation: row.get(2)? })
}

fn revocation(row: &Row<'_>) -> Result<RevocationRecord, RepositoryError> {
    let malformed = || RepositoryError::malformed("revocation");
    let kind: String = row.get(1)?;
    let target = match kind.as_str() {
        "license" => RevocationTarget::License(LicenseId(row.get(2)?)),
        "device" => RevocationTarget::Device(Thumbprint(row.get(2)?)),
        "entitlement" => RevocationTarget::Entitlement(EntitlementId(row.get(2)?)),
        "customer" => RevocationTarget::Customer(String::from_utf8(row.get(2)?).map_err(|_| malformed())?),
        "key" => RevocationTarget::Key {
            thumbprint: Thumbprint(row.get(2)?),
            head: Head { size: row.get(3)?, root: row.get(4)? },
        },
        _ => return Err(malformed()),
    };
    Ok(RevocationRecord {
        id: row.get(0)?,
        target,
        reason: row.get(5)?,
        added_at: row.get(6)?,
        list: row.get(7)?,
    })
}
