//! The history of an entitlement: every grant with what it changed, and the state at any past instant.

use chancery_formats::id::EntitlementId;

use crate::error::CommandError;
use crate::repository::{GrantRecord, Repository};

/// One grant, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The grant.
    pub grant: GrantRecord,
    /// The one that it changed; none for the first.
    pub before: Option<GrantRecord>,
}

/// Returns every step of an entitlement, oldest first.
///
/// # Errors
///
/// `entitlement-unknown`; those of the repository.
pub fn steps(repository: &Repository, id: EntitlementId) -> Result<Vec<Step>, CommandError> {
    let mut before = None;
    let grants = repository.grants(id)?.into_iter();
    Ok(grants.map(|grant| Step { before: before.replace(grant.clone()), grant }).collect())
}

/// Returns the state that an entitlement was in at an instant, in Unix seconds.
///
/// # Errors
///
/// `entitlement-unknown`; `grant-unknown` before its first grant.
pub fn replay(repository: &Repository, id: EntitlementId, at: u64) -> Result<GrantRecord, CommandError> {
    Ok(repository.grant_at(id, at)?)
}
