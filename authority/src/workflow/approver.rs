//! Approvers: who may be one, and ending that.
//!
//! A key has one purpose: a key of the authority, a custodian's or a witness's among them, is no approver's, and the
//! other way round. A person has one name; another name that cannot be told apart from it at a glance is refused. Not
//! here: whether a signature counts (`approval::judge`).

use chancery_formats::country::is_assigned;
use chancery_formats::id::is_name;
use chancery_formats::key::PublicKey;
use chancery_verifier::signature::VerifyingKey;

use super::approval::is_same_person;
use super::approval::review::require_algorithm;
use super::catalog::currency::digits;
use super::custody::Custody;
use super::label;
use super::lookalike::mixed;
use crate::error::CommandError;
use crate::repository::{Approver, NewApprover, Repository, Revocation};

/// Adds an approver and returns the number; `now` is Unix seconds.
///
/// # Errors
///
/// `key-algorithm`, `key-weak`, `key-of-two-roles`, `approver-exists`, `name-refused`, `name-alike`, `bounds-refused`.
pub fn add(repository: &mut Repository, new: &NewApprover<'_>, now: u64) -> Result<u64, CommandError> {
    for text in [new.name, new.added_by] {
        require_label(text, "name-refused", "the name of a person")?;
    }
    if let Some((position, letter)) = mixed(new.name) {
        let message = format!(
            "letter {position} of the name, U+{:04X}, is not the one it looks like",
            u32::from(letter)
        );
        return Err(
            CommandError::refused("name-alike", message).hint("type the name anew instead of pasting it")
        );
    }
    require_bounds(new)?;
    require_algorithm(new.public_key.algorithm())?;
    VerifyingKey::load(new.public_key).map_err(|refusal| {
        CommandError::refused(refusal.code(), "this key cannot sign approvals")
            .cause(refusal.to_string())
            .hint("make a new key")
    })?;
    require_no_role(repository, new.public_key)?;
    let known = repository.approvers()?;
    if let Some(alike) =
        known.iter().find(|known| known.name != new.name && is_same_person(&known.name, new.name))
    {
        let message =
            format!("the name cannot be told apart from that of {}, approver {}", alike.name, alike.id);
        return Err(CommandError::refused("name-alike", message)
            .hint("write the same person's name as it is written there, and another person's in full"));
    }
    repository.add_approver(new, now)?.ok_or_else(|| {
        let kid = new.public_key.key_id();
        CommandError::refused("approver-exists", format!("key {kid} is an approver's already"))
            .hint("list approvers with `chancery approver list`; what was revoked needs a new key")
    })
}

/// Takes an approver off; `now` is Unix seconds. What came in before stands.
///
/// # Errors
///
/// `approver-unknown`, `approver-revoked`, `name-refused`, `reason-refused`.
pub fn revoke(
    repository: &mut Repository,
    id: u64,
    by: &str,
    reason: &str,
    now: u64,
) -> Result<Approver, CommandError> {
    require_label(by, "name-refused", "the name of who does it")?;
    require_label(reason, "reason-refused", "the reason")?;
    find(repository, id)?;
    let revocation = Revocation { by: by.to_owned(), reason: reason.to_owned(), at: now };
    if repository.revoke_approver(id, &revocation)?.is_some() {
        return Err(CommandError::refused("approver-revoked", format!("approver {id} was revoked before"))
            .hint("see when with `chancery approver show`"));
    }
    find(repository, id)
}

/// Returns an approver.
///
/// # Errors
///
/// `approver-unknown`.
pub fn find(repository: &Repository, id: u64) -> Result<Approver, CommandError> {
    repository.approvers()?.into_iter().find(|approver| approver.id == id).ok_or_else(|| {
        CommandError::failed("approver-unknown", format!("there is no approver {id}"))
            .hint("list approvers with `chancery approver list`")
    })
}

/// Refuses a key that the authority knows in another role: one key never fills two.
///
/// # Errors
///
/// `key-of-two-roles`.
pub fn require_no_role(repository: &Repository, key: &PublicKey) -> Result<(), CommandError> {
    if Custody::every_custodian(repository)?.contains(key) {
        let message = format!("key {} is a custodian's", key.key_id());
        return Err(CommandError::refused("key-of-two-roles", message)
            .hint("an approver has a key for approvals alone"));
    }
    match repository.keys()?.into_iter().find(|known| known.public_key == *key) {
        None => Ok(()),
        Some(known) => {
            let message = format!("key {} is the authority's {} key", key.key_id(), known.role.name());
            Err(CommandError::refused("key-of-two-roles", message)
                .hint("an approver has a key for approvals alone"))
        }
    }
}

/// Refuses a key of an approver for another role.
///
/// # Errors
///
/// `key-of-two-roles`.
pub fn require_no_approver(repository: &Repository, key: &PublicKey) -> Result<(), CommandError> {
    match repository.approvers()?.into_iter().find(|known| known.public_key == *key) {
        None => Ok(()),
        Some(known) => {
            let message = format!("key {} is that of approver {}", key.key_id(), known.name);
            Err(CommandError::refused("key-of-two-roles", message).hint("a role needs a key of its own"))
        }
    }
}

fn require_label(text: &str, code: &'static str, what: &str) -> Result<(), CommandError> {
    label::check(text).map_err(|error| {
        CommandError::refused(code, format!("{what} cannot be used"))
            .cause(error.to_string())
            .hint("give 1 to 128 bytes of plain text")
    })
}

fn require_bounds(new: &NewApprover<'_>) -> Result<(), CommandError> {
    let refused = |message: String| {
        Err(CommandError::refused("bounds-refused", message).hint("correct the bounds of the approver"))
    };
    if !is_name(new.role) {
        return refused(format!("{:?} is no name of a role", new.role));
    }
    if let Some(country) = new.bounds.territories.iter().find(|country| !is_assigned(country)) {
        return refused(format!("{country} is no country of ISO 3166-1"));
    }
    let names = new.bounds.customers.iter().chain(&new.bounds.products);
    if let Some(name) = names.into_iter().find(|name| !is_name(name)) {
        return refused(format!("{name:?} is no id"));
    }
    if let Some(code) = new.bounds.dearest.keys().find(|code| digits(code).is_none()) {
        return refused(format!("{code:?} is no currency of ISO 4217"));
    }
    if new.bounds.dearest.values().any(|most| i64::try_from(*most).is_err()) {
        return refused("a value of the bounds is too large".to_owned());
    }
    if new.not_after.is_some_and(|end| end < new.not_before) {
        return refused("it would end before it begins".to_owned());
    }
    Ok(())
}
