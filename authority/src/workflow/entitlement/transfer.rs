//! Transferring: the same entitlement for another site, or another customer.
//!
//! What was issued before is taken back: its licenses are named for the next revocation list, and their activations
//! count no more, so that the new place has what was sold. Not here: publishing that list (`workflow::revocation`).

use chancery_formats::grant::Change;
use chancery_formats::id::{EntitlementId, LicenseId};

use super::{Changed, change, require_no_island};
use crate::error::CommandError;
use crate::repository::{Binding, Note, Repository, RevocationTarget};
use crate::workflow::revocation::require_place;

/// What a transfer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The entitlement before and after.
    pub changed: Changed,
    /// Licenses that were named for revocation.
    pub revoked: Vec<LicenseId>,
}

/// Transfers an entitlement to a site, to a customer, or to a site of another customer. Another customer without a
/// site has none.
///
/// # Errors
///
/// A refusal with its code: `entitlement-suspended`, `entitlement-revoked`, `not-transferable`, `island-fixed`, `islands-open`,
/// `customer-unknown`, `site-missing`, `nothing-changed`, `list-full`. Nothing is changed then.
pub fn transfer(
    repository: &mut Repository,
    id: EntitlementId,
    customer: Option<&str>,
    site: Option<&str>,
    note: &Note<'_>,
) -> Result<Transferred, CommandError> {
    let authority = repository.authority()?.id;
    let mut revoked = Vec::new();
    let changed = change(repository, id, Change::Transfer, note, |writer, state| {
        if !state.transferable {
            let message = format!("entitlement {id} was sold to stay where it is");
            return Err(CommandError::refused("not-transferable", message)
                .hint("grant a new entitlement, and revoke this one"));
        }
        require_no_island(state, "stays at its site")?;
        if state.in_islands > 0 {
            let message = format!("entitlement {id} has {} activations in islands", state.in_islands);
            return Err(CommandError::refused("islands-open", message)
                .hint("have the islands give theirs back with `chancery entitlement amend --quantity`"));
        }
        let (from, at) = (state.customer.clone(), state.site.clone());
        if let Some(customer) = customer.filter(|customer| *customer != from) {
            writer.require_customer(customer)?;
            state.customer = customer.to_owned();
            state.site = None;
        }
        if let Some(site) = site {
            state.site = Some(site.to_owned());
        }
        if state.binding == Binding::Site && state.site.is_none() {
            let message = format!("licenses of entitlement {id} are bound to a site");
            return Err(CommandError::refused("site-missing", message).hint("name the site with `--site`"));
        }
        if (&state.customer, &state.site) == (&from, &at) {
            return Ok(()); // nothing moved, so nothing is taken back
        }
        let held = writer.licenses(id)?;
        let targets: Vec<_> = held.iter().map(|license| RevocationTarget::License(license.id)).collect();
        let mut all = writer.revocations()?;
        all.extend(targets.iter().filter(|target| !all.contains(target)).cloned().collect::<Vec<_>>());
        require_place(authority, &all, note.at)?;
        for target in &targets {
            writer.revoke(target, note)?;
        }
        state.returned = held.iter().map(|license| license.activation).max().unwrap_or(state.returned);
        revoked = held.into_iter().map(|license| license.id).collect();
        Ok(())
    })?;
    Ok(Transferred { changed, revoked })
}
