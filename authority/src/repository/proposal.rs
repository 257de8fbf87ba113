//! Proposals: changes of entitlements that wait for a decision, and what became of them.
//!
//! A change is made as it would stand, in a transaction, and judged there. Where it has to wait, all of it is taken
//! back, and the very bytes of its grants are kept: whoever decides signs their hashes, and what is approved is
//! written byte for byte. Not here: what has to wait (`workflow::approval`), requests and decisions (`approval`).

use chancery_formats::grant::{Change, Grant, State};
use chancery_formats::id::{EntitlementId, LicenseId};
use rusqlite::{OptionalExtension, Row, Transaction};

use super::entitlement::{Entry, decode, load};
use super::grant::{GrantWriter, insert, newest, write_row};
use super::{Entitlement, Repository, RepositoryError, RevocationTarget, revocation};

/// What one change would write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Grants as encoded, each with its entitlement, in the order in which they are written.
    pub grants: Vec<(EntitlementId, Vec<u8>)>,
    /// What it names for the next revocation list.
    pub revoked: Vec<RevocationTarget>,
}

impl Draft {
    /// Returns whether it would write nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.revoked.is_empty()
    }
}

/// What something costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedPrice {
    /// ISO 4217 code.
    pub currency: String,
    /// In minor units of the currency, such as cents.
    pub minor_units: u64,
}

/// Why a change waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the policy that demands a decision.
    pub policy: u64,
    /// Who wants the change, for people.
    pub requester: String,
    /// Why, for people.
    pub reason: String,
    /// What each of its grants costs; none where the catalog has no price.
    pub prices: Vec<Option<OwnedPrice>>,
    /// Unix seconds.
    pub at: u64,
}

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was approved, and stands.
    Active,
    /// An approver rejected it.
    Rejected,
    /// It was approved, but what it would change had changed meanwhile.
    Stale,
    /// It was taken back before it was decided.
    Withdrawn,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Active, Self::Rejected, Self::Stale, Self::Withdrawn];

    /// Returns the word that people, JSON and the database see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Stale => "stale",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(super) fn from_name(name: &str) -> Result<Self, RepositoryError> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.name() == name);
        found.ok_or_else(|| RepositoryError::malformed("proposal_end"))
    }
}

/// The end of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// The request that decided it; none for what was withdrawn.
    pub request: Option<u64>,
    /// By whom, for people.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub at: u64,
}

/// A change that waits for a decision, or waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// From 1.
    pub id: u64,
    /// Who wants the change.
    pub requester: String,
    /// Why.
    pub reason: String,
    /// Number of the policy that demands a decision.
    pub policy: u64,
    /// Unix seconds.
    pub proposed_at: u64,
    /// The newest request to approvers that it is in.
    pub request: Option<u64>,
    /// How it ended; none while it waits.
    pub end: Option<End>,
}

/// A grant of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its proposal.
    pub proposal: u64,
    /// Its entitlement.
    pub entitlement: EntitlementId,
    /// The grant, as encoded.
    pub bytes: Vec<u8>,
    /// What it costs.
    pub price: Option<OwnedPrice>,
}

/// A statement over proposals, whole at compile time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT proposal.proposal_id, requester, proposal.reason, policy, proposed_at,
                    (SELECT max(asked.request_id) FROM approval_request_proposal AS asked
                     WHERE asked.proposal_id = proposal.proposal_id),
                    outcome, proposal_end.request_id, ended_by, proposal_end.reason, ended_at
             FROM proposal LEFT JOIN proposal_end ON proposal_end.proposal_id = proposal.proposal_id ",
            $tail
        )
    };
}

impl Repository {
    /// Runs `work` on entitlements in one transaction, and asks `judge` about each of its changes: those for which it
    /// gives nothing stand, and the others become proposals ([`Repository::proposed`]). `at` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of `work`, of `judge` and of the database; nothing is changed or proposed then.
    pub fn change_or_propose<T, E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&mut GrantWriter<'_>) -> Result<T, E>,
        judge: impl FnOnce(&GrantWriter<'_>, &[Draft]) -> Result<Vec<Option<Waiting>>, E>,
        at: u64,
    ) -> Result<T, E> {
        self.proposed.clear();
        let digests = self.digests.clone();
        let (value, proposed) = self.write_or(|transaction| {
            let so_far = digests.so_far();
            execute(transaction, "SAVEPOINT change")?;
            let mut writer = GrantWriter { transaction, changes: Some(vec![Draft::default()]) };
            let value = work(&mut writer)?;
            let mut changes = writer.changes.take().unwrap_or_default();
            changes.retain(|change| !change.is_empty());
            let verdicts = judge(&writer, &changes)?;
            let mut proposed = Vec::new();
            if verdicts.iter().any(Option::is_some) {
                execute(transaction, "ROLLBACK TO change")?;
                digests.go_back(so_far);
                for (change, waiting) in changes.iter().zip(&verdicts) {
                    match waiting {
                        Some(waiting) => proposed.push(propose(transaction, change, waiting)?),
                        None => require_applied(transaction, change, at)?,
                    }
                }
            }
            execute(transaction, "RELEASE change")?;
            Ok::<_, E>((value, proposed))
        })?;
        self.proposed = proposed;
        Ok(value)
    }

    /// Returns the proposals that the last change of entitlements became, in its order; none where all of it stands.
    #[must_use]
    pub fn proposed(&self) -> &[u64] {
        &self.proposed
    }

    /// Returns proposals, oldest first: all, or only those that wait.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn proposals(&self, all: bool) -> Result<Vec<Proposal>, RepositoryError> {
        let sql = match all {
            true => select!("ORDER BY proposal.proposal_id"),
            false => select!("WHERE outcome IS NULL ORDER BY proposal.proposal_id"),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(proposal(row)?);
        }
        Ok(found)
    }

    /// Returns one proposal; none of that number.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn proposal(&self, id: u64) -> Result<Option<Proposal>, RepositoryError> {
        let mut statement = self.connection.prepare_cached(select!("WHERE proposal.proposal_id = ?1"))?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(proposal).transpose()
    }

    /// Returns the grants of a proposal, in their order.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn proposed_grants(&self, id: u64) -> Result<Vec<Proposed>, RepositoryError> {
        let sql = "SELECT proposal_id, entitlement_id, bytes, currency, minor_units FROM proposal_grant
                   WHERE proposal_id = ?1 ORDER BY position";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([id], proposed)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes a proposal back; returns how it had ended already, where it had. `at` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn withdraw_proposal(
        &mut self,
        id: u64,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<Option<Outcome>, RepositoryError> {
        self.write(|transaction| {
            let before = outcome(transaction, id)?;
            if before.is_none() {
                let end = End {
                    outcome: Outcome::Withdrawn,
                    request: None,
                    by: by.into(),
                    reason: reason.into(),
                    at,
                };
                insert_end(transaction, id, &end)?;
            }
            Ok(before)
        })
    }
}

fn execute(transaction: &Transaction<'_>, sql: &'static str) -> Result<(), RepositoryError> {
    Ok(transaction.execute_batch(sql)?)
}

/// Keeps a change as a proposal and returns its number.
pub(super) fn propose(
    transaction: &Transaction<'_>,
    change: &Draft,
    waiting: &Waiting,
) -> Result<u64, RepositoryError> {
    let Waiting { policy, requester, reason, prices, at } = waiting;
    let sql = "INSERT INTO proposal (proposal_id, requester, reason, policy, proposed_at)
               SELECT coalesce(max(proposal_id), 0) + 1, ?1, ?2, ?3, ?4 FROM proposal RETURNING proposal_id";
    let parameters = (requester, reason, policy, at);
    let id: u64 = transaction.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?;
    for (position, (entitlement, bytes)) in change.grants.iter().enumerate() {
        let price = prices.get(position).and_then(Option::as_ref);
        let sql = "INSERT INTO proposal_grant (proposal_id, position, entitlement_id, bytes, hash, currency, minor_units)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        transaction.prepare_cached(sql)?.execute((
            id,
            position,
            entitlement.0,
            bytes,
            Grant::hash(bytes),
            price.map(|price| price.currency.as_str()),
            price.map(|price| price.minor_units),
        ))?;
    }
    for (position, target) in change.revoked.iter().enumerate() {
        let sql =
            "INSERT INTO proposal_revocation (proposal_id, position, kind, value) VALUES (?1, ?2, ?3, ?4)";
        transaction.prepare_cached(sql)?.execute((id, position, target.kind(), target.value()))?;
    }
    Ok(id)
}

/// Reads a proposal back as the change that it is.
pub(super) fn draft(transaction: &Transaction<'_>, id: u64) -> Result<Draft, RepositoryError> {
    let sql = "SELECT entitlement_id, bytes FROM proposal_grant WHERE proposal_id = ?1 ORDER BY position";
    let mut statement = transaction.prepare_cached(sql)?;
    let grants = statement.query_map([id], |row| Ok((EntitlementId(row.get(0)?), row.get(1)?)))?;
    let grants = grants.collect::<Result<_, _>>()?;
    let sql = "SELECT kind, value FROM proposal_revocation WHERE proposal_id = ?1 ORDER BY position";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let mut revoked = Vec::new();
    while let Some(row) = rows.next()? {
        revoked.push(match row.get::<_, String>(0)?.as_str() {
            "license" => RevocationTarget::License(LicenseId(row.get(1)?)),
            "entitlement" => RevocationTarget::Entitlement(EntitlementId(row.get(1)?)),
            _ => return Err(RepositoryError::malformed("proposal_revocation")),
        });
    }
    Ok(Draft { grants, revoked })
}

/// Writes a change of which nothing can be stale, as it was made in this transaction.
fn require_applied(transaction: &Transaction<'_>, change: &Draft, at: u64) -> Result<(), RepositoryError> {
    match (apply(transaction, change, at)?, change.grants.first()) {
        (false, Some((entitlement, _))) => {
            Err(RepositoryError::EntitlementChanged { entitlement: *entitlement })
        }
        _ => Ok(()),
    }
}

/// Writes a change byte for byte, where each of its grants still follows the newest of its entitlement and takes away
/// nothing that was used since; returns whether it was written. `at` is Unix seconds.
pub(super) fn apply(transaction: &Transaction<'_>, change: &Draft, at: u64) -> Result<bool, RepositoryError> {
    let mut states: Vec<(Entitlement, &[u8])> = Vec::with_capacity(change.grants.len());
    let mut reason = None;
    for (id, bytes) in &change.grants {
        let (state, entry) = decode(bytes)?;
        if state.id != *id {
            return Err(RepositoryError::malformed("proposal_grant"));
        }
        let earlier = states.iter().rev().find(|(earlier, _)| earlier.id == *id);
        let before = match earlier {
            Some((_, bytes)) => Some(Grant::hash(bytes)),
            None => newest(transaction, *id)?.map(|(_, hash)| hash),
        };
        if entry.previous != before || (earlier.is_none() && is_overtaken(transaction, &state, &entry)?) {
            return Ok(false);
        }
        reason.get_or_insert(entry.reason);
        states.push((state, bytes.as_slice()));
    }
    for (state, bytes) in &states {
        write_row(transaction, state, at)?;
        insert(transaction, state.id, state.revision, bytes, at)?;
    }
    for target in &change.revoked {
        match revocation::insert(transaction, target, reason.as_deref().unwrap_or("approved"), at) {
            Ok(_) | Err(RepositoryError::RevocationExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Returns whether licenses, or what it is an island of, went on so that a state cannot follow any more.
fn is_overtaken(
    transaction: &Transaction<'_>,
    next: &Entitlement,
    entry: &Entry,
) -> Result<bool, RepositoryError> {
    if next.revision == 1 {
        return Ok(false);
    }
    let now = load(transaction, next.id)?;
    let drawn = now.used.saturating_add(now.returned);
    let takes_back_others = next.returned > now.returned && next.returned != drawn;
    let takes_what_is_used = next.own_quantity() < drawn.saturating_sub(next.returned);
    let stands = matches!(entry.change, Change::Resume | Change::Revoke) || now.standing() == State::Active;
    Ok(takes_back_others || takes_what_is_used || !stands)
}

/// Returns how a proposal ended; none while it waits.
pub(super) fn outcome(transaction: &Transaction<'_>, id: u64) -> Result<Option<Outcome>, RepositoryError> {
    let sql = "SELECT outcome FROM proposal_end WHERE proposal_id = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let name: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    name.map(|name| Outcome::from_name(&name)).transpose()
}

/// Writes how a proposal ended.
pub(super) fn insert_end(transaction: &Transaction<'_>, id: u64, end: &End) -> Result<(), RepositoryError> {
    let sql = "INSERT INTO proposal_end (proposal_id, outcome, request_id, ended_by, reason, ended_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let parameters = (id, end.outcome.name(), end.request, &end.by, &end.reason, end.at);
    transaction.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

fn proposal(row: &Row<'_>) -> Result<Proposal, RepositoryError> {
    let outcome: Option<String> = row.get(6)?;
    let end = match outcome {
        None => None,
        Some(name) => Some(End {
            outcome: Outcome::from_name(&name)?,
            request: row.get(7)?,
            by: row.get(8)?,
            reason: row.get(9)?,
            at: row.get(10)?,
        }),
    };
    Ok(Proposal {
        id: row.get(0)?,
        requester: row.get(1)?,
        reason: row.get(2)?,
        policy: row.get(3)?,
        proposed_at: row.get(4)?,
        request: row.get(5)?,
        end,
    })
}

pub(super) fn proposed(row: &Row<'_>) -> rusqlite::Result<Proposed> {
    let currency: Option<String> = row.get(3)?;
    let minor_units: Option<u64> = row.get(4)?;
    let price = currency.zip(minor_units);
    Ok(Proposed {
        proposal: row.get(0)?,
        entitlement: EntitlementId(row.get(1)?),
        bytes: row.get(2)?,
        price: price.map(|(currency, minor_units)| OwnedPrice { currency, minor_units }),
    })
}
