//! Bundles whose key record is sealed well and says what no record may say.

use chancery_formats::document::Kind;
use chancery_formats::key::PublicKey;
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord};

use super::{Suite, World, weak};
use crate::authority::{Authority, Quorum};
use crate::key::SecretKey;
use crate::raw::{RawMap, bytes, integer, text};

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("key-record");
    let authority = Authority::found(Quorum::of(1, &[1]));
    let good = authority.record(&world.direct, Role::Issuer, KeyMode::Direct);
    let bundle = |payload: Vec<u8>| {
        let mut authority = authority.clone();
        authority.members.push(authority.seal_by_root(Kind::KeyRecord, payload));
        authority.bundle()
    };
    let mut case = |name: &str, payload: Vec<u8>, code| suite.trust(name, &bundle(payload), code);

    case("record as it should be", good.encode(), "ok");
    let attested =
        KeyRecord { attestation: Some(&[0x30, 0]), not_after: Some(good.not_before), ..good.clone() };
    case("record with attestation, valid one second", attested.encode(), "ok");
    let other_typ = KeyRecord { typs: vec!["application/vnd.chancery.lease+cbor"], ..good.clone() };
    case("typ that this release does not know", other_typ.encode(), "ok");
    for (name, key) in weak::keys() {
        case(
            &format!("key: {name}"),
            KeyRecord { key: key.clone(), ..good.clone() }.encode(),
            weak::alone(&key),
        );
    }

    let map = RawMap::of(&good.encode());
    let required = [
        ("schema", 1),
        ("authority", 2),
        ("role", 3),
        ("key", 4),
        ("mode", 5),
        ("typs", 7),
        ("first second", 9),
        ("protection", 11),
    ];
    for (name, key) in required {
        case(&format!("no {name}"), map.clone().without(key).join(), "missing-field");
    }
    for (name, key, value, code) in values() {
        case(name, map.clone().set(key, &value).join(), code);
    }
    let text_key = RawMap([&map.0[..], &[(text("role"), vec![1])]].concat());
    case("field under a text key", text_key.join(), "wrong-type");
    let mut twice = map.clone();
    twice.0.insert(2, map.0[2].clone());
    case("role twice", twice.join(), "duplicate-key");
    let mut swapped = map.clone();
    swapped.0.swap(1, 2);
    case("role before authority", swapped.join(), "unsorted-keys");
    case("byte behind the record", [&map.join()[..], &[0]].concat(), "trailing-bytes");
    case("record as an array", vec![0x80], "wrong-type");
    suite
}

/// One value each that its field does not take.
fn values() -> Vec<(&'static str, i64, Vec<u8>, &'static str)> {
    let key = SecretKey::ed25519(10).public();
    let map = RawMap::of(&key.encode());
    let PublicKey::P256 { x, .. } = SecretKey::p256(11).public() else { panic!("a P-256 key") };
    let compressed = RawMap(vec![
        (integer(1), integer(2)),
        (integer(-1), integer(1)),
        (integer(-2), bytes(&x)),
        (integer(-3), vec![0xf5]),
    ]);
    vec![
        ("unknown field 0", 0, vec![0], "unknown-field"),
        ("unknown field 14", 14, vec![0], "unknown-field"),
        ("unknown field -1", -1, vec![0], "unknown-field"),
        ("schema 2", 1, vec![2], "schema-unknown"),
        ("authority of 31 bytes", 2, bytes(&[1; 31]), "wrong-length"),
        ("role of a custodian", 3, vec![0], "out-of-range"),
        ("role 6", 3, vec![6], "out-of-range"),
        ("role as text", 3, text("issuer"), "wrong-type"),
        ("key with an algorithm", 4, map.clone().set(3, &integer(-19)).join(), "key-invalid"),
        ("key with a kid", 4, map.clone().set(2, &bytes(&[1])).join(), "key-invalid"),
        ("key of X25519", 4, map.clone().set(-1, &integer(4)).join(), "key-invalid"),
        ("key of 33 bytes", 4, map.set(-2, &bytes(&[1; 33])).join(), "key-invalid"),
        ("key of P-256, compressed", 4, compressed.join(), "key-invalid"),
        ("mode 2", 5, vec![2], "out-of-range"),
        ("mode of both", 5, vec![0x82, 0, 1], "wrong-type"),
        ("co-signers of nothing", 6, vec![0x80], "out-of-range"),
        ("co-signers out of order", 6, vec![0x82, 5, 4], "unsorted-keys"),
        ("co-signers twice", 6, vec![0x82, 5, 5], "unsorted-keys"),
        ("co-signer custodian", 6, vec![0x81, 0], "out-of-range"),
        ("typs of nothing", 7, vec![0x80], "out-of-range"),
        (
            "typs of 17",
            7,
            [vec![0x91], (b'a'..=b'q').flat_map(|c| [0x61, c]).collect()].concat(),
            "out-of-range",
        ),
        ("typs twice", 7, vec![0x82, 0x61, b'a', 0x61, b'a'], "unsorted-keys"),
        ("typ with an escape sequence", 7, [&[0x81][..], &text("a\u{1b}[2J")].concat(), "text-forbidden"),
        ("scope of nothing", 8, vec![0xa0], "out-of-range"),
        ("scope with an unknown field", 8, vec![0xa1, 4, 1], "unknown-field"),
        ("scope of no products", 8, vec![0xa1, 1, 0x80], "out-of-range"),
        ("scope with a country in lower case", 8, vec![0xa1, 2, 0x81, 0x62, b'd', b'e'], "text-forbidden"),
        (
            "first second after the year 9999",
            9,
            vec![0x1b, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80],
            "out-of-range",
        ),
        ("last second before the first", 10, vec![0], "out-of-range"),
        ("protection 2", 11, vec![2], "out-of-range"),
        ("attestation of no bytes", 12, vec![0x40], "out-of-range"),
    ]
}
