//! Activation requests: signed by the key inside them, and complete.

use chancery_formats::document::Kind;
use chancery_formats::id::EntitlementId;
use chancery_formats::key::{Algorithm, PublicKey};
use chancery_formats::license::MAX_TIME;
use chancery_verifier::Draft;

use super::{Suite, weak};
use crate::authority::{sign_direct, sign_unsigned};
use crate::key::SecretKey;
use crate::license::{PRODUCT, START, machine};
use crate::raw::{RawEnvelope, RawMap, bytes, integer, text};

/// Drafts the request of a device with this key.
fn draft(device_key: PublicKey, with_components: bool) -> chancery_formats::cose::Unsigned {
    let machine = machine();
    let draft = Draft {
        product: PRODUCT,
        entitlement: EntitlementId([0xe1, 0x5b, 0x0c, 0x94, 0x77, 0x2a, 0xd3, 0x08]),
        device_key,
        nonce: core::array::from_fn(|index| 0x30 + index as u8),
        site_clock: START,
        components: if with_components { &machine } else { &[] },
        root_version: 1,
        revocation_list: 0,
    };
    draft.prepare().expect("a good draft")
}

/// Makes the payload of a good request, good as far as its key is.
pub(super) fn payload(device_key: &PublicKey) -> Vec<u8> {
    let good = draft(SecretKey::ed25519(50).public(), true);
    RawMap::of(good.payload()).set(4, &device_key.encode()).join()
}

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("request");
    let (device, other) = (SecretKey::ed25519(50), SecretKey::ed25519(52));
    let good = sign_unsigned(&device, &draft(device.public(), true));
    suite.request("six components", &good, "ok");
    suite.request("without components", &sign_unsigned(&device, &draft(device.public(), false)), "ok");
    let p256 = SecretKey::p256(51);
    suite.request("P-256 key", &sign_unsigned(&p256, &draft(p256.public(), true)), "ok");

    let ml_dsa = SecretKey::ml_dsa_87(51);
    let signed = sign_direct(&ml_dsa, Kind::Request, payload(&ml_dsa.public()));
    suite.request("ML-DSA-87 key", &signed, "key-invalid");

    suite.request(
        "signed by another key",
        &sign_unsigned(&other, &draft(device.public(), true)),
        "signature-wrong",
    );
    suite.request(
        "another key inside",
        &sign_direct(&device, Kind::Request, payload(&other.public())),
        "key-unknown",
    );
    let envelope = RawEnvelope::of(&good);
    let map = RawMap::of(&envelope.payload);
    let changed = RawEnvelope { payload: map.clone().set(5, &bytes(&[0; 16])).join(), ..envelope.clone() };
    suite.request("nonce changed after signing", &changed.join(), "signature-wrong");
    let short = RawEnvelope { signature: envelope.signature[..63].to_vec(), ..envelope };
    suite.request("signature of 63 bytes", &short.join(), "signature-wrong");
    suite.request("byte behind the request", &[&good[..], &[0]].concat(), "trailing-bytes");
    suite.request("cut short", &good[..good.len() - 1], "truncated");
    suite.request("untagged", &good[1..], "tag-wrong");

    for (name, key) in weak::keys() {
        let signer = SecretKey::of(key.algorithm(), 50);
        let header = chancery_formats::cose::Header {
            mode: chancery_formats::cose::Mode::Direct(key.algorithm()),
            kid: key.key_id(),
            typ: Kind::Request.typ(),
        };
        let document = chancery_formats::cose::Unsigned::new(&header, payload(&key));
        let code = if key.algorithm() == Algorithm::MlDsa87 { "key-invalid" } else { "key-weak" };
        suite.request(format!("device key: {name}"), &sign_unsigned(&signer, &document), code);
    }
    fields(&mut suite, &device, &map);
    suite
}

fn fields(suite: &mut Suite, device: &SecretKey, map: &RawMap) {
    let mut case = |name: &str, map: &RawMap, code| {
        suite.request(name, &sign_direct(device, Kind::Request, map.join()), code);
    };
    let names = [
        ("schema", 1),
        ("product", 2),
        ("entitlement", 3),
        ("device key", 4),
        ("nonce", 5),
        ("clock", 6),
        ("minima", 8),
    ];
    for (name, key) in names {
        case(&format!("no {name}"), &map.clone().without(key), "missing-field");
    }
    let key = RawMap::of(map.value(4));
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("unknown field 9", 9, vec![0], "unknown-field"),
        ("unknown field 0", 0, vec![0], "unknown-field"),
        ("unknown field -1", -1, vec![0], "unknown-field"),
        ("schema 2", 1, vec![2], "schema-unknown"),
        ("product with a capital", 2, text("Pump"), "text-forbidden"),
        ("entitlement of nine bytes", 3, bytes(&[1; 9]), "wrong-length"),
        ("device key with an algorithm", 4, key.clone().set(3, &integer(-19)).join(), "key-invalid"),
        ("device key of another curve", 4, key.clone().set(-1, &integer(7)).join(), "key-invalid"),
        ("device key of 31 bytes", 4, key.clone().set(-2, &bytes(&[1; 31])).join(), "key-invalid"),
        ("device key with its private part", 4, key.clone().set(-4, &bytes(&[1; 32])).join(), "key-invalid"),
        ("device key without its type", 4, key.without(1).join(), "key-invalid"),
        ("device key as bytes", 4, bytes(&[1; 32]), "key-invalid"),
        ("nonce of 15 bytes", 5, bytes(&[1; 15]), "wrong-length"),
        ("clock after the year 9999", 6, integer(MAX_TIME as i64 + 1), "out-of-range"),
        ("components of nothing", 7, vec![0xa0], "out-of-range"),
        ("digest of five bytes", 7, vec![0xa1, 1, 0x45, 0, 0, 0, 0, 0], "wrong-length"),
        ("minima of two numbers", 8, vec![0x82, 1, 1], "wrong-length"),
        ("minima as a map", 8, vec![0xa0], "wrong-type"),
    ];
    for (name, key, value, code) in cases {
        case(name, &map.clone().set(key, &value), code);
    }
    let mut twice = map.clone();
    twice.0.insert(4, map.0[4].clone());
    case("nonce twice", &twice, "duplicate-key");
    let mut swapped = map.clone();
    swapped.0.swap(4, 5);
    case("clock before nonce", &swapped, "unsorted-keys");
}
