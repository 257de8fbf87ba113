//! Approvers: whose signatures count, for what, how long, and who was taken off.
//!
//! Not here: who may be one, and whether a signature is theirs (`workflow::approval`).

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::key::PublicKey;
use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::{Repository, RepositoryError};

/// What an approver may decide; what is empty is not bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ApproverBounds {
    /// Customers, by id.
    pub customers: BTreeSet<String>,
    /// Products, by id.
    pub products: BTreeSet<String>,
    /// Countries: ISO 3166-1 alpha-2 codes.
    pub territories: BTreeSet<String>,
    /// The dearest grant, by ISO 4217 code, in minor units of the currency.
    pub dearest: BTreeMap<String, u64>,
}

/// Who is to approve.
#[derive(Clone, Debug)]
pub struct NewApprover<'a> {
    /// Their key.
    pub public_key: &'a PublicKey,
    /// Who they are: one person has one name.
    pub name: &'a str,
    /// As policies name it.
    pub role: &'a str,
    /// What they may decide.
    pub bounds: &'a ApproverBounds,
    /// First second in which their signatures count, in Unix seconds.
    pub not_before: u64,
    /// Last second, in Unix seconds.
    pub not_after: Option<u64>,
    /// Who adds them, for people.
    pub added_by: &'a str,
}

/// That an approver was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// By whom, for people.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub at: u64,
}

/// Somebody whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// From 1.
    pub id: u64,
    /// Their key.
    pub public_key: PublicKey,
    /// Who they are.
    pub name: String,
    /// As policies name it.
    pub role: String,
    /// What they may decide.
    pub bounds: ApproverBounds,
    /// First second in which their signatures count, in Unix seconds.
    pub not_before: u64,
    /// Last second, in Unix seconds; none is without end.
    pub not_after: Option<u64>,
    /// Who added them.
    pub added_by: String,
    /// When, in Unix seconds.
    pub added_at: u64,
    /// That they were taken off.
    pub revocation: Option<Revocation>,
}

impl Repository {
    /// Adds an approver and returns the number; none where the key is an approver's already. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn add_approver(&mut self, new: &NewApprover<'_>, now: u64) -> Result<Option<u64>, RepositoryError> {
        let bounds =
            serde_json::to_string(new.bounds).map_err(|_| RepositoryError::malformed("approver.bounds"))?;
        self.write(|transaction| {
            let thumbprint = new.public_key.thumbprint().0;
            let known = "SELECT 1 FROM approver WHERE thumbprint = ?1";
            if transaction.prepare_cached(known)?.exists([thumbprint])? {
                return Ok(None);
            }
            let sql =
                "INSERT INTO approver (approver_id, thumbprint, public_key, name, role, bounds, not_before,
                                             not_after, added_by, added_at)
                       SELECT coalesce(max(approver_id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
                       FROM approver RETURNING approver_id";
            let parameters = (
                thumbprint,
                new.public_key.encode(),
                new.name,
                new.role,
                &bounds,
                new.not_before,
                new.not_after,
                new.added_by,
                now,
            );
            Ok(Some(transaction.query_row(sql, parameters, |row| row.get(0))?))
        })
    }

    /// Takes an approver off from `revocation.at` on; returns the earlier revocation where there is one.
    ///
    /// # Errors
    ///
    /// Those of the database; a constraint where there is no such approver.
    pub fn revoke_approver(
        &mut self,
        id: u64,
        revocation: &Revocation,
    ) -> Result<Option<Revocation>, RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT revoked_by, reason, revoked_at FROM approver_revocation WHERE approver_id = ?1";
            let earlier = transaction.query_row(sql, [id], |row| {
                Ok(Revocation { by: row.get(0)?, reason: row.get(1)?, at: row.get(2)? })
            });
            if let Some(earlier) = earlier.optional()? {
                return Ok(Some(earlier));
            }
            let sql = "INSERT INTO approver_revocation (approver_id, revoked_by, reason, revoked_at)
                       VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(sql, (id, &revocation.by, &revocation.reason, revocation.at))?;
            Ok(None)
        })
    }

    /// Returns every approver, those who were taken off among them, oldest first.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] for a key or bounds that are none.
    pub fn approvers(&self) -> Result<Vec<Approver>, RepositoryError> {
        let sql =
            "SELECT approver.approver_id, thumbprint, public_key, name, role, bounds, not_before, not_after,
                          added_by, added_at, revoked_by, reason, revoked_at
                   FROM approver LEFT JOIN approver_revocation
                        ON approver_revocation.approver_id = approver.approver_id
                   ORDER BY approver.approver_id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(approver(row)?);
        }
        Ok(found)
    }
}

fn approver(row: &Row<'_>) -> Result<Approver, RepositoryError> {
    let malformed = || RepositoryError::malformed("approver");
    let public_key =
        PublicKey::decode(row.get_ref(2)?.as_blob().map_err(|_| malformed())?).map_err(|_| malformed())?;
    if public_key.thumbprint().0 != row.get::<_, [u8; 32]>(1)? {
        return Err(malformed());
    }
    let bounds = serde_json::from_str(&row.get::<_, String>(5)?).map_err(|_| malformed())?;
    let by: Option<String> = row.get(10)?;
    let revocation = match by {
        None => None,
        Some(by) => Some(Revocation { by, reason: row.get(11)?, at: row.get(12)? }),
    };
    Ok(Approver {
        id: row.get(0)?,
        public_key,
        name: row.get(3)?,
        role: row.get(4)?,
        bounds,
        not_before: row.get(6)?,
        not_after: row.get(7)?,
        added_by: row.get(8)?,
        added_at: row.get(9)?,
        revocation,
    })
}
