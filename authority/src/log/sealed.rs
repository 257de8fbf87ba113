//! Putting the sealed documents of a batch together from what is kept of it: payloads, tree and signatures.
//!
//! Nothing of a seal is stored with a license: its size and path follow from the tree over the log, and the
//! signatures stand once for the whole batch. Not here: signing (`workflow::batch`), and whether it is right
//! (`verify`, and `chancery-verifier` for whatever is handed out).

use chancery_formats::cose::Unsigned;
use chancery_formats::merkle::Tree;
use chancery_formats::seal::{OwnedStatement, Seal};

use crate::repository::{BatchRecord, Repository, RepositoryError};

/// A batch that every signer has signed, with the tree over it in memory: 64 bytes a license.
#[derive(Debug)]
pub struct SealedBatch {
    first_index: u64,
    statement: OwnedStatement,
    signatures: Vec<Vec<u8>>,
    tree: Tree,
}

impl SealedBatch {
    /// Opens a batch; `None` while a signature is missing.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] where the statement is malformed or about another tree.
    pub fn open(repository: &Repository, batch: &BatchRecord) -> Result<Option<Self>, RepositoryError> {
        let statement = statement_of(batch)?;
        let known = repository.signatures_of_batch(batch.first_index)?;
        let signatures = statement.signers.iter().map(|signer| {
            let found = known.iter().find(|(thumbprint, _)| *thumbprint == signer.thumbprint);
            found.map(|(_, signature)| signature.clone())
        });
        let Some(signatures) = signatures.collect() else { return Ok(None) };
        let tree = Tree::new(repository.leaf_hashes(batch)?);
        let tree = tree.filter(|tree| tree.root() == statement.root);
        let tree = tree.ok_or_else(|| corrupted(batch, "is of other licenses than its statement"))?;
        Ok(Some(Self { first_index: batch.first_index, statement, signatures, tree }))
    }

    /// Returns whether the document at a log index is in the batch.
    #[must_use]
    pub const fn holds(&self, log_index: u64) -> bool {
        match log_index.checked_sub(self.first_index) {
            Some(index) => index < self.statement.size,
            None => false,
        }
    }

    /// Returns the signature field of the document at a log index; one beyond the batch has an empty path.
    #[must_use]
    pub fn seal(&self, log_index: u64) -> Vec<u8> {
        let index = log_index.saturating_sub(self.first_index);
        let path = usize::try_from(index).map_or_else(|_| Vec::new(), |index| self.tree.path(index));
        Seal::encode(&self.statement.as_statement(), index, &path, &self.signatures)
    }

    /// Returns the sealed document at a log index.
    #[must_use]
    pub fn document(&self, log_index: u64, protected: Vec<u8>, payload: Vec<u8>) -> Vec<u8> {
        Unsigned::from_parts(protected, payload).sign(&self.seal(log_index))
    }
}

/// Returns what the signers of a batch sign.
///
/// # Errors
///
/// [`RepositoryError::Corrupted`] where it is malformed.
pub fn statement_of(batch: &BatchRecord) -> Result<OwnedStatement, RepositoryError> {
    OwnedStatement::decode(&batch.statement)
        .map_err(|_| corrupted(batch, "has a statement that is malformed"))
}

/// Returns a bound on the length of the seals of a batch, in bytes, before it is signed.
///
/// # Errors
///
/// As [`statement_of`].
pub fn longest_seal(batch: &BatchRecord) -> Result<usize, RepositoryError> {
    let statement = statement_of(batch)?;
    let height = batch.leaf_count.next_power_of_two().ilog2() as usize;
    let signatures: Vec<_> =
        statement.signers.iter().map(|signer| vec![0; signer.algorithm.signature_len()]).collect();
    let last = batch.leaf_count.saturating_sub(1);
    Ok(Seal::encode(&statement.as_statement(), last, &vec![0; 32 * height], &signatures).len())
}

/// Returns a signed document, stored or put together; `None` where it is not signed.
///
/// # Errors
///
/// [`RepositoryError::UnknownDocument`]; those of [`SealedBatch::open`].
pub fn document(repository: &Repository, log_index: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
    if let Some(bytes) = repository.signed_document(log_index)? {
        return Ok(Some(bytes));
    }
    let Some(batch) = repository.batch_of(log_index)?.filter(|batch| batch.sealed_at.is_some()) else {
        return Ok(None);
    };
    let Some(sealed) = SealedBatch::open(repository, &batch)? else { return Ok(None) };
    let leaf = repository.leaf(log_index)?;
    Ok(Some(sealed.document(log_index, leaf.protected, leaf.payload)))
}

fn corrupted(batch: &BatchRecord, what: &str) -> RepositoryError {
    RepositoryError::Corrupted { detail: format!("the batch at {} {what}", batch.first_index) }
}
