//! Batches: many licenses under one statement, which each key signs once.
//!
//! Two passes over the input. The first checks every row, without a key and without changing anything; the second
//! writes every license, the statement and the intent to sign it in one transaction. Then the keys of this machine
//! sign, and once nobody is missing the batch is sealed. Whatever interrupts that, the same input goes on with the
//! same batch: it is found by the hash over its rows. Not here: what a license says (`terms`), putting documents
//! together (`log::sealed`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chancery_formats::id::{EntitlementId, LicenseId};
use chancery_formats::seal::Signer;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{Key, PinSource};
use chancery_verifier::{Refusal, VerifiedRequest, verify_license};

use super::issuer::{Issuer, require_open};
use super::revoked::Revoked;
use super::signing::{attempt, open_key, operation};
use super::terms::{Bound, One};
use super::{issue as single, terms, trust};
use crate::error::CommandError;
use crate::log::SealedBatch;
use crate::log::sealed::statement_of;
use crate::repository::{BatchRecord, Entitlement, LicenseWriter, NewLicense, Repository, RepositoryError};

pub mod check;
pub mod export;
mod rows;

pub use rows::Input;
use rows::Rows;

/// What long work tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Rows are being checked; counted in bytes of the input.
    Checking,
    /// Licenses are being written.
    Writing,
}

/// A batch after the keys of this machine have signed.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The batch.
    pub batch: BatchRecord,
    /// Whether it was there before, from the same rows.
    pub known: bool,
    /// Who has not signed, because the key is on another machine.
    pub missing: Vec<Signer>,
}

/// Issues the licenses that the rows of `input` ask for, or goes on with the batch that they are already.
///
/// `progress` is told the stage, how much of it is done, and of how much. `now` is Unix seconds.
///
/// # Errors
///
/// `batch-rows-refused` with every row that cannot be issued, and nothing is issued then; those of the keys and
/// the repository, after which the same input goes on.
pub fn issue(
    repository: &mut Repository,
    input: &Input<'_>,
    pins: &mut PinSource,
    now: u64,
    progress: &mut dyn FnMut(Stage, u64, u64),
) -> Result<Issued, CommandError> {
    let issuer = sealing_issuer(repository, now);
    let grants_so_far = repository.grants_so_far()?;
    let checked = check::check(repository, issuer.as_ref().ok(), input, now, progress)?;
    let known = checked.input_hash().map(|hash| repository.batch_by_input(hash)).transpose()?.flatten();
    if let Some(batch) = known {
        let keys = open_missing(repository, &batch, pins)?;
        let missing = settle(repository, &batch, &keys, now)?;
        let batch = repository.batch(batch.first_index)?;
        return Ok(Issued { batch, known: true, missing });
    }
    let issuer = issuer?;
    let (input_hash, count) = checked.require_sound()?;
    // The keys are opened before anything is drawn: a wrong PIN costs nothing.
    let keys = issuer.open_keys(repository, pins)?;
    let name = repository.authority()?.name;
    let revoked = Revoked::load(repository)?;
    let mut writing = Writing { name, issuer: &issuer, known: Known::default(), revoked, now };
    let first = begin(repository, &issuer, &keys, Some(&input_hash), now, |writer| {
        // What was granted since was not looked at for its approvals.
        if writer.grants_so_far()? != grants_so_far {
            return Err(changed());
        }
        let written = writing.write(input, writer, count, progress)?;
        // What was checked is what is issued, also where somebody changes the files meanwhile.
        if written == input_hash { Ok(()) } else { Err(changed()) }
    })?;
    let batch = repository.batch(first)?;
    let missing = settle(repository, &batch, &keys, now)?;
    Ok(Issued { batch: repository.batch(first)?, known: false, missing })
}

/// Returns the issuing key in force, which must seal.
fn sealing_issuer(repository: &Repository, now: u64) -> Result<Issuer, CommandError> {
    let issuer = Issuer::in_force(repository, now)?;
    match issuer.mode {
        KeyMode::Seal => Ok(issuer),
        KeyMode::Direct => {
            let kid = issuer.key.public_key.key_id();
            let message = format!("issuing key {kid} signs each license alone, and seals no batches");
            Err(CommandError::refused("key-mode-direct", message)
                .hint("certify one that does with `chancery role add issuer --mode seal --key REF`"))
        }
    }
}

/// Records a batch in the log and has the issuing key, the first of `keys`, sign it; returns its first index.
///
/// # Errors
///
/// Those of `fill`, and nothing is recorded then; those of the key, after which the batch waits.
pub(super) fn begin(
    repository: &mut Repository,
    issuer: &Issuer,
    keys: &[Key],
    input_hash: Option<&[u8; 32]>,
    now: u64,
    fill: impl FnOnce(&mut LicenseWriter<'_>) -> Result<(), CommandError>,
) -> Result<u64, CommandError> {
    let key = keys.first().filter(|key| key.public_key() == issuer.key.public_key);
    let key = key.ok_or_else(|| CommandError::failed("internal", "the issuing key is not open"))?;
    let mut message = Vec::new();
    let _turn = repository.turn()?;
    let intent = repository.begin_licenses(input_hash, now, fill, |shape| {
        let statement = issuer.statement(shape, now);
        message = statement.as_statement().to_sign(&issuer.signer()).sig_structure();
        (statement.as_statement().encode(), vec![operation(key, &message)])
    })?;
    for operation_id in intent.operations {
        let signature = attempt(repository, key, operation_id, &message, now)?;
        let signer = key.public_key().thumbprint();
        repository.keep_batch_signature(intent.first_index, signer, &signature, Some(operation_id), now)?;
    }
    Ok(intent.first_index)
}

/// Has the keys at hand sign what they have not, and seals the batch once nobody is missing; returns who is.
///
/// # Errors
///
/// Those of the keys and the repository; an integrity alarm where the verifier refuses the batch.
pub fn settle(
    repository: &mut Repository,
    batch: &BatchRecord,
    keys: &[Key],
    now: u64,
) -> Result<Vec<Signer>, CommandError> {
    let statement = statement_of(batch)?;
    for signer in missing(repository, batch)? {
        let Some(key) = keys.iter().find(|key| key.public_key().thumbprint() == signer.thumbprint) else {
            continue;
        };
        let message = statement.as_statement().to_sign(&signer).sig_structure();
        let _turn = repository.turn()?;
        let id = repository.begin_batch_signature(batch.first_index, &operation(key, &message), now)?;
        let signature = attempt(repository, key, id, &message, now)?;
        repository.keep_batch_signature(batch.first_index, signer.thumbprint, &signature, Some(id), now)?;
    }
    let missing = missing(repository, batch)?;
    if missing.is_empty() && batch.sealed_at.is_none() {
        judge(repository, batch)?;
        repository.seal_batch(batch.first_index, now)?;
    }
    Ok(missing)
}

/// Returns the signers of a batch that have not signed, in the order of the statement.
///
/// # Errors
///
/// Those of the repository.
pub fn missing(repository: &Repository, batch: &BatchRecord) -> Result<Vec<Signer>, CommandError> {
    let signed = repository.signatures_of_batch(batch.first_index)?;
    let lacks = |signer: &Signer| signed.iter().all(|(known, _)| *known != signer.thumbprint);
    Ok(statement_of(batch)?.signers.into_iter().filter(lacks).collect())
}

/// Opens the keys of this machine that have not signed a batch.
///
/// # Errors
///
/// `key-closed` where one of them may sign no more; those of the key backend.
pub(super) fn open_missing(
    repository: &Repository,
    batch: &BatchRecord,
    pins: &mut PinSource,
) -> Result<Vec<Key>, CommandError> {
    let mut keys = Vec::new();
    for signer in missing(repository, batch)? {
        let Signer { thumbprint, .. } = signer;
        let record = require_open(repository, |known| known == thumbprint, thumbprint.key_id())?;
        if record.reference.is_some() {
            keys.push(open_key(repository.home(), &record, pins)?);
        }
    }
    Ok(keys)
}

/// Returns what the operator does next for a batch that waits for a key of another machine.
#[must_use]
pub fn how_to_go_on(batch: &BatchRecord) -> String {
    let batch = batch.first_index;
    format!(
        "take the file of `chancery batch request {batch} -o FILE.cwit` to the machine that has the key, and its \
         answer to `chancery batch complete`"
    )
}

/// Asks the verifier about the first and the last license of a batch, before it counts as sealed.
fn judge(repository: &Repository, batch: &BatchRecord) -> Result<(), CommandError> {
    let (_, trust) = trust::bundle(repository)?;
    let name = batch.first_index;
    let alarm = |code, cause: String| {
        CommandError::alarm(code, format!("the licenses of batch {name} do not do what they were issued for"))
            .cause(cause)
            .hint("hand none of them out; keep the home as it is, and call the auditor")
    };
    let sealed = SealedBatch::open(repository, batch)?
        .ok_or_else(|| alarm("batch-unsigned", "a signature is missing".to_owned()))?;
    for log_index in [batch.first_index, batch.first_index + (batch.leaf_count - 1)] {
        let leaf = repository.leaf(log_index)?;
        let document = sealed.document(log_index, leaf.protected, leaf.payload);
        match verify_license(&document, &trust) {
            // One that was revoked meanwhile stands, revoked.
            Ok(_) | Err(Refusal::Revoked { .. }) => {}
            Err(refusal) => return Err(alarm(refusal.code(), refusal.to_string())),
        }
    }
    Ok(())
}

fn changed() -> CommandError {
    CommandError::failed("input-changed", "the input, or a request that it names, changed while it was read")
        .hint("run the command again; nothing was issued")
}

/// Entitlements at hand, so that rows of one entitlement read it once; few, whatever the input names.
#[derive(Debug, Default)]
struct Known(HashMap<EntitlementId, Entitlement>);

impl Known {
    /// Entitlements that are kept.
    const MOST: usize = 1_024;

    fn entitlement(
        &mut self,
        id: EntitlementId,
        load: impl FnOnce(EntitlementId) -> Result<Entitlement, RepositoryError>,
    ) -> Result<&Entitlement, RepositoryError> {
        if !self.0.contains_key(&id) && self.0.len() >= Self::MOST {
            self.0.clear();
        }
        Ok(match self.0.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(load(id)?),
        })
    }
}

/// The second pass: licenses from rows that were found good.
struct Writing<'a> {
    /// The authority's name.
    name: String,
    issuer: &'a Issuer,
    known: Known,
    revoked: Revoked,
    now: u64,
}

impl Writing<'_> {
    /// Writes a license for each row, and returns the hash over the rows and requests as they were read.
    fn write(
        &mut self,
        input: &Input<'_>,
        writer: &mut LicenseWriter<'_>,
        count: u64,
        progress: &mut dyn FnMut(Stage, u64, u64),
    ) -> Result<[u8; 32], CommandError> {
        let mut rows = Rows::open(input)?;
        let mut ids = ids(count)?.into_iter();
        let header = self.issuer.header().encode();
        let mut done = 0;
        while let Some(row) = rows.next()? {
            let row = row.map_err(|_| changed())?;
            let id = ids.next().ok_or_else(changed)?;
            let request = row.load()?;
            rows.take_up(&row, request.as_deref());
            let verified = request.as_deref().map(single::verified).transpose()?;
            let device = verified.as_ref().map(VerifiedRequest::device);
            let entitlement = self.known.entitlement(row.entitlement, |id| writer.entitlement(id))?;
            // Once more, since the first pass did not keep others from writing.
            terms::require_granted(entitlement, verified.as_ref(), self.now)?;
            self.issuer.require_scope(entitlement)?;
            let one = One {
                id,
                revision: writer.next_revision(entitlement.id, device)?,
                bound: verified.as_ref().map(Bound::to_asker).unwrap_or_default(),
                least_revocation_list: self.revoked.least_list(verified.as_ref()),
            };
            let payload = terms::encode(&self.name, entitlement, &one, self.now)?;
            let license = NewLicense {
                id,
                entitlement: entitlement.id,
                device,
                revision: one.revision,
                request_hash: request.as_deref().map(rows::hash_of),
                grant: entitlement.revision,
                activation: None,
            };
            writer.push(&header, &payload, &license)?;
            done += 1;
            progress(Stage::Writing, done, count);
        }
        if ids.next().is_some() {
            return Err(changed());
        }
        Ok(rows.into_hash())
    }
}

/// Returns random ids in ascending order: written in that order, they take a database of any size the same time.
fn ids(count: u64) -> Result<Vec<LicenseId>, CommandError> {
    let count = usize::try_from(count).map_err(|_| changed())?;
    let mut ids = vec![[0; 16]; count];
    getrandom::fill(ids.as_flattened_mut()).map_err(|error| {
        CommandError::failed("no-randomness", "operating system gives no random bytes")
            .cause(error.to_string())
    })?;
    ids.sort_unstable();
    Ok(ids.into_iter().map(LicenseId).collect())
}
