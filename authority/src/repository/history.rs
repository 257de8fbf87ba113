//! The whole history row by row, in the order of the log: for those who check it and those who copy it.
//!
//! Rows are given as they stand, whatever they say; one that the program never writes is told as such and does
//! not end the reading. Nothing is held but the row at hand and the operations that cover it. Not here: whether
//! any of it is right (`log::verify`).

use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::merkle::Hash;
use rusqlite::{Row, Rows};

use super::log::kind_of;
use super::{Repository, RepositoryError};

/// A document of the log, with all that is kept about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// Its place in the log.
    pub log_index: u64,
    /// Its kind; none for a number that stands for nothing.
    pub kind: Option<Kind>,
    /// Protected header, as encoded.
    pub protected: Vec<u8>,
    /// Payload, as encoded.
    pub payload: Vec<u8>,
    /// When it was intended, in Unix seconds.
    pub recorded_at: u64,
    /// The document as signed, and when.
    pub signed: Option<(Vec<u8>, u64)>,
    /// What it means as a license.
    pub license: Option<LicenseRow>,
    /// The batch that begins with it.
    pub batch: Option<BatchRow>,
}

/// What a license means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRow {
    /// The claim `cti`.
    pub id: LicenseId,
    /// What it draws from.
    pub entitlement: EntitlementId,
    /// Thumbprint of the device key; empty where bound to none.
    pub device: Vec<u8>,
    /// From 1 for each device of an entitlement.
    pub revision: u64,
}

/// Documents that were sealed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// How many.
    pub leaf_count: u64,
    /// As encoded.
    pub statement: Vec<u8>,
    /// When the statement was made, in Unix seconds.
    pub made_at: u64,
    /// When its last signature came in.
    pub sealed_at: Option<u64>,
}

/// A use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Its number.
    pub id: u64,
    /// The key.
    pub key: Thumbprint,
    /// SHA-256 of what the device signed.
    pub message_hash: Hash,
    /// How many bytes these are, where that is known.
    pub message_bytes: Option<u64>,
    /// First document that it is for; none for a checkpoint.
    pub first_index: Option<u64>,
    /// Number of documents.
    pub leaf_count: u64,
    /// When it began, in Unix seconds.
    pub started_at: u64,
    /// How it ended, where that is known.
    pub outcome: Option<OutcomeRow>,
}

impl OperationRow {
    /// Returns whether it is for this document.
    #[must_use]
    pub fn covers(&self, log_index: u64) -> bool {
        let distance = self.first_index.and_then(|first| log_index.checked_sub(first));
        distance.is_some_and(|distance| distance < self.leaf_count)
    }

    /// Returns whether the key signed, as far as is known.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.signed)
    }
}

/// How a use of a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// Whether the key signed.
    pub signed: bool,
    /// Why not.
    pub detail: Option<String>,
    /// In Unix seconds.
    pub ended_at: u64,
}

/// A row that the program never writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedRow {
    /// The table.
    pub table: &'static str,
    /// What does not fit.
    pub detail: String,
}

impl Repository {
    /// Runs `work` on one state of the database, whatever others write meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the database and of `work`.
    pub fn snapshot<T, E: From<RepositoryError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let transaction = self.connection.unchecked_transaction().map_err(database)?;
        let result = work()?;
        transaction.finish().map_err(database)?;
        Ok(result)
    }

    /// Gives every document to `each`, in the order of the log, with the operations that cover it.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_leaf<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(Result<(LeafRow, &[OperationRow]), MalformedRow>) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let mut statement = self.connection.prepare(LEAVES).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        let mut operations = self.connection.prepare(OPERATIONS_BY_LEAF).map_err(database)?;
        let mut operations = Covering::new(operations.query([]).map_err(database)?);
        while let Some(row) = rows.next().map_err(database)? {
            match leaf(row) {
                Ok(leaf) => {
                    let covering = operations.of(leaf.log_index).map_err(database)?;
                    each(Ok((leaf, covering)))?;
                }
                Err(error) => each(Err(malformed("log_leaf", &error)))?,
            }
        }
        Ok(())
    }

    /// Gives every use of a key to `each`, in order.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_operation<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(Result<OperationRow, MalformedRow>) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let mut statement = self.connection.prepare(OPERATIONS).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(operation(row).map_err(|error| malformed("operation", &error)))?;
        }
        Ok(())
    }

    /// Returns the signatures of a batch: thumbprint of the signer, and signature.
    ///
    /// # Errors
    ///
    /// Those of the database; [`RepositoryError::Corrupted`] for a signer that is none.
    pub fn signatures_of_batch(
        &self,
        first_index: u64,
    ) -> Result<Vec<(Thumbprint, Vec<u8>)>, RepositoryError> {
        let sql = "SELECT signer, signature FROM batch_signature WHERE first_index = ?1 ORDER BY signer";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([first_index], |row| Ok((Thumbprint(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns how many rows there are of documents, uses of keys and tiles.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn history_counts(&self) -> Result<(u64, u64, u64), RepositoryError> {
        let sql = "SELECT (SELECT count(*) FROM log_leaf), (SELECT count(*) FROM operation),
                          (SELECT count(*) FROM log_tile)";
        Ok(self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
    }
}

const LEAVES: &str = "
    SELECT leaf.log_index, leaf.kind, leaf.protected, leaf.payload, leaf.recorded_at, bytes, signed_at,
           license_id, entitlement_id, device, revision, leaf_count, statement, made_at, sealed_at
    FROM log_leaf AS leaf
    LEFT JOIN signed_document ON signed_document.log_index = leaf.log_index
    LEFT JOIN license ON license.log_index = leaf.log_index
    LEFT JOIN batch ON batch.first_index = leaf.log_index
    ORDER BY leaf.log_index";

const OPERATIONS: &str = "
    SELECT operation_id, key, message_hash, message_bytes, first_index, leaf_count, started_at,
           outcome, detail, ended_at
    FROM operation LEFT JOIN operation_outcome USING (operation_id) ORDER BY operation_id";

const OPERATIONS_BY_LEAF: &str = "
    SELECT operation_id, key, message_hash, message_bytes, first_index, leaf_count, started_at,
           outcome, detail, ended_at
    FROM operation LEFT JOIN operation_outcome USING (operation_id)
    WHERE first_index IS NOT NULL ORDER BY first_index, operation_id";

/// The operations of the documents, read along with them.
struct Covering<'s> {
    rows: Rows<'s>,
    /// Read, and perhaps not reached yet.
    next: Option<OperationRow>,
    current: Vec<OperationRow>,
}

impl<'s> Covering<'s> {
    fn new(rows: Rows<'s>) -> Self {
        Self { rows, next: None, current: Vec::new() }
    }

    /// Returns the operations of a document; documents are asked for in ascending order.
    fn of(&mut self, log_index: u64) -> rusqlite::Result<&[OperationRow]> {
        self.current.retain(|operation| operation.covers(log_index));
        loop {
            if self.next.is_none() {
                // A row that cannot be read is told by those who read operations one by one.
                self.next = loop {
                    match self.rows.next()? {
                        Some(row) => match operation(row) {
                            Ok(operation) => break Some(operation),
                            Err(_) => continue,
                        },
                        None => break None,
                    }
                };
            }
            match self.next.take_if(|next| next.first_index <= Some(log_index)) {
                Some(reached) => self.current.extend(reached.covers(log_index).then_some(reached)),
                None => return Ok(&self.current),
            }
        }
    }
}

fn leaf(row: &Row<'_>) -> rusqlite::Result<LeafRow> {
    let signed: Option<Vec<u8>> = row.get(5)?;
    let license: Option<[u8; 16]> = row.get(7)?;
    let license = license.map(|id| {
        Ok::<_, rusqlite::Error>(LicenseRow {
            id: LicenseId(id),
            entitlement: EntitlementId(row.get(8)?),
            device: row.get(9)?,
            revision: row.get(10)?,
        })
    });
    let batch: Option<u64> = row.get(11)?;
    let batch = batch.map(|leaf_count| {
        Ok::<_, rusqlite::Error>(BatchRow {
            leaf_count,
            statement: row.get(12)?,
            made_at: row.get(13)?,
            sealed_at: row.get(14)?,
        })
    });
    Ok(LeafRow {
        log_index: row.get(0)?,
        kind: kind_of(row.get(1)?),
        protected: row.get(2)?,
        payload: row.get(3)?,
        recorded_at: row.get(4)?,
        signed: signed.map(|bytes| Ok::<_, rusqlite::Error>((bytes, row.get(6)?))).transpose()?,
        license: license.transpose()?,
        batch: batch.transpose()?,
    })
}

fn operation(row: &Row<'_>) -> rusqlite::Result<OperationRow> {
    let outcome: Option<String> = row.get(7)?;
    let outcome = outcome.map(|outcome| {
        Ok::<_, rusqlite::Error>(OutcomeRow {
            signed: match outcome.as_str() {
                "signed" => true,
                "failed" => false,
                _ => return Err(rusqlite::Error::InvalidQuery),
            },
            detail: row.get(8)?,
            ended_at: row.get(9)?,
        })
    });
    Ok(OperationRow {
        id: row.get(0)?,
        key: Thumbprint(row.get(1)?),
        message_hash: row.get(2)?,
        message_bytes: row.get(3)?,
        first_index: row.get(4)?,
        leaf_count: row.get(5)?,
        started_at: row.get(6)?,
        outcome: outcome.transpose()?,
    })
}

fn malformed(table: &'static str, error: &rusqlite::Error) -> MalformedRow {
    MalformedRow { table, detail: error.to_string() }
}
