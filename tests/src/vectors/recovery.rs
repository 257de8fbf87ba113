//! The recovery set: who stands in for a quorum that is lost, and what it takes to change that.

use chancery_formats::trust::Root;

use super::Suite;
use crate::authority::{Authority, Extras, Quorum, root_with};
use crate::raw::{RawMap, bytes};

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("recovery");
    uses(&mut suite);
    commitments(&mut suite);
    fields(&mut suite);
    suite
}

fn recovery() -> Quorum {
    Quorum::of(2, &[40, 41, 42])
}

/// An authority whose quorum is about to be lost.
fn founded() -> Authority {
    let set = recovery();
    Authority::found_with(Quorum::of(2, &[1, 2, 3]), Extras { recovery: Some(&set), ..Extras::default() })
}

/// Who seals the root that follows.
fn uses(suite: &mut Suite) {
    let (one, next, set) = (founded(), Quorum::of(2, &[4, 5, 6]), recovery());
    let told = Extras { revealed: Some(&set), ..Extras::default() };
    let by = |quorums: &[&Quorum], extras| {
        let signers: Vec<_> = quorums.iter().flat_map(|quorum| quorum.signers()).collect();
        one.follow(&next, &signers, extras)
    };
    let rescued = by(&[&next, &set], told);
    suite.trust("the recovery set in place of the quorum", &rescued.bundle(), "ok");
    suite.trust("the recovery set, pinned", &rescued.bundle(), "ok");
    suite.pinned(&one);
    let later = by(&[&next, &one.quorum], Extras::default());
    suite.trust("a rotation that keeps the commitment by leaving it out", &later.bundle(), "ok");
    let last = Quorum::of(1, &[7]);
    let signers = [last.signers(), set.signers()].concat();
    suite.trust("the set of version 1 in version 3", &later.follow(&last, &signers, told).bundle(), "ok");

    let short = Quorum { threshold: 1, ..set.clone() };
    let cases: [(&str, &[&Quorum], Extras<'_>, &str); 6] = [
        ("one of two of the recovery set", &[&next, &short], told, "root-threshold"),
        ("the recovery set alone", &[&set], told, "root-threshold"),
        ("the recovery set and the quorum before alone", &[&set, &one.quorum], told, "root-threshold"),
        ("a set is told, and the quorum before signs", &[&next, &one.quorum], told, "root-threshold"),
        ("the recovery set signs and is not told", &[&next, &set], Extras::default(), "key-unknown"),
        ("the new quorum alone, the set told", &[&next], told, "root-threshold"),
    ];
    for (name, quorums, extras, code) in cases {
        suite.trust(name, &by(quorums, extras).bundle(), code);
    }
}

/// Which set may be told, and who may replace the commitment.
fn commitments(suite: &mut Suite) {
    let (one, next, set) = (founded(), Quorum::of(2, &[4, 5, 6]), recovery());
    let other = Quorum::of(2, &[43, 44, 45]);
    let lower = Quorum { threshold: 1, ..set.clone() };
    let smaller = Quorum::of(2, &[40, 41]);
    let by = |from: &Authority, quorums: &[&Quorum], extras| {
        let signers: Vec<_> = quorums.iter().flat_map(|quorum| quorum.signers()).collect();
        from.follow(&next, &signers, extras)
    };
    for (name, told) in [
        ("another set than the one committed to", &other),
        ("the set with a lower threshold", &lower),
        ("the set without one of its keys", &smaller),
    ] {
        let extras = Extras { revealed: Some(told), ..Extras::default() };
        suite.trust(name, &by(&one, &[&next, told], extras).bundle(), "recovery-wrong");
    }
    let bare = Authority::found(Quorum::of(2, &[1, 2, 3]));
    let told = Extras { revealed: Some(&set), ..Extras::default() };
    suite.trust(
        "a set where none was committed to",
        &by(&bare, &[&next, &set], told).bundle(),
        "recovery-wrong",
    );
    let committed = Extras { recovery: Some(&other), ..Extras::default() };
    let both = [&next, &one.quorum];
    suite.trust("both quorums change the commitment", &by(&one, &both, committed).bundle(), "recovery-wrong");
    suite.trust(
        "both quorums commit where none was",
        &by(&bare, &both, committed).bundle(),
        "recovery-wrong",
    );
    let kept = Extras { recovery: Some(&set), ..Extras::default() };
    suite.trust("both quorums repeat the commitment", &by(&one, &both, kept).bundle(), "ok");
    let replaced = by(&one, &[&next, &set], Extras { recovery: Some(&other), ..told });
    suite.trust("the set replaces its commitment", &replaced.bundle(), "ok");
    let last = Quorum::of(1, &[7]);
    let again = |set: &Quorum| {
        let signers = [last.signers(), set.signers()].concat();
        replaced.follow(&last, &signers, Extras { revealed: Some(set), ..Extras::default() }).bundle()
    };
    suite.trust("the set that came with the replacement", &again(&other), "ok");
    suite.trust("the set that was replaced", &again(&set), "recovery-wrong");
}

/// What the fields of a set hold.
fn fields(suite: &mut Suite) {
    let (one, next, set) = (founded(), Quorum::of(2, &[4, 5, 6]), recovery());
    let signers = [next.signers(), set.signers()].concat();
    let told = Extras { recovery: Some(&set), revealed: Some(&set), manifests: true };
    let (payload, _) = root_with(2, Some(one.root_hash), Some(one.id), &next, &signers, told);
    let map = RawMap::of(&payload);
    let sealed = |payload: Vec<u8>| {
        let quorum = Quorum { threshold: signers.len(), ..Quorum::of(0, &[4, 5, 40, 41]) };
        let signed = Authority { root_version: 2, quorum, ..one.clone() };
        signed.publish(chancery_formats::document::Kind::Root, payload).bundle()
    };
    assert!(Root::decode(&payload).is_ok(), "the root as it should be");
    let set = RawMap::of(&payload).value(9).to_vec();
    let cases: [(&str, i64, Vec<u8>, &str); 7] = [
        ("commitment of 31 bytes", 8, bytes(&[7; 31]), "wrong-length"),
        ("commitment as a number", 8, vec![1], "wrong-type"),
        ("set of threshold 0", 9, [&[0x82, 0], &set[2..]].concat(), "out-of-range"),
        ("set of threshold 4", 9, [&[0x82, 4], &set[2..]].concat(), "out-of-range"),
        ("set of a threshold alone", 9, vec![0x81, 2], "wrong-length"),
        ("set of no keys", 9, vec![0x82, 1, 0x80], "out-of-range"),
        ("manifests required: 0", 11, vec![0], "out-of-range"),
    ];
    for (name, key, value, code) in cases {
        suite.trust(name, &sealed(map.clone().set(key, &value).join()), code);
    }
    let first = RawMap::of(&root_with(1, None, None, &one.quorum, &one.quorum.signers(), told).0);
    let founding = Authority { members: Vec::new(), ..one.clone() };
    let bundle = founding.publish(chancery_formats::document::Kind::Root, first.join()).bundle();
    suite.trust("version 1 tells a set", &bundle, "out-of-range");
}
