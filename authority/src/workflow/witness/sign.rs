//! Signing what a witness agreed to: entry first, then the key, then the answer, each durable before the next.
//!
//! An entry without an answer was interrupted: the same request resumes it, and no other can take its range. Not
//! here: what may be signed (`judge`).

use chancery_formats::cose::Unsigned;
use chancery_formats::error::{DecodeError, Fault};
use chancery_formats::key::PublicKey;
use chancery_formats::log::checkpoint::{cosigned, timestamped};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::{OwnedStatement, Role, Signer};
use chancery_formats::witness::{Answer, BatchSignature, Cosigned, Exchange};
use chancery_hsm_config::{Key, KeyRef, PinSource};

use super::judge::Agreed;
use crate::error::CommandError;
use crate::witness::{Entry, Memory};
use crate::workflow::signing::resolve;

/// Remembers what was agreed to, signs it and returns the answer, which is durable here by then.
///
/// # Errors
///
/// Those of the key and of the memory. Once the entry is there, the same request signs later.
pub fn sign(memory: &mut Memory, agreed: &Agreed, pins: &mut PinSource) -> Result<Vec<u8>, CommandError> {
    // The key is opened before anything is remembered: a wrong PIN costs nothing.
    let key = open(memory, pins)?;
    memory.remember(agreed.entry.clone())?;
    answer(memory, &agreed.entry, &key, agreed.request)
}

/// Returns the answer to something that was agreed to before, signing it where that was interrupted.
///
/// # Errors
///
/// As [`sign`].
pub fn repeat(
    memory: &Memory,
    number: u64,
    request: Hash,
    pins: &mut PinSource,
) -> Result<Vec<u8>, CommandError> {
    let Some(kept) = memory.answer(number)? else {
        let key = open(memory, pins)?;
        let entry = memory.entries().iter().find(|entry| entry.number == number);
        return answer(memory, entry.ok_or_else(unknown_entry)?, &key, request);
    };
    // The same signatures, whatever else the request says beside what they are over.
    match Exchange::decode(&kept)? {
        Exchange::Answer(kept) => Ok(Answer { request, ..kept }.encode()),
        Exchange::Request(_) => Err(unknown_entry()),
    }
}

fn unknown_entry() -> CommandError {
    CommandError::alarm("witness-memory-changed", "the memory of the witness changed meanwhile")
        .hint("sign nothing, and call the auditor")
}

fn open(memory: &Memory, pins: &mut PinSource) -> Result<Key, CommandError> {
    let identity = memory.identity();
    let reference = resolve(memory.home(), &identity.reference.parse::<KeyRef>()?);
    let reference = reference.with_public_key(identity.public_key.thumbprint());
    Ok(chancery_hsm_config::open(&reference, pins)?)
}

fn answer(memory: &Memory, entry: &Entry, key: &Key, request: Hash) -> Result<Vec<u8>, CommandError> {
    let Some(signed) = &entry.signed else { return Err(unknown_entry()) };
    let public_key = key.public_key();
    let witness = public_key.thumbprint();
    let statement = signed.statement.as_deref().map(OwnedStatement::decode).transpose()?;
    let signature =
        statement.as_ref().map(|statement| key.sign(&message(statement, &public_key))).transpose()?;
    let first_index = statement.as_ref().and_then(|statement| statement.first_index).unwrap_or_default();
    let batch = signature.as_deref().map(|signature| BatchSignature { first_index, signature });
    let cosigned = cosign(key, &public_key, entry, &signed.checkpoint)?;
    memory.keep_answer(entry.number, &Answer { request, witness, batch, cosigned })
}

fn message(statement: &OwnedStatement, key: &PublicKey) -> Vec<u8> {
    let signer = Signer { role: Role::Witness, thumbprint: key.thumbprint(), algorithm: key.algorithm() };
    Unsigned::sig_structure(&statement.as_statement().to_sign(&signer))
}

/// Cosigns the checkpoint (C2SP `tlog-cosignature`), which keys of Ed25519 alone can.
fn cosign(
    key: &Key,
    public_key: &PublicKey,
    entry: &Entry,
    checkpoint: &str,
) -> Result<Option<Cosigned>, CommandError> {
    let PublicKey::Ed25519(_) = public_key else { return Ok(None) };
    let signature = key.sign(cosigned(checkpoint, entry.noted_at).as_bytes())?;
    let wrong = |_| DecodeError { fault: Fault::WrongLength, field: "cosignature", offset: 0 };
    let signature: [u8; 64] = signature.try_into().map_err(wrong)?;
    let line = timestamped(entry.noted_at, &signature).try_into().map_err(wrong)?;
    Ok(Some(Cosigned { size: entry.head.size, signature: line }))
}
