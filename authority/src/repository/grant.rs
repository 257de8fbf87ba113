//! Grants: each state that an entitlement was ever in, whole, chained by its hash to the one before.
//!
//! A change is one transaction: it reads entitlements as they are, refuses or not, and appends a grant to each that
//! it changes. Nothing is ever written over, so that the state of any past day is there to be read. Not here: which
//! changes are allowed (`workflow::entitlement`), what a grant holds (`entitlement::encoding`).

use chancery_formats::grant::{Change, Grant};
use chancery_formats::id::EntitlementId;
use chancery_formats::merkle::Hash;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::entitlement::{self, Entry, decode, encode, islands, load};
use super::license::{HeldLicense, held};
use super::proposal::Draft;
use super::sold::Model;
use super::{Entitlement, Repository, RepositoryError, RevocationTarget, revocation};

pub(super) mod upgrade;

/// Who changes an entitlement, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// For people, as labels are.
    pub by: &'a str,
    /// For people, as labels are.
    pub reason: &'a str,
    /// Unix seconds.
    pub at: u64,
}

/// One state of an entitlement, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The state; what is used is left empty.
    pub entitlement: Entitlement,
    /// What was done.
    pub change: Change,
    /// When, in Unix seconds.
    pub at: u64,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// SHA-256 of the grant.
    pub hash: Hash,
}

/// A row of the history as it stands, whatever it says: for those who check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The entitlement.
    pub entitlement: Vec<u8>,
    /// From 1 for each.
    pub revision: u64,
    /// The grant, as encoded.
    pub bytes: Vec<u8>,
    /// What is kept as its hash.
    pub hash: Vec<u8>,
    /// When, in Unix seconds.
    pub changed_at: u64,
}

/// Entitlements while they are being changed, in one transaction.
#[derive(Debug)]
pub struct GrantWriter<'t> {
    pub(in crate::repository) transaction: &'t Transaction<'t>,
    /// What was recorded, change by change, where somebody judges it.
    pub(super) changes: Option<Vec<Draft>>,
}

impl<'t> GrantWriter<'t> {
    /// Changes entitlements within a transaction that does more than that, and keeps what it records for a judge.
    pub(super) fn judged(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction, changes: Some(vec![Draft::default()]) }
    }

    /// Begins a change of its own: what was recorded before and what is recorded from now on wait for a decision, or
    /// stand, each by itself.
    pub fn separate(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.push(Draft::default());
        }
    }

    fn keep(&mut self, keep: impl FnOnce(&mut Draft)) {
        if let Some(change) = self.changes.as_mut().and_then(|changes| changes.last_mut()) {
            keep(change);
        }
    }

    /// Returns an entitlement as it is for this change.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`].
    pub fn entitlement(&self, id: EntitlementId) -> Result<Entitlement, RepositoryError> {
        load(self.transaction, id)
    }

    /// Returns the islands of an entitlement, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn islands(&self, id: EntitlementId) -> Result<Vec<Entitlement>, RepositoryError> {
        islands(self.transaction, id)
    }

    /// Returns the licenses of the activations that count, by activation and revision.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn licenses(&self, id: EntitlementId) -> Result<Vec<HeldLicense>, RepositoryError> {
        held(self.transaction, id)
    }

    /// Refuses a customer that is not known.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownCustomer`].
    pub fn require_customer(&self, customer: &str) -> Result<(), RepositoryError> {
        let sql = "SELECT 1 FROM customer WHERE customer_id = ?1";
        if self.transaction.prepare_cached(sql)?.exists([customer])? {
            return Ok(());
        }
        Err(RepositoryError::UnknownCustomer { customer: customer.to_owned() })
    }

    /// Returns what is revoked, drafts among it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] for a row that the program never writes.
    pub fn revocations(&self) -> Result<Vec<RevocationTarget>, RepositoryError> {
        Ok(revocation::all(self.transaction)?.into_iter().map(|entry| entry.target).collect())
    }

    /// Revokes what is not revoked yet, as a draft for the next list; returns whether it was not.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn revoke(&mut self, target: &RevocationTarget, note: &Note<'_>) -> Result<bool, RepositoryError> {
        match revocation::insert(self.transaction, target, note.reason, note.at) {
            Ok(_) => {
                self.keep(|change| change.revoked.push(target.clone()));
                Ok(true)
            }
            Err(RepositoryError::RevocationExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends the next grant of an entitlement: `state` is what [`Self::entitlement`] gave, changed; one whose
    /// revision is 0 begins. Returns it as it stands then.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::GrantRefused`] for a state that no grant can hold; [`RepositoryError::EntitlementChanged`]
    /// for one that was read before another change.
    pub fn record(
        &mut self,
        state: &Entitlement,
        change: Change,
        note: &Note<'_>,
    ) -> Result<Entitlement, RepositoryError> {
        let newest = newest(self.transaction, state.id)?;
        if newest.as_ref().map_or(0, |(revision, _)| *revision) != state.revision {
            return Err(RepositoryError::EntitlementChanged { entitlement: state.id });
        }
        let next = Entitlement { revision: state.revision + 1, ..state.clone() };
        let entry = Entry {
            change,
            at: note.at,
            by: note.by.to_owned(),
            reason: note.reason.to_owned(),
            previous: newest.map(|(_, hash)| hash),
        };
        let bytes = encode(&next, &entry)?;
        write_row(self.transaction, &next, note.at)?;
        insert(self.transaction, next.id, next.revision, &bytes, note.at)?;
        self.keep(|change| change.grants.push((next.id, bytes)));
        load(self.transaction, next.id)
    }
}

impl Repository {
    /// Runs `work` on entitlements in one transaction: all of its changes are durable on return, or none is made.
    ///
    /// # Errors
    ///
    /// Those of `work` and of the database.
    pub fn change_entitlements<T, E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&mut GrantWriter<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.proposed.clear();
        self.write_or(|transaction| work(&mut GrantWriter { transaction, changes: None }))
    }

    /// Returns every state of an entitlement, oldest first.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`].
    pub fn grants(&self, id: EntitlementId) -> Result<Vec<GrantRecord>, RepositoryError> {
        let sql = "SELECT bytes, hash, (SELECT granted_at FROM entitlement WHERE entitlement_id = ?1),
                          (SELECT began_as_trial FROM entitlement WHERE entitlement_id = ?1)
                   FROM entitlement_grant WHERE entitlement_id = ?1 ORDER BY revision";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record(row)?);
        }
        if found.is_empty() {
            return Err(RepositoryError::UnknownEntitlement { entitlement: id });
        }
        Ok(found)
    }

    /// Returns the state of an entitlement at an instant, in Unix seconds, with what was used then: the newest grant
    /// whose time is not after it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`]; [`RepositoryError::UnknownGrant`] before the first.
    pub fn grant_at(&self, id: EntitlementId, at: u64) -> Result<GrantRecord, RepositoryError> {
        let current = self.entitlement(id)?;
        let sql = "SELECT bytes, hash, ?3, ?4 FROM entitlement_grant
                   WHERE entitlement_id = ?1 AND changed_at <= ?2 ORDER BY revision DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((id.0, at, current.granted_at, current.began_as_trial))?;
        let row = rows.next()?.ok_or(RepositoryError::UnknownGrant { entitlement: id })?;
        let mut found = record(row)?;
        let sql = "SELECT coalesce(max(activation), 0) FROM license JOIN log_leaf USING (log_index)
                   WHERE entitlement_id = ?1 AND recorded_at <= ?2";
        let drawn: u64 = self.connection.query_row(sql, (id.0, at), |row| row.get(0))?;
        found.entitlement.used = drawn.saturating_sub(found.entitlement.returned);
        if let Some(parent) = found.entitlement.parent {
            found.entitlement.parent_state = self.grant_at(parent, at)?.entitlement.state;
        }
        Ok(found)
    }

    /// Returns the hash of the newest grant of an entitlement.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`].
    pub fn grant_hash(&self, id: EntitlementId) -> Result<Hash, RepositoryError> {
        let sql =
            "SELECT hash FROM entitlement_grant WHERE entitlement_id = ?1 ORDER BY revision DESC LIMIT 1";
        let found = self.connection.prepare_cached(sql)?.query_row([id.0], |row| row.get(0)).optional()?;
        found.ok_or(RepositoryError::UnknownEntitlement { entitlement: id })
    }

    /// Gives every row of the history to `each`, by entitlement and revision.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_grant<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(GrantRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = "SELECT entitlement_id, revision, bytes, hash, changed_at FROM entitlement_grant
                   ORDER BY entitlement_id, revision";
        let mut statement = self.connection.prepare(sql).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(grant_row(row).map_err(database)?)?;
        }
        Ok(())
    }

    /// Returns the entitlements whose look-up row says something else than their newest grant.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn entitlements_off_their_grant(&self) -> Result<Vec<EntitlementId>, RepositoryError> {
        let sql = "SELECT entitlement_id, customer_id, product_id, state, model, quantity, in_islands, returned,
                          not_after, parent_id, revision,
                          (SELECT bytes FROM entitlement_grant AS newest
                           WHERE newest.entitlement_id = entitlement.entitlement_id ORDER BY revision DESC LIMIT 1)
                   FROM entitlement";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if !agrees(row).unwrap_or(false) {
                found.push(EntitlementId(row.get(0)?));
            }
        }
        Ok(found)
    }
}

/// Returns a number that grows with every grant that is written.
pub(super) fn so_far(connection: &Connection) -> Result<u64, RepositoryError> {
    let sql = "SELECT coalesce(max(rowid), 0) FROM entitlement_grant";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Returns the number and the hash of the newest grant.
pub(super) fn newest(
    transaction: &Transaction<'_>,
    id: EntitlementId,
) -> Result<Option<(u64, Hash)>, RepositoryError> {
    let sql = "SELECT revision, hash FROM entitlement_grant WHERE entitlement_id = ?1
               ORDER BY revision DESC LIMIT 1";
    let mut statement = transaction.prepare_cached(sql)?;
    Ok(statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Writes what is looked up of an entitlement.
pub(super) fn write_row(
    transaction: &Transaction<'_>,
    next: &Entitlement,
    now: u64,
) -> Result<(), RepositoryError> {
    let sql = "INSERT INTO entitlement (entitlement_id, customer_id, product_id, state, model, began_as_trial,
                                        quantity, in_islands, returned, not_after, parent_id, revision, granted_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
               ON CONFLICT DO UPDATE SET
                   customer_id = excluded.customer_id, product_id = excluded.product_id, state = excluded.state,
                   model = excluded.model, quantity = excluded.quantity, in_islands = excluded.in_islands,
                   returned = excluded.returned, not_after = excluded.not_after, parent_id = excluded.parent_id,
                   revision = excluded.revision";
    transaction.prepare_cached(sql)?.execute((
        next.id.0,
        &next.customer,
        &next.product,
        next.state.name(),
        next.model.name(),
        next.model == Model::Trial,
        next.quantity,
        next.in_islands,
        next.returned,
        next.not_after,
        next.parent.map(|parent| parent.0),
        next.revision,
        now,
    ))?;
    Ok(())
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    id: EntitlementId,
    revision: u64,
    bytes: &[u8],
    at: u64,
) -> Result<(), RepositoryError> {
    let sql = "INSERT INTO entitlement_grant (entitlement_id, revision, bytes, hash, changed_at)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute((id.0, revision, bytes, Grant::hash(bytes), at))?;
    Ok(())
}

fn record(row: &Row<'_>) -> Result<GrantRecord, RepositoryError> {
    let bytes = row.get_ref(0)?.as_blob().map_err(|_| RepositoryError::malformed("entitlement_grant"))?;
    let (mut entitlement, entry) = decode(bytes)?;
    (entitlement.granted_at, entitlement.began_as_trial) = (row.get(2)?, row.get(3)?);
    let Entry { change, at, by, reason, .. } = entry;
    Ok(GrantRecord { entitlement, change, at, by, reason, hash: row.get(1)? })
}

fn grant_row(row: &Row<'_>) -> rusqlite::Result<GrantRow> {
    Ok(GrantRow {
        entitlement: row.get(0)?,
        revision: row.get(1)?,
        bytes: row.get(2)?,
        hash: row.get(3)?,
        changed_at: row.get(4)?,
    })
}

fn agrees(row: &Row<'_>) -> Result<bool, RepositoryError> {
    let bytes: Vec<u8> = row.get(11)?;
    let (grant, _) = decode(&bytes)?;
    let same = row.get::<_, String>(1)? == grant.customer
        && row.get::<_, String>(2)? == grant.product
        && entitlement::state_of(&row.get::<_, String>(3)?) == Some(grant.state)
        && Model::from_name(&row.get::<_, String>(4)?) == Some(grant.model);
    let counts = [(5, grant.quantity), (6, grant.in_islands), (7, grant.returned), (10, grant.revision)];
    let counted = counts.into_iter().try_fold(true, |same, (column, count)| {
        Ok::<_, rusqlite::Error>(same && row.get::<_, u64>(column)? == count)
    })?;
    let parent: Option<[u8; 8]> = row.get(9)?;
    Ok(same
        && counted
        && row.get::<_, Option<u64>>(8)? == grant.not_after
        && parent.map(EntitlementId) == grant.parent)
}
