//! The log: documents and key operations, numbered, and written before any key signs.
//!
//! `begin` makes the intent durable, then the key signs, then `complete` or `fail` says how it ended. A
//! process that dies between leaves an intent that `pending` lists; whether the key signed is unknown then.
//! Not here: signing, the Merkle tree over the leaves (`tree`), checkpoints (`checkpoint`), what a document says.

use chancery_formats::cose;
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::license::{self, NewLicense};
use super::{Repository, RepositoryError, lock, tree};

/// A document to be signed.
#[derive(Clone, Copy, Debug)]
pub struct NewLeaf<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Protected header, as encoded.
    pub protected: &'a [u8],
    /// Payload, as encoded.
    pub payload: &'a [u8],
}

/// One use of a key.
#[derive(Clone, Copy, Debug)]
pub struct NewOperation {
    /// The key that signs.
    pub key: Thumbprint,
    /// SHA-256 of the exact bytes that the device signs.
    pub message_hash: [u8; 32],
    /// How many these are.
    pub message_bytes: u64,
}

/// The numbers under which an intent stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Of the document.
    pub log_index: u64,
    /// Of the attempt to sign it.
    pub operation_id: u64,
}

/// A document of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its place in the log.
    pub log_index: u64,
    /// Its kind.
    pub kind: Kind,
    /// Protected header, as encoded.
    pub protected: Vec<u8>,
    /// Payload, as encoded.
    pub payload: Vec<u8>,
    /// SHA-256(0x00 ‖ Sig_structure).
    pub leaf_hash: [u8; 32],
    /// Unix seconds.
    pub recorded_at: u64,
}

/// A document that was to be signed and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the log.
    pub log_index: u64,
    /// Its kind.
    pub kind: Kind,
    /// When it was intended, in Unix seconds.
    pub recorded_at: u64,
    /// The license it is, with what it draws from.
    pub license: Option<(LicenseId, EntitlementId)>,
    /// Attempts whose end is unknown: the key may have signed.
    pub open_operations: Vec<OpenOperation>,
    /// Why the last failed attempt failed.
    pub last_failure: Option<String>,
}

/// An attempt to sign whose end is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOperation {
    /// Its number.
    pub id: u64,
    /// The key.
    pub key: Thumbprint,
    /// Unix seconds.
    pub started_at: u64,
}

impl Repository {
    /// Records the intent to sign a document: its leaf, the operation, and for a license what it means.
    ///
    /// Space for the end of the operation is reserved first. On return the intent is durable and the key
    /// may sign. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::EntitlementExhausted`] for a device beyond the quantity,
    /// [`RepositoryError::RequestKnown`] for a request that has its license,
    /// [`RepositoryError::RevisionTaken`] when another license of the device came first,
    /// [`RepositoryError::IssuingLocked`], [`RepositoryError::DiskFull`]. Nothing is recorded then, and nothing may
    /// be signed.
    pub fn begin(
        &mut self,
        leaf: &NewLeaf<'_>,
        operation: &NewOperation,
        license: Option<&NewLicense>,
        now: u64,
    ) -> Result<Intent, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| {
            let log_index = insert_leaves(transaction, std::slice::from_ref(leaf), now)?;
            if let Some(license) = license {
                license::insert(transaction, license, log_index)?;
            }
            let operation_id = insert_operation(transaction, operation, Some(log_index), 1, now)?;
            Ok(Intent { log_index, operation_id })
        })
    }

    /// Records documents that are to be signed elsewhere, in one transaction, and returns the index of the first.
    ///
    /// No key of this machine signs them, so there is no operation. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::IssuingLocked`], [`RepositoryError::DiskFull`]; nothing is recorded then.
    pub fn record(&mut self, leaves: &[NewLeaf<'_>], now: u64) -> Result<u64, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| insert_leaves(transaction, leaves, now))
    }

    /// Records another attempt to sign a document that [`Repository::begin`] recorded.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadySigned`], [`RepositoryError::UnknownDocument`],
    /// [`RepositoryError::IssuingLocked`], [`RepositoryError::DiskFull`]. Nothing may be signed then.
    pub fn begin_retry(
        &mut self,
        log_index: u64,
        operation: &NewOperation,
        now: u64,
    ) -> Result<Intent, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| {
            if load_signed(transaction, log_index)?.is_some() {
                return Err(RepositoryError::AlreadySigned { log_index });
            }
            let operation_id = insert_operation(transaction, operation, Some(log_index), 1, now)?;
            Ok(Intent { log_index, operation_id })
        })
    }

    /// Records that the key signed, and the document, in one transaction.
    ///
    /// Returns the document that stands: where two attempts were signed, the one recorded first. When the
    /// disk is full, the reserve is given back and used.
    ///
    /// # Errors
    ///
    /// Those of the database; the intent stays pending then.
    pub fn complete(&mut self, intent: Intent, bytes: &[u8], now: u64) -> Result<Vec<u8>, RepositoryError> {
        self.write_with_reserve(|transaction| {
            insert_outcome(transaction, intent.operation_id, "signed", None, now)?;
            let sql = "INSERT INTO signed_document (log_index, bytes, signed_at) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, (intent.log_index, bytes, now))?;
            load_signed(transaction, intent.log_index)?
                .ok_or(RepositoryError::UnknownDocument { log_index: intent.log_index })
        })
    }

    /// Records that an attempt failed before the key signed, and why.
    ///
    /// # Errors
    ///
    /// Those of the database; the end of the attempt stays unknown then.
    pub fn fail(&mut self, operation_id: u64, detail: &str, now: u64) -> Result<(), RepositoryError> {
        self.write_with_reserve(|transaction| {
            insert_outcome(transaction, operation_id, "failed", Some(detail), now)
        })
    }

    /// Returns the documents that were to be signed and are not, in the order of the log; what was given up is
    /// not among them.
    ///
    /// Licenses of a batch are not among them: the batch as a whole waits ([`Repository::batches`]).
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn pending(&self) -> Result<Vec<Pending>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT log_index, kind, recorded_at, license_id, entitlement_id
             FROM log_leaf LEFT JOIN license USING (log_index)
             WHERE log_index NOT IN (SELECT log_index FROM signed_document)
               AND NOT EXISTS (SELECT 1 FROM batch WHERE abandoned_at IS NOT NULL AND first_index <= log_index
                                                     AND log_index < first_index + batch.leaf_count)
               AND NOT (kind = 1 AND log_index < coalesce(
                   (SELECT first_index + leaf_count FROM batch WHERE first_index <= log_index
                    ORDER BY first_index DESC LIMIT 1), 0))
             ORDER BY log_index",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let log_index = row.get(0)?;
            let license: Option<[u8; 16]> = row.get(3)?;
            let entitlement: Option<[u8; 8]> = row.get(4)?;
            found.push(Pending {
                log_index,
                kind: kind(row, 1)?,
                recorded_at: row.get(2)?,
                license: license.map(LicenseId).zip(entitlement.map(EntitlementId)),
                open_operations: self.open_operations(log_index)?,
                last_failure: self.last_failure(log_index)?,
            });
        }
        Ok(found)
    }

    /// Returns a document of the log, signed or not.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownDocument`].
    pub fn leaf(&self, log_index: u64) -> Result<Leaf, RepositoryError> {
        let mut statement = self
            .connection
            .prepare("SELECT kind, protected, payload, recorded_at FROM log_leaf WHERE log_index = ?1")?;
        let mut rows = statement.query([log_index])?;
        let row = rows.next()?.ok_or(RepositoryError::UnknownDocument { log_index })?;
        Ok(Leaf {
            log_index,
            kind: kind(row, 0)?,
            protected: row.get(1)?,
            payload: row.get(2)?,
            leaf_hash: tree::leaf_hash(&self.connection, log_index)?,
            recorded_at: row.get(3)?,
        })
    }

    /// Returns a signed document; `None` where it is not signed, or a license of a batch (`log::sealed`).
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn signed_document(&self, log_index: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        load_signed(&self.connection, log_index)
    }

    /// Returns every signed document of a kind with its log index, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn documents_of_kind(&self, kind: Kind) -> Result<Vec<(u64, Vec<u8>)>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT log_index, bytes FROM log_leaf JOIN signed_document USING (log_index)
             WHERE kind = ?1 ORDER BY log_index",
        )?;
        let rows = statement.query_map([number_of(kind)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn open_operations(&self, log_index: u64) -> Result<Vec<OpenOperation>, RepositoryError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT operation_id, key, started_at FROM operation
             WHERE first_index <= ?1 AND ?1 < first_index + leaf_count
               AND operation_id NOT IN (SELECT operation_id FROM operation_outcome) ORDER BY operation_id",
        )?;
        let rows = statement.query_map([log_index], |row| {
            Ok(OpenOperation { id: row.get(0)?, key: Thumbprint(row.get(1)?), started_at: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn last_failure(&self, log_index: u64) -> Result<Option<String>, RepositoryError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT detail FROM operation JOIN operation_outcome USING (operation_id)
             WHERE first_index <= ?1 AND ?1 < first_index + leaf_count AND outcome = 'failed'
             ORDER BY operation_id DESC LIMIT 1",
        )?;
        Ok(statement.query_row([log_index], |row| row.get(0)).optional()?.flatten())
    }

    /// Writes what must not be lost, with the reserved space where no other is left.
    pub(super) fn write_with_reserve<T>(
        &mut self,
        work: impl Fn(&Transaction<'_>) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        match self.write(&work) {
            Err(RepositoryError::DiskFull) => {
                self.ballast.release()?;
                self.write(&work)
            }
            result => result,
        }
    }
}

pub(super) fn next(transaction: &Transaction<'_>, sql: &'static str) -> Result<u64, RepositoryError> {
    Ok(transaction.query_row(sql, [], |row| row.get(0))?)
}

/// Appends documents to the log and its tree, and returns the index of the first.
pub(super) fn insert_leaves(
    transaction: &Transaction<'_>,
    leaves: &[NewLeaf<'_>],
    now: u64,
) -> Result<u64, RepositoryError> {
    let kinds = || leaves.iter().map(|leaf| leaf.kind);
    let first = next_index(transaction, kinds().find(|kind| lock::holds_back(*kind)).or(kinds().next()))?;
    for (log_index, leaf) in (first..).zip(leaves) {
        insert_leaf(transaction, log_index, leaf, now)?;
    }
    let hashes: Vec<_> = leaves.iter().map(|leaf| cose::leaf_hash(leaf.protected, leaf.payload)).collect();
    tree::append(transaction, first, &hashes)?;
    Ok(first)
}

/// Returns the index that the next document of the log has: asked before the log grows, and refused while a lock holds
/// back what it is.
pub(super) fn next_index(transaction: &Transaction<'_>, kind: Option<Kind>) -> Result<u64, RepositoryError> {
    lock::require_unlocked(transaction, kind)?;
    next(transaction, "SELECT coalesce(max(log_index) + 1, 0) FROM log_leaf")
}

/// Appends the row of one document; its hash has to follow into the tree.
pub(super) fn insert_leaf(
    transaction: &Transaction<'_>,
    log_index: u64,
    leaf: &NewLeaf<'_>,
    now: u64,
) -> Result<(), RepositoryError> {
    let sql =
        "INSERT INTO log_leaf (log_index, kind, protected, payload, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (log_index, number_of(leaf.kind), leaf.protected, leaf.payload, now);
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Records a use of a key for `leaf_count` documents from `first_index`, or for none that the log holds: the one place
/// after which a key may sign.
pub(super) fn insert_operation(
    transaction: &Transaction<'_>,
    new: &NewOperation,
    first_index: Option<u64>,
    leaf_count: u64,
    now: u64,
) -> Result<u64, RepositoryError> {
    let sql = "SELECT 1 FROM key WHERE thumbprint = ?1";
    if !transaction.prepare(sql)?.exists([new.key.0])? {
        return Err(RepositoryError::UnknownKey { thumbprint: new.key });
    }
    let kind = first_index.map(|log_index| kind_at(transaction, log_index)).transpose()?;
    lock::require_unlocked(transaction, kind)?;
    let operation_id = next(transaction, "SELECT coalesce(max(operation_id) + 1, 0) FROM operation")?;
    transaction.execute(
        "INSERT INTO operation (operation_id, key, message_hash, message_bytes, first_index, leaf_count, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (operation_id, new.key.0, new.message_hash, new.message_bytes, first_index, leaf_count, now),
    )?;
    Ok(operation_id)
}

pub(super) fn insert_outcome(
    transaction: &Transaction<'_>,
    operation_id: u64,
    outcome: &str,
    detail: Option<&str>,
    now: u64,
) -> Result<(), RepositoryError> {
    let sql =
        "INSERT INTO operation_outcome (operation_id, outcome, detail, ended_at) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, (operation_id, outcome, detail, now))?;
    Ok(())
}

fn load_signed(connection: &Connection, log_index: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
    let sql = "SELECT bytes FROM signed_document WHERE log_index = ?1";
    Ok(connection.query_row(sql, [log_index], |row| row.get(0)).optional()?)
}

/// Every kind that the log holds, with the number that stands for it in the database for ever.
const KINDS: [(u32, Kind); 7] = [
    (1, Kind::License),
    (2, Kind::Root),
    (3, Kind::KeyRecord),
    (4, Kind::Closing),
    (5, Kind::RevocationList),
    (6, Kind::Manifest),
    (7, Kind::Transcript),
];

pub(super) fn kind_at(connection: &Connection, log_index: u64) -> Result<Kind, RepositoryError> {
    let mut statement = connection.prepare_cached("SELECT kind FROM log_leaf WHERE log_index = ?1")?;
    let mut rows = statement.query([log_index])?;
    kind(rows.next()?.ok_or(RepositoryError::UnknownDocument { log_index })?, 0)
}

pub(super) fn number_of(kind: Kind) -> Option<u32> {
    KINDS.iter().find(|known| known.1 == kind).map(|known| known.0)
}

fn kind(row: &Row<'_>, column: usize) -> Result<Kind, RepositoryError> {
    kind_of(row.get(column)?).ok_or_else(|| RepositoryError::malformed("log_leaf"))
}

/// Returns the kind that a number stands for.
pub(super) fn kind_of(number: u32) -> Option<Kind> {
    KINDS.iter().find(|known| known.0 == number).map(|known| known.1)
}
