//! What custodians seal together: batches begun in the log, their signatures, and the moment they stand.
//!
//! A batch is begun with the statement that its signers sign; signatures come in one by one, from this
//! machine and from others. [`Repository::stand`] then makes every document of a change valid at once, with
//! what it means for the keys, or none of it. Not here: signing, and whether a signature is good.

use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use rusqlite::Transaction;

use super::lock::require_unlocked;
use super::log::{insert_leaves, insert_operation, insert_outcome, kind_at, number_of};
use super::{
    BundleRecord, KeyClosing, NewKey, NewLeaf, NewOperation, Repository, RepositoryError,
    RevocationListRecord, authority, bundle, revocation,
};

/// Documents of one kind under one statement.
pub struct NewBatch<'a> {
    /// The documents, at least one.
    pub leaves: Vec<NewLeaf<'a>>,
    /// Encodes the statement, which names the log index of the first document.
    pub statement: &'a dyn Fn(u64) -> Vec<u8>,
}

impl std::fmt::Debug for NewBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewBatch").field("leaves", &self.leaves.len()).finish_non_exhaustive()
    }
}

/// A change of trust whose documents are sealed.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// First log indices of the batches.
    pub batches: Vec<u64>,
    /// Sealed documents, by log index.
    pub documents: Vec<(u64, Vec<u8>)>,
    /// Which document certifies a key from now on.
    pub certified: Vec<(Thumbprint, u64)>,
    /// Which keys are closed, and by which document from now on.
    pub closings: Vec<(Thumbprint, KeyClosing)>,
    /// The root version in force from now on, where it changes.
    pub root_version: Option<u32>,
    /// The revocation list that is in force from now on, where it changes.
    pub list: Option<RevocationListRecord>,
    /// The bundle that is published, where one is.
    pub bundle: Option<BundleRecord>,
}

impl Repository {
    /// Appends the documents of batches to the log, with the statement over each batch, and adds the keys that are
    /// new to the authority with them: they count once they are certified. Both, or neither.
    ///
    /// Space for the end of the work is reserved first. A key that is known in its role and not certified stays as it
    /// is. Returns the log index of each batch's first document.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::KeyExists`] for a key of another role or another under its reference;
    /// [`RepositoryError::IssuingLocked`], [`RepositoryError::DiskFull`]; nothing is recorded then.
    pub fn begin_batches(
        &mut self,
        batches: &[NewBatch<'_>],
        candidates: &[NewKey<'_>],
        now: u64,
    ) -> Result<Vec<u64>, RepositoryError> {
        self.ballast.ensure()?;
        let known = self.keys()?;
        let is_known = |key: &NewKey<'_>| {
            known.iter().any(|known| {
                known.public_key == key.public_key && known.role == key.role && known.record_index.is_none()
            })
        };
        self.write(|transaction| {
            for key in candidates.iter().filter(|key| !is_known(key)) {
                authority::insert_key(transaction, key, now)?;
            }
            batches.iter().map(|batch| begin_batch(transaction, batch, now)).collect::<Result<_, _>>()
        })
    }

    /// Records the intent to sign a batch's statement: on return the key may sign.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownKey`], [`RepositoryError::UnknownDocument`], [`RepositoryError::IssuingLocked`],
    /// [`RepositoryError::DiskFull`].
    pub fn begin_batch_signature(
        &mut self,
        first_index: u64,
        operation: &NewOperation,
        now: u64,
    ) -> Result<u64, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| {
            let sql = "SELECT leaf_count FROM batch WHERE first_index = ?1";
            let leaf_count = transaction.query_row(sql, [first_index], |row| row.get(0));
            let leaf_count = rusqlite::OptionalExtension::optional(leaf_count)?
                .ok_or(RepositoryError::UnknownDocument { log_index: first_index })?;
            insert_operation(transaction, operation, Some(first_index), leaf_count, now)
        })
    }

    /// Keeps a signer's signature over a batch's statement, and how the operation ended that made it here.
    ///
    /// A signer that has signed keeps its first signature.
    ///
    /// # Errors
    ///
    /// Those of the database; the operation stays open then.
    pub fn keep_batch_signature(
        &mut self,
        first_index: u64,
        signer: Thumbprint,
        signature: &[u8],
        operation_id: Option<u64>,
        now: u64,
    ) -> Result<(), RepositoryError> {
        self.write_with_reserve(|transaction| {
            if let Some(operation_id) = operation_id {
                insert_outcome(transaction, operation_id, "signed", None, now)?;
            }
            let sql = "INSERT INTO batch_signature (first_index, signer, signature, signed_at)
                       VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            transaction.execute(sql, (first_index, signer.0, signature, now))?;
            Ok(())
        })
    }

    /// Returns the log indices of the batches that custodians are still to sign, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn waiting_for_custodians(&self) -> Result<Vec<u64>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT first_index FROM batch JOIN log_leaf ON log_index = first_index
             WHERE sealed_at IS NULL AND abandoned_at IS NULL AND kind IN (?1, ?2, ?3) ORDER BY first_index",
        )?;
        let kinds = [Kind::Root, Kind::KeyRecord, Kind::Closing].map(number_of);
        let rows = statement.query_map(kinds, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the statement over a batch of any kind, as encoded, and the number of its documents.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownBatch`].
    pub fn batch_statement(&self, first_index: u64) -> Result<(Vec<u8>, u64), RepositoryError> {
        let sql = "SELECT statement, leaf_count FROM batch WHERE first_index = ?1";
        let found = self.connection.query_row(sql, [first_index], |row| Ok((row.get(0)?, row.get(1)?)));
        rusqlite::OptionalExtension::optional(found)?
            .ok_or(RepositoryError::UnknownBatch { batch: first_index })
    }

    /// Gives batches up that are not sealed: their documents stay in the log and never stand.
    ///
    /// # Errors
    ///
    /// Those of the database; a constraint where one of them is sealed.
    pub fn abandon_batches(&mut self, batches: &[u64], now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            for first_index in batches {
                let sql = "UPDATE batch SET abandoned_at = ?2 WHERE first_index = ?1";
                transaction.execute(sql, (first_index, now))?;
            }
            Ok(())
        })
    }

    /// Makes a sealed change valid: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::IssuingLocked`], whoever has signed and wherever; [`RepositoryError::KeyExists`],
    /// [`RepositoryError::UnknownKey`]; those of the database.
    pub fn stand(&mut self, change: &Standing, now: u64) -> Result<(), RepositoryError> {
        self.write_with_reserve(|transaction| {
            for first_index in &change.batches {
                require_unlocked(transaction, Some(kind_at(transaction, *first_index)?))?;
            }
            for (log_index, bytes) in &change.documents {
                let sql = "INSERT INTO signed_document (log_index, bytes, signed_at) VALUES (?1, ?2, ?3)";
                transaction.execute(sql, (log_index, bytes, now))?;
            }
            for first_index in &change.batches {
                let sql = "UPDATE batch SET sealed_at = ?2 WHERE first_index = ?1";
                transaction.execute(sql, (first_index, now))?;
            }
            for (thumbprint, log_index) in &change.certified {
                authority::certify_key(transaction, *thumbprint, *log_index)?;
            }
            for (thumbprint, closing) in &change.closings {
                close_key(transaction, *thumbprint, closing)?;
            }
            if let Some(version) = change.root_version {
                transaction.execute("UPDATE authority SET root_version = ?1", [version])?;
            }
            if let Some(list) = &change.list {
                revocation::insert_list(transaction, list)?;
            }
            if let Some(bundle) = &change.bundle {
                bundle::insert(transaction, bundle)?;
            }
            Ok(())
        })
    }
}

fn begin_batch(
    transaction: &Transaction<'_>,
    batch: &NewBatch<'_>,
    now: u64,
) -> Result<u64, RepositoryError> {
    let first = insert_leaves(transaction, &batch.leaves, now)?;
    let sql = "INSERT INTO batch (first_index, leaf_count, statement, made_at) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, (first, batch.leaves.len() as u64, (batch.statement)(first), now))?;
    Ok(first)
}

/// Closes a key. What it says of an earlier closing stays; the document that says so may be a newer one.
fn close_key(
    transaction: &Transaction<'_>,
    thumbprint: Thumbprint,
    closing: &KeyClosing,
) -> Result<(), RepositoryError> {
    let (size, root) = closing.compromised_at.unzip();
    transaction.execute(
        "INSERT INTO key_closing (thumbprint, tree_size, tree_root, log_index, reason, closed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET log_index = excluded.log_index",
        (thumbprint.0, size, root, closing.log_index, &closing.reason, closing.closed_at),
    )?;
    Ok(())
}
