//! Islands: parts of an entitlement for sites that cannot talk to each other.
//!
//! An island is an entitlement of its own, with the terms of its parent and some of its activations. The parent is
//! debited first, in the same transaction, so that the activations of islands and those that the parent may give
//! itself never add up to more than was sold. An island is not split again and never gets more; what it gives back is
//! the parent's again.

use chancery_formats::grant::{Change, State};
use chancery_formats::id::EntitlementId;

use super::amend::require_unused;
use super::require_note;
use crate::error::CommandError;
use crate::repository::{Entitlement, GrantWriter, Model, Note, Repository};
use crate::workflow::approval::gate;
use crate::workflow::random;

/// What a split made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What was split, as it is now.
    pub parent: Entitlement,
    /// The island.
    pub island: Entitlement,
}

/// Splits `quantity` activations off as an island for a site.
///
/// # Errors
///
/// A refusal with its code: `entitlement-suspended`, `entitlement-revoked`, `island-split`, `trial-split`,
/// `users-split`, `quantity-zero`, `quantity-left`. Nothing is changed then.
pub fn split(
    repository: &mut Repository,
    id: EntitlementId,
    site: &str,
    quantity: u64,
    note: &Note<'_>,
) -> Result<Split, CommandError> {
    split_as(repository, id, EntitlementId(random()?), site, quantity, note)
}

/// Splits an island off under an id of the caller's, which names nothing yet.
///
/// # Errors
///
/// As [`split`].
pub fn split_as(
    repository: &mut Repository,
    id: EntitlementId,
    new: EntitlementId,
    site: &str,
    quantity: u64,
    note: &Note<'_>,
) -> Result<Split, CommandError> {
    require_note(note)?;
    gate::change(repository, note, |writer| {
        let state = writer.entitlement(id)?;
        state.require_active()?;
        require_splittable(&state, quantity)?;
        let debited = Entitlement { in_islands: state.in_islands + quantity, ..state.clone() };
        let parent = writer.record(&debited, Change::Split, note)?;
        let island = Entitlement {
            id: new,
            revision: 0,
            site: Some(site.to_owned()),
            quantity,
            in_islands: 0,
            returned: 0,
            used: 0,
            parent: Some(id),
            granted_at: note.at,
            ..state
        };
        let island = writer.record(&island, Change::SubGrant, note)?;
        Ok(Split { parent, island })
    })
}

fn require_splittable(state: &Entitlement, quantity: u64) -> Result<(), CommandError> {
    let Entitlement { id, .. } = state;
    if let Some(parent) = state.parent {
        let message = format!("entitlement {id} is an island of {parent}, and an island is not split");
        return Err(CommandError::refused("island-split", message).hint(
            "give its activations back with `chancery entitlement amend --quantity`, and split the parent",
        ));
    }
    if state.model == Model::Trial {
        return Err(CommandError::refused("trial-split", format!("entitlement {id} is a trial"))
            .hint("convert it first with `chancery entitlement convert`"));
    }
    if state.named_users.is_some() {
        let message = format!("entitlement {id} names users, whom two sites would share");
        return Err(
            CommandError::refused("users-split", message).hint("grant each site an entitlement of its own")
        );
    }
    if quantity == 0 {
        return Err(CommandError::refused("quantity-zero", "an island has at least 1 activation")
            .hint("name how many with `--quantity`"));
    }
    if quantity > state.left() {
        let message = format!("entitlement {id} has {} activations left, not {quantity}", state.left());
        return Err(CommandError::refused("quantity-left", message)
            .hint("add activations with `chancery entitlement amend --quantity`"));
    }
    Ok(())
}

/// Takes activations of an island back to its parent; the caller records the island.
///
/// # Errors
///
/// `island-raised`, `quantity-used`.
pub(super) fn give_back(
    writer: &mut GrantWriter<'_>,
    island: &mut Entitlement,
    quantity: u64,
    note: &Note<'_>,
) -> Result<(), CommandError> {
    let Some(parent) = island.parent else { return Ok(()) };
    if quantity > island.quantity {
        let message = format!("entitlement {} is an island, and an island never gets more", island.id);
        return Err(CommandError::refused("island-raised", message)
            .hint("split another island off with `chancery entitlement split`"));
    }
    require_unused(island, quantity)?;
    let parent = writer.entitlement(parent)?;
    let back = island.quantity - quantity;
    if back > 0 && parent.state != State::Revoked {
        let credited = Entitlement { in_islands: parent.in_islands.saturating_sub(back), ..parent };
        writer.record(&credited, Change::Amend, note)?;
    }
    island.quantity = quantity;
    Ok(())
}
