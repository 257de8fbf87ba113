//! Grants: numbers, hashes, and the chain of each entitlement; and that what is looked up says what they say.

use chancery_formats::grant::Grant;
use chancery_formats::id::EntitlementId;
use chancery_formats::merkle::Hash;

use super::Findings;
use crate::repository::grant::GrantRow;
use crate::repository::{Repository, RepositoryError};

/// The grant before, of whatever entitlement.
#[derive(Default)]
struct Before {
    entitlement: Vec<u8>,
    revision: u64,
    hash: Option<Hash>,
}

/// Checks the history of every entitlement.
pub(super) fn check(repository: &Repository, findings: &mut Findings) {
    let mut before = Before::default();
    let read = repository.each_grant(|row| {
        if row.entitlement != before.entitlement {
            before = Before { entitlement: row.entitlement.clone(), ..Before::default() };
        }
        check_row(&row, &before, findings);
        before.revision = row.revision;
        before.hash = Some(Grant::hash(&row.bytes));
        Ok::<(), RepositoryError>(())
    });
    if let Err(error) = read {
        findings.unreadable("the grants", &error);
    }
    match repository.entitlements_off_their_grant() {
        Ok(others) => others.into_iter().for_each(|id| {
            let message = format!("what is looked up of entitlement {id} is not what its newest grant says");
            findings.add("entitlement-other", message);
        }),
        Err(error) => findings.unreadable("the entitlements", &error),
    }
}

fn check_row(row: &GrantRow, before: &Before, findings: &mut Findings) {
    let id = <[u8; 8]>::try_from(row.entitlement.as_slice()).ok().map(EntitlementId);
    let name = match &id {
        Some(id) => format!("grant {} of entitlement {id}", row.revision),
        None => format!("grant {} of an entitlement without an id", row.revision),
    };
    if row.revision != before.revision + 1 {
        findings.add("grant-missing", format!("{name} does not follow grant {}", before.revision));
    }
    if row.hash != Grant::hash(&row.bytes) {
        findings.add("grant-changed", format!("{name} has another hash than the one that was kept"));
    }
    match Grant::decode(&row.bytes) {
        Err(error) => findings.add("grant-malformed", format!("{name}: {error}")),
        Ok(grant) => {
            let own = (Some(grant.terms.entitlement), grant.terms.revision);
            // What had to be approved stands later than it was proposed.
            if own != (id, row.revision) || row.changed_at < grant.at {
                findings.add("grant-other", format!("{name} is kept as another than it says"));
            }
            if grant.previous != before.hash {
                findings.add("grant-chain", format!("{name} does not follow the one before it"));
            }
        }
    }
}
