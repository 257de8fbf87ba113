//! The gate: every change of an entitlement passes it, and stands at once or becomes a proposal.
//!
//! Not here: what changes do (`entitlement`), which of them have to wait ([`super::policy`]).

use chancery_formats::grant::Grant;

use super::geo::Records;
use super::{Office, grants_something};
use crate::error::CommandError;
use crate::repository::{Draft, GrantWriter, Note, Repository, Waiting};

/// Changes entitlements: what the policy lets stand is durable on return, and the rest are proposals, which
/// [`Repository::proposed`] names. Without a policy all of it stands.
///
/// # Errors
///
/// Those of `work`; `site-unrecorded`, `site-record-ended`, `site-elsewhere` for a site that is not where the grant may
/// be used. Nothing is changed or proposed then.
pub fn change<T>(
    repository: &mut Repository,
    note: &Note<'_>,
    work: impl FnOnce(&mut GrantWriter<'_>) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let Some(office) = Office::in_force(repository)? else {
        return repository.change_entitlements(work);
    };
    repository.change_or_propose(
        work,
        |writer, changes| changes.iter().map(|change| office.judge(writer, change, note)).collect(),
        note.at,
    )
}

impl Office {
    /// Returns why a change has to wait; none where it stands at once.
    pub(in crate::workflow) fn judge(
        &self,
        records: &dyn Records,
        change: &Draft,
        note: &Note<'_>,
    ) -> Result<Option<Waiting>, CommandError> {
        let mut waits = false;
        let mut prices = Vec::with_capacity(change.grants.len());
        for (_, bytes) in &change.grants {
            let grant = Grant::decode(bytes)?;
            if grants_something(&grant) {
                self.require_place(records, &grant, note.at)?;
            }
            let facts = self.facts(records, &grant, note.at)?;
            waits |= facts.need.approvers > 0;
            prices.push(facts.price);
        }
        Ok(waits.then(|| Waiting {
            policy: self.policy.number,
            requester: note.by.to_owned(),
            reason: note.reason.to_owned(),
            prices,
            at: note.at,
        }))
    }
}
