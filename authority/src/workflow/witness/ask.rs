//! Asking a witness, on the authority's machine: everything that it needs to judge a batch or a checkpoint.
//!
//! The log's key signs the tree that the batch ends, so that an issuing key alone gets nothing from a witness. An
//! older batch that waits for the same witness goes first: one that is passed over is never witnessed. Not here:
//! what the witness makes of it.

use chancery_formats::document::MAX_WITNESS;
use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::key::{Algorithm, PublicKey};
use chancery_formats::log::{Checkpoint, witness_name};
use chancery_formats::merkle::Head;
use chancery_formats::seal::{OwnedStatement, Role};
use chancery_formats::witness::{NewBatch, Request};
use chancery_hsm_config::PinSource;

use crate::error::CommandError;
use crate::log::LogTree;
use crate::repository::Repository;
use crate::workflow::sealing::Batch;
use crate::workflow::signatory::may_sign;
use crate::workflow::{bundle, checkpoint};

/// How a witness is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Which witness, where several could be asked.
    pub witness: Option<KeyId>,
    /// The size that it remembers, where it says another than the authority has seen it sign.
    pub known: Option<u64>,
    /// Whether older batches that wait for it may stay without its signature for ever.
    pub pass_over: bool,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The exchange file.
    pub bytes: Vec<u8>,
    /// Who is asked.
    pub witness: Thumbprint,
    /// The size that it is taken to remember.
    pub known: u64,
    /// The log up to its end.
    pub head: Head,
    /// Number of documents in the batch; 0 where a checkpoint alone is to be cosigned.
    pub documents: u64,
}

/// Asks a witness to sign the batch that begins at `first_index`.
///
/// # Errors
///
/// `batch-unknown`; `batch-complete` where no witness is missing; `signature-missing` where another signer is;
/// `witness-several`, `batch-older-open`, `exchange-too-large`; those of the log's key and the repository.
pub fn for_batch(
    repository: &mut Repository,
    first_index: u64,
    terms: &Terms,
    pins: &mut PinSource,
    now: u64,
) -> Result<Asked, CommandError> {
    let batch = Batch::load(repository, first_index)?;
    let witness = missing_witness(repository, &batch, terms)?;
    let known = known_size(repository, witness, terms)?;
    require_first(repository, witness, first_index, terms)?;
    if known > first_index {
        let message =
            format!("the witness has seen {known} documents, and the batch begins at {first_index}");
        return Err(CommandError::refused("range-back-dated", message)
            .hint("it was passed over: no witness signs it any more; issue its licenses anew"));
    }
    let payloads = batch.payloads();
    let documents = payloads.len() as u64;
    let bundle = bundle::in_force(repository, pins, now)?.bytes;
    let note = checkpoint::make_at(repository, first_index + documents, pins, now)?.record.note;
    let tree = LogTree::open(repository)?;
    let request = NewBatch {
        statement: &batch.statement().encode(),
        signatures: &repository.signatures_of_batch(first_index)?,
        frontier: &tree.frontier(first_index)?,
        payloads: &payloads,
    };
    let proof = tree.consistency(known, first_index)?;
    let bytes = Request::encode(&bundle, known, &proof, &note, Some(&request));
    if bytes.len() > MAX_WITNESS {
        let message =
            format!("the batch makes an exchange of {} bytes, and {MAX_WITNESS} are allowed", bytes.len());
        return Err(CommandError::refused("exchange-too-large", message).hint("issue it in smaller batches"));
    }
    Ok(Asked { bytes, witness, known, head: head_of(&note)?, documents })
}

/// Asks a witness to cosign the checkpoint of the log as it stands.
///
/// # Errors
///
/// `witness-several`, `key-none`, `batch-older-open`; those of the log's key and the repository.
pub fn for_checkpoint(
    repository: &mut Repository,
    terms: &Terms,
    pins: &mut PinSource,
    now: u64,
) -> Result<Asked, CommandError> {
    // Checkpoints are cosigned with Ed25519: the partner of a witness has no part in them.
    let witness = one_witness(repository, terms, |key| key.algorithm() == Algorithm::Ed25519)?;
    let known = known_size(repository, witness, terms)?;
    require_first(repository, witness, repository.log_size()?, terms)?;
    // Publishing may append a manifest to the log, which the checkpoint then covers.
    let bundle = bundle::in_force(repository, pins, now)?.bytes;
    let note = checkpoint::make(repository, pins, now)?.record.note;
    let head = head_of(&note)?;
    let proof = LogTree::open(repository)?.consistency(known, head.size)?;
    let bytes = Request::encode(&bundle, known, &proof, &note, None);
    Ok(Asked { bytes, witness, known, head, documents: 0 })
}

fn head_of(note: &str) -> Result<Head, CommandError> {
    let malformed = |error: chancery_formats::log::NoteError| {
        CommandError::alarm(error.code(), "the checkpoint that is kept is malformed")
    };
    Ok(Checkpoint::decode(note.as_bytes()).map_err(malformed)?.head)
}

/// Returns the witness whose signature the batch lacks, and refuses a batch that lacks any other.
fn missing_witness(
    repository: &Repository,
    batch: &Batch,
    terms: &Terms,
) -> Result<Thumbprint, CommandError> {
    let missing = batch.missing(repository)?;
    if let Some(other) = missing.iter().find(|signer| signer.role != Role::Witness) {
        let message =
            format!("{} key {} has not signed the batch", other.role.name(), other.thumbprint.key_id());
        return Err(CommandError::refused("signature-missing", message)
            .hint("a witness signs last: let the issuing key sign first"));
    }
    if missing.is_empty() {
        let message = format!("the batch at {} lacks no witness", batch.first_index());
        return Err(CommandError::refused("batch-complete", message).hint(
            "`chancery batch show` lists its signers, and `chancery batch export` writes its licenses",
        ));
    }
    let is_missing = |key: &PublicKey| missing.iter().any(|signer| signer.thumbprint == key.thumbprint());
    one_witness(repository, terms, is_missing)
}

/// Returns the one open witness that may be meant.
fn one_witness(
    repository: &Repository,
    terms: &Terms,
    is_meant: impl Fn(&PublicKey) -> bool,
) -> Result<Thumbprint, CommandError> {
    let keys = repository.keys()?;
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| key.role == Role::Witness) {
        let thumbprint = key.public_key.thumbprint();
        let is_wanted = terms.witness.is_none_or(|wanted| wanted == thumbprint.key_id());
        if is_meant(&key.public_key) && is_wanted && may_sign(repository, &keys, key)? {
            found.push(thumbprint);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(CommandError::failed("key-none", "the authority has no such open witness").hint(
            "list keys with `chancery role list`; add one with `chancery role add witness --public-key FILE`",
        )),
        _ => {
            let kids: Vec<String> = found.iter().map(|key| key.key_id().to_string()).collect();
            Err(CommandError::refused(
                "witness-several",
                format!("several witnesses can be asked: {}", kids.join(", ")),
            )
            .hint("name one with `--witness KID`"))
        }
    }
}

/// Returns the size that a witness is taken to remember: the end of all that it has signed here.
fn known_size(repository: &Repository, witness: Thumbprint, terms: &Terms) -> Result<u64, CommandError> {
    if let Some(known) = terms.known {
        return Ok(known);
    }
    let mut known = repository.signed_up_to(witness)?;
    let line = format!("\u{2014} {} ", witness_name(witness));
    repository.each_checkpoint(|checkpoint| {
        if checkpoint.tree_size > known && checkpoint.note.contains(&line) {
            known = checkpoint.tree_size;
        }
        Ok::<(), CommandError>(())
    })?;
    Ok(known)
}

/// Refuses while an older batch waits for the same witness, unless it may be passed over.
fn require_first(
    repository: &Repository,
    witness: Thumbprint,
    size: u64,
    terms: &Terms,
) -> Result<(), CommandError> {
    let batches = repository.batches()?.into_iter();
    let open = batches.filter(|batch| batch.sealed_at.is_none() && batch.first_index < size);
    for older in open.filter(|_| !terms.pass_over) {
        let statement = OwnedStatement::decode(&older.statement)?;
        let names = statement.signers.iter().any(|signer| signer.thumbprint == witness);
        let signed = repository.signatures_of_batch(older.first_index)?;
        if names && signed.iter().all(|(signer, _)| *signer != witness) {
            let message = format!("the older batch at {} waits for the same witness", older.first_index);
            return Err(CommandError::refused("batch-older-open", message).hint(format!(
                "ask for it first with `chancery batch request {}`; `--pass-over` gives it up for ever",
                older.first_index
            )));
        }
    }
    Ok(())
}
