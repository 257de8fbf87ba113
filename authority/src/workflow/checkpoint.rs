//! Signing a checkpoint of the log: what may be signed, the operation, the note.
//!
//! A log that contradicts what it signed before is not signed again. Not here: reading the tree (`log`), the
//! text of a checkpoint (`chancery-formats`).

use chancery_formats::key::PublicKey;
use chancery_formats::log::checkpoint::text;
use chancery_formats::log::note::key_id;
use chancery_formats::log::{Checkpoint, KeyKind, NoteSignature, origin};
use chancery_formats::seal::Role;
use chancery_hsm_config::{Key, PinSource};
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{LogKeys, verify_checkpoint};

use super::signing::{attempt, key_of_role, open_key, operation};
use crate::error::CommandError;
use crate::home::Home;
use crate::log::LogTree;
use crate::log::shown::require_continued;
use crate::repository::{CheckpointRecord, KeyRecord, Repository};

/// A checkpoint of the log as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What is kept of it.
    pub record: CheckpointRecord,
    /// Whether it was there before, so that nothing was signed.
    pub known: bool,
}

/// Returns the checkpoint of the log as it stands, signed by the newest open log key.
///
/// One that is there already is not signed again. `now` is Unix seconds.
///
/// # Errors
///
/// `key-none` without a log key; an integrity alarm where the log contradicts the last checkpoint; those of the
/// key and the repository.
pub fn make(repository: &mut Repository, pins: &mut PinSource, now: u64) -> Result<Made, CommandError> {
    let record = key_of_role(repository, Role::Log)?;
    // The key is opened before the operation is recorded: a wrong PIN costs nothing.
    make_by(repository, &record, |home| open_key(home, &record, pins), now)
}

/// As [`make`], of the first `size` documents alone: for a witness, whom a batch is shown as the end of the log.
///
/// # Errors
///
/// As [`make`]; [`RepositoryError::UnknownDocument`](crate::repository::RepositoryError::UnknownDocument) beyond
/// the log.
pub fn make_at(
    repository: &mut Repository,
    size: u64,
    pins: &mut PinSource,
    now: u64,
) -> Result<Made, CommandError> {
    let record = key_of_role(repository, Role::Log)?;
    make_sized(repository, &record, Some(size), |home| open_key(home, &record, pins), now)
}

/// As [`make`], by the key of `record`, which `open` opens where it has to sign.
///
/// # Errors
///
/// As [`make`].
pub fn make_by(
    repository: &mut Repository,
    key: &KeyRecord,
    open: impl FnOnce(&Home) -> Result<Key, CommandError>,
    now: u64,
) -> Result<Made, CommandError> {
    make_sized(repository, key, None, open, now)
}

fn make_sized(
    repository: &mut Repository,
    key: &KeyRecord,
    size: Option<u64>,
    open: impl FnOnce(&Home) -> Result<Key, CommandError>,
    now: u64,
) -> Result<Made, CommandError> {
    let last = repository.newest_checkpoint()?;
    if let Some(last) = &last {
        require_continued(repository, last.note.as_bytes())?;
    }
    let authority = repository.authority()?.id;
    let tree = LogTree::open(repository)?;
    let head = tree.head(size.unwrap_or(tree.size()))?;
    let known = repository.checkpoint(head.size)?;
    if let Some(record) = &known
        && let Ok(verifying) = VerifyingKey::load(&key.public_key)
        && verify_checkpoint(
            record.note.as_bytes(),
            authority,
            &LogKeys { log: &[verifying], witnesses: &[] },
        )
        .is_ok()
    {
        return Ok(Made { record: record.clone(), known: true });
    }
    let (name, text) = (origin(authority), text(&origin(authority), &head));
    let line = sign(repository, key, &name, &text, open, now)?;
    let note = match &known {
        Some(record) => format!("{}{}", record.note, line.encode),
        None => format!("{text}\n{}", line.encode),
    };
    // What is kept is read back first as others will read it: at most sixteen lines, for one.
    Checkpoint::decode(note.as_bytes()).map_err(|error| {
        CommandError::failed(error.code(), "the checkpoint has no place for another signature")
            .cause(error.to_string())
            .hint("append a document to the log, then make a checkpoint of the new size")
    })?;
    repository.complete_checkpoint(line.operation_id, head.size, &note, now)?;
    let made_at = known.map_or(now, |record| record.made_at);
    Ok(Made { record: CheckpointRecord { tree_size: head.size, note, made_at }, known: false })
}

/// A signature line, and the operation that is still to be ended.
struct Line {
    encode: String,
    operation_id: u64,
}

fn sign(
    repository: &mut Repository,
    record: &KeyRecord,
    name: &str,
    text: &str,
    open: impl FnOnce(&Home) -> Result<Key, CommandError>,
    now: u64,
) -> Result<Line, CommandError> {
    let PublicKey::Ed25519(point) = &record.public_key else {
        let message = format!("log key {} is not an Ed25519 key", record.public_key.key_id());
        return Err(CommandError::refused("log-key-algorithm", message)
            .hint("certify an Ed25519 key with `chancery role add log`"));
    };
    let key = open(&repository.home().clone())?;
    let _turn = repository.turn()?;
    let operation_id = repository.begin_checkpoint(&operation(&key, text.as_bytes()), now)?;
    let signature = attempt(repository, &key, operation_id, text.as_bytes(), now)?;
    let line = NoteSignature { name, key_id: key_id(name, KeyKind::Ed25519, point), signature };
    Ok(Line { encode: line.encode(), operation_id })
}
