//! Trees against a second implementation of RFC 9162, and refusals.

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

// ---- A second implementation, of the definitions in RFC 9162 §2.1 word for word: slow, and easy to compare.

/// MTH(D_n).
fn mth(d: &[Hash]) -> Hash {
    match d.len() {
        0 => Sha256::digest([]).into(),
        1 => d[0],
        n => {
            let k = largest_power_below(n);
            node_hash(&mth(&d[..k]), &mth(&d[k..]))
        }
    }
}

/// PATH(m, D_n).
fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return Vec::new();
    }
    let k = largest_power_below(n);
    if m < k {
        [path(m, &d[..k]), Vec::from([mth(&d[k..])])].concat()
    } else {
        [path(m - k, &d[k..]), Vec::from([mth(&d[..k])])].concat()
    }
}

/// PROOF(m, D_n).
fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    subproof(m, d, true)
}

/// SUBPROOF(m, D_n, b).
fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if b { Vec::new() } else { Vec::from([mth(d)]) };
    }
    let k = largest_power_below(n);
    if m <= k {
        [subproof(m, &d[..k], b), Vec::from([mth(&d[k..])])].concat()
    } else {
        [subproof(m - k, &d[k..], false), Vec::from([mth(&d[..k])])].concat()
    }
}

fn largest_power_below(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// Leaves of a test, and an access to the whole subtrees over them that refuses all others.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&[&index.to_be_bytes()])).collect()
}

fn whole(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, ()> {
    move |height, number| {
        let start = (number << height) as usize;
        leaves.get(start..start + (1 << height)).map(mth).ok_or(())
    }
}

const LARGEST: usize = 130;

#[test]
fn roots_and_paths_are_those_of_the_rfc_for_every_leaf_of_every_small_tree() {
    let all = leaves(LARGEST as u64);
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), mth(&[]));
    assert_eq!(prove::root(0, whole(&[])), Ok(mth(&[])));
    for size in 1..=LARGEST {
        let d = &all[..size];
        frontier.push(d[size - 1]);
        assert_eq!(frontier.head(), Head { size: size as u64, root: mth(d) });
        assert_eq!(frontier.subtrees().len(), size.count_ones() as usize);
        assert_eq!(Frontier::from_subtrees(size as u64, frontier.subtrees()), Some(frontier.clone()));
        assert_eq!(Frontier::from_subtrees(size as u64 + 1, frontier.subtrees()).is_some(), size % 4 == 1);
        assert_eq!(prove::root(size as u64, whole(d)), Ok(mth(d)));
        for m in 0..size {
            let expected = path(m, d);
            assert_eq!(prove::inclusion(m as u64, size as u64, whole(d)).unwrap(), expected, "{m} of {size}");
            let root = root_from_path(d[m], m as u64, size as u64, expected.as_flattened());
            assert_eq!(root, Some(mth(d)));
        }
        assert_eq!(prove::inclusion(size as u64, size as u64, whole(d)), Ok(Vec::new()));
    }
}

#[test]
fn consistency_proofs_are_those_of_the_rfc_for_every_pair_of_small_trees() {
    let all = leaves(LARGEST as u64);
    let head = |size: usize| Head { size: size as u64, root: mth(&all[..size]) };
    let heads: Vec<Head> = (0..=LARGEST).map(head).collect();
    for n in 0..=LARGEST {
        for m in 0..=n {
            let expected = if m == 0 { Vec::new() } else { proof(m, &all[..n]) };
            let made = prove::consistency(m as u64, n as u64, whole(&all[..n])).unwrap();
            assert_eq!(made, expected, "{m} to {n}");
            let bytes = made.as_flattened();
            assert!(is_consistent(&heads[m], &heads[n], bytes), "{m} to {n}");
            assert_eq!(is_consistent(&heads[n], &heads[m], bytes), n == m, "backwards: {m} to {n}");
        }
    }
}

#[test]
fn a_consistency_proof_proves_nothing_else() {
    let all = leaves(33);
    let head = |size: usize| Head { size: size as u64, root: mth(&all[..size]) };
    for n in 1..=33 {
        for m in 0..=n {
            let (old, new) = (head(m), head(n));
            let hashes = prove::consistency(m as u64, n as u64, whole(&all[..n])).unwrap();
            let good = hashes.as_flattened().to_vec();
            // One hash more, one less, part of one, and each one changed.
            assert!(!is_consistent(&old, &new, &[&good[..], &[0; 32]].concat()));
            assert!(!is_consistent(&old, &new, &[&good[..], &[0]].concat()));
            if let Some(shorter) = good.len().checked_sub(32) {
                assert!(!is_consistent(&old, &new, &good[..shorter]));
            }
            for place in (0..good.len()).step_by(31) {
                let mut other = good.clone();
                other[place] ^= 1;
                assert!(!is_consistent(&old, &new, &other), "{m} to {n}");
            }
            // Other roots.
            let mut changed = [old, new];
            changed[0].root[0] ^= 1;
            changed[1].root[31] ^= 0x80;
            assert!(!is_consistent(&changed[0], &new, &good));
            assert!(!is_consistent(&old, &changed[1], &good) || m == 0, "{m} to {n}");
            // A tree from whose middle a leaf was taken has other roots.
            if m > 1 && m < n {
                let mut without = all[..n].to_vec();
                without.remove(m / 2);
                let forked = Head { size: n as u64 - 1, root: mth(&without) };
                for proof in [
                    &good,
                    &prove::consistency(m as u64, n as u64 - 1, whole(&without))
                        .unwrap()
                        .as_flattened()
                        .to_vec(),
                ] {
                    assert!(!is_consistent(&old, &forked, proof), "{m} to {n}");
                }
            }
        }
    }
}

#[test]
fn consistency_bombs_are_refused() {
    let old = Head { size: 3, root: [0; 32] };
    let new = Head { size: u64::MAX, root: [0; 32] };
    assert!(!is_consistent(&old, &new, &[0; 65 * 32]));
    assert!(!is_consistent(&old, &new, &[]));
    assert!(!is_consistent(&Head { size: u64::MAX, root: [1; 32] }, &new, &[]));
    assert!(!is_consistent(&Head { size: 1 << 63, root: [0; 32] }, &new, &[0; 64 * 32]));
    assert!(!is_consistent(&Head { size: 0, root: [0; 32] }, &new, &[]), "not the root of no leaves");
    assert!(!is_consistent(&Head::empty(), &Head { size: 0, root: [0; 32] }, &[]));
    assert!(is_consistent(&Head::empty(), &new, &[]), "any tree grows from none");
}
