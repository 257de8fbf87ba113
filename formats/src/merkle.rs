//! Merkle trees of RFC 9162 §2.1 with SHA-256: leaf and node hashes, inclusion paths.
//!
//! The same rules serve the batch of a seal and the log. Nothing here allocates but [`Tree`], which
//! only an authority builds.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// MTH of RFC 9162 §2.1.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => unreachable!(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    #[test]
    fn paths_lead_to_the_root_that_the_rfc_defines() {
        for size in 1..70u64 {
            let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&[&index.to_be_bytes()])).collect();
            let tree = Tree::new(leaves.clone()).unwrap();
            assert_eq!(tree.root(), naive_root(&leaves));
            for index in 0..size {
                let path = tree.path(index as usize);
                let leaf = leaves[index as usize];
                assert_eq!(root_from_path(leaf, index, size, &path), Some(tree.root()));
                for other in (0..size + 2).filter(|other| *other != index) {
                    assert_ne!(root_from_path(leaf, other, size, &path), Some(tree.root()));
                }
                let longer = [&path[..], &[0; 32]].concat();
                assert_eq!(root_from_path(leaf, index, size, &longer), None);
                if let Some(shorter) = path.len().checked_sub(32) {
                    assert_eq!(root_from_path(leaf, index, size, &path[..shorter]), None);
                    assert_eq!(root_from_path(leaf, index, size, &path[..shorter + 1]), None);
                }
            }
        }
    }

    #[test]
    fn a_leaf_beyond_the_tree_has_no_path() {
        let tree = Tree::new(Vec::from([[1; 32], [2; 32], [3; 32]])).unwrap();
        assert_eq!(tree.path(2).len(), 32);
        for beyond in [3, 4, usize::MAX] {
            assert_eq!(tree.path(beyond), []);
        }
    }

    #[test]
    fn bombs_are_refused() {
        assert_eq!(root_from_path([0; 32], 0, u64::MAX, &[0; 64 * 32]), None);
        assert_eq!(root_from_path([0; 32], 0, 0, &[]), None);
        assert_eq!(root_from_path([0; 32], u64::MAX, u64::MAX, &[]), None);
    }
}
