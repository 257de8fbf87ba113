//! Reading the tree over the log from its tiles: the root at any size, inclusion paths, consistency proofs.
//!
//! A proof reads at most three tiles a level, of 8 KiB each, whatever the size of the log. Not here: writing
//! tiles, and whether they are right (`verify`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chancery_formats::merkle::{Hash, Head, prove};

use crate::repository::tree::{TILE, perfect_root};
use crate::repository::{Repository, RepositoryError};

/// Levels of the tree that a tile spans: 2⁸ = 256 hashes.
const TILE_HEIGHT: u32 = TILE.ilog2();

/// Tiles that are kept at hand.
const KEPT: usize = 64;

/// Tiles by level and number.
type Tiles = BTreeMap<(u8, u64), Rc<Vec<Hash>>>;

/// The tree over the log, as it stands when opened.
#[derive(Debug)]
pub struct LogTree<'r> {
    repository: &'r Repository,
    size: u64,
    tiles: RefCell<Tiles>,
}

impl<'r> LogTree<'r> {
    /// Opens the tree.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn open(repository: &'r Repository) -> Result<Self, RepositoryError> {
        Ok(Self { repository, size: repository.log_size()?, tiles: RefCell::default() })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns size and root of the tree over the first `size` leaves.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownDocument`] beyond the log, [`RepositoryError::Corrupted`] where a tile is
    /// missing or cut.
    pub fn head(&self, size: u64) -> Result<Head, RepositoryError> {
        self.require(size)?;
        Ok(Head { size, root: prove::root(size, |height, number| self.whole(height, number))? })
    }

    /// Returns the hash of a leaf.
    ///
    /// # Errors
    ///
    /// As [`LogTree::head`].
    pub fn leaf(&self, log_index: u64) -> Result<Hash, RepositoryError> {
        self.require(log_index.saturating_add(1))?;
        self.whole(0, log_index)
    }

    /// Returns the inclusion path of a leaf in the tree over the first `size` leaves, lowest sibling first.
    ///
    /// # Errors
    ///
    /// As [`LogTree::head`]; also for a leaf beyond that tree.
    pub fn inclusion(&self, log_index: u64, size: u64) -> Result<Vec<Hash>, RepositoryError> {
        self.require(size)?;
        if log_index >= size {
            return Err(RepositoryError::UnknownDocument { log_index });
        }
        prove::inclusion(log_index, size, |height, number| self.whole(height, number))
    }

    /// Returns the proof that the tree over the first `new` leaves is that over the first `old`, with leaves
    /// appended.
    ///
    /// # Errors
    ///
    /// As [`LogTree::head`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, RepositoryError> {
        self.require(old.max(new))?;
        prove::consistency(old, new, |height, number| self.whole(height, number))
    }

    /// Returns the roots of the whole subtrees over the first `size` leaves, largest first: with them a tree can be
    /// grown by who has none of its leaves ([`Frontier`](chancery_formats::merkle::Frontier)).
    ///
    /// # Errors
    ///
    /// As [`LogTree::head`].
    pub fn frontier(&self, size: u64) -> Result<Vec<Hash>, RepositoryError> {
        self.require(size)?;
        let mut start = 0;
        let mut subtrees = Vec::new();
        for height in (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1) {
            subtrees.push(self.whole(height, start >> height)?);
            start += 1 << height;
        }
        Ok(subtrees)
    }

    fn require(&self, size: u64) -> Result<(), RepositoryError> {
        let last = size.checked_sub(1).filter(|last| *last >= self.size);
        last.map_or(Ok(()), |log_index| Err(RepositoryError::UnknownDocument { log_index }))
    }

    /// Returns the root over the 2^height leaves from `number << height` on, which all are in the log.
    fn whole(&self, height: u32, number: u64) -> Result<Hash, RepositoryError> {
        let missing = || RepositoryError::Corrupted { detail: "log_tile lacks hashes".to_owned() };
        let level = u8::try_from(height / TILE_HEIGHT).map_err(|_| missing())?;
        let within = height % TILE_HEIGHT;
        let first = number.checked_shl(within).ok_or_else(missing)?;
        let tile = self.tile(level, first / TILE)?;
        let place = usize::try_from(first % TILE).map_err(|_| missing())?;
        let hashes = tile.get(place..place + (1 << within)).ok_or_else(missing)?;
        Ok(perfect_root(hashes.to_vec()))
    }

    fn tile(&self, level: u8, number: u64) -> Result<Rc<Vec<Hash>>, RepositoryError> {
        let mut tiles = self.tiles.borrow_mut();
        if let Some(tile) = tiles.get(&(level, number)) {
            return Ok(Rc::clone(tile));
        }
        if tiles.len() >= KEPT {
            tiles.clear();
        }
        let tile = Rc::new(self.repository.tile(level, number)?);
        tiles.insert((level, number), Rc::clone(&tile));
        Ok(tile)
    }
}
