//! A checkpoint that somebody shows, against the log that is here: the memory that a log cannot rewrite.
//!
//! A copy of an older state, a restored backup or a changed past agrees with itself; what it signed before is in
//! other hands. Not here: what the repository keeps itself (`verify`).

use chancery_formats::key::PublicKey;
use chancery_formats::merkle::Head;
use chancery_formats::seal::Role;
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{LogKeys, VerifiedCheckpoint, verify_checkpoint};

use super::LogTree;
use crate::error::CommandError;
use crate::repository::{Repository, RepositoryError};

/// Keys of the authority that sign and cosign checkpoints, closed ones among them.
#[derive(Clone, Debug, Default)]
pub struct CheckpointKeys {
    log: Vec<VerifyingKey>,
    witnesses: Vec<VerifyingKey>,
}

impl CheckpointKeys {
    /// Takes them from the repository.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::keys`].
    pub fn of(repository: &Repository) -> Result<Self, RepositoryError> {
        let mut keys = Self::default();
        for key in repository.keys()? {
            let usable = |key: &PublicKey| VerifyingKey::load(key).ok();
            match key.role {
                Role::Log => keys.log.extend(usable(&key.public_key)),
                Role::Witness => keys.witnesses.extend(usable(&key.public_key)),
                _ => {}
            }
        }
        Ok(keys)
    }

    /// Returns them as the verifier takes them.
    #[must_use]
    pub fn as_log_keys(&self) -> LogKeys<'_> {
        LogKeys { log: &self.log, witnesses: &self.witnesses }
    }
}

/// Checks a checkpoint that was shown: that a log key of this authority signed it, and that the log that is here
/// is the one that it describes, with documents appended.
///
/// Whoever opens a log that may be old calls this with the newest checkpoint there is: `log verify`,
/// `log consistency`, reconciling, restoring.
///
/// # Errors
///
/// A refusal for a note that is none of ours; an integrity alarm (exit code 5) with the code `log-older` where
/// the log has fewer documents than it had, and `log-forked` where what it had is not what is here.
pub fn require_continued(repository: &Repository, note: &[u8]) -> Result<VerifiedCheckpoint, CommandError> {
    let keys = CheckpointKeys::of(repository)?;
    let verified =
        verify_checkpoint(note, repository.authority()?.id, &keys.as_log_keys()).map_err(|refusal| {
            CommandError::refused(refusal.code(), "the checkpoint is not one of this authority's log")
                .cause(refusal.to_string())
                .hint("check that it is the right file, and that it was copied whole")
        })?;
    let tree = LogTree::open(repository)?;
    if verified.head().size > tree.size() {
        return Err(older(tree.size(), verified.head()));
    }
    if tree.head(verified.head().size)? != *verified.head() {
        return Err(forked(verified.head()));
    }
    Ok(verified)
}

fn older(size: u64, shown: &Head) -> CommandError {
    let message = format!("the log here has {size} documents, and had {} before", shown.size);
    CommandError::alarm("log-older", message)
        .cause("this is a copy of an older state, or its end was removed")
        .hint("issue nothing from here; find the newest copy, or restore it, and call the auditor")
}

fn forked(shown: &Head) -> CommandError {
    let message =
        format!("the first {} documents of the log here are not those that were signed", shown.size);
    CommandError::alarm("log-forked", message)
        .cause("the log was changed, or two copies of it went on apart")
        .hint("issue nothing from here; keep the home as it is, and call the auditor")
}
