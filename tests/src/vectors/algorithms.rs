//! Every algorithm in the header, with every kind of key, under every mode of its record: only the
//! combinations that the record certifies pass.

use chancery_formats::cose::{Header, Mode, SEAL_ALG, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::Role;

use super::{Suite, World};
use crate::authority::{sign_direct, sign_unsigned};
use crate::key::SecretKey;
use crate::license::bare;
use crate::raw::{RawEnvelope, RawMap, RawSeal, integer};

const MODES: [Mode; 4] = [
    Mode::Direct(Algorithm::Ed25519),
    Mode::Direct(Algorithm::Esp256),
    Mode::Direct(Algorithm::MlDsa87),
    Mode::Seal,
];

/// Algorithms that other COSE documents use, and numbers next to ours.
const FOREIGN: [(&str, i64); 9] = [
    ("EdDSA", -8),
    ("ES256", -7),
    ("ES384", -35),
    ("RS256", -257),
    ("ML-DSA-65", -49),
    ("HMAC 256/256", 5),
    ("reserved 0", 0),
    ("one above the seal", SEAL_ALG + 1),
    ("the least number", i64::MIN),
];

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("algorithms");
    headers(&mut suite, world);
    swapped(&mut suite, world);
    inside_seals(&mut suite, world);
    requests(&mut suite);
    suite
}

fn name(mode: Mode) -> String {
    match mode {
        Mode::Direct(algorithm) => format!("{algorithm} header"),
        Mode::Seal => "seal header".into(),
    }
}

/// The header says one thing, and the key signs as the header says.
fn headers(suite: &mut Suite, world: &World) {
    let keys = [
        (&world.direct, false, "directly"),
        (&world.p256_direct, false, "directly"),
        (&world.seal, true, "by seal"),
        (&world.p256_seal, true, "by seal"),
    ];
    for (key, seals, certified) in keys {
        for mode in MODES {
            let header = Header { mode, kid: key.kid(), typ: Kind::License.typ() };
            let document = Unsigned::new(&header, bare().encode());
            let signed = match mode {
                Mode::Direct(_) => sign_unsigned(key, &document),
                Mode::Seal => {
                    let signers = [(Role::Issuer, key)];
                    world.main.sealing(&signers).seal_unsigned(Kind::License.typ(), vec![document]).remove(0)
                }
            };
            let right = if seals { Mode::Seal } else { Mode::Direct(key.algorithm()) };
            let name = format!("{} for an {} key certified to sign {certified}", name(mode), key.algorithm());
            suite.license(name, &signed, if mode == right { "ok" } else { "alg-mismatch" });
        }
    }
}

/// A good license whose header is changed after signing.
fn swapped(suite: &mut Suite, world: &World) {
    let document = RawEnvelope::of(&world.good_direct());
    let with_alg = |number| RawEnvelope {
        protected: RawMap::of(&document.protected).set(1, &integer(number)).join(),
        ..document.clone()
    };
    for mode in &MODES[1..] {
        let swapped = with_alg(mode.cose_number()).join();
        suite.license(format!("swapped for the {} after signing", name(*mode)), &swapped, "alg-mismatch");
    }
    for (name, number) in FOREIGN {
        suite.license(format!("algorithm {name}"), &with_alg(number).join(), "alg-unknown");
    }
}

/// The signature inside a seal says one algorithm, and its key has another.
fn inside_seals(suite: &mut Suite, world: &World) {
    for key in [&world.seal, &world.p256_seal] {
        let good = world.main.issue_sealed(key, &[bare()]).remove(0);
        for algorithm in Algorithm::ALL {
            let mut seal = RawSeal::of(&good);
            seal.signatures[0].1 = algorithm;
            let right = algorithm == key.algorithm();
            let name = format!("{algorithm} inside the seal for an {} key", key.algorithm());
            let expect = match algorithm {
                Algorithm::MlDsa87 => "wrong-length", // 64 bytes are no signature of it
                _ if right => "ok",
                _ => "alg-mismatch",
            };
            suite.license(name, &seal.put_into(&good), expect);
        }
    }
    let good = world.main.issue_sealed(&world.seal, &[bare()]).remove(0);
    let envelope = RawEnvelope::of(&good);
    // The same seal with the deprecated EdDSA number, which no `Algorithm` has.
    let mut seal = RawSeal::of(&good);
    let (kid, _, signature) = seal.signatures.remove(0);
    let mut bytes = seal.join();
    bytes.pop();
    bytes.extend([0x81, 0x83, 0x48]);
    bytes.extend(kid.0);
    bytes.push(0x27);
    bytes.extend([0x58, 64]);
    bytes.extend(signature);
    let foreign = RawEnvelope { signature: bytes, ..envelope };
    suite.license("EdDSA inside the seal", &foreign.join(), "alg-unknown");
}

/// A request is signed directly by the key inside it, and in no other way.
fn requests(suite: &mut Suite) {
    for key in [SecretKey::ed25519(50), SecretKey::p256(51)] {
        let payload = super::request::payload(&key.public());
        for mode in MODES {
            let header = Header { mode, kid: key.kid(), typ: Kind::Request.typ() };
            let signed = sign_unsigned(&key, &Unsigned::new(&header, payload.clone()));
            let right = mode == Mode::Direct(key.algorithm());
            let name = format!("{} for a request of an {} key", name(mode), key.algorithm());
            suite.request(name, &signed, if right { "ok" } else { "alg-mismatch" });
        }
    }
    let (ed25519, other) = (SecretKey::ed25519(50), SecretKey::ed25519(52));
    let mut document =
        RawEnvelope::of(&sign_direct(&ed25519, Kind::Request, super::request::payload(&ed25519.public())));
    document.protected = RawMap::of(&document.protected).set(4, &crate::raw::bytes(&other.kid().0)).join();
    suite.request("request under the kid of another key", &document.join(), "key-unknown");
}
