//! Manifests: which members belong together, who says so, and the trail of earlier bundles.

use chancery_formats::document::Kind;
use chancery_formats::merkle::{Hash, Head};
use chancery_formats::seal::Role;
use chancery_formats::trust::revocation::RevokedKeys;
use chancery_formats::trust::{Bundle, Closed, KeyMode, KeyRecord, Manifest};

use super::closing::closing;
use super::revocation::{certified as with_revoker, empty, listed, revoker};
use super::{Suite, World};
use crate::authority::{Authority, Extras, FOUNDED, Quorum, Sealing, sign_direct};
use crate::key::SecretKey;
use crate::raw::{RawMap, bytes, text};

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("manifest");
    members(&mut suite);
    sealed(&mut suite);
    trails(&mut suite);
    fields(&mut suite);
    suite
}

/// The key that seals manifests.
pub(super) fn log() -> SecretKey {
    SecretKey::ed25519(61)
}

/// An authority whose root demands manifests, with log key and revoker.
pub(super) fn founded() -> Authority {
    let quorum = Quorum::of(2, &World::CUSTODIANS);
    let authority = Authority::found_with(quorum, Extras { manifests: true, ..Extras::default() });
    let log = authority.record_for(&log(), Role::Log, Kind::Manifest);
    with_revoker(&authority.certify(&log))
}

/// Where a chain of bundles has come to.
#[derive(Clone, Debug)]
pub(super) struct Published {
    number: u64,
    link: Hash,
    /// The hashes of the payloads of every manifest so far.
    pub(super) trail: Vec<Hash>,
}

impl Published {
    pub(super) fn nothing(authority: &Authority) -> Self {
        Self { number: 0, link: authority.id.0, trail: Vec::new() }
    }

    /// The manifest of the next bundle.
    fn next(&self, authority: &Authority, time: u64) -> Vec<u8> {
        let members: Vec<Hash> = authority.members.iter().map(|member| Manifest::hash(member)).collect();
        let (number, previous) = (self.number + 1, self.link);
        let authority = authority.id;
        Manifest { authority, number, previous, members: &members, time, checkpoint: None }.encode()
    }

    /// Publishes the next bundle with the whole trail.
    pub(super) fn publish(&mut self, authority: &Authority, time: u64) -> Vec<u8> {
        let payload = self.next(authority, time);
        let bundle = bundle(authority, &seal(authority, &log(), Role::Log, payload.clone()), &self.trail);
        let hash = Manifest::hash(&payload);
        self.number += 1;
        self.link = Manifest::link(&self.link, &hash);
        self.trail.push(hash);
        bundle
    }
}

/// Seals a manifest by a key.
pub(super) fn seal(authority: &Authority, key: &SecretKey, role: Role, payload: Vec<u8>) -> Vec<u8> {
    let signers = [(role, key)];
    let sealing = Sealing { first_index: None, ..authority.sealing(&signers) };
    sealing.seal(Kind::Manifest, key, vec![payload]).remove(0)
}

pub(super) fn bundle(authority: &Authority, manifest: &[u8], trail: &[Hash]) -> Vec<u8> {
    Bundle::encode_with(&authority.members, Some(manifest), trail)
}

/// The members are those listed, in their order.
fn members(suite: &mut Suite) {
    let authority = founded();
    let good = Published::nothing(&authority).publish(&authority, FOUNDED);
    suite.trust("bundle 1", &good, "ok");
    suite.trust("no manifest where the root demands one", &authority.bundle(), "manifest-missing");
    let first = listed(&authority, &revoker(), Role::Revoker, empty(&authority, 1).join());
    let second = listed(&authority, &revoker(), Role::Revoker, empty(&authority, 2).join());
    let manifest = |authority: &Authority| {
        let payload = Published::nothing(authority).next(authority, FOUNDED);
        seal(authority, &log(), Role::Log, payload)
    };
    let mut with = |name: &str, members: &[Vec<u8>], authority: &Authority, code| {
        suite.trust(name, &Bundle::encode_with(members, Some(&manifest(authority)), &[]), code);
    };
    with("bundle with a list", &second.members, &second, "ok");
    with("an old list under the manifest of a new one", &first.members, &second, "manifest-mismatch");
    with("a list left out", &authority.members, &second, "manifest-mismatch");
    with("a list more than the manifest names", &first.members, &authority, "manifest-mismatch");
    let mut swapped = second.members.clone();
    swapped.swap(1, 2);
    with("members in another order", &swapped, &second, "manifest-mismatch");

    // Bundles of two roots: everything that rests on the first is sealed anew under the second.
    let next = Quorum::of(2, &[2, 3, 4]);
    let signers = [next.signers(), vec![(Role::Custodian, &authority.quorum.custodians[0])]].concat();
    let demanding = Extras { manifests: true, ..Extras::default() };
    let root = Authority { members: authority.members[..1].to_vec(), ..authority.clone() };
    let root = root.follow(&next, &signers, demanding);
    let record = root.record_for(&log(), Role::Log, Kind::Manifest);
    let newer = with_revoker(&root.certify(&record));
    let newer_listed = listed(&newer, &revoker(), Role::Revoker, empty(&newer, 2).join());
    let old_list = first.members.last().expect("a list").clone();
    let mixed = [newer.members.clone(), vec![old_list]].concat();
    with("a new root with its list", &newer_listed.members, &newer_listed, "ok");
    with("an old list beside a new root", &mixed, &newer_listed, "manifest-mismatch");
}

/// Who seals a manifest.
fn sealed(suite: &mut Suite) {
    let authority = founded();
    let payload = |authority: &Authority| Published::nothing(authority).next(authority, FOUNDED);
    let by = |authority: &Authority, key: &SecretKey, role| {
        bundle(authority, &seal(authority, key, role, payload(authority)), &[])
    };
    suite.trust("manifest by a stranger", &by(&authority, &SecretKey::ed25519(77), Role::Log), "key-unknown");
    let custodian = &authority.quorum.custodians[0];
    suite.trust("manifest by a custodian", &by(&authority, custodian, Role::Custodian), "key-unknown");
    suite.trust("manifest by the revoker", &by(&authority, &revoker(), Role::Revoker), "typ-not-certified");
    let key = SecretKey::ed25519(62);
    let mut certify = |name: &str, record: KeyRecord<'_>, code| {
        let role = record.role;
        suite.trust(name, &by(&authority.clone().certify(&record), &key, role), code);
    };
    let record = authority.record_for(&key, Role::Log, Kind::Manifest);
    certify(
        "manifest by an issuer",
        authority.record(&key, Role::Issuer, KeyMode::Seal),
        "typ-not-certified",
    );
    let issuer = authority.record_for(&key, Role::Issuer, Kind::Manifest);
    certify("manifest by an issuer certified for manifests", issuer, "typ-not-certified");
    certify(
        "manifest by a direct key",
        KeyRecord { mode: KeyMode::Direct, ..record.clone() },
        "alg-mismatch",
    );
    certify(
        "manifest by a log key that has ended",
        KeyRecord { not_before: 1, not_after: Some(FOUNDED - 1), ..record.clone() },
        "key-out-of-term",
    );
    certify(
        "manifest by a log key that has not begun",
        KeyRecord { not_before: FOUNDED + 1, ..record.clone() },
        "key-out-of-term",
    );
    let witnessed = KeyRecord { co_signers: vec![Role::Witness], ..record.clone() };
    certify("manifest without its co-signer", witnessed, "co-signer-missing");
    certify("manifest by a second log key", record, "ok");
    let head = Closed::Compromised(Head { size: 7, root: [7; 32] });
    let taken = authority.clone().publish(Kind::Closing, closing(&authority, &log(), head));
    suite.trust("manifest by a compromised log key", &by(&taken, &log(), Role::Log), "key-compromised");
    let retired = authority.clone().publish(Kind::Closing, closing(&authority, &log(), Closed::Retired));
    suite.trust("manifest by a retired log key", &by(&retired, &log(), Role::Log), "ok");
    let taken = RevokedKeys::encode(&[(log().thumbprint(), Head { size: 7, root: [7; 32] })]);
    let taken = empty(&authority, 1).set(10, &taken).join();
    let taken = listed(&authority, &revoker(), Role::Revoker, taken);
    suite.trust(
        "manifest by a log key that the list names",
        &by(&taken, &log(), Role::Log),
        "key-compromised",
    );
    let direct = sign_direct(&log(), Kind::Manifest, payload(&authority));
    suite.trust("manifest that is signed directly", &bundle(&authority, &direct, &[]), "alg-mismatch");
    let typ = bundle(&authority, &authority.members[0], &[]);
    suite.trust("a root as the manifest", &typ, "typ-wrong");
    let good = seal(&authority, &log(), Role::Log, payload(&authority));
    let member = Bundle::encode(&[authority.members.clone(), vec![good]].concat());
    suite.trust("a manifest as a member", &member, "typ-not-certified");
}

/// The trail leads from the authority's id to the bundle.
fn trails(suite: &mut Suite) {
    let authority = founded();
    let mut published = Published::nothing(&authority);
    for _ in 0..3 {
        published.publish(&authority, FOUNDED);
    }
    let trail = published.trail.clone();
    let manifest = seal(&authority, &log(), Role::Log, published.next(&authority, FOUNDED));
    let mut with = |name: &str, trail: &[Hash], code| {
        suite.trust(name, &bundle(&authority, &manifest, trail), code);
    };
    with("bundle 4 with the whole trail", &trail, "ok");
    with("bundle 4 with the end of the trail", &trail[1..], "ok");
    with("a trail of one hash too many", &[&[[7; 32]], &trail[..]].concat(), "bundle-forked");
    with("a trail with one hash changed", &[trail[0], [7; 32], trail[2]], "bundle-forked");
    with("a trail in another order", &[trail[1], trail[0], trail[2]], "bundle-forked");
    let map = RawMap::of(&bundle(&authority, &manifest, &trail));
    suite.trust("a trail of no hashes", &map.clone().set(3, &bytes(&[])).join(), "wrong-length");
    suite.trust("a trail of part of a hash", &map.clone().set(3, &bytes(&[7; 33])).join(), "wrong-length");
    suite.trust("a trail without a manifest", &map.without(2).join(), "unknown-field");
    let first = Published { link: [7; 32], ..Published::nothing(&authority) };
    let payload = first.next(&authority, FOUNDED);
    let first = bundle(&authority, &seal(&authority, &log(), Role::Log, payload), &[]);
    suite.trust("bundle 1 that does not begin with the authority's id", &first, "bundle-forked");
}

/// What a manifest says.
fn fields(suite: &mut Suite) {
    let authority = founded();
    let map = RawMap::of(&Published::nothing(&authority).next(&authority, FOUNDED));
    let mut case = |name: &str, map: RawMap, code| {
        let manifest = seal(&authority, &log(), Role::Log, map.join());
        suite.trust(name, &bundle(&authority, &manifest, &[]), code);
    };
    let fields =
        [("schema", 1), ("authority", 2), ("number", 3), ("link before", 4), ("members", 5), ("time", 6)];
    for (name, key) in fields {
        case(&format!("manifest without {name}"), map.clone().without(key), "missing-field");
    }
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("manifest of schema 2", 1, vec![2], "schema-unknown"),
        ("manifest for another authority", 2, bytes(&[7; 32]), "authority-other"),
        ("manifest 0", 3, vec![0], "out-of-range"),
        ("link of 31 bytes", 4, bytes(&[7; 31]), "wrong-length"),
        ("manifest of no members", 5, bytes(&[]), "wrong-length"),
        ("part of a member's hash", 5, bytes(&[7; 33]), "wrong-length"),
        ("manifest time as text", 6, text("now"), "wrong-type"),
        ("checkpoint of no text", 7, text(""), "out-of-range"),
        ("checkpoint of more than 8 KiB", 7, text(&"x".repeat(8_193)), "out-of-range"),
        ("manifest with unknown field 8", 8, vec![0], "unknown-field"),
        ("manifest with a checkpoint", 7, text("example.org/log\n1\n"), "ok"),
    ];
    for (name, key, value, code) in cases {
        case(name, map.clone().set(key, &value), code);
    }
}
