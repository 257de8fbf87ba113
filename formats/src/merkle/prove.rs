//! Making proofs from a tree that is kept elsewhere: roots, inclusion paths and consistency proofs.
//!
//! The keeper gives the root of any whole subtree: `whole(height, number)` is that over the 2^height leaves from
//! `number << height` on. Each function asks for at most 128 of them, and only for leaves below the size. Not
//! here: keeping the tree, checking proofs ([`super`]).

use alloc::vec::Vec;

use super::{Hash, empty_root, node_hash};

/// Returns the root of the tree over the first `size` leaves.
///
/// # Errors
///
/// Those of `whole`.
pub fn root<E>(size: u64, mut whole: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { subtree(0, size, &mut whole) }
}

/// Returns the inclusion path of a leaf in the tree over the first `size` leaves, lowest sibling first
/// (RFC 9162 §2.1.3.1); empty for a leaf beyond the tree.
///
/// # Errors
///
/// Those of `whole`.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut whole: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    // The subtree that holds the leaf, halved until it is the leaf.
    let (mut start, mut length) = (0, size);
    while length > 1 {
        let left = split(length);
        if index - start < left {
            path.push(subtree(start + left, length - left, &mut whole)?);
            length = left;
        } else {
            path.push(subtree(start, left, &mut whole)?);
            (start, length) = (start + left, length - left);
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the proof that the tree over the first `new` leaves is that over the first `old` with leaves appended
/// (RFC 9162 §2.1.4.1); empty where one of them has no leaves, both have one size or `old` is the larger.
///
/// # Errors
///
/// Those of `whole`.
pub fn consistency<E>(
    old: u64,
    new: u64,
    mut whole: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    // The subtree at whose border the old tree ends, halved until it ends with the old tree.
    let (mut start, mut length) = (0, new);
    while old - start < length {
        let left = split(length);
        if old - start <= left {
            proof.push(subtree(start + left, length - left, &mut whole)?);
            length = left;
        } else {
            proof.push(subtree(start, left, &mut whole)?);
            (start, length) = (start + left, length - left);
        }
    }
    // A whole subtree from the first leaf on is the old tree itself, whose root the verifier has.
    if start > 0 {
        proof.push(subtree(start, length, &mut whole)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Largest power of two that is smaller than `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// Folds the root over `length` leaves from `start` on, which a larger power of two than any below divides.
fn subtree<E>(
    start: u64,
    length: u64,
    whole: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let mut end = start + length;
    let height = length.trailing_zeros();
    let mut folded = whole(height, (end - (1 << height)) >> height)?;
    let mut rest = length - (1 << height);
    end -= 1 << height;
    while rest > 0 {
        let height = rest.trailing_zeros();
        end -= 1 << height;
        folded = node_hash(&whole(height, end >> height)?, &folded);
        rest -= 1 << height;
    }
    Ok(folded)
}
