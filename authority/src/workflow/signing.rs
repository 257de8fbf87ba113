//! Signing a document: intent in the log, then the key, then the document in the log.
//!
//! Nothing is signed that the log does not intend already, and nothing is returned that is not durable.
//! An attempt that fails is recorded as failed; one whose process dies stays open, and
//! [`resume_direct`] attempts the same document again. Not here: what documents say.

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_hsm_config::{HsmError, Key, KeyRef, PinSource};
use sha2::{Digest, Sha256};

use super::device_log::Ledger;
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Intent, KeyRecord, NewLeaf, NewLicense, NewOperation, Repository};

/// The algorithm of keys that are generated without being asked for another.
pub const DEFAULT_ALGORITHM: Algorithm = Algorithm::Ed25519;

/// Opens a key of the authority; its public key must be the one recorded. Where its reference names the login
/// that may read the device's own log, the log is kept in the repository from then on.
///
/// # Errors
///
/// Those of the key backend.
pub fn open_key(home: &Home, record: &KeyRecord, pins: &mut PinSource) -> Result<Key, CommandError> {
    let reference = resolve(home, &here(record)?.parse()?);
    let reference = reference.with_public_key(record.public_key.thumbprint());
    let key = chancery_hsm_config::open(&reference, pins)?;
    key.keep_audit(pins, Box::new(Ledger::new(home)))?;
    Ok(key)
}

/// Returns where the private half of a key is, which another machine may have.
fn here(record: &KeyRecord) -> Result<&str, CommandError> {
    record.reference.as_deref().ok_or_else(|| {
        let name = format!("{} key {}", record.role.name(), record.public_key.key_id());
        CommandError::failed("key-elsewhere", format!("{name} is on another machine"))
            .hint("sign on the machine that has it, and bring the answer")
    })
}

/// Returns the reference with a relative path read from the home, so that a home can be moved.
#[must_use]
pub fn resolve(home: &Home, reference: &KeyRef) -> KeyRef {
    match reference.file_path() {
        Some(path) if path.is_relative() => KeyRef::file(home.path().join(path)),
        _ => reference.clone(),
    }
}

/// Returns the authority's key of a role: the newest that the root has certified and not closed.
///
/// # Errors
///
/// A refusal where there is none.
pub fn key_of_role(repository: &Repository, role: Role) -> Result<KeyRecord, CommandError> {
    let open = repository.keys()?.into_iter().filter(|key| key.role == role && key.is_open());
    open.max_by_key(|key| (key.created_at, key.record_index)).ok_or_else(|| {
        CommandError::failed("key-none", format!("authority has no open {} key", role.name()))
            .hint(format!("add one with `chancery role add {} --key REF`", role.name()))
    })
}

/// Returns the headers of a document that `key` signs directly.
#[must_use]
pub fn direct_header(key: &KeyRecord, kind: Kind) -> Header<'static> {
    let mode = Mode::Direct(key.public_key.algorithm());
    Header { mode, kid: key.public_key.key_id(), typ: kind.typ() }
}

/// Signs a document directly and returns it, durable in the log.
///
/// # Errors
///
/// Those of [`Repository::begin`], of the key and of [`Repository::complete`].
pub fn sign_direct(
    repository: &mut Repository,
    key: &Key,
    kind: Kind,
    unsigned: &Unsigned,
    license: Option<&NewLicense>,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let message = unsigned.sig_structure();
    let _turn = repository.turn()?;
    let intent = begin(repository, key, kind, unsigned, &message, license, now)?;
    finish(repository, key, intent, &message, |signature| unsigned.sign(signature), now)
}

/// Attempts again to sign a document that was intended earlier.
///
/// # Errors
///
/// As [`sign_direct`].
pub fn resume_direct(
    repository: &mut Repository,
    key: &Key,
    log_index: u64,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let leaf = repository.leaf(log_index)?;
    let unsigned = Unsigned::from_parts(leaf.protected, leaf.payload);
    let message = unsigned.sig_structure();
    let _turn = repository.turn()?;
    let intent = repository.begin_retry(log_index, &operation(key, &message), now)?;
    finish(repository, key, intent, &message, |signature| unsigned.sign(signature), now)
}

/// Who seals a document, and under which root.
#[derive(Clone, Copy, Debug)]
pub struct Sealer<'a> {
    /// The one signer's key.
    pub key: &'a Key,
    /// The role of that key.
    pub role: Role,
    /// The authority.
    pub authority: AuthorityId,
    /// The root version under which the key is delegated.
    pub root_version: u32,
}

/// Seals one document, as a batch of one with one signer, and returns it with its log index.
///
/// `log_index` is the next index of the log: the statement states it.
///
/// # Errors
///
/// As [`sign_direct`]; an integrity alarm where another process took the index.
pub fn seal_one(
    repository: &mut Repository,
    sealer: &Sealer<'_>,
    kind: Kind,
    payload: Vec<u8>,
    log_index: u64,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let public_key = sealer.key.public_key();
    let thumbprint = public_key.thumbprint();
    let header = Header { mode: Mode::Seal, kid: thumbprint.key_id(), typ: kind.typ() };
    let unsigned = Unsigned::new(&header, payload);
    let signers = [Signer { role: sealer.role, thumbprint, algorithm: public_key.algorithm() }];
    let statement = Statement {
        authority: sealer.authority,
        root_version: sealer.root_version,
        leaf_typ: kind.typ(),
        size: 1,
        root: unsigned.leaf_hash(),
        first_index: Some(log_index),
        time: now,
        signers: &signers,
    };
    let message = statement.to_sign(&signers[0]).sig_structure();
    let _turn = repository.turn()?;
    let intent = begin(repository, sealer.key, kind, &unsigned, &message, None, now)?;
    if intent.log_index != log_index {
        return Err(CommandError::alarm(
            "log-moved",
            "another process wrote to the log of a home in the making",
        ));
    }
    let complete = |signature: &[u8]| unsigned.sign(&Seal::encode(&statement, 0, &[], &[signature.to_vec()]));
    finish(repository, sealer.key, intent, &message, complete, now)
}

fn begin(
    repository: &mut Repository,
    key: &Key,
    kind: Kind,
    unsigned: &Unsigned,
    message: &[u8],
    license: Option<&NewLicense>,
    now: u64,
) -> Result<Intent, CommandError> {
    let leaf = NewLeaf { kind, protected: unsigned.protected(), payload: unsigned.payload() };
    Ok(repository.begin(&leaf, &operation(key, message), license, now)?)
}

/// Returns what the log records of a key that signs `message`.
pub(super) fn operation(key: &Key, message: &[u8]) -> NewOperation {
    NewOperation {
        key: key.public_key().thumbprint(),
        message_hash: Sha256::digest(message).into(),
        message_bytes: message.len() as u64,
    }
}

/// Signs what was intended, and records how that ended before telling anybody.
fn finish(
    repository: &mut Repository,
    key: &Key,
    intent: Intent,
    message: &[u8],
    complete: impl FnOnce(&[u8]) -> Vec<u8>,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let signature = attempt(repository, key, intent.operation_id, message, now)?;
    Ok(repository.complete(intent, &complete(&signature), now)?)
}

/// Has a key sign `message`, for which the operation is recorded; where it fails, that is recorded first.
///
/// The caller records the signature together with the end of the operation, and has the [`Repository::turn`] since
/// before it was begun: a device's log and ours are compared in order.
pub(super) fn attempt(
    repository: &mut Repository,
    key: &Key,
    operation_id: u64,
    message: &[u8],
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    match key.sign(message) {
        Ok(signature) => Ok(signature),
        // Whether the key signed is unknown, and so stays the end of the attempt.
        Err(error @ HsmError::OutcomeUnknown { .. }) => Err(error.into()),
        Err(error) => {
            repository.fail(operation_id, error.code(), now)?;
            Err(error.into())
        }
    }
}
