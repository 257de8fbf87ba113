//! A home that was restored or copied: it issues nothing until it is shown to hold all that was issued.
//!
//! A backup lacks what was signed after it was made. Issued again from there, one log index and one revision would
//! stand for two licenses. So restoring and adopting lock every key, and two things together release them: the newest
//! checkpoint, whose documents the log must hold, and for what was signed after it, the logs that devices keep of
//! their own use. What nothing counts (software keys, PKCS#11 tokens, a device that died) the operator has to state,
//! and the statement stays in the database. Not here: checking checkpoints (`log::shown`), reading devices.

use std::collections::BTreeMap;

use chancery_formats::seal::Role;
use chancery_hsm_config::KeyRef;
use chancery_hsm_config::reference::Location;

use super::reconcile::{self, KeyCount};
use crate::error::CommandError;
use crate::home::Home;
use crate::log::shown::require_continued;
use crate::output;
use crate::repository::lock::{ADOPTED, IssuingLock, RESTORED};
use crate::repository::{KeyRecord, Lease, Repository};

/// Why a home has to be compared with a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was copied, and taken over in place of the original.
    Adopted,
    /// It was made from a backup.
    Restored,
}

impl Reason {
    /// Returns the reason as the lock states it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Adopted => ADOPTED,
            Self::Restored => RESTORED,
        }
    }
}

/// Returns whether a lock is one that [`release`] ends.
#[must_use]
pub fn is_ours(lock: &IssuingLock) -> bool {
    [Reason::Adopted, Reason::Restored].iter().any(|reason| reason.code() == lock.reason)
}

/// Locks issuing in a home that was made or copied at `as_of`. Times are Unix seconds.
///
/// # Errors
///
/// Those of the database.
pub fn lock(repository: &mut Repository, reason: Reason, as_of: u64, now: u64) -> Result<(), CommandError> {
    let detail = match reason {
        Reason::Adopted => format!("a copied home was taken over at {}", output::time(as_of)),
        Reason::Restored => format!("the home was restored from a backup of {}", output::time(as_of)),
    };
    Ok(repository.lock_issuing(reason.code(), &detail, now)?)
}

/// Takes a copied home over: issuing is locked first, then the lease is taken. `now` is Unix seconds.
///
/// # Errors
///
/// A refusal where the home holds its lease already; those of [`Repository::open_unleased`].
pub fn adopt(home: &Home, now: u64) -> Result<Lease, CommandError> {
    let mut repository = Repository::open_unleased(home)?;
    if repository.require_lease().is_ok() {
        return Err(CommandError::refused(
            "lease-held",
            "the home holds its lease: there is nothing to take over",
        )
        .hint("use it; to keep a copy of it, make a backup with `chancery backup`"));
    }
    lock(&mut repository, Reason::Adopted, now, now)?;
    Ok(repository.take_lease(now)?)
}

/// What is brought to show that the log holds all that was signed.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The newest checkpoint that was ever handed out, as it was written.
    pub checkpoint: &'a [u8],
    /// Serial numbers of the devices whose own logs were read just before.
    pub devices: &'a [String],
    /// Whether the operator states that keys whose uses nothing counts signed nothing since.
    pub nothing_signed_since: bool,
}

/// How a home was released.
#[derive(Debug)]
pub struct Released {
    /// The locks that ended.
    pub locks: Vec<IssuingLock>,
    /// Number of documents of the checkpoint.
    pub checkpoint_size: u64,
    /// Keys whose uses a device counts, all of them accounted for.
    pub counted: Vec<KeyRecord>,
    /// Keys for which the operator's word stands.
    pub stated: Vec<KeyRecord>,
}

/// Releases the locks of a restored or adopted home. `now` is Unix seconds.
///
/// # Errors
///
/// `lock-none` where none stands; `checkpoint-not-newest` where the home itself has a newer one; `signatures-uncounted`
/// where a key may have signed unseen and nobody states the contrary. An alarm, which leaves the locks: `log-older`
/// and `log-forked` as of [`require_continued`], `operations-unaccounted` where a device signed more or less often
/// than the log says.
pub fn release(
    repository: &mut Repository,
    evidence: &Evidence<'_>,
    now: u64,
) -> Result<Released, CommandError> {
    let locks: Vec<_> = repository.issuing_locks()?.into_iter().filter(is_ours).collect();
    if locks.is_empty() {
        return Err(CommandError::refused(
            "lock-none",
            "the home was not restored or taken over: nothing to reconcile",
        )
        .hint("`chancery doctor` lists what locks issuing"));
    }
    let checkpoint_size = require_continued(repository, evidence.checkpoint)?.head().size;
    if let Some(own) = repository.newest_checkpoint()?
        && own.tree_size > checkpoint_size
    {
        let message = format!(
            "checkpoint covers {checkpoint_size} documents, and the home has one of {}",
            own.tree_size
        );
        return Err(CommandError::refused("checkpoint-not-newest", message)
            .hint("name the newest checkpoint that was handed out: ask the auditor, a witness or a site"));
    }
    let (counted, stated) = account(repository, evidence, now)?;
    let by = if stated.is_empty() { "devices count the rest" } else { "the operator states the rest" };
    let reason = format!("the log holds all {checkpoint_size} documents of the checkpoint; {by}");
    for lock in &locks {
        repository.release_issuing(lock.id, &reason, now)?;
    }
    Ok(Released { locks, checkpoint_size, counted, stated })
}

/// Tells the keys of which a device has counted every use from those of which nothing has.
fn account(
    repository: &mut Repository,
    evidence: &Evidence<'_>,
    now: u64,
) -> Result<(Vec<KeyRecord>, Vec<KeyRecord>), CommandError> {
    let mut on_devices = BTreeMap::new();
    for serial in evidence.devices {
        for count in agreed(repository, serial, now)? {
            on_devices.insert(count.thumbprint, count);
        }
    }
    // Custodians and witnesses on machines of their own sign nothing that no key here signed first.
    let (counted, uncounted): (Vec<_>, Vec<_>) = repository
        .keys()?
        .into_iter()
        .filter(|key| key.closing.is_none())
        // What is not certified signs nothing that counts.
        .filter(|key| key.record_index.is_some() || key.role == Role::Custodian)
        .filter(|key| key.reference.is_some() || ![Role::Custodian, Role::Witness].contains(&key.role))
        .partition(|key| {
            let found = on_devices.get(&key.public_key.thumbprint());
            // Beside an attempt of unknown end, a signature may be that attempt's or one of which the log knows
            // nothing: what the device settles elsewhere is not enough here.
            found.is_some_and(|found| found.on_device == found.signed)
        });
    if uncounted.is_empty() || evidence.nothing_signed_since {
        return Ok((counted, uncounted));
    }
    let mut error = CommandError::refused(
        "signatures-uncounted",
        "nothing shows whether keys signed after the backup and the checkpoint",
    );
    for key in &uncounted {
        error = error.cause(format!("{} key {}: {}", key.role.name(), key.public_key.key_id(), why(key)));
    }
    Err(error.hint(
        "show the devices' own logs with `--device REF`; for what keeps none, find out, then state it with \
         `--nothing-signed-since`",
    ))
}

/// Compares a device's own log with the operations, and returns the uses of our keys on it.
fn agreed(repository: &mut Repository, serial: &str, now: u64) -> Result<Vec<KeyCount>, CommandError> {
    let comparison = reconcile::reconcile(repository, serial, now)?.comparison;
    let Some(first) = comparison.findings.first() else { return Ok(comparison.keys) };
    let message = format!("device {serial} and the log do not agree on what was signed");
    Err(CommandError::alarm("operations-unaccounted", message)
        .cause(first.message.clone())
        .cause("documents were signed that this home does not have, or the device is not the one that signed")
        .hint("restore a newer backup; where there is none, keep the home as it is, and call the auditor"))
}

fn why(key: &KeyRecord) -> &'static str {
    let location = key.reference.as_deref().and_then(|written| written.parse::<KeyRef>().ok());
    match location.as_ref().map(KeyRef::location) {
        Some(Location::YubiHsm(..)) => "its device was not read, or an attempt of unknown end is open",
        Some(_) => "it is where no log of its uses is kept",
        None => "it is on another machine",
    }
}
