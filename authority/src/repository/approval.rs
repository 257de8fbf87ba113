//! Approvals: the policies, what was asked of approvers, and what they signed.
//!
//! An approval is kept as the document that came. Whether it counts is never a column: it is found by checking the
//! documents again. Not here: that check (`workflow::approval`), what waits (`proposal`).

use chancery_formats::grant::Grant;
use chancery_formats::id::EntitlementId;
use chancery_formats::merkle::Hash;
use rusqlite::{OptionalExtension, Row, Transaction};
use sha2::{Digest, Sha256};

use super::proposal::{End, Outcome, Proposed, apply, draft, insert_end, outcome, proposed};
use super::{Repository, RepositoryError};

/// A policy, as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRecord {
    /// From 1; the highest is in force.
    pub number: u64,
    /// SHA-256 of the text, as it was kept.
    pub sha256: Hash,
    /// TOML.
    pub text: String,
    /// By whom, for people.
    pub applied_by: String,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub applied_at: u64,
}

/// What is to be asked of approvers.
#[derive(Clone, Debug)]
pub struct NewRequest<'a> {
    /// Random.
    pub nonce: [u8; 16],
    /// Who asks, for people.
    pub requester: &'a str,
    /// Number of the policy in force.
    pub policy: u64,
    /// Name and reason of what lets a prohibited destination pass.
    pub overriding: Option<(&'a str, &'a str)>,
    /// Unix seconds.
    pub requested_at: u64,
    /// Last second in which an approval is taken, in Unix seconds.
    pub not_after: u64,
    /// Numbers of the proposals, ascending.
    pub proposals: &'a [u64],
}

/// What was asked of approvers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// From 1.
    pub id: u64,
    /// Random, and of no other request.
    pub nonce: [u8; 16],
    /// Who asked.
    pub requester: String,
    /// Number of the policy that was in force.
    pub policy: u64,
    /// Name and reason of what lets a prohibited destination pass.
    pub overriding: Option<(String, String)>,
    /// Unix seconds.
    pub requested_at: u64,
    /// Last second in which an approval is taken, in Unix seconds.
    pub not_after: u64,
}

/// A decision, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// From 1.
    pub id: u64,
    /// The request that it answers.
    pub request: u64,
    /// Number of the approver.
    pub approver: u64,
    /// The whole document.
    pub bytes: Vec<u8>,
    /// Unix seconds.
    pub imported_at: u64,
}

/// A grant that stands, and the proposal that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingGrant {
    /// From 1.
    pub revision: u64,
    /// The grant, as encoded.
    pub bytes: Vec<u8>,
    /// Since when it stands, in Unix seconds.
    pub changed_at: u64,
    /// The request in which it was approved; none where it stood at once.
    pub request: Option<u64>,
}

/// How many proposals a decision ended, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Proposals that stand now, or that are rejected.
    pub ended: u64,
    /// Proposals that were overtaken by another change.
    pub stale: Vec<u64>,
}

/// A decision while it is being kept, in one transaction.
#[derive(Debug)]
pub struct DecisionWriter<'t> {
    transaction: &'t Transaction<'t>,
}

impl DecisionWriter<'_> {
    /// Returns whether no proposal of a request has ended yet.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn is_open(&self, request: u64) -> Result<bool, RepositoryError> {
        let sql = "SELECT 1 FROM approval_request_proposal JOIN proposal_end USING (proposal_id)
                   WHERE approval_request_proposal.request_id = ?1 LIMIT 1";
        Ok(!self.transaction.prepare_cached(sql)?.exists([request])?)
    }

    /// Keeps an approval and returns its number; none where this approver decided on this request before.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn add(
        &mut self,
        request: u64,
        approver: u64,
        bytes: &[u8],
        at: u64,
    ) -> Result<Option<u64>, RepositoryError> {
        let sql = "SELECT 1 FROM approval WHERE request_id = ?1 AND approver_id = ?2";
        if self.transaction.prepare_cached(sql)?.exists((request, approver))? {
            return Ok(None);
        }
        let sql = "INSERT INTO approval (approval_id, request_id, approver_id, bytes, imported_at)
                   SELECT coalesce(max(approval_id), 0) + 1, ?1, ?2, ?3, ?4 FROM approval RETURNING approval_id";
        let parameters = (request, approver, bytes, at);
        Ok(Some(self.transaction.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?))
    }

    /// Makes every proposal of a request stand, but for those that another change overtook.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn activate(&mut self, request: u64, by: &str, at: u64) -> Result<Decided, RepositoryError> {
        self.end(request, by, at, |transaction, proposal| {
            let stands = apply(transaction, &draft(transaction, proposal)?, at)?;
            Ok(if stands { (Outcome::Active, "approved") } else { (Outcome::Stale, "changed meanwhile") })
        })
    }

    /// Rejects every proposal of a request.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn reject(
        &mut self,
        request: u64,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<Decided, RepositoryError> {
        self.end(request, by, at, |_, _| Ok((Outcome::Rejected, reason)))
    }

    fn end<'r>(
        &mut self,
        request: u64,
        by: &str,
        at: u64,
        mut decide: impl FnMut(&Transaction<'_>, u64) -> Result<(Outcome, &'r str), RepositoryError>,
    ) -> Result<Decided, RepositoryError> {
        let mut decided = Decided::default();
        for proposal in proposals_of(self.transaction, request)? {
            if outcome(self.transaction, proposal)?.is_some() {
                continue;
            }
            let (outcome, reason) = decide(self.transaction, proposal)?;
            match outcome {
                Outcome::Stale => decided.stale.push(proposal),
                _ => decided.ended += 1,
            }
            let end = End { outcome, request: Some(request), by: by.into(), reason: reason.into(), at };
            insert_end(self.transaction, proposal, &end)?;
        }
        Ok(decided)
    }
}

impl Repository {
    /// Keeps a policy, which is in force from then on, and returns its number; none where the text is that of the
    /// policy in force. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn apply_approval_policy(
        &mut self,
        text: &str,
        by: &str,
        reason: &str,
        now: u64,
    ) -> Result<Option<u64>, RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT text FROM approval_policy ORDER BY number DESC LIMIT 1";
            let before: Option<String> = transaction.query_row(sql, [], |row| row.get(0)).optional()?;
            if before.as_deref() == Some(text) {
                return Ok(None);
            }
            let sql = "INSERT INTO approval_policy (number, sha256, text, applied_by, reason, applied_at)
                       SELECT coalesce(max(number), 0) + 1, ?1, ?2, ?3, ?4, ?5 FROM approval_policy
                       RETURNING number";
            let hash: Hash = Sha256::digest(text).into();
            Ok(Some(transaction.query_row(sql, (hash, text, by, reason, now), |row| row.get(0))?))
        })
    }

    /// Returns every policy, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn approval_policies(&self) -> Result<Vec<PolicyRecord>, RepositoryError> {
        let sql = "SELECT number, sha256, text, applied_by, reason, applied_at FROM approval_policy ORDER BY number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(PolicyRecord {
                number: row.get(0)?,
                sha256: row.get(1)?,
                text: row.get(2)?,
                applied_by: row.get(3)?,
                reason: row.get(4)?,
                applied_at: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps what is asked of approvers and returns its number; none where one of the proposals is not there, has
    /// ended, or is in another request that is still open at `requested_at`.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn add_approval_request(&mut self, new: &NewRequest<'_>) -> Result<Option<u64>, RepositoryError> {
        self.write(|transaction| {
            for proposal in new.proposals {
                if !may_be_asked(transaction, *proposal, new.requested_at)? {
                    return Ok(None);
                }
            }
            let sql = "INSERT INTO approval_request (request_id, nonce, requester, policy, override_name,
                                                     override_reason, requested_at, not_after)
                       SELECT coalesce(max(request_id), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7
                       FROM approval_request RETURNING request_id";
            let (name, reason) = new.overriding.unzip();
            let parameters =
                (new.nonce, new.requester, new.policy, name, reason, new.requested_at, new.not_after);
            let id: u64 = transaction.query_row(sql, parameters, |row| row.get(0))?;
            let sql = "INSERT INTO approval_request_proposal (request_id, proposal_id) VALUES (?1, ?2)";
            let mut statement = transaction.prepare_cached(sql)?;
            for proposal in new.proposals {
                statement.execute((id, proposal))?;
            }
            Ok(Some(id))
        })
    }

    /// Returns the proposals that a request may ask about at an instant, in Unix seconds: those that wait and are in
    /// no request that is open then.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn proposals_to_ask(&self, at: u64) -> Result<Vec<u64>, RepositoryError> {
        let sql = "SELECT proposal_id FROM proposal
                   WHERE NOT EXISTS (SELECT 1 FROM proposal_end AS ended
                                     WHERE ended.proposal_id = proposal.proposal_id)
                     AND NOT EXISTS (SELECT 1 FROM approval_request_proposal AS asked
                                     JOIN approval_request USING (request_id)
                                     WHERE asked.proposal_id = proposal.proposal_id AND not_after >= ?1)
                   ORDER BY proposal_id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([at], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns a request by its number; none of that number.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn approval_request(&self, id: u64) -> Result<Option<RequestRecord>, RepositoryError> {
        let sql = "SELECT request_id, nonce, requester, policy, override_name, override_reason, requested_at, not_after
                   FROM approval_request WHERE request_id = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], request).optional()?)
    }

    /// Returns a request by its nonce; none where nothing was asked with it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn approval_request_by_nonce(
        &self,
        nonce: &[u8; 16],
    ) -> Result<Option<RequestRecord>, RepositoryError> {
        let sql = "SELECT request_id, nonce, requester, policy, override_name, override_reason, requested_at, not_after
                   FROM approval_request WHERE nonce = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([nonce], request).optional()?)
    }

    /// Gives every grant of a request to `each`, in the order in which approvers see them.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_asked<E: From<RepositoryError>>(
        &self,
        id: u64,
        mut each: impl FnMut(Proposed) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = "SELECT proposal_grant.proposal_id, entitlement_id, bytes, currency, minor_units
                   FROM approval_request_proposal AS asked
                   JOIN proposal_grant ON proposal_grant.proposal_id = asked.proposal_id
                   WHERE asked.request_id = ?1 ORDER BY asked.proposal_id, position";
        let mut statement = self.connection.prepare_cached(sql).map_err(database)?;
        let mut rows = statement.query([id]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(proposed(row).map_err(database)?)?;
        }
        Ok(())
    }

    /// Returns who wants the proposals of a request, each once.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn requesters(&self, request: u64) -> Result<Vec<String>, RepositoryError> {
        let sql = "SELECT DISTINCT requester FROM approval_request_proposal JOIN proposal USING (proposal_id)
                   WHERE request_id = ?1 ORDER BY requester";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([request], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns how the proposals of a request ended so far: each outcome that there is, once.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn outcomes(&self, request: u64) -> Result<Vec<(u64, Outcome)>, RepositoryError> {
        let sql =
            "SELECT DISTINCT coalesce(ended.request_id, 0), outcome FROM approval_request_proposal AS asked
                   JOIN proposal_end AS ended ON ended.proposal_id = asked.proposal_id
                   WHERE asked.request_id = ?1 ORDER BY outcome";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([request])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((row.get(0)?, Outcome::from_name(&row.get::<_, String>(1)?)?));
        }
        Ok(found)
    }

    /// Returns what approvers decided on a request, in the order in which it came.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn approvals(&self, request: u64) -> Result<Vec<ApprovalRecord>, RepositoryError> {
        let sql = "SELECT approval_id, request_id, approver_id, bytes, imported_at FROM approval
                   WHERE request_id = ?1 ORDER BY approval_id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([request], |row| {
            Ok(ApprovalRecord {
                id: row.get(0)?,
                request: row.get(1)?,
                approver: row.get(2)?,
                bytes: row.get(3)?,
                imported_at: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps a decision in one transaction: all that `work` writes is durable on return, or none of it is there.
    ///
    /// # Errors
    ///
    /// Those of `work` and of the database.
    pub fn decide<T, E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&mut DecisionWriter<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_or(|transaction| work(&mut DecisionWriter { transaction }))
    }

    /// Returns the grants of an entitlement that stand, oldest first, each with the request in which it was approved,
    /// found by the hash of its bytes.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn standing_grants(&self, id: EntitlementId) -> Result<Vec<StandingGrant>, RepositoryError> {
        let sql = "SELECT revision, bytes, changed_at FROM entitlement_grant WHERE entitlement_id = ?1
                   ORDER BY revision";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(1)?;
            let request = self.request_of(&Grant::hash(&bytes))?;
            found.push(StandingGrant { revision: row.get(0)?, bytes, changed_at: row.get(2)?, request });
        }
        Ok(found)
    }

    /// Returns the request in which a grant was approved, by its hash.
    fn request_of(&self, hash: &Hash) -> Result<Option<u64>, RepositoryError> {
        let sql = "SELECT ended.request_id FROM proposal_grant
                   JOIN proposal_end AS ended ON ended.proposal_id = proposal_grant.proposal_id
                   WHERE hash = ?1 AND outcome = 'active' LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
    }

    /// Returns a number that grows with every grant that is written.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn grants_so_far(&self) -> Result<u64, RepositoryError> {
        super::grant::so_far(&self.connection)
    }
}

fn proposals_of(transaction: &Transaction<'_>, request: u64) -> Result<Vec<u64>, RepositoryError> {
    let sql = "SELECT proposal_id FROM approval_request_proposal WHERE request_id = ?1 ORDER BY proposal_id";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([request], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn may_be_asked(transaction: &Transaction<'_>, proposal: u64, at: u64) -> Result<bool, RepositoryError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM proposal WHERE proposal_id = ?1)
                  AND NOT EXISTS (SELECT 1 FROM proposal_end WHERE proposal_id = ?1)
                  AND NOT EXISTS (SELECT 1 FROM approval_request_proposal JOIN approval_request USING (request_id)
                                  WHERE proposal_id = ?1 AND not_after >= ?2)";
    Ok(transaction.prepare_cached(sql)?.query_row((proposal, at), |row| row.get(0))?)
}

fn request(row: &Row<'_>) -> rusqlite::Result<RequestRecord> {
    let (name, reason): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
    Ok(RequestRecord {
        id: row.get(0)?,
        nonce: row.get(1)?,
        requester: row.get(2)?,
        policy: row.get(3)?,
        overriding: name.zip(reason),
        requested_at: row.get(6)?,
        not_after: row.get(7)?,
    })
}
