//! The tree over the log (RFC 9162 §2.1): its hashes, 256 in a tile, appended with the leaves themselves.
//!
//! A tile of level 0 holds hashes of leaves; one of level n holds the roots of whole tiles below it. All else
//! of the tree is computed from those. Not here: proofs and checkpoints (`log`).

use chancery_formats::cose;
use chancery_formats::merkle::{Hash, node_hash};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{Repository, RepositoryError};

/// Hashes of a whole tile.
pub const TILE: u64 = 256;

/// Bytes of a hash.
const HASH: usize = 32;

impl Repository {
    /// Returns the number of documents in the log.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn log_size(&self) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(log_index) + 1, 0) FROM log_leaf";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Returns the hashes of a tile of the tree, at most [`TILE`]; none where the tree does not reach it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] for a tile that is not made of hashes.
    pub fn tile(&self, level: u8, number: u64) -> Result<Vec<Hash>, RepositoryError> {
        load_tile(&self.connection, level, number)
    }

    /// Gives the place and the bytes of every tile to `each`, by level and number.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_tile<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(i64, i64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = "SELECT level, number, hashes FROM log_tile ORDER BY level, number";
        let mut statement = self.connection.prepare(sql).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            let bytes: Vec<u8> = row.get(2).map_err(database)?;
            each(row.get(0).map_err(database)?, row.get(1).map_err(database)?, &bytes)?;
        }
        Ok(())
    }
}

/// Appends the hashes of leaves from `first` on, which must be the size of the tree.
pub(super) fn append(
    transaction: &Transaction<'_>,
    first: u64,
    hashes: &[Hash],
) -> Result<(), RepositoryError> {
    let (mut level, mut first, mut hashes) = (0, first, hashes.to_vec());
    // Each round appends to one level and hands on the roots of the tiles that it filled.
    while !hashes.is_empty() {
        let filled = append_level(transaction, level, first, &hashes)?;
        (level, first, hashes) = (level + 1, first / TILE, filled);
    }
    Ok(())
}

fn append_level(
    transaction: &Transaction<'_>,
    level: u8,
    first: u64,
    mut hashes: &[Hash],
) -> Result<Vec<Hash>, RepositoryError> {
    let mut filled = Vec::new();
    let mut number = first / TILE;
    let mut offset = usize::try_from(first % TILE).unwrap_or_default();
    while !hashes.is_empty() {
        let mut tile = load_tile(transaction, level, number)?;
        if tile.len() != offset {
            return Err(RepositoryError::malformed("log_tile"));
        }
        let (here, rest) = hashes.split_at(hashes.len().min(TILE as usize - offset));
        tile.extend_from_slice(here);
        let sql = "INSERT INTO log_tile (level, number, hashes) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET hashes = excluded.hashes";
        transaction.prepare_cached(sql)?.execute((level, number, tile.as_flattened()))?;
        if tile.len() as u64 == TILE {
            filled.push(perfect_root(tile));
        }
        (hashes, number, offset) = (rest, number + 1, 0);
    }
    Ok(filled)
}

/// Returns the hashes of a tile; none where the tree does not reach it.
pub(super) fn load_tile(
    connection: &Connection,
    level: u8,
    number: u64,
) -> Result<Vec<Hash>, RepositoryError> {
    let sql = "SELECT hashes FROM log_tile WHERE level = ?1 AND number = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let bytes: Option<Vec<u8>> = statement.query_row((level, number), |row| row.get(0)).optional()?;
    match bytes.unwrap_or_default().as_chunks::<HASH>() {
        (hashes, []) => Ok(hashes.to_vec()),
        _ => Err(RepositoryError::malformed("log_tile")),
    }
}

/// Returns the hash of a leaf.
pub(super) fn leaf_hash(connection: &Connection, log_index: u64) -> Result<Hash, RepositoryError> {
    let tile = load_tile(connection, 0, log_index / TILE)?;
    let found = usize::try_from(log_index % TILE).ok().and_then(|place| tile.get(place).copied());
    found.ok_or(RepositoryError::UnknownDocument { log_index })
}

/// Returns the hashes of `count` leaves from `first` on.
pub(super) fn leaf_hashes(
    connection: &Connection,
    first: u64,
    count: u64,
) -> Result<Vec<Hash>, RepositoryError> {
    let malformed = || RepositoryError::malformed("log_tile");
    let end = first.checked_add(count).ok_or_else(malformed)?;
    // At most 128 MB at once, whatever the row says; more only for as many tiles as there are.
    let mut hashes = Vec::with_capacity(usize::try_from(count.min(1 << 22)).unwrap_or_default());
    for number in first / TILE..end.div_ceil(TILE) {
        let tile = load_tile(connection, 0, number)?;
        let start = first.saturating_sub(number * TILE).min(TILE) as usize;
        let stop = (end - number * TILE).min(TILE) as usize;
        hashes.extend_from_slice(tile.get(start..stop).ok_or_else(malformed)?);
    }
    Ok(hashes)
}

/// Makes the tree over all leaves: what an older database has not.
pub(super) fn rebuild(transaction: &Transaction<'_>) -> Result<(), RepositoryError> {
    let mut statement =
        transaction.prepare("SELECT log_index, protected, payload FROM log_leaf ORDER BY log_index")?;
    let mut rows = statement.query([])?;
    let (mut first, mut hashes) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let malformed = |_| RepositoryError::malformed("log_leaf");
        let protected = row.get_ref(1)?.as_blob().map_err(malformed)?;
        let payload = row.get_ref(2)?.as_blob().map_err(malformed)?;
        hashes.push(cose::leaf_hash(protected, payload));
        if hashes.len() as u64 == TILE {
            append(transaction, first, &hashes)?;
            first += TILE;
            hashes.clear();
        }
    }
    append(transaction, first, &hashes)
}

/// Returns the root over a number of hashes that is a power of two.
#[must_use]
pub fn perfect_root(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes.first().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chancery_formats::merkle::{Tree, leaf_hash};

    #[test]
    fn tiles_hold_leaves_and_roots_of_whole_tiles() {
        let mut connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE log_tile (level, number, hashes BLOB, PRIMARY KEY (level, number))";
        connection.execute_batch(sql).unwrap();
        let leaves: Vec<Hash> = (0..66_000u64).map(|index| leaf_hash(&[&index.to_be_bytes()])).collect();
        let transaction = connection.transaction().unwrap();
        let (mut first, mut step) = (0, 1);
        while first < leaves.len() {
            let next = leaves.len().min(first + step);
            append(&transaction, first as u64, &leaves[first..next]).unwrap();
            (first, step) = (next, step * 3);
        }
        for number in 0..=257 {
            let whole: Vec<Hash> = leaves.iter().skip(number * 256).take(256).copied().collect();
            assert_eq!(load_tile(&transaction, 0, number as u64).unwrap(), whole);
            if whole.len() == 256 {
                let above = load_tile(&transaction, 1, number as u64 / 256).unwrap()[number % 256];
                assert_eq!(above, Tree::new(whole).unwrap().root());
            }
        }
        let top = Tree::new(leaves[..65_536].to_vec()).unwrap().root();
        assert_eq!(load_tile(&transaction, 2, 0).unwrap(), [top]);
        let error = append(&transaction, 65_999, &leaves[..1]).unwrap_err();
        assert_eq!(error.code(), "database-corrupted");
    }
}
