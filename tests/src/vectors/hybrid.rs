//! Hybrid trust: Ed25519 and ML-DSA-87 sign together, everywhere or nowhere, and never less than before.

use chancery_formats::document::Kind;
use chancery_formats::key::PublicKey;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, KeyMode, KeyRecord, Partners};

use super::{NamedBundle, Suite, weak};
use crate::authority::{Authority, Extras, Quorum, root};
use crate::key::SecretKey;
use crate::license::bare;
use crate::raw::{RawMap, RawSeal};

const ISSUER: u8 = 52;
const OTHER: u8 = 53;

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("hybrid");
    roots(&mut suite);
    floor(&mut suite);
    records(&mut suite);
    licenses(&mut suite);
    suite
}

pub(super) fn bundles() -> Vec<NamedBundle> {
    vec![NamedBundle::of("hybrid", &certified())]
}

fn founded() -> Authority {
    Authority::found(Quorum::hybrid(1, &[50]))
}

fn record(authority: &Authority, number: u8, partner: u8) -> KeyRecord<'static> {
    let record = authority.record(&SecretKey::ed25519(number), Role::Issuer, KeyMode::Seal);
    KeyRecord { partner: Some(SecretKey::ml_dsa_87(partner).public()), ..record }
}

/// A hybrid authority with two issuers.
fn certified() -> Authority {
    let authority = founded();
    let records = [ISSUER, OTHER].map(|number| record(&authority, number, number));
    records.iter().fold(authority, Authority::certify)
}

/// A custodian counts where both of its keys signed.
fn roots(suite: &mut Suite) {
    suite.trust("one custodian with its partner", &founded().bundle(), "ok");
    let quorum = Quorum::hybrid(1, &[50, 51]);
    let (first, second) = (&quorum.custodians[0], &quorum.custodians[1]);
    let partner = &quorum.partners[0];
    let by = |keys: &[&SecretKey]| {
        let signers: Vec<_> = keys.iter().map(|key| (Role::Custodian, *key)).collect();
        Bundle::encode(&[root(1, None, None, &quorum, &signers).1])
    };
    suite.trust("a custodian without its partner", &by(&[first]), "root-threshold");
    suite.trust("a partner without its custodian", &by(&[partner]), "root-threshold");
    suite.trust("a custodian with the partner of another", &by(&[second, partner]), "root-threshold");
    suite.trust("two custodians without partners", &by(&[first, second]), "root-threshold");
    let stranger = SecretKey::ml_dsa_87(99);
    suite.trust("a custodian with a stranger's partner", &by(&[first, &stranger]), "key-unknown");
    let good = founded().members.remove(0);
    let mut changed = RawSeal::of(&good);
    for signature in &mut changed.signatures {
        if signature.2.len() > 64 {
            signature.2[0] ^= 1;
        }
    }
    suite.trust(
        "ML-DSA-87 signature changed",
        &Bundle::encode(&[changed.put_into(&good)]),
        "signature-wrong",
    );
    let mut stripped = RawSeal::of(&good);
    stripped.signatures.retain(|signature| signature.2.len() == 64);
    let kept = stripped.signatures[0].0;
    assert_eq!(kept, founded().quorum.custodians[0].kid());
    // The statement names its signers, so what remains is a signature over another statement.
    suite.trust("ML-DSA-87 half stripped", &Bundle::encode(&[stripped.put_into(&good)]), "signature-wrong");

    let one = founded();
    let map = RawMap::of(&root(1, None, None, &one.quorum, &one.quorum.signers()).0);
    let founding = Authority { members: Vec::new(), ..one };
    let mut field = |name: &str, value: &[u8], code| {
        let payload = map.clone().set(10, value).join();
        suite.trust(name, &founding.clone().publish(Kind::Root, payload).bundle(), code);
    };
    let two = Partners::encode(&[50, 51].map(|number| SecretKey::ml_dsa_87(number).public()));
    field("two partners of one custodian", &two, "out-of-range");
    field("no partners", &[0x80], "out-of-range");
    for (name, key) in weak::keys().into_iter().filter(|(_, key)| matches!(key, PublicKey::MlDsa87(_))) {
        field(&format!("partner: {name}"), &[&[0x81], &key.encode()[..]].concat(), "key-weak");
    }
    let plain = [&[0x81], &SecretKey::ed25519(50).public().encode()[..]].concat();
    field("Ed25519 as a partner", &plain, "key-invalid");
    let alone = [&[0x81], &SecretKey::ml_dsa_87(50).public().encode()[..]].concat();
    let payload = map.clone().without(10).set(6, &alone).join();
    suite.trust("ML-DSA-87 as a custodian", &founding.publish(Kind::Root, payload).bundle(), "key-invalid");
}

/// The floor rises and never falls.
fn floor(suite: &mut Suite) {
    let plain = Authority::found(Quorum::of(1, &[1]));
    suite.trust("a plain quorum becomes hybrid", &plain.rotate(Quorum::hybrid(1, &[50])).bundle(), "ok");
    let fallen = founded().rotate(Quorum::of(1, &[1]));
    suite.trust("a hybrid quorum becomes plain", &fallen.bundle(), "hybrid-floor");
    let one = founded();
    let next = Quorum::hybrid(1, &[51]);
    let half = [next.signers(), vec![(Role::Custodian, &one.quorum.custodians[0])]].concat();
    let halved = one.follow(&next, &half, Extras::default());
    suite.trust("the quorum before signs without partners", &halved.bundle(), "root-threshold");
    let set = Quorum::of(1, &[40]);
    let one =
        Authority::found_with(Quorum::hybrid(1, &[50]), Extras { recovery: Some(&set), ..Extras::default() });
    let signers = [next.signers(), set.signers()].concat();
    let told = Extras { revealed: Some(&set), ..Extras::default() };
    suite.trust("a plain recovery set", &one.follow(&next, &signers, told).bundle(), "hybrid-floor");
}

/// Records follow the root.
fn records(suite: &mut Suite) {
    suite.trust("records with partners", &certified().bundle(), "ok");
    let hybrid = founded();
    let good = record(&hybrid, ISSUER, ISSUER);
    let with = |record: &KeyRecord<'_>| hybrid.clone().certify(record).bundle();
    suite.trust(
        "a record without partner under a hybrid root",
        &with(&KeyRecord { partner: None, ..good.clone() }),
        "hybrid-floor",
    );
    let direct = KeyRecord { mode: KeyMode::Direct, ..good.clone() };
    suite.trust("a direct key with a partner", &with(&direct), "alg-mismatch");
    let plain = Authority::found(Quorum::of(1, &[1]));
    let paired = record(&plain, ISSUER, ISSUER);
    suite.trust("a partner under a plain root", &plain.certify(&paired).bundle(), "hybrid-floor");
    let shared = hybrid.clone().certify(&good).certify(&record(&hybrid, OTHER, ISSUER));
    suite.trust("one partner of two keys", &shared.bundle(), "key-id-shared");
    let custodian = hybrid.clone().certify(&record(&hybrid, ISSUER, 50));
    suite.trust("a custodian's partner as a key's", &custodian.bundle(), "key-id-shared");
    let half = [(Role::Custodian, &hybrid.quorum.custodians[0])];
    let sealed = hybrid.sealing(&half).seal(Kind::KeyRecord, half[0].1, vec![good.encode()]).remove(0);
    let members = [hybrid.members.clone(), vec![sealed]].concat();
    suite.trust("a record that partners did not seal", &Bundle::encode(&members), "root-threshold");
    let map = RawMap::of(&good.encode()).set(13, &SecretKey::ed25519(9).public().encode());
    let sealed = hybrid.clone().publish(Kind::KeyRecord, map.join());
    suite.trust("an Ed25519 key as a key's partner", &sealed.bundle(), "key-invalid");
}

/// Licenses need both keys of the issuer.
fn licenses(suite: &mut Suite) {
    let authority = certified();
    let (issuer, other) = (SecretKey::ed25519(ISSUER), SecretKey::ed25519(OTHER));
    let (partner, foreign) = (SecretKey::ml_dsa_87(ISSUER), SecretKey::ml_dsa_87(OTHER));
    let by = |outer: &SecretKey, keys: &[&SecretKey]| {
        let signers: Vec<_> = keys.iter().map(|key| (Role::Issuer, *key)).collect();
        authority.sealing(&signers).seal(Kind::License, outer, vec![bare().encode()]).remove(0)
    };
    let mut case = |name: &str, document: &[u8], code| suite.license_under("hybrid", name, document, code);
    let good = by(&issuer, &[&issuer, &partner]);
    case("a license of both keys", &good, "ok");
    case("a license without the partner", &by(&issuer, &[&issuer]), "partner-missing");
    case("a license with the partner of another key", &by(&issuer, &[&issuer, &foreign]), "partner-missing");
    case(
        "a license of two issuers, one whole",
        &by(&issuer, &[&issuer, &partner, &other]),
        "partner-missing",
    );
    case("a license of the partner alone", &by(&issuer, &[&partner]), "signers-wrong");
    case("a license under the partner's kid", &by(&partner, &[&issuer, &partner]), "key-unknown");
    let mut changed = RawSeal::of(&good);
    for signature in &mut changed.signatures {
        if signature.2.len() > 64 {
            signature.2[4_000] ^= 1;
        }
    }
    case("a license with the ML-DSA-87 signature changed", &changed.put_into(&good), "signature-wrong");
    let mut stripped = RawSeal::of(&good);
    stripped.signatures.retain(|signature| signature.2.len() == 64);
    case("a license with the ML-DSA-87 half stripped", &stripped.put_into(&good), "signature-wrong");
}
