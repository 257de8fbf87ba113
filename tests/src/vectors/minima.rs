//! Minima: what a site remembers, and which bundles would take it back.

use chancery_formats::seal::Role;
use chancery_formats::trust::RevocationList;
use chancery_verifier::{Minima, Pin, Trust};

use super::manifest::{Published, bundle, founded};
use super::revocation::{empty, listed, revoker};
use super::{Suite, World};
use crate::authority::{Authority, FOUNDED, Quorum};
use crate::raw::{RawEnvelope, RawMap, bytes, integer};

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("minima");
    roots(&mut suite);
    lists(&mut suite);
    bundles(&mut suite);
    fields(&mut suite);
    suite
}

/// What a site remembers that has taken a bundle.
fn minima(bundle: &[u8]) -> Minima {
    Trust::load(bundle, Pin::FirstUse).expect("a good bundle").minima(None)
}

fn case(suite: &mut Suite, name: &str, bundle: &[u8], known: &Minima, code: &str) {
    suite.trust(name, bundle, code);
    suite.remembering(&known.encode());
}

fn roots(suite: &mut Suite) {
    let one = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let two = one.clone().rotate(Quorum::of(2, &[2, 3, 4]));
    let fork = one.clone().rotate(Quorum::of(2, &[2, 3, 5]));
    let further = fork.clone().rotate(Quorum::of(1, &[9]));
    let known = minima(&two.bundle());
    case(suite, "the root known", &two.bundle(), &known, "ok");
    case(suite, "a newer root", &two.bundle(), &minima(&one.bundle()), "ok");
    case(suite, "an older root", &one.bundle(), &known, "root-older");
    case(suite, "another root of the version known", &fork.bundle(), &known, "root-forked");
    case(suite, "a longer chain with another root", &further.bundle(), &known, "root-forked");
    let far = Minima { root: (u32::MAX, [7; 32]), ..known };
    case(suite, "version 2^32 - 1 known", &two.bundle(), &far, "root-older");
    let other = Authority::found(Quorum::of(1, &[9]));
    case(suite, "another authority than the one known", &other.bundle(), &known, "authority-other");
}

fn lists(suite: &mut Suite) {
    let authority = super::revocation::certified(&Authority::found(Quorum::of(2, &World::CUSTODIANS)));
    let publish = |map: RawMap| listed(&authority, &revoker(), Role::Revoker, map.join()).bundle();
    let first = empty(&authority, 1);
    let second = empty(&authority, 2).set(4, &bytes(&RevocationList::hash(&first.join())));
    let (one, two) = (publish(first.clone()), publish(second.clone()));
    case(suite, "the list known", &two, &minima(&two), "ok");
    case(suite, "the list that follows", &two, &minima(&one), "ok");
    case(suite, "list 9 after list 1", &publish(empty(&authority, 9)), &minima(&one), "ok");
    case(suite, "an older list", &one, &minima(&two), "list-older");
    case(suite, "no list where one is known", &authority.bundle(), &minima(&one), "list-older");
    let other = publish(first.set(6, &bytes(&[1; 16])));
    case(suite, "another list of the number known", &other, &minima(&one), "list-forked");
    case(
        suite,
        "the next list of another chain",
        &publish(empty(&authority, 2)),
        &minima(&one),
        "list-forked",
    );
}

fn bundles(suite: &mut Suite) {
    let authority = founded();
    let mut published = Published::nothing(&authority);
    let bundle_of = |published: &mut Published, count: u64| -> Vec<Vec<u8>> {
        (0..count).map(|number| published.publish(&authority, FOUNDED + number)).collect()
    };
    let chain = bundle_of(&mut published, 4);
    let known = |index: usize| minima(&chain[index]);
    case(suite, "the bundle known", &chain[1], &known(1), "ok");
    case(suite, "the bundle that follows", &chain[2], &known(1), "ok");
    case(suite, "a bundle two further, with its trail", &chain[3], &known(1), "ok");
    case(suite, "bundle 1 known, bundle 4 with its trail", &chain[3], &known(0), "ok");
    case(suite, "an older bundle", &chain[1], &known(2), "bundle-older");
    let manifest = RawMap::of(&chain[3]).value(2).to_vec();
    let manifest = manifest[3..].to_vec();
    assert!(RawEnvelope::of(&manifest).tag == [0xd2], "a manifest of 256 to 65535 bytes");
    let short = bundle(&authority, &manifest, &published.trail[1..3]);
    let late = bundle(&authority, &manifest, &published.trail[2..3]);
    case(suite, "a trail that begins after the bundle known", &late, &known(0), "bundle-gap");
    case(suite, "a trail that begins at the bundle known", &short, &known(1), "ok");
    case(
        suite,
        "no trail, and bundles between",
        &bundle(&authority, &manifest, &[]),
        &known(1),
        "bundle-gap",
    );
    case(suite, "no trail, and none between", &bundle(&authority, &manifest, &[]), &known(2), "ok");
    let broken = bundle(&authority, &manifest, &[[7; 32], published.trail[2]]);
    case(suite, "a trail that leads elsewhere", &broken, &known(0), "bundle-forked");
    let broken = bundle(&authority, &manifest, &[[7; 32]]);
    case(suite, "a trail that does not lead from the bundle known", &broken, &known(1), "bundle-forked");

    let mut forked = Published::nothing(&authority);
    forked.publish(&authority, FOUNDED);
    let other = forked.publish(&authority, FOUNDED + 100);
    case(suite, "another bundle of the number known", &other, &known(1), "bundle-forked");
    let next = forked.publish(&authority, FOUNDED + 200);
    case(suite, "the next bundle of another chain", &next, &known(1), "bundle-forked");
    let last = forked.publish(&authority, FOUNDED + 300);
    case(suite, "a later bundle of another chain", &last, &known(1), "bundle-forked");
    let plain = super::revocation::certified(&Authority::found(Quorum::of(2, &World::CUSTODIANS)));
    let with_number = Minima { bundle: Some((1, [7; 32])), ..minima(&plain.bundle()) };
    case(suite, "no manifest where one is known", &plain.bundle(), &with_number, "manifest-missing");
}

/// What minima hold.
fn fields(suite: &mut Suite) {
    let authority = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let map = RawMap::of(&minima(&authority.bundle()).encode());
    let numbered = |number: i64| [&[0x82][..], &integer(number), &bytes(&authority.id.0)].concat();
    let mut case = |name: &str, minima: &[u8], code: &str| {
        suite.trust(name, &authority.bundle(), code);
        suite.remembering(minima);
    };
    case("minima of nothing", &[0xa0], "missing-field");
    let good = map.join();
    case("minima cut short", &good[..good.len() - 1], "truncated");
    for (name, key) in [("schema", 1), ("authority", 2), ("root", 3), ("floor", 6)] {
        case(&format!("minima without {name}"), &map.clone().without(key).join(), "missing-field");
    }
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("minima of schema 2", 1, vec![2], "schema-unknown"),
        ("minima with root version 0", 3, numbered(0), "out-of-range"),
        ("minima with root version 2^32", 3, numbered(1 << 32), "out-of-range"),
        ("minima with list 0", 4, numbered(0), "out-of-range"),
        ("minima with a number alone", 5, vec![0x81, 1], "wrong-length"),
        ("minima with unknown field 7", 7, vec![0], "unknown-field"),
    ];
    for (name, key, value, code) in cases {
        case(name, &map.clone().set(key, &value).join(), code);
    }
}
