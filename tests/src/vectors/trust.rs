//! Trust bundles: the root chain, its quorums, and whose key records it takes.

use chancery_formats::document::{Kind, MAX_BUNDLE};
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, KeyMode};

use super::{Suite, World, weak};
use crate::authority::{Authority, FOUNDED, Quorum, Sealing, root, sign_direct};
use crate::key::SecretKey;
use crate::raw::{RawEnvelope, RawMap, RawSeal, bytes, text};

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("trust");
    good(&mut suite, world);
    bundles(&mut suite, world);
    quorums(&mut suite);
    chains(&mut suite);
    roots(&mut suite);
    records(&mut suite, world);
    suite
}

fn founded() -> Authority {
    Authority::found(Quorum::of(2, &World::CUSTODIANS))
}

fn by_custodians(keys: &[SecretKey]) -> Vec<(Role, &SecretKey)> {
    keys.iter().map(|key| (Role::Custodian, key)).collect()
}

fn good(suite: &mut Suite, world: &World) {
    suite.trust("one custodian", &Authority::found(Quorum::of(1, &[1])).bundle(), "ok");
    suite.trust("two of three custodians", &founded().bundle(), "ok");
    suite.trust("two of three custodians, pinned", &founded().bundle(), "ok");
    suite.pinned(&founded());
    let mixed = Quorum { custodians: vec![SecretKey::ed25519(1), SecretKey::p256(2)], ..Quorum::of(2, &[]) };
    suite.trust("custodians of both algorithms", &Authority::found(mixed).bundle(), "ok");
    let sixteen: Vec<u8> = (1..=16).collect();
    suite.trust("sixteen of sixteen custodians", &Authority::found(Quorum::of(16, &sixteen)).bundle(), "ok");
    suite.trust("records of thirteen keys", &world.main.bundle(), "ok");
    suite.trust("a rotated root and two records", &world.rotated.bundle(), "ok");
    let thrice = founded().rotate(Quorum::of(2, &[2, 3, 4])).rotate(Quorum::of(1, &[9]));
    suite.trust("three root versions, one quorum after the other", &thrice.bundle(), "ok");
    suite.pinned(&founded());
    let mut records_first = world.rotated.clone();
    records_first.members.swap(1, 2);
    suite.trust("a record before the root that sealed it", &records_first.bundle(), "root-version");

    suite.trust("another authority than the one pinned", &founded().bundle(), "authority-other");
    suite.pinned(&Authority::found(Quorum::of(1, &[1])));
    suite.trust("rotated root of another authority than the one pinned", &thrice.bundle(), "authority-other");
    suite.pinned(&Authority::found(Quorum::of(1, &[9])));
}

/// Bundles that are not bundles.
fn bundles(suite: &mut Suite, world: &World) {
    let good = founded().bundle();
    let map = RawMap::of(&good);
    suite.trust("no bytes", &[], "truncated");
    suite.trust("last byte missing", &good[..good.len() - 1], "truncated");
    suite.trust("one byte more", &[&good[..], &[0]].concat(), "trailing-bytes");
    suite.trust("zeros to one above the limit", &good, "too-large");
    suite.padded_to(MAX_BUNDLE + 1);
    suite.trust("indefinite length", &[&[0xbf], &good[1..], &[0xff]].concat(), "indefinite-length");
    suite.trust("head in two bytes", &[&[0xb8, 2], &good[1..]].concat(), "non-minimal-head");
    suite.trust("under a tag", &[&[0xd2], &good[..]].concat(), "forbidden-tag");
    suite.trust("as an array", &[0x80], "wrong-type");
    suite.trust("of nothing", &[0xa0], "unknown-field");
    suite.trust("typ of another kind", &map.clone().set(0, &text(Kind::License.typ())).join(), "typ-wrong");
    suite.trust("typ as a number", &map.clone().set(0, &[0]).join(), "wrong-type");
    suite.trust("unknown field 4", &map.clone().set(4, &[0]).join(), "unknown-field");
    suite.trust("members under another key", &map.clone().without(1).set(2, &[0x80]).join(), "unknown-field");
    let swapped = RawMap(vec![map.0[1].clone(), map.0[0].clone()]);
    suite.trust("members before typ", &swapped.join(), "unsorted-keys");
    let twice = RawMap(vec![map.0[0].clone(), map.0[0].clone()]);
    suite.trust("typ twice", &twice.join(), "duplicate-key");
    suite.trust("no members", &Bundle::encode(&[]), "out-of-range");
    suite.trust("members as a number", &map.clone().set(1, &[1]).join(), "wrong-type");
    suite.trust("a member that is no byte string", &map.clone().set(1, &[0x81, 0xa0]).join(), "wrong-type");
    suite.trust(
        "members of indefinite length",
        &map.clone().set(1, &[0x9f, 0xff]).join(),
        "indefinite-length",
    );
    let bomb = map.clone().set(1, &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]);
    suite.trust("2^64 - 1 members", &bomb.join(), "truncated");
    suite.trust("depth of 5000 arrays", &map.set(1, &[0x81; 5_000]).join(), "too-deep");

    let with = |member: Vec<u8>| Bundle::encode(&[founded().members, vec![member]].concat());
    suite.trust("a member of no bytes", &with(Vec::new()), "truncated");
    suite.trust("a member that is untagged", &with(founded().members[0][1..].to_vec()), "tag-wrong");
    suite.trust("a license as a member", &with(world.good_sealed()), "typ-not-certified");
    suite.trust("a bundle as a member", &with(good), "tag-wrong");
    suite.trust("a key record without a root", &Bundle::encode(&world.main.members[1..2]), "root-missing");
}

/// Who signs a root.
fn quorums(suite: &mut Suite) {
    let quorum = Quorum::of(2, &World::CUSTODIANS);
    let keys = &quorum.custodians;
    let mut case = |name: &str, quorum: &Quorum, signers: &[(Role, &SecretKey)], code| {
        suite.trust(name, &Bundle::encode(&[root(1, None, None, quorum, signers).1]), code);
    };
    case("all three sign where two must", &quorum, &by_custodians(keys), "ok");
    case("one signs where two must", &quorum, &by_custodians(&keys[..1]), "root-threshold");
    let twice = [keys[0].clone(), keys[0].clone()];
    case("one signs twice where two must", &quorum, &by_custodians(&twice), "signers-wrong");
    let foreign = [keys[0].clone(), SecretKey::ed25519(9)];
    case("one signs and a stranger signs", &quorum, &by_custodians(&foreign), "key-unknown");
    // Statements sort by role first; the key with the lower thumbprint stays in front either way.
    let (low, high) = if keys[0].thumbprint() < keys[1].thumbprint() { (0, 1) } else { (1, 0) };
    let other_role = [(Role::Custodian, &keys[low]), (Role::Witness, &keys[high])];
    case("one signs as a witness", &quorum, &other_role, "signature-wrong");
    for (name, key) in weak::keys() {
        // The weak key has a seat among the custodians; the others sign well.
        let code = weak::alone(&key);
        let seats = [keys[0].public(), keys[1].public(), key];
        let custodians = chancery_formats::trust::Custodians::encode(&seats);
        let payload = RawMap::of(&root(1, None, None, &quorum, &by_custodians(keys)).0).set(6, &custodians);
        suite.trust(format!("custodian: {name}"), &sealed_root(&payload.join(), &quorum), code);
    }
    let good = founded().members.remove(0);
    let mut swapped = RawSeal::of(&good);
    swapped.signatures.swap(0, 1);
    suite.trust("custodians in another order", &Bundle::encode(&[swapped.put_into(&good)]), "signers-wrong");
    let mut spoilt = RawSeal::of(&good);
    spoilt.signatures[1].2[0] ^= 1;
    suite.trust("one signature changed", &Bundle::encode(&[spoilt.put_into(&good)]), "signature-wrong");
    let direct = sign_direct(&keys[0], Kind::Root, RawEnvelope::of(&good).payload);
    suite.trust("root signed directly", &Bundle::encode(&[direct]), "alg-mismatch");
    let stranger = SecretKey::ed25519(9);
    let protected = RawMap::of(&RawEnvelope::of(&good).protected).set(4, &bytes(&stranger.kid().0)).join();
    let outer = RawEnvelope { protected, ..RawEnvelope::of(&good) }.join();
    suite.trust("outer kid of a stranger", &Bundle::encode(&[outer]), "signers-wrong");
}

/// How a root follows from the one before.
fn chains(suite: &mut Suite) {
    let one = founded();
    let next = Quorum::of(2, &[4, 5, 6]);
    let both = [&one.quorum.custodians[..2], &next.custodians[..2]].concat();
    let mut case = |name: &str, version, previous, signers: &[SecretKey], code| {
        let two = root(version, previous, Some(one.id), &next, &by_custodians(signers)).1;
        suite.trust(name, &Bundle::encode(&[one.members.clone(), vec![two]].concat()), code);
    };
    let hash = Some(one.root_hash);
    case("both quorums sign", 2, hash, &both, "ok");
    case("the quorum before does not sign", 2, hash, &both[2..], "root-threshold");
    case("the new quorum does not sign", 2, hash, &both[..2], "root-threshold");
    case("one of the quorum before is missing", 2, hash, &both[1..], "root-threshold");
    case("one of the new quorum is missing", 2, hash, &both[..3], "root-threshold");
    case("a version is skipped", 3, hash, &both, "root-chain");
    case("version 2^32 - 1", u32::MAX, hash, &both, "root-chain");
    case("hash of another root before", 2, Some([7; 32]), &both, "root-chain");
    case("version 1 again", 1, None, &both, "root-chain");
    let alone = one.clone().rotate(next).members.remove(1);
    suite.trust("version 2 without version 1", &Bundle::encode(&[alone]), "root-chain");
    let twice = [one.members.clone(), one.members.clone()].concat();
    suite.trust("the same root twice", &Bundle::encode(&twice), "root-chain");
    let mut gap = one.clone();
    for number in 5..8 {
        gap = gap.rotate(Quorum::of(1, &[number]));
    }
    gap.members.remove(2);
    suite.trust("four versions of which the third is missing", &gap.bundle(), "root-chain");
    let foreign = Authority::found(Quorum::of(1, &[9])).rotate(Quorum::of(1, &[8])).members.remove(1);
    let mixed = [one.members.clone(), vec![foreign]].concat();
    suite.trust("version 2 of another authority", &Bundle::encode(&mixed), "root-chain");
    let mut reversed = one.rotate(Quorum::of(2, &[2, 3, 4])).members;
    reversed.reverse();
    suite.trust("version 2 before version 1", &Bundle::encode(&reversed), "root-chain");
}

/// Seals any payload as root version 1 of the authority that it founds.
fn sealed_root(payload: &[u8], quorum: &Quorum) -> Vec<u8> {
    let signers = by_custodians(&quorum.custodians);
    let authority = chancery_formats::trust::Root::authority_id(payload);
    let sealing = Sealing { authority, root_version: 1, first_index: None, time: FOUNDED, signers: &signers };
    let document = sealing.seal(Kind::Root, &quorum.custodians[0], vec![payload.to_vec()]);
    Bundle::encode(&document)
}

/// What a root says.
fn roots(suite: &mut Suite) {
    let quorum = Quorum::of(2, &World::CUSTODIANS);
    let map = RawMap::of(&root(1, None, None, &quorum, &quorum.signers()).0);
    let mut case =
        |name: &str, map: &RawMap, code| suite.trust(name, &sealed_root(&map.join(), &quorum), code);
    case("root as it should be", &map, "ok");
    for (name, key) in
        [("schema", 1), ("name", 2), ("version", 3), ("threshold", 5), ("custodians", 6), ("time", 7)]
    {
        case(&format!("root without {name}"), &map.clone().without(key), "missing-field");
    }
    let key = SecretKey::ed25519(1).public().encode();
    let seventeen: Vec<_> = (1..=17).map(|number| SecretKey::ed25519(number).public()).collect();
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("root with unknown field 12", 12, vec![0], "unknown-field"),
        ("root with unknown field -1", -1, vec![0], "unknown-field"),
        ("root of schema 2", 1, vec![2], "schema-unknown"),
        ("root name with an isolate", 2, text("Nor\u{2067}th"), "text-forbidden"),
        ("root name of no text", 2, text(""), "text-forbidden"),
        ("root version 0", 3, vec![0], "out-of-range"),
        ("root version 2^32", 3, vec![0x1b, 0, 0, 0, 1, 0, 0, 0, 0], "out-of-range"),
        ("root version 1 with a root before", 4, bytes(&[7; 32]), "out-of-range"),
        ("hash of 31 bytes of the root before", 4, bytes(&[7; 31]), "wrong-length"),
        ("threshold 0", 5, vec![0], "out-of-range"),
        ("threshold above the custodians", 5, vec![4], "out-of-range"),
        ("no custodians", 6, vec![0x80], "out-of-range"),
        ("17 custodians", 6, chancery_formats::trust::Custodians::encode(&seventeen), "out-of-range"),
        ("one custodian twice", 6, [&[0x82], &key[..], &key].concat(), "unsorted-keys"),
        ("custodian that is no key", 6, vec![0x81, 0xa0], "key-invalid"),
        (
            "root time after the year 9999",
            7,
            vec![0x1b, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80],
            "out-of-range",
        ),
    ];
    for (name, key, value, code) in cases {
        case(name, &map.clone().set(key, &value), code);
    }
}

/// Whose key records a chain takes.
fn records(suite: &mut Suite, world: &World) {
    let authority = founded();
    let record = authority.record(&world.seal, Role::Issuer, KeyMode::Seal);
    let with = |member: Vec<u8>| Bundle::encode(&[authority.members.clone(), vec![member]].concat());
    let payload = || vec![record.encode()];
    let by = |sealing: &Sealing<'_>, key: &SecretKey| {
        with(sealing.seal(Kind::KeyRecord, key, payload()).remove(0))
    };
    let keys = &authority.quorum.custodians;
    let quorum = by_custodians(&keys[1..]);
    let good = Sealing { first_index: None, ..authority.sealing(&quorum) };
    suite.trust("record by the other two custodians", &by(&good, &keys[1]), "ok");
    let one = by_custodians(&keys[..1]);
    suite.trust("record by one of two", &by(&Sealing { signers: &one, ..good }, &keys[0]), "root-threshold");
    let issuer = [(Role::Issuer, &world.direct)];
    suite.trust(
        "record by an issuing key",
        &by(&Sealing { signers: &issuer, ..good }, &world.direct),
        "key-unknown",
    );
    suite.trust(
        "record signed directly",
        &with(sign_direct(&keys[0], Kind::KeyRecord, record.encode())),
        "alg-mismatch",
    );
    let other = Authority::found(Quorum::of(2, &[4, 5, 6]));
    let foreign = other.record(&world.seal, Role::Issuer, KeyMode::Seal);
    suite.trust(
        "record of another authority",
        &with(other.seal_by_root(Kind::KeyRecord, foreign.encode())),
        "key-unknown",
    );
    let misled = authority.clone().certify(&foreign);
    suite.trust("record for another authority, sealed by this one", &misled.bundle(), "authority-other");
    let twin = Authority::found(Quorum::of(1, &World::CUSTODIANS));
    let shared = twin.seal_by_root(Kind::KeyRecord, record.encode());
    suite.trust("record sealed for a twin with the same custodians", &with(shared), "signature-wrong");
    let typ = good.seal(Kind::License, &keys[1], payload()).remove(0);
    suite.trust("record with the typ of a license", &with(typ), "typ-not-certified");

    let twice = authority.clone().certify(&record).certify(&authority.record(
        &world.seal,
        Role::Witness,
        KeyMode::Seal,
    ));
    suite.trust("one key in two records", &twice.bundle(), "key-id-shared");
    let custodian = authority.clone().certify(&authority.record(&keys[2], Role::Issuer, KeyMode::Direct));
    suite.trust("record for a custodian's key", &custodian.bundle(), "key-id-shared");
    let rotated = authority.clone().certify(&record).rotate(Quorum::of(2, &[2, 3, 4]));
    suite.trust("a root behind the record that it outdates", &rotated.bundle(), "root-chain");
    let mut roots_first = rotated.clone();
    roots_first.members.swap(1, 2);
    suite.trust("record under the root before", &roots_first.bundle(), "root-version");
    let early = Sealing { root_version: 2, ..good };
    suite.trust("record under a root to come", &by(&early, &keys[1]), "root-version");
}
