//! Licenses that are well formed: whose key signed them, and what that key may sign.

use chancery_formats::cose::{Header, Mode};
use chancery_formats::document::Kind;
use chancery_formats::license::{Enforcement, EnforcementMode, License};
use chancery_formats::seal::Role;

use super::{Suite, World};
use crate::authority::{FOUNDED, issue_direct, sign_direct};
use crate::hex;
use crate::key::SecretKey;
use crate::license::{END, PRODUCT, START, bare, countries, full, on_machine, with_terms};
use crate::raw::{RawEnvelope, RawMap, bytes};

/// The order of the Ed25519 group, little-endian.
const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("license");
    good(&mut suite, world);
    keys(&mut suite, world);
    signatures(&mut suite, world);
    scope(&mut suite, world);
    lengths(&mut suite, world);
    suite
}

fn good(suite: &mut Suite, world: &World) {
    suite.license("bare terms, Ed25519", &issue_direct(&world.direct, &bare()), "ok");
    suite.license("bare terms, P-256", &issue_direct(&world.p256_direct, &bare()), "ok");
    suite.license("six components", &issue_direct(&world.direct, &on_machine(bare())), "ok");
    suite.license_under("listed", "full terms", &issue_direct(&world.direct, &full(bare())), "ok");
    let perpetual = License { not_after: None, not_before: None, ..bare() };
    suite.license("perpetual", &issue_direct(&world.direct, &perpetual), "ok");
}

fn keys(suite: &mut Suite, world: &World) {
    let good = RawEnvelope::of(&world.good_direct());
    let with_kid = |key: &SecretKey| RawEnvelope {
        protected: RawMap::of(&good.protected).set(4, &bytes(&key.kid().0)).join(),
        ..good.clone()
    };
    suite.license("kid of a key that nobody certified", &with_kid(&world.stranger).join(), "key-unknown");
    suite.license("key that nobody certified", &issue_direct(&world.stranger, &bare()), "key-unknown");
    suite.license("kid of a custodian", &with_kid(&world.main.quorum.custodians[0]).join(), "key-unknown");
    suite.license("kid of another issuer", &with_kid(&world.scoped).join(), "signature-wrong");
    let header = Header { mode: Mode::Direct(world.direct.algorithm()), ..world.direct_header() };
    let stranger = chancery_formats::cose::Unsigned::new(&header, bare().encode());
    let signed = crate::authority::sign_unsigned(&world.stranger, &stranger);
    suite.license("signed by another key than its kid says", &signed, "signature-wrong");
    suite.license_under(
        "rotated",
        "issued by a key that this bundle lacks",
        &world.good_direct(),
        "key-unknown",
    );

    let direct = |key: &SecretKey| sign_direct(key, Kind::License, bare().encode());
    suite.license("direct where the record says seal", &direct(&world.seal), "alg-mismatch");
    let sealed = world.main.issue_sealed(&world.direct, &[bare()]).remove(0);
    suite.license("sealed where the record says direct", &sealed, "alg-mismatch");
    suite.license("issuer certified for requests alone", &direct(&world.other_typ), "typ-not-certified");
    suite.license("log key in the issuer's place", &direct(&world.log), "typ-not-certified");
    suite.license("witness in the issuer's place", &direct(&world.witness_direct), "typ-not-certified");
    suite.license(
        "direct where a witness must sign too",
        &direct(&world.co_signed_direct),
        "co-signer-missing",
    );
}

fn signatures(suite: &mut Suite, world: &World) {
    let good = RawEnvelope::of(&world.good_direct());
    let mut case = |name: &str, signature: &[u8]| {
        let document = RawEnvelope { signature: signature.to_vec(), ..good.clone() };
        suite.license(name, &document.join(), "signature-wrong");
    };
    let (r, s) = good.signature.split_at(32);
    case("no signature", &[]);
    case("signature of 63 bytes", &good.signature[..63]);
    case("signature of 65 bytes", &[&good.signature[..], &[0]].concat());
    case("signature of zeros", &[0; 64]);
    case("signature halves swapped", &[s, r].concat());
    case("S with the group's order added", &[r, &add(s, &hex::decode(ED25519_ORDER))].concat());
    case("S with its highest bit set", &[r, &s[..31], &[s[31] | 0x80]].concat());
    let neutral = [&[1][..], &[0; 31]].concat();
    case("R of the neutral element", &[&neutral, s].concat());

    let changed = License { product: "valve-control", ..bare() };
    let payload = RawEnvelope { payload: changed.encode(), ..good.clone() };
    suite.license("another product under the same signature", &payload.join(), "signature-wrong");
    let longer = License { not_after: Some(END + 1), ..bare() };
    let payload = RawEnvelope { payload: longer.encode(), ..good };
    suite.license("one second more under the same signature", &payload.join(), "signature-wrong");

    let good = RawEnvelope::of(&issue_direct(&world.p256_direct, &bare()));
    let parsed = p256::ecdsa::Signature::from_slice(&good.signature).expect("a signature");
    let (r, s) = good.signature.split_at(32);
    let negated = [r, &(-*parsed.s()).to_bytes()].concat();
    let mut case = |name: &str, signature: &[u8], code| {
        let document = RawEnvelope { signature: signature.to_vec(), ..good.clone() };
        suite.license(name, &document.join(), code);
    };
    // ECDSA takes both; nothing identifies a license by its signature bytes.
    case("P-256 with s negated", &negated, "ok");
    case("P-256 with r of zero", &[&[0; 32], s].concat(), "signature-wrong");
    case("P-256 with s of zero", &[r, &[0; 32]].concat(), "signature-wrong");
    case("P-256 with r and s of zero", &[0; 64], "signature-wrong");
    case("P-256 with s above the order", &[r, &[0xff; 32]].concat(), "signature-wrong");
    case("P-256 with r and s swapped", &[s, r].concat(), "signature-wrong");
    let der = [&[0x30, 0x44, 0x02, 0x20], r, &[0x02, 0x20], s].concat();
    case("P-256 in DER", &der, "signature-wrong");
}

/// Adds two little-endian numbers of 32 bytes.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let sums = a.iter().zip(b).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    });
    sums.collect()
}

fn scope(suite: &mut Suite, world: &World) {
    let inside = with_terms(bare(), |terms| terms.territory = Some(countries(&["CH"])));
    let mut case = |name: &str, license: &License<'_>, code| {
        suite.license(name, &issue_direct(&world.scoped, license), code);
    };
    case("inside every bound of its key", &inside, "ok");
    case(
        "every country of its key",
        &with_terms(inside, |terms| terms.territory = Some(countries(&["CH", "DE"]))),
        "ok",
    );
    let year = 31_536_000;
    case("the longest term of its key", &License { not_after: Some(START + year), ..inside }, "ok");
    case(
        "one second above the longest term",
        &License { not_after: Some(START + year + 1), ..inside },
        "out-of-scope",
    );
    case("perpetual under a longest term", &License { not_after: None, ..inside }, "out-of-scope");
    let enforced = |grace_secs, mode| {
        let enforcement = Enforcement { mode, grace_secs, notice_secs: 0 };
        let license = License { not_after: Some(START + year - 60), ..inside };
        with_terms(license, |terms| terms.enforcement = enforcement)
    };
    case("grace within the longest term", &enforced(60, EnforcementMode::Deny), "ok");
    case("grace beyond the longest term", &enforced(61, EnforcementMode::Deny), "out-of-scope");
    case("running on after a longest term", &enforced(0, EnforcementMode::Warn), "out-of-scope");
    let from_issue = License {
        not_before: None,
        issued_at: START - 86_400,
        not_after: Some(START - 86_400 + year),
        ..inside
    };
    case("longest term counted from the issue", &from_issue, "ok");
    case(
        "one second above it",
        &License { not_after: Some(START - 86_400 + year + 1), ..from_issue },
        "out-of-scope",
    );
    case("another product than its key's", &License { product: "press-control", ..inside }, "out-of-scope");
    case("a product of a longer name", &License { product: "pump-control-2", ..inside }, "out-of-scope");
    case("the other product of its key", &License { product: "valve-control", ..inside }, "ok");
    assert_eq!(inside.product, PRODUCT);
    case("no territory under a key with countries", &bare(), "out-of-scope");
    for (name, list) in [("another country", &["FR"][..]), ("one country too many", &["CH", "DE", "FR"])] {
        case(name, &with_terms(inside, |terms| terms.territory = Some(countries(list))), "out-of-scope");
    }
    let at = |issued_at| License { issued_at, ..inside };
    case("issued in the first second of its key", &at(FOUNDED), "ok");
    case("issued before its key was valid", &at(FOUNDED - 1), "key-out-of-term");
    case("issued in the last second of its key", &at(START + year - 1), "ok");
    case("issued after its key was valid", &at(START + year), "key-out-of-term");
}

/// What one signer signs is at most 1024 bytes; what is sealed may be longer.
fn lengths(suite: &mut Suite, world: &World) {
    let map = RawMap::of(&bare().encode());
    let padded = |filler: usize| map.clone().set(99, &bytes(&vec![0; filler])).join();
    let to_sign = |filler| {
        let unsigned = chancery_formats::cose::Unsigned::new(&world.direct_header(), padded(filler));
        unsigned.sig_structure().len()
    };
    let room = chancery_formats::cose::MAX_DIRECT - to_sign(256);
    suite.license("1024 bytes to sign", &world.license_of(padded(256 + room)), "ok");
    suite.license("1025 bytes to sign", &world.license_of(padded(257 + room)), "too-long-direct");
    let signers = [(Role::Issuer, &world.seal)];
    let sealed = world.main.sealing(&signers).seal(Kind::License, &world.seal, vec![padded(2_000)]);
    suite.license("a sealed license of more than 2000 bytes", &sealed[0], "ok");
}
