//! The frontier of a tree: the roots of the whole subtrees that its leaves make, largest first.
//!
//! It is all that appending needs, at most 64 hashes for any size: what a witness keeps of a log. Not here: paths
//! to single leaves, for which the tree itself is needed.

use alloc::vec::Vec;

use super::{Hash, Head, empty_root, node_hash};

/// The size of a tree and the roots of its whole subtrees, one for each bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, subtrees: Vec::new() }
    }

    /// Takes a frontier up again from what [`Frontier::subtrees`] gave; `None` for another number of hashes than
    /// a tree of `size` leaves has.
    #[must_use]
    pub fn from_subtrees(size: u64, subtrees: &[Hash]) -> Option<Self> {
        (subtrees.len() == size.count_ones() as usize).then(|| Self { size, subtrees: subtrees.to_vec() })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the whole subtrees, largest first: one for each bit of the size, at most 64.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Appends a leaf by its hash. Beyond 2⁶⁴ - 1 leaves nothing is appended.
    pub fn push(&mut self, leaf: Hash) {
        let Some(size) = self.size.checked_add(1) else { return };
        // Each bit that the sum carries over is a pair of subtrees that became one.
        let mut whole = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                whole = node_hash(&left, &whole);
            }
        }
        self.subtrees.push(whole);
        self.size = size;
    }

    /// Returns the root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let folded = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }

    /// Returns size and root.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { size: self.size, root: self.root() }
    }
}
