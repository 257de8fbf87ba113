//! Closing a key: retired, or compromised at a size of the log.
//!
//! A closing is the custodians' word and never changes. From then on the key is not used here, and of what a
//! compromised key signed sites believe only what is shown to be in the log at that size. Not here: revoking single
//! licenses, asking the custodians (`change`).

use chancery_formats::document::Kind;
use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Closed, Closing};
use chancery_hsm_config::PinSource;

use super::change::{self, Paper, Proposed, propose};
use super::custody::{Asked, Custody};
use super::label;
use crate::error::CommandError;
use crate::log::LogTree;
use crate::repository::{KeyRecord, Repository};

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was destroyed.
    Retired,
    /// Somebody else may have it.
    Compromised {
        /// The size of the log below which what it signed can stand; none is that of the last checkpoint.
        size: Option<u64>,
        /// The root of the log at that size, where the operator names it.
        root: Option<Hash>,
    },
}

/// A key whose closing the custodians are asked to seal.
#[derive(Debug)]
pub struct ClosedKey {
    /// The key.
    pub key: KeyRecord,
    /// What became of it.
    pub closed: Closed,
    /// How far its closing has come; none where it was closed so before.
    pub proposed: Option<Proposed>,
}

/// Has a key closed: once the custodians have signed, it is.
///
/// The same call goes on with what an earlier one began; where the key is closed in that way, nothing is done.
///
/// # Errors
///
/// A refusal of a key that is unknown, a custodian's, or closed in another way, and of a size that the log does not
/// have; an integrity alarm where the log has another root at that size; those of [`propose`], of the keys and of
/// the repository.
pub fn close(
    repository: &mut Repository,
    key: KeyId,
    how: How,
    reason: &str,
    asked: &Asked<'_>,
    pins: &mut PinSource,
    now: u64,
) -> Result<ClosedKey, CommandError> {
    label::check(reason)
        .map_err(|error| CommandError::usage("the reason cannot be written").cause(error.to_string()))?;
    let key = certified(repository, key)?;
    let closed = tree_of(repository, how)?;
    if let Some(before) = &key.closing {
        let same = match &closed {
            Closed::Retired => before.compromised_at.is_none(),
            Closed::Compromised(head) => before.compromised_at == Some((head.size, head.root)),
        };
        return if same { Ok(ClosedKey { key, closed, proposed: None }) } else { Err(closed_before(&key)) };
    }
    let custody = Custody::of(repository)?;
    let thumbprint = key.public_key.thumbprint();
    let hands = change::hands(repository, &[&custody.quorum], Vec::new(), asked, pins)?;
    let papers = |time| {
        let closing = Closing { authority: custody.authority, thumbprint, closed, time, reason };
        Ok(vec![Paper {
            kind: Kind::Closing,
            payloads: vec![closing.encode()],
            root_version: custody.root_version,
            quorums: vec![custody.quorum.clone()],
        }])
    };
    let change = propose(repository, custody.authority, papers, &[], &hands, asked, now)?;
    let progress = change.advance(repository, &hands, now)?;
    Ok(ClosedKey { key, closed, proposed: Some(Proposed { change, progress }) })
}

fn certified(repository: &Repository, kid: KeyId) -> Result<KeyRecord, CommandError> {
    let key = repository.keys()?.into_iter().find(|key| key.public_key.key_id() == kid);
    let key = key.ok_or_else(|| {
        CommandError::failed("key-unknown", format!("key {kid} is unknown"))
            .hint("list keys with `chancery role list`")
    })?;
    if key.role == Role::Custodian {
        let message = format!("key {kid} is a custodian's, who have no key record");
        return Err(CommandError::refused("role-of-root", message)
            .hint("custodians change with `chancery root rotate`"));
    }
    if key.record_index.is_none() {
        return Err(CommandError::refused("key-uncertified", format!("key {kid} was never certified"))
            .hint("give its certification up with `chancery root abandon`"));
    }
    Ok(key)
}

fn closed_before(key: &KeyRecord) -> CommandError {
    let how = match key.closing.as_ref().and_then(|closing| closing.compromised_at) {
        Some((size, _)) => format!("compromised at log size {size}"),
        None => "retired".to_owned(),
    };
    let kid = key.public_key.key_id();
    CommandError::refused("key-closed", format!("key {kid} is closed already, as {how}"))
        .hint("a closing never changes; revoke what should not stand with `chancery revocation add`")
}

/// Finds the tree that a closing names.
fn tree_of(repository: &Repository, how: How) -> Result<Closed, CommandError> {
    let How::Compromised { size, root } = how else { return Ok(Closed::Retired) };
    let size = match size {
        Some(size) => size,
        None => repository.newest_checkpoint()?.map(|last| last.tree_size).ok_or_else(|| {
            CommandError::refused("checkpoint-none", "the log has no checkpoint to close the key at")
                .hint("name the size of the log with `--compromised-at SIZE`")
        })?,
    };
    let tree = LogTree::open(repository)?;
    if size > tree.size() {
        let message = format!("the log has {} documents, not {size}", tree.size());
        return Err(CommandError::refused("size-beyond-log", message)
            .hint("name the size that the log had when the key was last yours alone"));
    }
    let head = tree.head(size)?;
    if let Some(other) = root.filter(|root| *root != head.root) {
        let message = format!("the log has another root than {} at size {size}", Thumbprint(other));
        return Err(CommandError::alarm("log-forked", message)
            .cause(format!("its root is {}", Thumbprint(head.root)))
            .hint("stop issuing, keep the home as it is, and call the auditor"));
    }
    Ok(Closed::Compromised(head))
}
