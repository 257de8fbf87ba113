//! Batches of licenses: leaves, what each license means, the statement over all of them and the intent to sign it,
//! in one transaction.
//!
//! Licenses are written one by one, so that a batch of any size takes the same memory. A sealed document is not
//! stored: payload, tree and the batch's signatures give it whenever it is asked for (`log::sealed`). Not here:
//! batches that custodians seal (`custody`), signing.

use chancery_formats::cose;
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::merkle::{Frontier, Hash};
use rusqlite::{OptionalExtension, Params, Row, Transaction};

use super::license::{self, NewLicense};
use super::lock::require_unlocked;
use super::log::{insert_leaf, insert_operation, next_index};
use super::tree::{self, TILE};
use super::{Entitlement, NewLeaf, NewOperation, Repository, RepositoryError, entitlement, grant};

/// A batch of licenses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// Log index of its first license: what the batch is called by.
    pub first_index: u64,
    /// Number of licenses, at least 1.
    pub leaf_count: u64,
    /// The statement over them, as encoded; it names the signers.
    pub statement: Vec<u8>,
    /// SHA-256 over the rows that it was made from; none for one license alone.
    pub input_hash: Option<[u8; 32]>,
    /// When the statement was made, in Unix seconds.
    pub made_at: u64,
    /// When its last signature was found good, in Unix seconds; none while one is missing.
    pub sealed_at: Option<u64>,
}

/// What a statement says of the licenses of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Log index of the first.
    pub first_index: u64,
    /// How many there are.
    pub size: u64,
    /// Root of the tree over their leaf hashes.
    pub root: Hash,
}

/// The numbers under which a batch and the intents to sign it stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchIntent {
    /// Of the first license.
    pub first_index: u64,
    /// Of the attempts to sign, in the order in which they were asked for.
    pub operations: Vec<u64>,
}

/// A license of a batch, for those who hand it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLicense {
    /// Its place in the log.
    pub log_index: u64,
    /// The claim `cti`.
    pub id: LicenseId,
    /// Protected header, as encoded.
    pub protected: Vec<u8>,
    /// Payload, as encoded.
    pub payload: Vec<u8>,
}

/// The licenses of a batch while they are being written.
#[derive(Debug)]
pub struct LicenseWriter<'t> {
    transaction: &'t Transaction<'t>,
    first_index: u64,
    tree: Frontier,
    /// Leaf hashes that are not in the tree over the log yet; less than a tile.
    waiting: Vec<Hash>,
    now: u64,
}

impl<'t> LicenseWriter<'t> {
    fn new(transaction: &'t Transaction<'t>, now: u64) -> Result<Self, RepositoryError> {
        let first_index = next_index(transaction, Some(Kind::License))?;
        Ok(Self { transaction, first_index, tree: Frontier::new(), waiting: Vec::new(), now })
    }

    /// Returns an entitlement as it is for this batch.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`].
    pub fn entitlement(&self, id: EntitlementId) -> Result<Entitlement, RepositoryError> {
        entitlement::load(self.transaction, id)
    }

    /// Returns [`Repository::grants_so_far`] as this batch sees it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn grants_so_far(&self) -> Result<u64, RepositoryError> {
        grant::so_far(self.transaction)
    }

    /// Returns the revision that the next license of this device, or of none, under this entitlement carries.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn next_revision(
        &self,
        entitlement: EntitlementId,
        device: Option<Thumbprint>,
    ) -> Result<u64, RepositoryError> {
        license::next_revision(self.transaction, entitlement, device)
    }

    /// Appends a license to the log, with what it means; its revision is that of [`Self::next_revision`].
    ///
    /// # Errors
    ///
    /// Those of [`Repository::begin`] for a license.
    pub fn push(
        &mut self,
        protected: &[u8],
        payload: &[u8],
        license: &NewLicense,
    ) -> Result<(), RepositoryError> {
        let log_index = self.first_index + self.tree.size();
        let leaf = NewLeaf { kind: Kind::License, protected, payload };
        insert_leaf(self.transaction, log_index, &leaf, self.now)?;
        license::require_unanswered(self.transaction, license)?;
        license::append(self.transaction, license, log_index)?;
        let hash = cose::leaf_hash(protected, payload);
        self.tree.push(hash);
        self.waiting.push(hash);
        // Whole tiles at a time: each is then written once.
        if (log_index + 1).is_multiple_of(TILE) { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RepositoryError> {
        let first = self.first_index + self.tree.size() - self.waiting.len() as u64;
        tree::append(self.transaction, first, &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<BatchShape, RepositoryError> {
        self.flush()?;
        Ok(BatchShape { first_index: self.first_index, size: self.tree.size(), root: self.tree.root() })
    }
}

/// A statement over batches of licenses, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT first_index, leaf_count, statement, input_hash, made_at, sealed_at
             FROM batch JOIN log_leaf ON log_index = first_index AND kind = 1 ",
            $tail
        )
    };
}

impl Repository {
    /// Records licenses, the statement over them and the intents to sign it: all of it, or nothing.
    ///
    /// `fill` writes at least one license; `conclude` gives the statement, as encoded, and what each key of this
    /// machine is about to sign. Space for the end of the work is reserved first. On return the keys may sign.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::BatchKnown`] where these rows are a batch already, [`RepositoryError::UnknownKey`],
    /// [`RepositoryError::DiskFull`], and those of `fill`. Nothing is recorded then, and nothing may be signed.
    pub fn begin_licenses<E: From<RepositoryError>>(
        &mut self,
        input_hash: Option<&[u8; 32]>,
        now: u64,
        fill: impl FnOnce(&mut LicenseWriter<'_>) -> Result<(), E>,
        conclude: impl FnOnce(&BatchShape) -> (Vec<u8>, Vec<NewOperation>),
    ) -> Result<BatchIntent, E> {
        self.ballast.ensure()?;
        self.write_or(|transaction| {
            let sql = "SELECT first_index FROM batch WHERE input_hash = ?1";
            let known = transaction.query_row(sql, [input_hash], |row| row.get(0)).optional();
            if let Some(batch) = known.map_err(RepositoryError::from)? {
                return Err(RepositoryError::BatchKnown { batch }.into());
            }
            let mut writer = LicenseWriter::new(transaction, now)?;
            fill(&mut writer)?;
            let shape = writer.finish()?;
            let (statement, operations) = conclude(&shape);
            let BatchShape { first_index, size, .. } = shape;
            let sql = "INSERT INTO batch (first_index, leaf_count, statement, input_hash, made_at)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction
                .execute(sql, (first_index, size, statement, input_hash, now))
                .map_err(RepositoryError::from)?;
            let record = |operation| insert_operation(transaction, operation, Some(first_index), size, now);
            let operations = operations.iter().map(record).collect::<Result<_, _>>()?;
            Ok(BatchIntent { first_index, operations })
        })
    }

    /// Records that every signature of a batch is there and good; its licenses may be handed out from then on.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::IssuingLocked`]: what was begun before a lock waits for its end; those of the database.
    pub fn seal_batch(&mut self, first_index: u64, now: u64) -> Result<(), RepositoryError> {
        self.write_with_reserve(|transaction| {
            require_unlocked(transaction, Some(Kind::License))?;
            let sql = "UPDATE batch SET sealed_at = ?2 WHERE first_index = ?1 AND sealed_at IS NULL";
            transaction.execute(sql, (first_index, now))?;
            Ok(())
        })
    }

    /// Returns a batch of licenses by the log index of its first license.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownBatch`].
    pub fn batch(&self, first_index: u64) -> Result<BatchRecord, RepositoryError> {
        let found = self.one_batch(select!("WHERE first_index = ?1"), [first_index])?;
        found.ok_or(RepositoryError::UnknownBatch { batch: first_index })
    }

    /// Returns the batch that was made from these rows.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn batch_by_input(&self, input_hash: &[u8; 32]) -> Result<Option<BatchRecord>, RepositoryError> {
        self.one_batch(select!("WHERE input_hash = ?1"), [input_hash])
    }

    /// Returns the batch that a license is in, by the license's log index.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn batch_of(&self, log_index: u64) -> Result<Option<BatchRecord>, RepositoryError> {
        let sql = select!("WHERE first_index <= ?1 ORDER BY first_index DESC LIMIT 1");
        let found = self.one_batch(sql, [log_index])?;
        Ok(found.filter(|batch| log_index - batch.first_index < batch.leaf_count))
    }

    /// Returns every batch of licenses, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn batches(&self) -> Result<Vec<BatchRecord>, RepositoryError> {
        let mut statement = self.connection.prepare(select!("ORDER BY first_index"))?;
        Ok(statement.query_map([], batch)?.collect::<Result<_, _>>()?)
    }

    /// Returns the leaf hashes of a batch, in order.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] where the tree lacks one.
    pub fn leaf_hashes(&self, batch: &BatchRecord) -> Result<Vec<Hash>, RepositoryError> {
        tree::leaf_hashes(&self.connection, batch.first_index, batch.leaf_count)
    }

    /// Gives every license of a batch to `each`, in order.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_license<E: From<RepositoryError>>(
        &self,
        batch: &BatchRecord,
        mut each: impl FnMut(BatchLicense) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = "SELECT log_index, license_id, protected, payload
                   FROM log_leaf JOIN license USING (log_index)
                   WHERE log_index >= ?1 AND log_index < ?2 ORDER BY log_index";
        let mut statement = self.connection.prepare(sql).map_err(database)?;
        let end = batch.first_index.saturating_add(batch.leaf_count);
        let mut rows = statement.query((batch.first_index, end)).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(batch_license(row).map_err(database)?)?;
        }
        Ok(())
    }

    fn one_batch(
        &self,
        sql: &'static str,
        params: impl Params,
    ) -> Result<Option<BatchRecord>, RepositoryError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(params, batch).optional()?)
    }
}

fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRecord> {
    Ok(BatchRecord {
        first_index: row.get(0)?,
        leaf_count: row.get(1)?,
        statement: row.get(2)?,
        input_hash: row.get(3)?,
        made_at: row.get(4)?,
        sealed_at: row.get(5)?,
    })
}

fn batch_license(row: &Row<'_>) -> rusqlite::Result<BatchLicense> {
    Ok(BatchLicense {
        log_index: row.get(0)?,
        id: LicenseId(row.get(1)?),
        protected: row.get(2)?,
        payload: row.get(3)?,
    })
}
