//! Seals: the path of one document, the statement about its batch, and the signers of it.

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::KeyId;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::Role;

use super::{Suite, World};
use crate::authority::Sealing;
use crate::key::SecretKey;
use crate::license::bare;
use crate::raw::{RawEnvelope, RawMap, RawSeal, bytes};

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("seal");
    good(&mut suite, world);
    changed(&mut suite, world);
    malformed(&mut suite, world);
    signers(&mut suite, world);
    statements(&mut suite, world);
    rotation(&mut suite, world);
    suite
}

fn good(suite: &mut Suite, world: &World) {
    for (index, document) in world.batch_of_seven().iter().enumerate() {
        suite.license(format!("number {index} of seven"), document, "ok");
    }
    suite.license("a batch of one", &world.main.issue_sealed(&world.seal, &[bare()])[0], "ok");
    suite.license("a batch of one, P-256", &world.main.issue_sealed(&world.p256_seal, &[bare()])[0], "ok");
    let signers = [(Role::Issuer, &world.seal)];
    let unnumbered = Sealing { first_index: None, ..world.main.sealing(&signers) };
    suite.license("without log index", &seal(&unnumbered, &world.seal), "ok");
}

fn seal(sealing: &Sealing<'_>, issuer: &SecretKey) -> Vec<u8> {
    sealing.seal(Kind::License, issuer, vec![bare().encode()]).remove(0)
}

/// A good seal in which one value is changed after signing.
fn changed(suite: &mut Suite, world: &World) {
    let document = world.good_sealed();
    let good = RawSeal::of(&document);
    let mut case = |name: &str, change: &dyn Fn(&mut RawSeal), code: &str| {
        let mut seal = good.clone();
        change(&mut seal);
        suite.license(name, &seal.put_into(&document), code);
    };
    case("unchanged", &|_| {}, "ok");
    case("index of the sibling", &|seal| seal.leaf_index = 2, "signature-wrong");
    case("index with a shorter path", &|seal| seal.leaf_index = 6, "path-wrong");
    case("index at the size", &|seal| seal.leaf_index = 7, "out-of-range");
    case("index beyond the size", &|seal| seal.leaf_index = u64::MAX, "out-of-range");
    case("size one more", &|seal| seal.size = 8, "signature-wrong");
    case("size one less", &|seal| seal.size = 6, "signature-wrong");
    case("size with a longer path", &|seal| seal.size = 9, "path-wrong");
    case("size with a shorter path", &|seal| seal.size = 4, "path-wrong");
    case("size 0", &|seal| seal.size = 0, "out-of-range");
    case("size of 2^64 - 1", &|seal| seal.size = u64::MAX, "path-wrong");
    case("path one hash short", &|seal| seal.path.truncate(64), "path-wrong");
    case("path one hash long", &|seal| seal.path.extend([0; 32]), "path-wrong");
    case("path of none", &|seal| seal.path.clear(), "path-wrong");
    case("path one byte short", &|seal| seal.path.truncate(95), "path-length");
    case("path one byte long", &|seal| seal.path.push(0), "path-length");
    case("path of 64 hashes", &|seal| seal.path = vec![0; 64 * 32], "path-length");
    case(
        "path of 63 hashes in the greatest tree",
        &|seal| (seal.size, seal.path) = (1 << 63, vec![0; 63 * 32]),
        "signature-wrong",
    );
    case("path with two hashes swapped", &|seal| seal.path.rotate_left(32), "signature-wrong");
    case("path with one bit changed", &|seal| seal.path[40] ^= 1, "signature-wrong");
    case("root version 0", &|seal| seal.root_version = 0, "root-version");
    case("root version 2", &|seal| seal.root_version = 2, "root-version");
    case("first index one more", &|seal| seal.first_index = Some(1_001), "signature-wrong");
    case("first index removed", &|seal| seal.first_index = None, "signature-wrong");
    case("time one second later", &|seal| seal.time += 1, "signature-wrong");
    case("time after the year 9999", &|seal| seal.time = 253_402_300_800, "out-of-range");
    case("signature changed", &|seal| seal.signatures[0].2[7] ^= 1, "signature-wrong");
    case("no signatures", &|seal| seal.signatures.clear(), "out-of-range");
    case("signature of 63 bytes", &|seal| seal.signatures[0].2.truncate(63), "wrong-length");
    case("signature of 65 bytes", &|seal| seal.signatures[0].2.push(0), "wrong-length");
    case(
        "the same signature twice",
        &|seal| seal.signatures.extend(seal.signatures.clone()),
        "signers-wrong",
    );
    let many = |seal: &mut RawSeal| seal.signatures = vec![seal.signatures[0].clone(); 17];
    case("17 signatures", &many, "out-of-range");
    let stranger = world.stranger.kid();
    case("kid of a stranger", &|seal| seal.signatures[0].0 = stranger, "key-unknown");
    let other = world.co_signed.kid();
    case("kid of another issuer", &|seal| seal.signatures[0].0 = other, "signers-wrong");
    case("algorithm of another", &|seal| seal.signatures[0].1 = Algorithm::Esp256, "alg-mismatch");

    let sibling = &world.batch_of_seven()[2];
    let moved = good.put_into(sibling);
    suite.license("seal of another license of the batch", &moved, "signature-wrong");
    let foreign = RawSeal::of(&world.main.issue_sealed(&world.seal, &[bare()])[0]);
    suite.license("seal of another batch", &foreign.put_into(&document), "signature-wrong");
}

/// Signature fields that are not a seal.
fn malformed(suite: &mut Suite, world: &World) {
    let document = RawEnvelope::of(&world.good_sealed());
    let good = document.signature.clone();
    let mut case = |name: &str, signature: Vec<u8>, code| {
        suite.license(name, &RawEnvelope { signature, ..document.clone() }.join(), code);
    };
    case("signature field of 64 bytes", vec![0; 64], "trailing-bytes");
    case("signature field of no bytes", vec![], "truncated");
    case("seal of six values", [&[0x86], &good[1..good.len() - 84]].concat(), "truncated");
    case("seal of no values", vec![0x80], "wrong-length");
    case("seal as a map", vec![0xa0], "wrong-type");
    case("byte behind the seal", [&good[..], &[0]].concat(), "trailing-bytes");
    case("seal cut short", good[..good.len() - 1].to_vec(), "truncated");
    case("seal of indefinite length", [&[0x9f], &good[1..], &[0xff]].concat(), "indefinite-length");
    case("size in two bytes", [&[good[0], 0x18, 7], &good[2..]].concat(), "non-minimal-head");
    case("size as text", [&[good[0], 0x61, b'7'], &good[2..]].concat(), "wrong-type");
    case("size as a float", [&[good[0], 0xf9, 0, 0], &good[2..]].concat(), "forbidden-simple");
    case("seal under a tag", [&[0xd2], &good[..]].concat(), "forbidden-tag");
    case("seal of 2^64 - 1 values", vec![0x9b, 255, 255, 255, 255, 255, 255, 255, 255], "truncated");
    case("seal nested nine deep", [&[0x81; 9][..], &[0]].concat(), "too-deep");
}

/// Seals that are signed well, by the wrong keys.
fn signers(suite: &mut Suite, world: &World) {
    let (issuer, witness) = ((Role::Issuer, &world.co_signed), (Role::Witness, &world.witness));
    let by = |signers: &[(Role, &SecretKey)]| seal(&world.main.sealing(signers), &world.co_signed);
    let good = by(&[issuer, witness]);
    suite.license("issuer and witness", &good, "ok");
    suite.license("the witness has not signed", &by(&[issuer]), "co-signer-missing");
    suite.license(
        "a second issuer instead of the witness",
        &by(&[issuer, (Role::Issuer, &world.seal)]),
        "co-signer-missing",
    );
    suite.license("the witness alone", &by(&[witness]), "signers-wrong");
    let direct = by(&[issuer, (Role::Witness, &world.witness_direct)]);
    suite.license("a witness certified to sign directly", &direct, "alg-mismatch");
    let other_typ = by(&[issuer, (Role::Witness, &world.witness_other_typ)]);
    suite.license("a witness certified for requests alone", &other_typ, "typ-not-certified");
    let late = by(&[issuer, (Role::Witness, &world.witness_late)]);
    suite.license("a witness that is not valid yet", &late, "key-out-of-term");
    let custodian = by(&[issuer, (Role::Custodian, &world.main.quorum.custodians[0])]);
    suite.license("a custodian as witness", &custodian, "key-unknown");
    let other_role = by(&[issuer, (Role::Log, &world.witness)]);
    suite.license("a witness that signs as log", &other_role, "signature-wrong");
    let uncalled = seal(&world.main.sealing(&[(Role::Issuer, &world.seal), witness]), &world.seal);
    suite.license("a witness that nobody demands", &uncalled, "ok");

    let mut swapped = RawSeal::of(&good);
    swapped.signatures.swap(0, 1);
    suite.license("signers in another order", &swapped.put_into(&good), "signers-wrong");
    let mut exchanged = RawSeal::of(&good);
    let (first, second) = (exchanged.signatures[0].2.clone(), exchanged.signatures[1].2.clone());
    (exchanged.signatures[0].2, exchanged.signatures[1].2) = (second, first);
    suite.license("signatures of each other", &exchanged.put_into(&good), "signature-wrong");
    let mut removed = RawSeal::of(&good);
    removed.signatures.pop();
    suite.license("the witness's signature removed", &removed.put_into(&good), "signature-wrong");
    let twice = by(&[issuer, witness, witness]);
    suite.license("the witness signs twice", &twice, "signers-wrong");
    let mut spoilt = RawSeal::of(&good);
    spoilt.signatures[1].2[0] ^= 1;
    suite.license("the witness's signature changed", &spoilt.put_into(&good), "signature-wrong");

    let other = world.main.sealing(&[(Role::Issuer, &world.seal)]).seal(
        Kind::License,
        &world.p256_seal,
        vec![bare().encode()],
    );
    suite.license("outer kid of an issuer that has not signed", &other[0], "signers-wrong");
    let outer = RawEnvelope::of(&good);
    let with_kid = |kid: KeyId| {
        let protected = RawMap::of(&outer.protected).set(4, &bytes(&kid.0)).join();
        RawEnvelope { protected, ..outer.clone() }.join()
    };
    suite.license("outer kid of the witness", &with_kid(world.witness.kid()), "typ-not-certified");
    suite.license("outer kid of a stranger", &with_kid(world.stranger.kid()), "key-unknown");
}

/// Seals whose statement says something else than their document.
fn statements(suite: &mut Suite, world: &World) {
    let signers = [(Role::Issuer, &world.seal)];
    let good = world.main.sealing(&signers);
    let other = world.rotated.clone().rotate(crate::authority::Quorum::of(1, &[9])).root_hash;
    let sealing = Sealing { authority: chancery_formats::id::AuthorityId(other), ..good };
    suite.license("statement of another authority", &seal(&sealing, &world.seal), "signature-wrong");
    let sealing = Sealing { root_version: 2, ..good };
    suite.license("statement of a root version to come", &seal(&sealing, &world.seal), "root-version");
    let header = Header { mode: Mode::Seal, kid: world.seal.kid(), typ: Kind::License.typ() };
    let document = || vec![Unsigned::new(&header, bare().encode())];
    let typ = good.seal_unsigned(Kind::KeyRecord.typ(), document()).remove(0);
    suite.license("statement of another typ", &typ, "signature-wrong");
}

/// A rotated root ends no license; a root version that the site has not seen cannot seal one.
fn rotation(suite: &mut Suite, world: &World) {
    let signers = [(Role::Issuer, &world.seal)];
    let before = seal(&world.main.sealing(&signers), &world.seal);
    let after = seal(&world.rotated.sealing(&signers), &world.seal);
    suite.license_under("rotated", "sealed before the rotation", &before, "ok");
    suite.license_under("rotated", "sealed after the rotation", &after, "ok");
    suite.license("sealed after a rotation that is not known", &after, "root-version");
    let sealing = Sealing { root_version: 3, ..world.rotated.sealing(&signers) };
    suite.license_under(
        "rotated",
        "sealed under a root to come",
        &seal(&sealing, &world.seal),
        "root-version",
    );
    let sealing = Sealing { root_version: 0, ..world.rotated.sealing(&signers) };
    suite.license_under(
        "rotated",
        "sealed under root version 0",
        &seal(&sealing, &world.seal),
        "root-version",
    );
}
