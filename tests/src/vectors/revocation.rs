//! Revocation lists: who may make one, what it says, and which licenses it refuses.

use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::{License, Names, Terms};
use chancery_formats::merkle::Head;
use chancery_formats::seal::Role;
use chancery_formats::trust::revocation::{Ids, RevokedKeys};
use chancery_formats::trust::{Bundle, Closed, KeyMode, KeyRecord, RevocationList};

use super::closing::{SIZE, closing, head};
use super::{NamedBundle, Suite, World};
use crate::authority::{Authority, FOUNDED, Quorum, Sealing, issue_direct, sign_direct};
use crate::key::SecretKey;
use crate::license::bare;
use crate::raw::{RawMap, bytes, integer, text};

const DEVICE: Thumbprint = Thumbprint([0xde; 32]);

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("revocation");
    licenses(&mut suite, world);
    sealed(&mut suite);
    fields(&mut suite);
    suite
}

pub(super) fn revoker() -> SecretKey {
    SecretKey::ed25519(60)
}

/// A list that revokes nothing; list 2 and up follow a list of no meaning.
pub(super) fn empty(authority: &Authority, number: u64) -> RawMap {
    let list = RevocationList {
        authority: authority.id,
        number,
        previous: (number > 1).then_some([9; 32]),
        time: FOUNDED,
        licenses: Ids::decode(&[]).expect("no ids"),
        devices: Ids::decode(&[]).expect("no ids"),
        entitlements: Ids::decode(&[]).expect("no ids"),
        customers: None,
        keys: RevokedKeys::NONE,
    };
    RawMap::of(&list.encode())
}

/// Certifies the revoker.
pub(super) fn certified(authority: &Authority) -> Authority {
    authority.clone().certify(&authority.record_for(&revoker(), Role::Revoker, Kind::RevocationList))
}

/// Publishes a list by a key.
pub(super) fn listed(authority: &Authority, key: &SecretKey, role: Role, payload: Vec<u8>) -> Authority {
    let signers = [(role, key)];
    let sealing = Sealing { first_index: None, ..authority.sealing(&signers) };
    let document = sealing.seal(Kind::RevocationList, key, vec![payload]).remove(0);
    Authority { members: [authority.members.clone(), vec![document]].concat(), ..authority.clone() }
}

/// The authority with a list of this number that revokes nothing.
pub fn with_list(authority: &Authority, number: u64) -> Authority {
    let certified = certified(authority);
    listed(&certified, &revoker(), Role::Revoker, empty(&certified, number).join())
}

/// The authority with list 412, which names licenses, a device, entitlements and customers.
pub fn revoking(authority: &Authority) -> Authority {
    let certified = certified(authority);
    listed(&certified, &revoker(), Role::Revoker, naming(&certified, 412).join())
}

fn naming(authority: &Authority, number: u64) -> RawMap {
    empty(authority, number)
        .set(6, &bytes(&Ids::encode(&[[1; 16], [2; 16]])))
        .set(7, &bytes(&DEVICE.0))
        .set(8, &bytes(&Ids::encode(&[[3; 8], [4; 8]])))
        .set(9, &Names::encode(&["globex", "initech"]))
}

pub(super) fn bundles(world: &World) -> Vec<NamedBundle> {
    let main = certified(&world.main);
    let keys = [(world.seal.thumbprint(), head(world))];
    let list = naming(&main, 2).set(10, &RevokedKeys::encode(&keys));
    let revoked = listed(&main, &revoker(), Role::Revoker, list.join());
    // The closing believes the log up to its size, and the list less of it.
    let closed = Closed::Compromised(head(world));
    let closed = main.clone().publish(Kind::Closing, closing(&main, &world.co_signed, closed));
    let less = Head { size: SIZE - 2, root: [7; 32] };
    let keys = RevokedKeys::encode(&[(world.co_signed.thumbprint(), less)]);
    let twice = listed(&closed, &revoker(), Role::Revoker, empty(&main, 1).set(10, &keys).join());
    let listed = listed(&main, &revoker(), Role::Revoker, empty(&main, 412).join());
    vec![
        NamedBundle::of("listed", &listed),
        NamedBundle::of("revoked", &revoked),
        NamedBundle::of("closed-and-revoked", &twice),
    ]
}

fn licenses(suite: &mut Suite, world: &World) {
    let good = bare();
    let mut case = |name: &str, license: License<'_>, code| {
        suite.license_under("revoked", name, &issue_direct(&world.direct, &license), code);
    };
    let terms = |terms: Terms<'static>| License { terms, ..good };
    let entitled = |byte| terms(Terms { entitlement: EntitlementId([byte; 8]), ..good.terms });
    let demanding = |least| terms(Terms { least_revocation_list: Some(least), ..good.terms });
    case("a license that no list names", good, "ok");
    case("the list demanded", demanding(2), "ok");
    case("an older list than the one there is demanded", demanding(1), "ok");
    case("a newer list demanded", demanding(3), "list-older");
    case("license revoked, first of two", License { id: LicenseId([1; 16]), ..good }, "revoked");
    case("license revoked, last of two", License { id: LicenseId([2; 16]), ..good }, "revoked");
    case("device revoked", License { device_key: Some(DEVICE), ..good }, "revoked");
    case("entitlement revoked", entitled(4), "revoked");
    case("entitlement between two that are revoked", entitled(0x35), "ok");
    case("customer revoked", License { subject: "globex", ..good }, "revoked");
    case("site of a revoked customer", License { subject: "initech/plant-1", ..good }, "revoked");
    case("customer whose name begins as a revoked one's", License { subject: "globexa", ..good }, "ok");
    case("site named as a revoked customer", License { subject: "acme/globex", ..good }, "ok");
    suite.license_under("revoked", "issuer's key revoked", &world.good_sealed(), "key-compromised");
    let none = issue_direct(&world.direct, &demanding(1));
    suite.license("a list demanded where there is none", &none, "list-older");

    let signers = [(Role::Issuer, &world.co_signed), (Role::Witness, &world.witness)];
    let at = |index| {
        let sealing = Sealing { first_index: Some(index), ..world.main.sealing(&signers) };
        sealing.seal(Kind::License, &world.co_signed, vec![bare().encode()]).remove(0)
    };
    let under = "closed-and-revoked";
    suite.license_under(under, "below the size of closing and list", &at(SIZE - 3), "ok");
    suite.license_under(under, "below the size of the closing alone", &at(SIZE - 2), "key-compromised");
}

/// Who seals a list.
fn sealed(suite: &mut Suite) {
    let founded = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let authority = certified(&founded);
    let key = revoker();
    let payload = empty(&authority, 1).join();
    let by =
        |authority: &Authority, key: &SecretKey, role| listed(authority, key, role, payload.clone()).bundle();
    let listed_once = listed(&authority, &key, Role::Revoker, payload.clone());
    suite.trust("a list that revokes nothing", &listed_once.bundle(), "ok");
    let closed = |closed| authority.clone().publish(Kind::Closing, closing(&authority, &key, closed));
    suite.trust("a list by a retired revoker", &by(&closed(Closed::Retired), &key, Role::Revoker), "ok");
    let taken = closed(Closed::Compromised(Head { size: 7, root: [7; 32] }));
    suite.trust("a list by a compromised revoker", &by(&taken, &key, Role::Revoker), "key-compromised");
    let own = RevokedKeys::encode(&[(key.thumbprint(), Head { size: 7, root: [7; 32] })]);
    let own = listed(&authority, &key, Role::Revoker, empty(&authority, 1).set(10, &own).join());
    suite.trust("a list that names its own revoker", &own.bundle(), "ok");
    let twice = listed(&listed_once, &key, Role::Revoker, empty(&authority, 2).join());
    suite.trust("two lists", &twice.bundle(), "member-twice");
    let stranger = SecretKey::ed25519(77);
    suite.trust("a list by a stranger", &by(&authority, &stranger, Role::Revoker), "key-unknown");
    let custodian = &authority.quorum.custodians[0];
    suite.trust("a list by a custodian", &by(&authority, custodian, Role::Custodian), "key-unknown");
    let record = authority.record_for(&key, Role::Revoker, Kind::RevocationList);
    let mut certify = |name: &str, record: KeyRecord<'_>, code| {
        let role = record.role;
        suite.trust(name, &by(&founded.clone().certify(&record), &key, role), code);
    };
    certify("a list by an issuer", founded.record(&key, Role::Issuer, KeyMode::Seal), "typ-not-certified");
    let witness = founded.record_for(&key, Role::Witness, Kind::RevocationList);
    certify("a list by a witness certified for lists", witness, "typ-not-certified");
    let licenses = founded.record(&key, Role::Revoker, KeyMode::Seal);
    certify("a list by a revoker certified for licenses", licenses, "typ-not-certified");
    certify("a list by a direct key", KeyRecord { mode: KeyMode::Direct, ..record.clone() }, "alg-mismatch");
    certify(
        "a list by a key that has ended",
        KeyRecord { not_before: 1, not_after: Some(FOUNDED - 1), ..record.clone() },
        "key-out-of-term",
    );
    certify(
        "a list by a key that has not begun",
        KeyRecord { not_before: FOUNDED + 1, ..record.clone() },
        "key-out-of-term",
    );
    let witnessed = KeyRecord { co_signers: vec![Role::Witness], ..record };
    certify("a list without its co-signer", witnessed, "co-signer-missing");
    let direct = sign_direct(&key, Kind::RevocationList, payload.clone());
    let members = [authority.members.clone(), vec![direct]].concat();
    suite.trust("a list that is signed directly", &Bundle::encode(&members), "alg-mismatch");
    let foreign = empty(&Authority::found(Quorum::of(1, &[9])), 1).join();
    let foreign = listed(&authority, &key, Role::Revoker, foreign);
    suite.trust("a list for another authority", &foreign.bundle(), "authority-other");
    suite.trust("a list without a root", &Bundle::encode(&listed_once.members[2..]), "root-missing");
}

/// What a list says.
fn fields(suite: &mut Suite) {
    let authority = certified(&Authority::found(Quorum::of(2, &World::CUSTODIANS)));
    let map = empty(&authority, 2);
    let mut case = |name: &str, map: RawMap, code| {
        suite.trust(name, &listed(&authority, &revoker(), Role::Revoker, map.join()).bundle(), code);
    };
    case("list 2", map.clone(), "ok");
    for (name, key) in [("schema", 1), ("authority", 2), ("number", 3), ("time", 5)] {
        case(&format!("list without {name}"), map.clone().without(key), "missing-field");
    }
    case("list 2 without the list before", map.clone().without(4), "out-of-range");
    let key = |byte: u8| [&[0x83, 0x58, 32][..], &[byte; 32], &[7, 0x58, 32], &[8; 32]].concat();
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("list of schema 2", 1, vec![2], "schema-unknown"),
        ("list 0", 3, vec![0], "out-of-range"),
        ("list 1 with a list before", 3, vec![1], "out-of-range"),
        ("hash of 31 bytes of the list before", 4, bytes(&[7; 31]), "wrong-length"),
        ("list time as text", 5, text("now"), "wrong-type"),
        ("no licenses", 6, bytes(&[]), "wrong-length"),
        ("part of a license id", 6, bytes(&[1; 17]), "wrong-length"),
        ("licenses out of order", 6, bytes(&[[2; 16], [1; 16]].concat()), "unsorted-keys"),
        ("one license twice", 6, bytes(&[[1; 16], [1; 16]].concat()), "unsorted-keys"),
        ("devices out of order", 7, bytes(&[[2; 32], [1; 32]].concat()), "unsorted-keys"),
        ("part of an entitlement id", 8, bytes(&[1; 7]), "wrong-length"),
        ("no customers", 9, vec![0x80], "out-of-range"),
        ("customers out of order", 9, [&[0x82][..], &text("b"), &text("a")].concat(), "unsorted-keys"),
        ("no keys", 10, vec![0x80], "out-of-range"),
        ("one key twice", 10, [&[0x82][..], &key(1), &key(1)].concat(), "unsorted-keys"),
        (
            "a key without a root",
            10,
            [&[0x81, 0x82, 0x58, 32][..], &[1; 32], &integer(7)].concat(),
            "wrong-length",
        ),
        ("list with unknown field 11", 11, vec![0], "unknown-field"),
    ];
    for (name, key, value, code) in cases {
        case(name, map.clone().set(key, &value), code);
    }
}
