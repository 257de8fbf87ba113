//! Closings: who may close a key, and which licenses of a closed key stand.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::merkle::{Head, Tree, leaf_hash};
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, Closed, Closing, KeyMode};

use super::{NamedBundle, Suite, World};
use crate::authority::{Authority, FOUNDED, Quorum, Sealing, issue_direct, sign_direct};
use crate::key::SecretKey;
use crate::license::bare;
use crate::raw::{RawMap, bytes, text};

/// Number of leaves in the log when keys here were compromised.
pub(super) const SIZE: u64 = 1_004;

/// Index of the license that is signed directly.
const DIRECT: usize = 2;

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("closing");
    standing(&mut suite, world);
    witnessed(&mut suite, world);
    sealed(&mut suite);
    fields(&mut suite);
    suite
}

/// The main authority after keys were closed, in the ways that licenses here are judged under.
pub(super) fn bundles(world: &World) -> Vec<NamedBundle> {
    let head = Closed::Compromised(head(world));
    let close = |keys: &[&SecretKey], closed| {
        keys.iter().fold(world.main.clone(), |authority, key| {
            let payload = closing(&authority, key, closed);
            authority.publish(Kind::Closing, payload)
        })
    };
    vec![
        NamedBundle::of("retired", &close(&[&world.direct, &world.seal, &world.witness], Closed::Retired)),
        NamedBundle::of("compromised", &close(&[&world.direct, &world.seal, &world.co_signed], head)),
        NamedBundle::of("witness-compromised", &close(&[&world.witness], head)),
        NamedBundle::of("log-compromised", &close(&[&world.log], head)),
        NamedBundle::of("both-compromised", &close(&[&world.witness, &world.co_signed], head)),
    ]
}

pub(super) fn closing(authority: &Authority, key: &SecretKey, closed: Closed) -> Vec<u8> {
    let thumbprint = key.thumbprint();
    Closing { authority: authority.id, thumbprint, closed, time: FOUNDED, reason: "ceremony 4" }.encode()
}

/// The log: a license that is signed directly among leaves of others.
fn log(world: &World, size: u64) -> Tree {
    let mut leaves: Vec<_> = (0..size).map(|index| leaf_hash(&[b"other", &index.to_be_bytes()])).collect();
    leaves[DIRECT] = Envelope::decode(&world.good_direct()).expect("a license").leaf_hash();
    Tree::new(leaves).expect("leaves")
}

/// The log when keys were compromised.
pub(super) fn head(world: &World) -> Head {
    Head { size: SIZE, root: log(world, SIZE).root() }
}

/// Licenses that one key signed.
fn standing(suite: &mut Suite, world: &World) {
    let direct = world.good_direct();
    suite.license_under("retired", "retired key, direct", &direct, "ok");
    suite.license_under("retired", "retired key, sealed", &world.good_sealed(), "ok");
    suite.license_under("compromised", "compromised key", &direct, "key-compromised");
    suite.license_under("compromised", "compromised key, sealed", &world.good_sealed(), "key-compromised");

    let (tree, grown, index) = (log(world, SIZE), log(world, SIZE + 1), DIRECT as u64);
    let path = tree.path(DIRECT);
    let mut proven = |name: &str, document: &[u8], (index, size, path): (u64, u64, &[u8]), code| {
        suite.license_under("compromised", name, document, code);
        suite.included(index, size, path);
    };
    proven("compromised key, in the log before", &direct, (index, SIZE, &path), "ok");
    let forged =
        issue_direct(&world.direct, &chancery_formats::license::License { subject: "thief", ..bare() });
    proven("another license with that proof", &forged, (index, SIZE, &path), "key-compromised");
    let sealed = world.good_sealed();
    proven("a sealed license with that proof", &sealed, (index, SIZE, &path), "key-compromised");
    let later = grown.path(DIRECT);
    let wrong = [
        ("proof into a log that has grown", (index, SIZE + 1, &later[..])),
        ("proof into a log that has grown, as if it had not", (index, SIZE, &later[..])),
        ("proof with the size of another log", (index, SIZE - 1, &path[..])),
        ("proof of another index", (index + 1, SIZE, &path[..])),
        ("proof of an index beyond the log", (SIZE, SIZE, &path[..])),
        ("proof without its last hash", (index, SIZE, &path[..path.len() - 32])),
        ("proof of no hashes", (index, SIZE, &[][..])),
    ];
    for (name, proof) in wrong {
        proven(name, &direct, proof, "key-compromised");
    }
    let alone = Envelope::decode(&forged).expect("a license").leaf_hash();
    assert_ne!(Tree::new(vec![alone]).expect("a leaf").root(), tree.root());
    proven("proof into a log of its own", &forged, (0, 1, &[]), "key-compromised");
}

/// Licenses that a witness signed too.
fn witnessed(suite: &mut Suite, world: &World) {
    let signers = [(Role::Issuer, &world.co_signed), (Role::Witness, &world.witness)];
    let at = |index, signers: &[(Role, &SecretKey)]| {
        let sealing = Sealing { first_index: index, ..world.main.sealing(signers) };
        sealing.seal(Kind::License, &world.co_signed, vec![bare().encode()]).remove(0)
    };
    let both = |index| at(index, &signers);
    let last = Some(SIZE - 1);
    suite.license_under("compromised", "issuer compromised, witnessed below the size", &both(last), "ok");
    suite.license_under("witness-compromised", "witness compromised, below the size", &both(last), "ok");
    suite.license_under("retired", "witness retired", &both(last), "ok");
    let cases: [(&str, &str, Vec<u8>, &str); 7] = [
        ("compromised", "issuer compromised, witnessed at the size", both(Some(SIZE)), "key-compromised"),
        ("compromised", "issuer compromised, far beyond the size", both(Some(1 << 40)), "key-compromised"),
        ("compromised", "issuer compromised, without an index", both(None), "key-compromised"),
        ("compromised", "issuer compromised, witness stripped", at(last, &signers[..1]), "co-signer-missing"),
        ("main", "witness stripped", at(last, &signers[..1]), "co-signer-missing"),
        ("witness-compromised", "witness compromised, at the size", both(Some(SIZE)), "key-compromised"),
        ("both-compromised", "both compromised, below the size", both(last), "key-compromised"),
    ];
    for (bundle, name, document, code) in cases {
        suite.license_under(bundle, name, &document, code);
    }
}

/// Who seals a closing, and where it stands.
fn sealed(suite: &mut Suite) {
    let authority = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let key = SecretKey::ed25519(12);
    let record = authority.record(&key, Role::Issuer, KeyMode::Seal);
    let certified = authority.clone().certify(&record);
    let payload = closing(&certified, &key, Closed::Retired);
    let closed = certified.clone().publish(Kind::Closing, payload.clone());
    suite.trust("a key that is closed", &closed.bundle(), "ok");
    suite.trust(
        "a key closed twice",
        &closed.clone().publish(Kind::Closing, payload.clone()).bundle(),
        "member-twice",
    );
    let early = authority.clone().publish(Kind::Closing, payload.clone()).certify(&record);
    suite.trust("a closing before its record", &early.bundle(), "key-unknown");
    let unknown = |key: &SecretKey| {
        let payload = closing(&certified, key, Closed::Retired);
        certified.clone().publish(Kind::Closing, payload).bundle()
    };
    suite.trust("a closing of an unknown key", &unknown(&SecretKey::ed25519(77)), "key-unknown");
    suite.trust("a closing of a custodian", &unknown(&authority.quorum.custodians[0]), "key-unknown");
    suite.trust("a closing without a root", &Bundle::encode(&closed.members[2..]), "root-missing");
    let outdated = closed.clone().rotate(Quorum::of(2, &[2, 3, 4]));
    suite.trust("a root behind a closing", &outdated.bundle(), "root-chain");

    let by = |signers: &[(Role, &SecretKey)], version| {
        let sealing = Sealing { first_index: None, root_version: version, ..certified.sealing(signers) };
        let document = sealing.seal(Kind::Closing, signers[0].1, vec![payload.clone()]).remove(0);
        Bundle::encode(&[certified.members.clone(), vec![document]].concat())
    };
    let quorum = certified.quorum.signers();
    suite.trust("a closing by one of two", &by(&quorum[..1], 1), "root-threshold");
    suite.trust("a closing by the key that it closes", &by(&[(Role::Issuer, &key)], 1), "key-unknown");
    suite.trust("a closing under a root to come", &by(&quorum, 2), "root-version");
    let direct = sign_direct(&certified.quorum.custodians[0], Kind::Closing, payload.clone());
    let members = [certified.members.clone(), vec![direct]].concat();
    suite.trust("a closing that is signed directly", &Bundle::encode(&members), "alg-mismatch");
    let other = Authority::found(Quorum::of(1, &[9]));
    let foreign = certified.clone().publish(Kind::Closing, closing(&other, &key, Closed::Retired));
    suite.trust("a closing for another authority", &foreign.bundle(), "authority-other");
}

/// What a closing says.
fn fields(suite: &mut Suite) {
    let authority = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let key = SecretKey::ed25519(12);
    let certified = authority.clone().certify(&authority.record(&key, Role::Issuer, KeyMode::Seal));
    let head = Closed::Compromised(Head { size: 7, root: [7; 32] });
    let map = RawMap::of(&closing(&certified, &key, head));
    let mut case = |name: &str, map: RawMap, code| {
        suite.trust(name, &certified.clone().publish(Kind::Closing, map.join()).bundle(), code);
    };
    case("a compromised key", map.clone(), "ok");
    for (name, key) in [("schema", 1), ("authority", 2), ("key", 3), ("how", 4), ("time", 7), ("reason", 8)] {
        case(&format!("closing without {name}"), map.clone().without(key), "missing-field");
    }
    case("compromised without a size", map.clone().without(5), "out-of-range");
    case("compromised without a root", map.clone().without(6), "out-of-range");
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("closing of schema 2", 1, vec![2], "schema-unknown"),
        ("closing with unknown field 9", 9, vec![0], "unknown-field"),
        ("thumbprint of 31 bytes", 3, bytes(&[7; 31]), "wrong-length"),
        ("retired with a size and a root", 4, vec![0], "out-of-range"),
        ("closed in a third way", 4, vec![2], "out-of-range"),
        ("tree root of 33 bytes", 6, bytes(&[7; 33]), "wrong-length"),
        ("size as text", 5, text("7"), "wrong-type"),
        ("reason of no text", 8, text(""), "text-forbidden"),
        ("reason with an isolate", 8, text("lost\u{2067}"), "text-forbidden"),
    ];
    for (name, key, value, code) in cases {
        case(name, map.clone().set(key, &value), code);
    }
}
