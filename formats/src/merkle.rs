//! Merkle trees of RFC 9162 §2.1 with SHA-256: leaf and node hashes, inclusion and consistency.
//!
//! The same rules serve the batch of a seal and the log. Checking allocates nothing; [`Tree`], [`Frontier`] and
//! the proofs of [`prove`] are for those who keep a tree.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

mod frontier;
pub mod prove;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use frontier::Frontier;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Most hashes of an inclusion path: trees have fewer than 2⁶³ leaves.
pub const MAX_PATH: usize = 63;

/// Returns the hash of a leaf given in parts: SHA-256(0x00 ‖ parts…) (RFC 9162 §2.1.1).
#[must_use]
pub fn leaf_hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new_with_prefix([0]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// Returns the hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 9162 §2.1.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Computes the root of a tree of `size` leaves from one leaf and its inclusion path (RFC 9162 §2.1.3.2).
///
/// `None` unless `index < size` and the path has exactly the length that index and size ask for.
#[must_use]
pub fn root_from_path(leaf: Hash, index: u64, size: u64, path: &[u8]) -> Option<Hash> {
    let (hashes, rest) = path.as_chunks::<32>();
    if index >= size || !rest.is_empty() || hashes.len() > MAX_PATH {
        return None;
    }
    let (mut node, mut last, mut root) = (index, size - 1, leaf);
    for sibling in hashes {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_hash(sibling, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Returns the root of a tree without leaves: SHA-256 of nothing (RFC 9162 §2.1.1).
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Most hashes of a consistency proof: those of a path, and the subtree that it starts from.
pub const MAX_CONSISTENCY: usize = MAX_PATH + 1;

/// The size and the root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

impl Head {
    /// The tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Returns whether a consistency proof shows that `new` is `old` with leaves appended (RFC 9162 §2.1.4.2).
///
/// Trees of one size are consistent where their roots are one, and so is every tree with that of no leaves; the
/// proof is empty then.
#[must_use]
pub fn is_consistent(old: &Head, new: &Head, proof: &[u8]) -> bool {
    let (hashes, rest) = proof.as_chunks::<32>();
    if old.size > new.size || !rest.is_empty() || hashes.len() > MAX_CONSISTENCY {
        return false;
    }
    for head in [old, new] {
        if head.size == 0 && head.root != empty_root() {
            return false;
        }
    }
    if old.size == new.size || old.size == 0 {
        return hashes.is_empty() && (old.size == 0 || old.root == new.root);
    }
    roots_from_consistency(old, new, hashes) == Some((old.root, new.root))
}

/// Computes both roots that a consistency proof leads to, for `0 < old.size < new.size`.
fn roots_from_consistency(old: &Head, new: &Head, hashes: &[Hash]) -> Option<(Hash, Hash)> {
    // Step 1 and 2: where the old tree is a whole subtree of the new one, its root is the first hash.
    let (first, rest) = if old.size.is_power_of_two() {
        (old.root, hashes)
    } else {
        let (first, rest) = hashes.split_first()?;
        (*first, rest)
    };
    if hashes.is_empty() {
        return None;
    }
    // Steps 3 and 4.
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    let levels = node.trailing_ones();
    node = node.checked_shr(levels).unwrap_or(0);
    last = last.checked_shr(levels).unwrap_or(0);
    // Steps 5 and 6.
    let (mut old_root, mut new_root) = (first, first);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old_root = node_hash(hash, &old_root);
            new_root = node_hash(hash, &new_root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node_hash(&new_root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    // Step 7.
    (last == 0).then_some((old_root, new_root))
}

/// A whole tree in memory, by levels; 64 bytes a leaf.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over at least one leaf hash; `None` for none.
    #[must_use]
    pub fn new(leaves: Vec<Hash>) -> Option<Self> {
        if leaves.is_empty() {
            return None;
        }
        let mut levels = Vec::from([leaves]);
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            // A lone last node moves up as it is: the split of RFC 9162 §2.1.1 read from below.
            let next = below.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                other => other[0],
            });
            let next = next.collect();
            levels.push(next);
        }
        Some(Self { levels })
    }

    /// Returns the root hash.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// Returns the inclusion path of the leaf at `index`, lowest sibling first; empty beyond the tree.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<u8> {
        if index >= self.levels[0].len() {
            return Vec::new();
        }
        let siblings =
            self.levels.iter().enumerate().filter_map(|(height, level)| level.get((index >> height) ^ 1));
        siblings.flatten().copied().collect()
    }
}
