//! What the rows of each table add up to, kept with every change.
//!
//! The digest of a table is the exclusive or over SHA-256 of its rows, so that it does not depend on their order and
//! a change costs one hash. Triggers hand each row that is written to the function `digest_row`, and the transaction
//! that wrote it ends with the new digests. What nothing signs, such as the time and the reason of a failed
//! operation, cannot be changed by one bit unseen. Not a defence against somebody who computes the digest anew: the
//! tree, its checkpoints and the signatures are.
//!
//! The triggers are made from the schema, for every table and every column, so that none can be forgotten. A
//! migration that adds or changes tables ends with [`install`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chancery_formats::merkle::Hash;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction};
use sha2::{Digest, Sha256};

use super::{Repository, RepositoryError};

/// Tables that are covered otherwise: tiles are computed anew from the documents, and the digests from the rows.
const APART: [&str; 2] = ["log_tile", "row_digest"];

/// Columns that are covered otherwise: hashes of documents are in the tree, and millions of them cost time.
const ELSEWHERE: [(&str, &str); 2] = [("log_leaf", "protected"), ("log_leaf", "payload")];

/// Events after which a row counts, and under which names SQLite knows it then: what it was is taken off.
const EVENTS: [(&str, &[&str]); 3] =
    [("insert", &["NEW"]), ("update", &["OLD", "NEW"]), ("delete", &["OLD"])];

/// What the transaction at hand adds to the digests.
#[derive(Clone, Debug, Default)]
pub(super) struct Digests(Arc<Mutex<BTreeMap<String, Hash>>>);

impl Digests {
    /// Gives a connection the function that the triggers call.
    pub(super) fn register(connection: &Connection) -> rusqlite::Result<Self> {
        let digests = Self::default();
        let written = digests.clone();
        // Triggers call only functions that are declared to do no harm, since the schema is not trusted.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        connection.create_scalar_function("digest_row", -1, flags, move |context| {
            let table: String = context.get(0)?;
            let values = (1..context.len()).map(|place| context.get_raw(place));
            add(written.lock().entry(table).or_default(), &hash(values));
            Ok(rusqlite::types::Null)
        })?;
        Ok(digests)
    }

    /// Forgets what a transaction added that did not end.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Returns what the transaction added so far, to go back to it.
    pub(super) fn so_far(&self) -> BTreeMap<String, Hash> {
        self.lock().clone()
    }

    /// Takes back what was added since [`Digests::so_far`], as a savepoint takes back the rows.
    pub(super) fn go_back(&self, so_far: BTreeMap<String, Hash>) {
        *self.lock() = so_far;
    }

    /// Writes what the transaction added.
    pub(super) fn flush(&self, transaction: &Transaction<'_>) -> Result<(), RepositoryError> {
        for (table, added) in std::mem::take(&mut *self.lock()) {
            let mut digest = load(transaction, &table)?;
            add(&mut digest, &added);
            put(transaction, &table, &digest)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Hash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repository {
    /// Returns the tables whose rows do not add up to their digest, by name.
    ///
    /// Reads every row.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn changed_tables(&self) -> Result<Vec<String>, RepositoryError> {
        let tables = tables(&self.connection)?;
        let sql = "SELECT count(*) FROM row_digest";
        let known: usize = self.connection.query_row(sql, [], |row| row.get(0))?;
        let mut changed: Vec<String> =
            (known != tables.len()).then(|| "row_digest".to_owned()).into_iter().collect();
        for table in tables {
            if load(&self.connection, &table)? != compute(&self.connection, &table)? {
                changed.push(table);
            }
        }
        Ok(changed)
    }
}

/// Makes the triggers of every table, in place of those there are, and computes every digest from the rows.
pub(super) fn install(transaction: &Transaction<'_>) -> Result<(), RepositoryError> {
    for table in tables(transaction)? {
        let columns = columns(transaction, &table)?;
        for (event, names) in EVENTS {
            let hand_over = |name: &&str| {
                let values: Vec<_> = columns.iter().map(|column| format!("{name}.\"{column}\"")).collect();
                format!("SELECT digest_row('{table}', {}); ", values.join(", "))
            };
            let body: String = names.iter().map(hand_over).collect();
            transaction.execute_batch(&format!(
                "DROP TRIGGER IF EXISTS {table}_digest_{event};
                 CREATE TRIGGER {table}_digest_{event} AFTER {event} ON \"{table}\" BEGIN {body}END;"
            ))?;
        }
        put(transaction, &table, &compute(transaction, &table)?)?;
    }
    Ok(())
}

/// Returns the tables that have a digest, by name.
fn tables(connection: &Connection) -> Result<Vec<String>, RepositoryError> {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let names = connection
        .prepare_cached(sql)?
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    Ok(names.into_iter().filter(|name| !APART.contains(&name.as_str())).collect())
}

/// Returns the columns of a table that its digest covers, in their order.
fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, RepositoryError> {
    let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
    let names = connection
        .prepare_cached(sql)?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    Ok(names.into_iter().filter(|name| !ELSEWHERE.contains(&(table, name))).collect())
}

fn compute(connection: &Connection, table: &str) -> Result<Hash, RepositoryError> {
    let mut digest = Hash::default();
    let quoted: Vec<_> = columns(connection, table)?.iter().map(|column| format!("\"{column}\"")).collect();
    let mut statement = connection.prepare(&format!("SELECT {} FROM \"{table}\"", quoted.join(", ")))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column)).collect::<Result<Vec<_>, _>>()?;
        add(&mut digest, &hash(values.into_iter()));
    }
    Ok(digest)
}

fn load(connection: &Connection, table: &str) -> Result<Hash, RepositoryError> {
    let sql = "SELECT digest FROM row_digest WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([table], |row| row.get(0)).optional()?.unwrap_or_default())
}

fn put(transaction: &Transaction<'_>, table: &str, digest: &Hash) -> Result<(), RepositoryError> {
    let sql = "INSERT INTO row_digest (name, digest) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET digest = excluded.digest";
    transaction.prepare_cached(sql)?.execute((table, digest))?;
    Ok(())
}

/// Hashes a row: each value with its type and its length.
fn hash<'v>(values: impl Iterator<Item = ValueRef<'v>>) -> Hash {
    let mut hasher = Sha256::new();
    for value in values {
        match value {
            ValueRef::Null => hasher.update([0]),
            ValueRef::Integer(number) => {
                hasher.update([1]);
                hasher.update(number.to_be_bytes());
            }
            ValueRef::Real(number) => {
                hasher.update([2]);
                hasher.update(number.to_be_bytes());
            }
            ValueRef::Text(bytes) => of_bytes(&mut hasher, 3, bytes),
            ValueRef::Blob(bytes) => of_bytes(&mut hasher, 4, bytes),
        }
    }
    hasher.finalize().into()
}

fn of_bytes(hasher: &mut Sha256, kind: u8, bytes: &[u8]) {
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

fn add(digest: &mut Hash, hash: &Hash) {
    digest.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
}
