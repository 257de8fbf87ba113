//! The whole log as records, one after the other: what an auditor takes away.
//!
//! Nothing is held but the record at hand, so that any log fits in memory. Not here: the records themselves
//! (`chancery-formats`), the file.

use chancery_formats::cose::Envelope;
use chancery_formats::log::Record;
use chancery_formats::log::export::{MAX_RECORD, Operation, Outcome};

use crate::error::CommandError;
use crate::log::SealedBatch;
use crate::repository::Repository;
use crate::repository::history::{LeafRow, MalformedRow, OperationRow};

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents.
    pub leaves: u64,
    /// Uses of keys.
    pub operations: u64,
    /// Checkpoints.
    pub checkpoints: u64,
}

/// Gives every record, each behind its length, to `append`; `progress` is told how many of how many documents
/// are done. `now` is Unix seconds.
///
/// # Errors
///
/// An integrity alarm for a row that cannot be a record; those of the database and of `append`.
pub fn export(
    repository: &Repository,
    now: u64,
    mut append: impl FnMut(&[u8]) -> Result<(), CommandError>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Counts, CommandError> {
    let mut put = |record: &Record<'_>| {
        let bytes = record.encode();
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length as usize <= MAX_RECORD);
        append(&length.ok_or_else(|| damaged("a row is larger than the program writes"))?.to_be_bytes())?;
        append(&bytes)
    };
    repository.snapshot(|| {
        let (total, mut counts) = (repository.log_size()?, Counts::default());
        put(&Record::Start { authority: repository.authority()?.id, made_at: now })?;
        repository.each_checkpoint(|record| {
            counts.checkpoints += 1;
            put(&Record::Checkpoint { note: &record.note })
        })?;
        let mut batch = None;
        repository.each_leaf(|row| {
            let (leaf, _) = row.map_err(|row| malformed(&row))?;
            if leaf.batch.is_some() {
                batch = open_batch(repository, leaf.log_index)?;
            }
            put_leaf(&leaf, batch.as_ref(), &mut put)?;
            counts.leaves += 1;
            progress(counts.leaves, total);
            Ok::<(), CommandError>(())
        })?;
        repository.each_operation(|row| {
            counts.operations += 1;
            put(&Record::Operation(operation(&row.map_err(|row| malformed(&row))?)))
        })?;
        let Counts { leaves, operations, checkpoints } = counts;
        put(&Record::End { leaves, operations, checkpoints })?;
        Ok(counts)
    })
}

/// Opens the batch of licenses that begins here, where it is sealed.
fn open_batch(repository: &Repository, log_index: u64) -> Result<Option<SealedBatch>, CommandError> {
    let record = repository.batch_of(log_index)?.filter(|record| record.sealed_at.is_some());
    Ok(record.map(|record| SealedBatch::open(repository, &record)).transpose()?.flatten())
}

fn put_leaf(
    leaf: &LeafRow,
    batch: Option<&SealedBatch>,
    put: &mut impl FnMut(&Record<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let signed = leaf.signed.as_ref().map(|(bytes, _)| Envelope::decode(bytes)).transpose();
    let signed =
        signed.map_err(|_| damaged(&format!("document {} as signed is malformed", leaf.log_index)))?;
    let sealed = batch
        .filter(|batch| signed.is_none() && batch.holds(leaf.log_index))
        .map(|batch| batch.seal(leaf.log_index));
    put(&Record::Leaf {
        index: leaf.log_index,
        protected: &leaf.protected,
        payload: &leaf.payload,
        signature: signed.map(|envelope| envelope.signature).or(sealed.as_deref()),
        recorded_at: leaf.recorded_at,
    })
}

fn operation(row: &OperationRow) -> Operation<'_> {
    let outcome = row.outcome.as_ref().map(|outcome| Outcome {
        failure: (!outcome.signed).then(|| outcome.detail.as_deref().unwrap_or_default()),
        ended_at: outcome.ended_at,
    });
    Operation {
        id: row.id,
        key: row.key,
        message_hash: row.message_hash,
        message_bytes: row.message_bytes,
        first_index: row.first_index,
        leaf_count: row.leaf_count,
        started_at: row.started_at,
        outcome,
    }
}

fn malformed(row: &MalformedRow) -> CommandError {
    damaged(&format!("a row of {} is malformed", row.table)).cause(row.detail.clone())
}

fn damaged(cause: &str) -> CommandError {
    CommandError::alarm("log-damaged", "the log cannot be exported")
        .cause(cause)
        .hint("run `chancery log verify`; stop issuing, and call the auditor")
}
