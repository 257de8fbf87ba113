//! The log: documents and key operations, numbered, and written before any key signs.
//!
//! `begin` makes the intent durable, then the key signs, then `complete` or `fail` says how it ended. A
//! process that dies between leaves an intent that `pending` lists; whether the key signed is unknown then.
//! Not here: signing, the Merkle tree over the leaves, what a document says.

use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::license::{self, NewLicense};
use super::{Repository, RepositoryError};

/// A document to be signed.
#[derive(Clone, Copy, Debug)]
pub struct NewLeaf<'a> {
    /// Gives the `typ`.
    pub kind: Kind,
    /// Protected header, as encoded.
    pub protected: &'a [u8],
    /// Payload, as encoded.
    pub payload: &'a [u8],
    /// SHA-256(0x00 ‖ Sig_structure).
    pub leaf_hash: [u8; 32],
}

/// One use of a key.
#[derive(Clone, Copy, Debug)]
pub struct NewOperation {
    /// The key that signs.
    pub key: Thumbprint,
    /// SHA-256 of the exact bytes that the device signs.
    pub message_hash: [u8; 32],
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
    /// [`RepositoryError::DiskFull`]. Nothing is recorded then, and nothing may be signed.
    pub fn begin(
        &mut self,
        leaf: &NewLeaf<'_>,
        operation: &NewOperation,
        license: Option<&NewLicense>,
        now: u64,
    ) -> Result<Intent, RepositoryError> {
        self.ballast.ensure()?;
        self.write(|transaction| {
            let log_index = next(transaction, "SELECT coalesce(max(log_index) + 1, 0) FROM log_leaf")?;
            transaction.execute(
                "INSERT INTO log_leaf (log_index, leaf_hash, typ, protected, payload, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (log_index, leaf.leaf_hash, leaf.kind.typ(), leaf.protected, leaf.payload, now),
            )?;
            if let Some(license) = license {
                license::insert(transaction, license, log_index)?;
            }
            let operation_id = insert_operation(transaction, operation, log_index, now)?;
            Ok(Intent { log_index, operation_id })
        })
    }

    /// Records another attempt to sign a document that [`Repository::begin`] recorded.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadySigned`], [`RepositoryError::UnknownDocument`],
    /// [`RepositoryError::DiskFull`]. Nothing may be signed then.
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
            let sql = "SELECT 1 FROM log_leaf WHERE log_index = ?1";
            if !transaction.prepare(sql)?.exists([log_index])? {
                return Err(RepositoryError::UnknownDocument { log_index });
            }
            let operation_id = insert_operation(transaction, operation, log_index, now)?;
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

    /// Returns the documents that were to be signed and are not, in the order of the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn pending(&self) -> Result<Vec<Pending>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT log_index, typ, recorded_at, license_id, entitlement_id
             FROM log_leaf LEFT JOIN license USING (log_index)
             WHERE log_index NOT IN (SELECT log_index FROM signed_document) ORDER BY log_index",
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
        let mut statement = self.connection.prepare(
            "SELECT typ, protected, payload, leaf_hash, recorded_at FROM log_leaf WHERE log_index = ?1",
        )?;
        let mut rows = statement.query([log_index])?;
        let row = rows.next()?.ok_or(RepositoryError::UnknownDocument { log_index })?;
        Ok(Leaf {
            log_index,
            kind: kind(row, 0)?,
            protected: row.get(1)?,
            payload: row.get(2)?,
            leaf_hash: row.get(3)?,
            recorded_at: row.get(4)?,
        })
    }

    /// Returns a signed document; `None` where it is not signed.
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
             WHERE typ = ?1 ORDER BY log_index",
        )?;
        let rows = statement.query_map([kind.typ()], |row| Ok((row.get(0)?, row.get(1)?)))?;
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
    fn write_with_reserve<T>(
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

fn next(transaction: &Transaction<'_>, sql: &'static str) -> Result<u64, RepositoryError> {
    Ok(transaction.query_row(sql, [], |row| row.get(0))?)
}

fn insert_operation(
    transaction: &Transaction<'_>,
    new: &NewOperation,
    log_index: u64,
    now: u64,
) -> Result<u64, RepositoryError> {
    let sql = "SELECT 1 FROM key WHERE thumbprint = ?1";
    if !transaction.prepare(sql)?.exists([new.key.0])? {
        return Err(RepositoryError::UnknownKey { thumbprint: new.key });
    }
    let operation_id = next(transaction, "SELECT coalesce(max(operation_id) + 1, 0) FROM operation")?;
    transaction.execute(
        "INSERT INTO operation (operation_id, key, message_hash, first_index, leaf_count, started_at)
         VALUES (?1, ?2, ?3, ?4, 1, ?5)",
        (operation_id, new.key.0, new.message_hash, log_index, now),
    )?;
    Ok(operation_id)
}

fn insert_outcome(
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

fn kind(row: &Row<'_>, column: usize) -> Result<Kind, RepositoryError> {
    Kind::from_typ(&row.get::<_, String>(column)?).ok_or_else(|| RepositoryError::malformed("log_leaf"))
}
