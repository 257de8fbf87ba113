//! Whether an entitlement is in force: suspended for now, resumed, revoked for good.
//!
//! Nothing is issued for what is suspended or revoked, nor for islands of it. A revocation also stands in the next
//! revocation list, so that licenses that are out there end. Not here: publishing that list (`workflow::revocation`).

use chancery_formats::grant::{Change, State};
use chancery_formats::id::EntitlementId;

use super::{Changed, change, island, require_note};
use crate::error::CommandError;
use crate::repository::{Entitlement, Note, Repository, RepositoryError, RevocationTarget};
use crate::workflow::approval::gate;
use crate::workflow::revocation::require_place;

/// What a revocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The entitlement before and after.
    pub changed: Changed,
    /// Its islands, which ended with it.
    pub islands: Vec<EntitlementId>,
}

/// Suspends an entitlement until it is resumed.
///
/// # Errors
///
/// `entitlement-suspended`, `entitlement-revoked`.
pub fn suspend(
    repository: &mut Repository,
    id: EntitlementId,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    change(repository, id, Change::Suspend, note, |_, state| {
        state.state = State::Suspended;
        Ok(())
    })
}

/// Resumes an entitlement that was suspended.
///
/// # Errors
///
/// `entitlement-active`, `entitlement-revoked`.
pub fn resume(
    repository: &mut Repository,
    id: EntitlementId,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    require_note(note)?;
    gate::change(repository, note, |writer| {
        let before = writer.entitlement(id)?;
        match before.state {
            State::Suspended => {}
            State::Revoked => return Err(RepositoryError::EntitlementRevoked { entitlement: id }.into()),
            State::Active => {
                let message = format!("entitlement {id} is not suspended");
                return Err(CommandError::refused("entitlement-active", message)
                    .hint("see what it grants with `chancery entitlement show`"));
            }
        }
        let after =
            writer.record(&Entitlement { state: State::Active, ..before.clone() }, Change::Resume, note)?;
        Ok(Changed { before, after })
    })
}

/// Revokes an entitlement and its islands for good, and names them for the next revocation list. An island gives back
/// what it has not used.
///
/// # Errors
///
/// `entitlement-revoked`; `list-full` where the list has no place for it.
pub fn revoke(
    repository: &mut Repository,
    id: EntitlementId,
    note: &Note<'_>,
) -> Result<Ended, CommandError> {
    require_note(note)?;
    let authority = repository.authority()?.id;
    gate::change(repository, note, |writer| {
        let before = writer.entitlement(id)?;
        if before.state == State::Revoked {
            return Err(RepositoryError::EntitlementRevoked { entitlement: id }.into());
        }
        let islands = writer.islands(id)?;
        let islands: Vec<_> = islands.into_iter().filter(|one| one.state != State::Revoked).collect();
        let ids = std::iter::once(id).chain(islands.iter().map(|one| one.id));
        let targets: Vec<_> = ids.map(RevocationTarget::Entitlement).collect();
        let mut all = writer.revocations()?;
        all.extend(targets.iter().filter(|target| !all.contains(target)).cloned().collect::<Vec<_>>());
        require_place(authority, &all, note.at)?;

        let mut state = Entitlement { state: State::Revoked, ..before.clone() };
        let used = state.used;
        island::give_back(writer, &mut state, used, note)?;
        let after = writer.record(&state, Change::Revoke, note)?;
        for island in &islands {
            writer.record(&Entitlement { state: State::Revoked, ..island.clone() }, Change::Revoke, note)?;
        }
        for target in &targets {
            writer.revoke(target, note)?;
        }
        let islands = islands.iter().map(|one| one.id).collect();
        Ok(Ended { changed: Changed { before, after }, islands })
    })
}
