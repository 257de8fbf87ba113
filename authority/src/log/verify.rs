//! Whether all that is kept of the log agrees: every row, every node, every operation, every signature.
//!
//! Each check names what it finds and goes on. The log proves nothing against somebody who rewrites all of it:
//! that is what the checkpoint is for that somebody else has kept ([`super::shown`]). Not here: the device's own
//! log (`workflow::device_log`), repairing.
//!
//! | what | is checked against |
//! | --- | --- |
//! | documents | their numbers, their kinds, their hashes in the tree, their signatures, the operations for them |
//! | tiles | the hashes of the documents, computed anew level by level |
//! | licenses | the claims of their documents |
//! | batches | the root over their documents, and their signatures |
//! | operations | their numbers, their keys, what was signed, the documents that came of them |
//! | checkpoints | the root at their size, and their signatures |
//! | grants | their numbers, their hashes and their chain; what is looked up of entitlements |
//! | every row of every table | the digest that the table's rows add up to |

use std::collections::BTreeSet;

use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::log::Checkpoint;
use chancery_formats::merkle::{Hash, Head};
use chancery_formats::seal::Role;
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::verify_checkpoint;
use sha2::{Digest, Sha256};

use super::LogTree;
use super::shown::{CheckpointKeys, require_continued};
use crate::error::CommandError;
use crate::repository::history::{MalformedRow, OperationRow};
use crate::repository::{Repository, RepositoryError};

mod documents;
mod grants;
mod leaves;
mod sealed;
mod tiles;

/// Findings that are kept; more are only counted.
const MOST_FINDINGS: usize = 1_000;

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What was found, and where.
    pub message: String,
}

/// What a check of the whole log has looked at and found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Size and root of the log, as its documents give them.
    pub head: Head,
    /// Uses of keys.
    pub operations: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Contradictions, at most 1,000.
    pub findings: Vec<Finding>,
    /// Contradictions beyond those.
    pub more: u64,
}

/// Where findings are put down.
#[derive(Debug, Default)]
struct Findings {
    kept: Vec<Finding>,
    more: u64,
}

impl Findings {
    fn add(&mut self, code: &'static str, message: impl Into<String>) {
        if self.kept.len() < MOST_FINDINGS {
            self.kept.push(Finding { code, message: message.into() });
        } else {
            self.more += 1;
        }
    }

    fn malformed(&mut self, row: &MalformedRow) {
        self.add("row-malformed", format!("a row of {} is malformed: {}", row.table, row.detail));
    }

    /// Puts down that a part of the check could not be done to its end.
    fn unreadable(&mut self, what: &str, error: &RepositoryError) {
        let detail = match error {
            RepositoryError::Corrupted { detail } => format!(": {detail}"),
            _ => String::new(),
        };
        self.add("unreadable", format!("{what} cannot be read to the end: {error}{detail}"));
    }
}

/// A key of the authority, usable or not.
#[derive(Debug)]
struct KnownKey {
    thumbprint: Thumbprint,
    role: Role,
    key: VerifyingKey,
    /// Whether this machine signs with it, so that its operations are here.
    is_here: bool,
}

/// The keys of the authority.
#[derive(Debug, Default)]
struct Keys(Vec<KnownKey>);

impl Keys {
    fn of(repository: &Repository, findings: &mut Findings) -> Self {
        let mut keys = Self::default();
        let known = repository.keys().unwrap_or_else(|error| {
            findings.unreadable("the keys", &error);
            Vec::new()
        });
        for record in known {
            let (thumbprint, is_here) = (record.public_key.thumbprint(), record.reference.is_some());
            match VerifyingKey::load(&record.public_key) {
                Ok(key) => keys.0.push(KnownKey { thumbprint, role: record.role, key, is_here }),
                Err(refusal) => findings.add("key-weak", refusal.to_string()),
            }
        }
        keys
    }

    fn by_id(&self, kid: KeyId) -> Option<&KnownKey> {
        self.0.iter().find(|key| key.thumbprint.key_id() == kid)
    }

    fn by_thumbprint(&self, thumbprint: Thumbprint) -> Option<&KnownKey> {
        self.0.iter().find(|key| key.thumbprint == thumbprint)
    }
}

/// Checks the whole log; `shown` is a checkpoint that was kept elsewhere, and `progress` is told how many of how
/// many documents are done.
///
/// # Errors
///
/// Those of the database that keep the check from starting; a refusal where `shown` is no checkpoint of this
/// authority. What is found is in the report.
pub fn verify(
    repository: &Repository,
    shown: Option<&[u8]>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, CommandError> {
    let authority = repository.authority()?.id;
    let mut findings = Findings::default();
    if let Some(note) = shown {
        match require_continued(repository, note) {
            Err(alarm) if ["log-older", "log-forked"].contains(&alarm.code()) => {
                findings.add(alarm.code(), alarm.report().error.clone());
            }
            Err(error) if error.code() == "database-corrupted" => {
                findings
                    .add("log-forked", "the tree does not give the root of the checkpoint that was shown");
            }
            result => drop(result?),
        }
    }
    repository.snapshot(|| {
        for line in repository.damage_in_depth().unwrap_or_else(|error| vec![error.to_string()]) {
            findings.add("database-damaged", line);
        }
        let keys = Keys::of(repository, &mut findings);
        let head = leaves::check(repository, authority, &keys, &mut findings, &mut progress);
        let checkpoints = check_checkpoints(repository, authority, &mut findings);
        let operations = check_operations(repository, &keys, head.size, &checkpoints, &mut findings);
        grants::check(repository, &mut findings);
        for table in repository.changed_tables().unwrap_or_else(|error| {
            findings.unreadable("the digests of tables", &error);
            Vec::new()
        }) {
            let message = format!("rows of {table} were changed, added or removed by another program");
            findings.add("rows-changed", message);
        }
        let Findings { kept, more } = findings;
        let checkpoints = checkpoints.len() as u64;
        Ok(Report { head, operations, checkpoints, findings: kept, more })
    })
}

/// Checks every checkpoint and returns the hashes of what was signed.
fn check_checkpoints(
    repository: &Repository,
    authority: AuthorityId,
    findings: &mut Findings,
) -> BTreeSet<Hash> {
    let mut signed = BTreeSet::new();
    let opened = CheckpointKeys::of(repository).and_then(|keys| Ok((keys, LogTree::open(repository)?)));
    let Ok((keys, tree)) = opened else { return signed };
    let read = repository.each_checkpoint(|record| {
        let name = format!("the checkpoint of size {}", record.tree_size);
        if let Ok(checkpoint) = Checkpoint::decode(record.note.as_bytes()) {
            signed.insert(Sha256::digest(checkpoint.text).into());
        }
        match verify_checkpoint(record.note.as_bytes(), authority, &keys.as_log_keys()) {
            Err(refusal) => findings.add(refusal.code(), format!("{name}: {refusal}")),
            Ok(verified) if verified.head().size != record.tree_size => {
                findings
                    .add("checkpoint-size-other", format!("{name} is one of size {}", verified.head().size));
            }
            Ok(verified) if verified.head().size > tree.size() => {
                let message = format!("{name} is of more documents than the {} that are here", tree.size());
                findings.add("log-older", message);
            }
            Ok(verified) => {
                if tree.head(record.tree_size).ok().as_ref() != Some(verified.head()) {
                    findings.add("log-forked", format!("{name} has another root than the log"));
                }
            }
        }
        Ok::<(), RepositoryError>(())
    });
    if let Err(error) = read {
        findings.unreadable("the checkpoints", &error);
    }
    signed
}

/// Checks what every operation says by itself and returns how many there are.
fn check_operations(
    repository: &Repository,
    keys: &Keys,
    size: u64,
    checkpoints: &BTreeSet<Hash>,
    findings: &mut Findings,
) -> u64 {
    let mut count = 0;
    let read = repository.each_operation(|row| {
        match row {
            Err(malformed) => findings.malformed(&malformed),
            Ok(operation) => {
                if operation.id != count {
                    findings.add("operation-missing", format!("operation {count} is missing"));
                }
                check_operation(&operation, keys, size, checkpoints, findings);
                count = operation.id;
            }
        }
        count += 1;
        Ok::<(), RepositoryError>(())
    });
    if let Err(error) = read {
        findings.unreadable("the operations", &error);
    }
    count
}

fn check_operation(
    operation: &OperationRow,
    keys: &Keys,
    size: u64,
    checkpoints: &BTreeSet<Hash>,
    findings: &mut Findings,
) {
    let name = format!("operation {}", operation.id);
    if keys.by_thumbprint(operation.key).is_none() {
        findings.add("operation-key", format!("{name} is of a key that is unknown"));
    }
    let end = operation.first_index.and_then(|first| first.checked_add(operation.leaf_count));
    match (operation.first_index, end) {
        (Some(_), Some(end)) if end <= size && operation.leaf_count > 0 => {}
        (None, _) if operation.leaf_count == 0 => {
            if operation.is_signed() && !checkpoints.contains(&operation.message_hash) {
                findings.add("operation-message", format!("{name} signed what is not in the log"));
            }
        }
        _ => findings.add("operation-range", format!("{name} is for documents that are not there")),
    }
    if let Some(outcome) = &operation.outcome
        && outcome.signed != outcome.detail.is_none()
    {
        findings.add("operation-outcome", format!("{name} ended in two ways"));
    }
}
