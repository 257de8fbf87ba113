//! Consistency proofs, which strangers bring: the checker against trees that the fuzzer grows.
#![no_main]

use chancery_formats::merkle::{Frontier, Hash, Head, is_consistent, prove};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [old, new, rest @ ..] = data else { return };
    let (old, new) = (u64::from(*old), u64::from(*new));
    // Whatever the sizes, roots and hashes: no panic, and no agreement between different roots of one size.
    let (roots, hashes) = rest.split_at(rest.len().min(80));
    let mut words = roots.chunks_exact(8).map(|word| u64::from_be_bytes(word.try_into().unwrap_or_default()));
    let (huge_old, huge_new) = (words.next().unwrap_or(old), words.next().unwrap_or(new));
    let root = |word: Option<u64>| -> Hash { [word.unwrap_or_default().to_be_bytes()[0]; 32] };
    let (older, newer) = (
        Head { size: huge_old, root: root(words.next()) },
        Head { size: huge_new, root: root(words.next()) },
    );
    if is_consistent(&older, &newer, hashes) {
        assert!(older.size < newer.size || older == newer);
    }
    // A proof that is made is a proof, and with the fuzzer's bytes in its place is none but where they are the same.
    let leaf = |index: u64| [index as u8; 32];
    let head = |size: u64| {
        let mut tree = Frontier::new();
        (0..size).for_each(|index| tree.push(leaf(index)));
        tree.head()
    };
    let whole = |height: u32, number: u64| -> Result<Hash, ()> {
        let mut tree = Frontier::new();
        (number << height..(number + 1) << height).for_each(|index| tree.push(leaf(index)));
        Ok(tree.root())
    };
    let (low, high) = (old.min(new), old.max(new));
    let Ok(proof) = prove::consistency(low, high, whole) else { return };
    assert!(is_consistent(&head(low), &head(high), proof.as_flattened()));
    if is_consistent(&head(low), &head(high), rest) {
        assert_eq!(rest, proof.as_flattened());
    }
});
