//! The life of entitlements: each change a new grant, checked against the state it is made on, in one transaction.
//!
//! Nothing is ever written over. Who changed what, when and why is part of each grant; a change that is refused
//! leaves no trace. What is revoked stays so, and what is suspended is resumed before anything else is done to it.
//! Not here: licenses drawn from entitlements, who must approve.

use chancery_formats::grant::{Change, State};
use chancery_formats::id::EntitlementId;

use super::approval::gate;
use super::label;
use crate::error::CommandError;
use crate::repository::{Entitlement, GrantWriter, Note, Repository};

pub mod amend;
pub mod convert;
pub mod grant;
pub mod history;
pub mod island;
pub mod renew;
pub mod resale;
pub mod standing;
pub mod transfer;

/// An entitlement before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it was.
    pub before: Entitlement,
    /// As it is.
    pub after: Entitlement,
}

/// Changes an entitlement that is in force: `work` gets it as it is and makes of it what it shall be, or refuses.
///
/// # Errors
///
/// Those of `work`; `nothing-changed`; what keeps an entitlement from being changed.
fn change(
    repository: &mut Repository,
    id: EntitlementId,
    kind: Change,
    note: &Note<'_>,
    work: impl FnOnce(&mut GrantWriter<'_>, &mut Entitlement) -> Result<(), CommandError>,
) -> Result<Changed, CommandError> {
    gate::change(repository, note, |writer| change_within(writer, id, kind, note, work))
}

/// Does as [`change`], in the transaction of the caller.
fn change_within(
    writer: &mut GrantWriter<'_>,
    id: EntitlementId,
    kind: Change,
    note: &Note<'_>,
    work: impl FnOnce(&mut GrantWriter<'_>, &mut Entitlement) -> Result<(), CommandError>,
) -> Result<Changed, CommandError> {
    require_note(note)?;
    let before = writer.entitlement(id)?;
    before.require_active()?;
    let mut state = before.clone();
    work(writer, &mut state)?;
    if state == before {
        return Err(CommandError::refused("nothing-changed", format!("entitlement {id} is so already"))
            .hint("see what it grants with `chancery entitlement show`"));
    }
    let after = writer.record(&state, kind, note)?;
    Ok(Changed { before, after })
}

/// Refuses a name or a reason that cannot be shown to those who read the history.
fn require_note(note: &Note<'_>) -> Result<(), CommandError> {
    for (text, code, what, option) in [
        (note.by, "name-refused", "the name of who does it", "--by"),
        (note.reason, "reason-refused", "the reason", "--reason"),
    ] {
        label::check(text).map_err(|error| {
            CommandError::refused(code, format!("{what} cannot be used"))
                .cause(error.to_string())
                .hint(format!("give 1 to 128 bytes of plain text with `{option}`"))
        })?;
    }
    Ok(())
}

/// Refuses an end before the beginning.
fn require_term(not_before: u64, not_after: Option<u64>) -> Result<(), CommandError> {
    if not_after.is_some_and(|end| end < not_before) {
        return Err(
            CommandError::usage("the term ends before it starts").hint("correct `--from` or `--until`")
        );
    }
    Ok(())
}

/// Refuses an island, whose terms are those of what it is an island of.
fn require_no_island(state: &Entitlement, what: &str) -> Result<(), CommandError> {
    match state.parent {
        None => Ok(()),
        Some(parent) => {
            let message = format!("entitlement {} is an island of {parent}, and an island {what}", state.id);
            Err(CommandError::refused("island-fixed", message).hint(
                "give its activations back with `chancery entitlement amend --quantity`, and split again",
            ))
        }
    }
}

/// Refuses an end before that of an island.
fn require_islands_within(
    writer: &GrantWriter<'_>,
    id: EntitlementId,
    not_after: Option<u64>,
) -> Result<(), CommandError> {
    let Some(end) = not_after else { return Ok(()) };
    let outlives = |island: &Entitlement| {
        let is_open = island.quantity > 0 && island.state != State::Revoked;
        is_open && island.not_after.is_none_or(|last| last > end)
    };
    match writer.islands(id)?.iter().find(|island| outlives(island)) {
        None => Ok(()),
        Some(island) => Err(outlives_parent(island.id, id)),
    }
}

/// The refusal of an island that would run longer than what it is an island of.
fn outlives_parent(island: EntitlementId, parent: EntitlementId) -> CommandError {
    let message = format!("island {island} would run longer than entitlement {parent}");
    CommandError::refused("island-outlives", message)
        .hint("renew the entitlement first, or choose an end within its term")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
