//! Taking a witness's answer in, on the authority's machine: signatures checked, kept, and what stands then.
//!
//! A batch is complete once every signer has signed; it is then judged as a product would, and its licenses are
//! valid in the log, all at once. Not here: writing them as files.

use chancery_formats::id::Thumbprint;
use chancery_formats::key::PublicKey;
use chancery_formats::log::note::key_id;
use chancery_formats::log::{KeyKind, NoteSignature, witness_name};
use chancery_formats::seal::{Role, Signer};
use chancery_formats::witness::{Answer, BatchSignature, Cosigned, Exchange};
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{LogKeys, verify_checkpoint};

use crate::error::CommandError;
use crate::log::shown::CheckpointKeys;
use crate::repository::Repository;
use crate::workflow::batch;
use crate::workflow::sealing::Batch;
use crate::workflow::signatory::may_sign;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Who answered.
    pub witness: Thumbprint,
    /// The batch that it signed.
    pub batch: Option<CompletedBatch>,
    /// The size of the checkpoint that it cosigned.
    pub checkpoint: Option<u64>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedBatch {
    /// Log index of its first document.
    pub first_index: u64,
    /// Number of documents.
    pub documents: u64,
    /// Signers that have not signed yet; where there is none, the documents stand.
    pub missing: Vec<Signer>,
    /// Whether it was complete before.
    pub known: bool,
}

/// Takes an answer in; `now` is Unix seconds.
///
/// # Errors
///
/// A refusal of a file that is no answer, of a key that is no open witness, and of a signature that is not good;
/// those of the repository. Nothing is kept then.
pub fn complete(repository: &mut Repository, bytes: &[u8], now: u64) -> Result<Completed, CommandError> {
    let answer = match Exchange::decode(bytes)? {
        Exchange::Answer(answer) => answer,
        Exchange::Request(_) => {
            return Err(CommandError::refused("exchange-request", "the file holds what a witness is asked")
                .hint("give it to `chancery witness sign` on the witness's machine, and bring the answer"));
        }
    };
    let key = witness_key(repository, &answer)?;
    // Both signatures are checked before one of them is kept.
    let checkpoint =
        answer.cosigned.map(|cosigned| cosigned_note(repository, &key, &cosigned)).transpose()?;
    let batch = answer.batch.map(|signed| signed_batch(repository, &key, &signed)).transpose()?;
    if let Some((size, Some(note))) = &checkpoint {
        repository.keep_checkpoint(*size, note, now)?;
    }
    let witness = answer.witness;
    let batch = match (batch, answer.batch) {
        (Some(batch), Some(signed)) => {
            repository.keep_batch_signature(batch.first_index(), witness, signed.signature, None, now)?;
            Some(settle(repository, batch.first_index(), now)?)
        }
        _ => None,
    };
    Ok(Completed { witness, batch, checkpoint: checkpoint.map(|(size, _)| size) })
}

fn witness_key(repository: &Repository, answer: &Answer<'_>) -> Result<VerifyingKey, CommandError> {
    let kid = answer.witness.key_id();
    let keys = repository.keys()?;
    let mut found =
        keys.iter().filter(|key| key.role == Role::Witness && key.public_key.thumbprint() == answer.witness);
    let key = found.next().ok_or_else(|| {
        CommandError::refused("key-unknown", format!("key {kid} is no witness of this authority"))
            .hint("certify it with `chancery role add witness --public-key FILE`")
    })?;
    if !may_sign(repository, &keys, key)? {
        return Err(CommandError::refused("key-closed", format!("witness key {kid} is closed"))
            .hint("ask another witness"));
    }
    let loaded = VerifyingKey::load(&key.public_key);
    loaded.map_err(|refusal| CommandError::refused(refusal.code(), refusal.to_string()))
}

/// Returns the size of the checkpoint, and its note with the new line; no note where the line is there.
fn cosigned_note(
    repository: &Repository,
    key: &VerifyingKey,
    cosigned: &Cosigned,
) -> Result<(u64, Option<String>), CommandError> {
    let size = cosigned.size;
    let kept = repository.checkpoint(size)?.ok_or_else(|| {
        CommandError::refused("checkpoint-none", format!("the log has no checkpoint of {size} documents"))
            .hint("give an answer to a request of this authority")
    })?;
    let wrong = |cause: String| {
        CommandError::refused("checkpoint-signature-wrong", "the cosignature of the checkpoint is not good")
            .cause(cause)
            .hint("sign again with `chancery witness sign`: the same request gives the same answer")
    };
    let PublicKey::Ed25519(point) = key.public() else {
        return Err(wrong("keys of other algorithms than Ed25519 cosign nothing".to_owned()));
    };
    let name = witness_name(key.public().thumbprint());
    let key_id = key_id(&name, KeyKind::Cosignature, point);
    let line = NoteSignature { name: &name, key_id, signature: cosigned.signature.to_vec() }.encode();
    if kept.note.contains(&line) {
        return Ok((size, None));
    }
    let note = format!("{}{line}", kept.note);
    let keys = CheckpointKeys::of(repository)?;
    let keys = LogKeys { witnesses: std::slice::from_ref(key), ..keys.as_log_keys() };
    let verified = verify_checkpoint(note.as_bytes(), repository.authority()?.id, &keys);
    let verified = verified.map_err(|refusal| wrong(refusal.to_string()))?;
    if verified.cosignatures().is_empty() {
        return Err(wrong("no line of the witness was found".to_owned()));
    }
    Ok((size, Some(note)))
}

/// Returns the batch whose statement the witness has signed.
fn signed_batch(
    repository: &Repository,
    key: &VerifyingKey,
    signed: &BatchSignature<'_>,
) -> Result<Batch, CommandError> {
    let batch = Batch::load(repository, signed.first_index)?;
    let thumbprint = key.public().thumbprint();
    let signer = batch.signers().iter().find(|signer| signer.thumbprint == thumbprint).ok_or_else(|| {
        CommandError::refused("signers-wrong", "the batch does not ask this witness to sign")
            .hint("give the answer of the witness that it names")
    })?;
    let message = batch.statement().to_sign(signer).sig_structure();
    key.verify(&message, signed.signature).map_err(|refusal| {
        CommandError::refused(refusal.code(), "the witness has signed something else than this batch")
            .cause(refusal.to_string())
            .hint("check that it is the answer to a request of this authority")
    })?;
    Ok(batch)
}

/// Lets the licenses of a batch stand once nobody's signature is missing.
fn settle(repository: &mut Repository, first_index: u64, now: u64) -> Result<CompletedBatch, CommandError> {
    let batch = repository.batch(first_index)?;
    let missing = batch::settle(repository, &batch, &[], now)?;
    let (documents, known) = (batch.leaf_count, batch.sealed_at.is_some());
    Ok(CompletedBatch { first_index, documents, missing, known })
}
