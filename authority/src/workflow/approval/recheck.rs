//! Before anything is issued: every grant of the entitlement stood at once by the policy of its day, or the approvals
//! that this policy demands are here, signed over these very bytes.
//!
//! No flag is believed. The hash of a grant leads to the request that it was approved in, and that request, its policy
//! and its approvals are read and verified again, once for each run however many licenses it issues.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chancery_formats::grant::Grant;
use chancery_formats::id::EntitlementId;

use super::Office;
use super::asked::Asked;
use super::import::kept;
use super::judge::lacks;
use crate::error::CommandError;
use crate::repository::{PolicyRecord, Repository, StandingGrant};

/// Hashes that are kept of requests that were verified.
const MOST_HASHES: usize = 400_000;

/// Who vouches for grants; made once for each run.
#[derive(Debug, Default)]
pub struct Vouching {
    policies: Vec<PolicyRecord>,
    /// By number.
    offices: HashMap<u64, Office>,
    /// Requests that were verified, by number.
    requests: HashMap<u64, Asked>,
    hashes: usize,
}

impl Vouching {
    /// Reads the policies.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn load(repository: &Repository) -> Result<Self, CommandError> {
        Ok(Self { policies: repository.approval_policies()?, ..Self::default() })
    }

    /// Refuses an entitlement of which a grant lacks what the policy of its day demands.
    ///
    /// # Errors
    ///
    /// `approval-missing`; integrity alarms for a grant, an approval, an approver or a policy that was changed since:
    /// `grant-void`, `approval-void`, `policy-void`, `site-record-void`.
    pub fn require(&mut self, repository: &Repository, id: EntitlementId) -> Result<(), CommandError> {
        if self.policies.is_empty() {
            return Ok(());
        }
        for grant in repository.standing_grants(id)? {
            self.require_grant(repository, id, &grant)?;
        }
        Ok(())
    }

    fn require_grant(
        &mut self,
        repository: &Repository,
        id: EntitlementId,
        kept: &StandingGrant,
    ) -> Result<(), CommandError> {
        // A policy binds from the second after it was applied: what stood in that second may have been first.
        let of_its_day = self.policies.iter().rev().find(|policy| policy.applied_at < kept.changed_at);
        let of_its_day = of_its_day.map(|policy| policy.number);
        let Some(request) = kept.request else {
            let Some(number) = of_its_day else { return Ok(()) };
            return self.require_free(repository, id, kept, number);
        };
        let is_known = self.requests.contains_key(&request);
        if !is_known {
            let asked = self.verify(repository, request)?;
            if self.hashes >= MOST_HASHES {
                self.requests.clear();
                self.hashes = 0;
            }
            self.hashes += asked.hashes.len();
            self.requests.insert(request, asked);
        }
        let hash = Grant::hash(&kept.bytes);
        let asked = self.requests.get(&request).filter(|asked| asked.hashes.contains(&hash));
        match asked {
            Some(asked) if of_its_day.is_none_or(|number| asked.policy.number >= number) => Ok(()),
            _ => Err(void(
                id,
                kept.revision,
                "the request in which it was approved is another one, or under an older policy",
            )),
        }
    }

    /// Refuses a grant that stood at once although the policy of its day demands approvals.
    fn require_free(
        &mut self,
        repository: &Repository,
        id: EntitlementId,
        kept: &StandingGrant,
        number: u64,
    ) -> Result<(), CommandError> {
        let office = self.office(repository, number)?;
        let grant =
            Grant::decode(&kept.bytes).map_err(|error| void(id, kept.revision, &error.to_string()))?;
        let need = office.facts(repository, &grant, kept.changed_at)?.need;
        if need.approvers == 0 {
            return Ok(());
        }
        let message = format!(
            "grant {} of entitlement {id} lacks the approvals that rule {} of policy {number} demands",
            kept.revision, need.rule
        );
        Err(CommandError::refused("approval-missing", message)
            .hint("it never passed the queue: keep the home as it is, and call the auditor"))
    }

    fn office(&mut self, repository: &Repository, number: u64) -> Result<&Office, CommandError> {
        match self.offices.entry(number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let record = self.policies.iter().find(|policy| policy.number == number);
                let record = record.ok_or_else(|| {
                    CommandError::alarm("policy-void", format!("approval policy {number} is missing"))
                        .hint("issue nothing, keep the home as it is, and call the auditor")
                })?;
                Ok(place.insert(Office::under(repository, record)?))
            }
        }
    }

    /// Verifies a request with all of its approvals.
    fn verify(&mut self, repository: &Repository, id: u64) -> Result<Asked, CommandError> {
        let unknown = || {
            CommandError::alarm("approval-void", format!("request {id} is missing"))
                .hint("issue nothing, keep the home as it is, and call the auditor")
        };
        let record = repository.approval_request(id)?.ok_or_else(unknown)?;
        let office = self.office(repository, record.policy)?;
        let decided_at = repository.approvals(id)?.last().map(|row| row.imported_at).ok_or_else(|| {
            CommandError::refused("approval-missing", format!("request {id} has no approval"))
                .hint("keep the home as it is, and call the auditor")
        })?;
        let asked = Asked::load(repository, office, record, decided_at, false)?;
        let approvals = kept(repository, office, &asked)?;
        match lacks(&asked, &approvals) {
            None => Ok(asked),
            Some(lacks) => {
                let message = format!("request {id} lacks the approvals that its policy demands");
                Err(CommandError::refused("approval-missing", message)
                    .cause(lacks)
                    .hint("keep the home as it is, and call the auditor"))
            }
        }
    }
}

fn void(id: EntitlementId, revision: u64, cause: &str) -> CommandError {
    let message = format!("grant {revision} of entitlement {id} is not what was approved");
    CommandError::alarm("grant-void", message)
        .cause(cause)
        .hint("issue nothing for it, keep the home as it is, and call the auditor")
}
