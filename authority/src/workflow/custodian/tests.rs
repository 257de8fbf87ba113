//! Requests that a custodian's machine refuses by itself, each changed in one way from one that it would sign.

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::merkle::{Head, Tree};
use chancery_formats::seal::OwnedStatement;
use chancery_formats::trust::exchange::Document;
use chancery_formats::trust::{Closed, KeyMode, Scope};

use super::*;
use crate::workflow::change::tests::{Hand, NOW, World, hands, quorum};
use crate::workflow::custody::signers;
use crate::workflow::trust::bundle;

/// What a request asks for, as text that is easy to change.
struct Ask {
    typ: String,
    kind: Kind,
    payloads: Vec<Vec<u8>>,
    signers: Vec<Signer>,
    root_version: u32,
}

impl Ask {
    fn new(kind: Kind, payload: Vec<u8>, signing: &[&Hand], root_version: u32) -> Self {
        let keys: Vec<_> = signing.iter().map(|hand| hand.key.public_key()).collect();
        Self {
            typ: kind.typ().to_owned(),
            kind,
            payloads: vec![payload],
            signers: signers(keys.iter()),
            root_version,
        }
    }
}

/// Returns the code of the refusal; `ok` where there is none.
fn judged(world: &World, asks: &[Ask]) -> &'static str {
    let bundle = bundle(&world.repository).unwrap().0;
    judged_with(world, asks, Some(&bundle))
}

fn judged_with(world: &World, asks: &[Ask], bundle: Option<&[u8]>) -> &'static str {
    let documents: Vec<Vec<Unsigned>> = asks
        .iter()
        .map(|ask| {
            let kid = ask.signers[0].thumbprint.key_id();
            let header = Header { mode: Mode::Seal, kid, typ: ask.kind.typ() };
            ask.payloads.iter().map(|payload| Unsigned::new(&header, payload.clone())).collect()
        })
        .collect();
    let batch = |(ask, documents): (&Ask, &'_ Vec<Unsigned>)| OwnedStatement {
        authority: world.authority,
        root_version: ask.root_version,
        leaf_typ: ask.typ.clone(),
        size: documents.len() as u64,
        root: Tree::new(documents.iter().map(Unsigned::leaf_hash).collect()).unwrap().root(),
        first_index: Some(7),
        time: NOW,
        signers: ask.signers.clone(),
    };
    let mut batches = Vec::new();
    for (ask, documents) in asks.iter().zip(&documents) {
        let lend = |unsigned| -> Document<'_> {
            let unsigned: &Unsigned = unsigned;
            Document { protected: unsigned.protected(), payload: unsigned.payload() }
        };
        let statement = batch((ask, documents));
        batches.push(Batch { statement, documents: documents.iter().map(lend).collect() });
    }
    let encoded = Request { authority: world.authority, batches, bundle }.encode();
    let Exchange::Request(request) = Exchange::decode(&encoded).unwrap() else { panic!("a request") };
    review(request, None).map_or_else(|error| error.code(), |_| "ok")
}

fn record(authority: AuthorityId, key: PublicKey) -> KeyRecord<'static> {
    KeyRecord {
        authority,
        role: Role::Issuer,
        key,
        mode: KeyMode::Direct,
        co_signers: Vec::new(),
        typs: vec![Kind::License.typ()],
        scope: Scope::default(),
        not_before: NOW,
        not_after: None,
        protection: Protection::Software,
        attestation: None,
        partner: None,
    }
}

fn closing(authority: AuthorityId, key: &PublicKey, closed: Closed) -> Vec<u8> {
    Closing { authority, thumbprint: key.thumbprint(), closed, time: NOW, reason: "lost" }.encode()
}

/// The root in force and its hash.
fn newest(world: &World) -> (Vec<u8>, Hash) {
    let payload = crate::workflow::custody::newest_root(&world.repository).unwrap();
    let hash = Root::authority_id(&payload).0;
    (payload, hash)
}

#[test]
fn roots_that_do_not_follow_are_refused() {
    let (old, new) = (hands(3, false), hands(2, false));
    let world = World::found(2, &old, None);
    let (payload, hash) = newest(&world);
    let before = Root::decode(&payload).unwrap();
    let everybody = [&old[0], &old[1], &new[0], &new[1]];
    let ask = |signing: &[&Hand], root_version, change: &dyn Fn(&mut Root<'_>)| {
        let next = quorum(2, &new);
        let payload = next.lend(|quorum| {
            let mut root = Root { version: 2, previous: Some(hash), quorum, ..before };
            change(&mut root);
            root.encode()
        });
        Ask::new(Kind::Root, payload.unwrap(), signing, root_version)
    };
    assert_eq!(judged(&world, &[ask(&everybody, 2, &|_| {})]), "ok");
    let skipped = ask(&everybody, 3, &|root| root.version = 3);
    assert_eq!(judged(&world, &[skipped]), "root-chain");
    let other = ask(&everybody, 2, &|root| root.previous = Some([7; 32]));
    assert_eq!(judged(&world, &[other]), "root-chain");
    let committed = ask(&everybody, 2, &|root| root.recovery = Some([7; 32]));
    assert_eq!(judged(&world, &[committed]), "recovery-wrong", "a commitment where none was");
    assert_eq!(judged(&world, &[ask(&everybody, 1, &|_| {})]), "root-version");
    // Sealed by the old quorum only, by the new one only, by one of them less.
    for signing in [&everybody[..2], &everybody[2..], &everybody[1..]] {
        assert_eq!(judged(&world, &[ask(signing, 2, &|_| {})]), "quorum-short");
    }
    let stranger = Hand::new(false);
    let with_stranger = [&old[0], &old[1], &new[0], &new[1], &stranger];
    assert_eq!(judged(&world, &[ask(&with_stranger, 2, &|_| {})]), "custodian-unknown");
    assert_eq!(judged(&world, &[ask(&everybody, 2, &|_| {}), ask(&everybody, 2, &|_| {})]), "member-twice");
    assert_eq!(judged_with(&world, &[ask(&everybody, 2, &|_| {})], None), "root-chain", "no root in force");
    // The first root is the authority, and no other is.
    let first = |payload: Vec<u8>| Ask::new(Kind::Root, payload, &[&old[0], &old[1]], 1);
    assert_eq!(judged_with(&world, &[first(payload.clone())], None), "ok");
    let renamed = Root { name: "another", ..before }.encode();
    assert_eq!(judged_with(&world, &[first(renamed)], None), "root-chain");
    assert_eq!(judged(&world, &[first(payload.clone())]), "root-chain", "where there are roots already");
}

#[test]
fn records_and_closings_that_could_not_stand_are_refused() {
    let custodians = hands(2, false);
    let world = World::found(2, &custodians, None);
    let both = [&custodians[0], &custodians[1]];
    let key = Hand::new(false).key.public_key();
    let good = record(world.authority, key.clone());
    let ask = |record: &KeyRecord<'_>| Ask::new(Kind::KeyRecord, record.encode(), &both, 1);
    assert_eq!(judged(&world, &[ask(&good)]), "ok");
    let foreign = KeyRecord { authority: AuthorityId([7; 32]), ..good.clone() };
    assert_eq!(judged(&world, &[ask(&foreign)]), "authority-other");
    let second_role = KeyRecord { key: both[0].key.public_key(), ..good.clone() };
    assert_eq!(judged(&world, &[ask(&second_role)]), "key-of-two-roles");
    assert_eq!(judged(&world, &[ask(&good), ask(&good)]), "member-twice");
    assert_eq!(judged_with(&world, &[ask(&good)], None), "root-missing");
    let short = Ask::new(Kind::KeyRecord, good.encode(), &both[..1], 1);
    assert_eq!(judged(&world, &[short]), "quorum-short");
    let issuer = Ask { signers: vec![Signer { role: Role::Issuer, ..ask(&good).signers[0] }], ..ask(&good) };
    assert_eq!(judged(&world, &[issuer]), "custodian-unknown");
    let algorithm =
        Ask { signers: vec![Signer { algorithm: Algorithm::Esp256, ..ask(&good).signers[0] }], ..ask(&good) };
    assert_eq!(judged(&world, &[algorithm]), "custodian-unknown");
    let closed = closing(world.authority, &key, Closed::Retired);
    assert_eq!(judged(&world, &[Ask::new(Kind::Closing, closed, &both, 1)]), "key-unknown");

    // Documents of other kinds, and headers of another kind than the statement's.
    for kind in [Kind::License, Kind::Manifest, Kind::RevocationList, Kind::Transcript] {
        assert_eq!(judged(&world, &[Ask::new(kind, vec![0xa0], &both, 1)]), "not-for-custodians");
    }
    let unknown = Ask { typ: "application/octet-stream".to_owned(), ..ask(&good) };
    assert_eq!(judged(&world, &[unknown]), "not-for-custodians");
    let disguised = Ask { kind: Kind::License, ..ask(&good) };
    assert_eq!(judged(&world, &[disguised]), "document-other");
    let malformed = Ask { payloads: vec![vec![0xa0]], ..ask(&good) };
    assert_eq!(judged(&world, &[malformed]), "missing-field");
}

#[test]
fn what_is_in_force_never_changes() {
    let custodians = hands(1, false);
    let mut world = World::found(1, &custodians, None);
    let one = [&custodians[0]];
    let key = Hand::new(false).key.public_key();
    let good = record(world.authority, key.clone());
    let head = Head { size: 0, root: chancery_formats::merkle::empty_root() };
    let compromised = closing(world.authority, &key, Closed::Compromised(head));
    certify(&mut world, &custodians[0], &good, &compromised);

    let ask = |kind, payload| Ask::new(kind, payload, &one, 1);
    assert_eq!(judged(&world, &[ask(Kind::KeyRecord, good.encode())]), "ok");
    let wider = KeyRecord { not_after: Some(NOW + 1), ..good.clone() }.encode();
    assert_eq!(judged(&world, &[ask(Kind::KeyRecord, wider)]), "record-changed");
    assert_eq!(judged(&world, &[ask(Kind::Closing, compromised.clone())]), "ok");
    let retired = closing(world.authority, &key, Closed::Retired);
    assert_eq!(judged(&world, &[ask(Kind::Closing, retired)]), "record-changed");

    // Under a new root a closed key stays closed, or is certified no more.
    let (payload, hash) = newest(&world);
    let before = Root::decode(&payload).unwrap();
    let root = Root { version: 2, previous: Some(hash), made_at: NOW + 1, ..before }.encode();
    let next = |kind, payload| Ask::new(kind, payload, &one, 2);
    let [root, record, closing] =
        [(Kind::Root, root), (Kind::KeyRecord, good.encode()), (Kind::Closing, compromised)]
            .map(|(kind, payload)| move || next(kind, payload.clone()));
    assert_eq!(judged(&world, &[root(), record(), closing()]), "ok");
    assert_eq!(judged(&world, &[root(), record()]), "closing-missing");
    assert_eq!(judged(&world, &[root()]), "ok", "the key is certified no more");
    assert_eq!(judged(&world, &[record(), root()]), "member-twice", "the root comes first");
    assert_eq!(judged(&world, &[root(), Ask { root_version: 1, ..record() }]), "root-version");
}

/// Has a key certified and closed.
fn certify(world: &mut World, custodian: &Hand, record: &KeyRecord<'_>, closing: &[u8]) {
    use crate::repository::NewKey;
    use crate::workflow::change::{Paper, Progress, propose};
    use crate::workflow::custody::Asked;

    let holders = quorum(1, std::slice::from_ref(custodian));
    let new = NewKey {
        public_key: record.key.clone(),
        role: record.role,
        reference: None,
        protection: record.protection,
    };
    for (kind, payload) in [(Kind::KeyRecord, record.encode()), (Kind::Closing, closing.to_vec())] {
        let paper = |_| {
            let (payloads, quorums) = (vec![payload.clone()], vec![holders.clone()]);
            Ok(vec![Paper { kind, payloads, root_version: 1, quorums }])
        };
        let asked = Asked { named: &[], elsewhere: true };
        let keys = if kind == Kind::KeyRecord { std::slice::from_ref(&new) } else { &[] };
        let change = propose(&mut world.repository, world.authority, paper, keys, &[], &asked, NOW).unwrap();
        let answer = custodian.answer(&change.request(&world.repository).unwrap(), world.authority).unwrap();
        change.take(&mut world.repository, &[answer], NOW).unwrap();
        assert!(matches!(change.advance(&mut world.repository, &[], NOW).unwrap(), Progress::Stands(_)));
    }
}

#[test]
fn what_is_remembered_of_an_authority_is_not_contradicted() {
    let custodians = hands(1, false);
    let (world, other) = (World::found(1, &custodians, None), World::found(1, &hands(1, false), None));
    let bundle = bundle(&world.repository).unwrap().0;
    let one = [&custodians[0]];
    let key = Hand::new(false).key.public_key();
    let payload = record(world.authority, key).encode();
    let ask = Ask::new(Kind::KeyRecord, payload, &one, 1);
    assert_eq!(judged(&world, &[ask]), "ok");

    let (payload, hash) = newest(&world);
    let header = Header { mode: Mode::Seal, kid: one[0].kid(), typ: Kind::Root.typ() };
    let next = Root { version: 2, previous: Some(hash), ..Root::decode(&payload).unwrap() }.encode();
    let unsigned = Unsigned::new(&header, next);
    let statement = OwnedStatement {
        authority: world.authority,
        root_version: 2,
        leaf_typ: Kind::Root.typ().to_owned(),
        size: 1,
        root: unsigned.leaf_hash(),
        first_index: None,
        time: NOW,
        signers: signers([one[0].key.public_key()].iter()),
    };
    let documents = vec![Document { protected: unsigned.protected(), payload: unsigned.payload() }];
    let batches = vec![Batch { statement, documents }];
    let request = Request { authority: world.authority, batches, bundle: Some(&bundle) };
    let other_authority = review(request.clone(), Some(other.authority)).unwrap_err();
    assert_eq!(other_authority.code(), "authority-other");
    let review = review(request, Some(world.authority)).unwrap();
    let known = review.minima(None);
    assert_eq!((known.authority, known.root), (world.authority, (1, hash)));
    let code = |known: &Minima| review.check_minima(known).map_or_else(|error| error.code(), |()| "ok");
    assert_eq!(code(&known), "ok");
    assert_eq!(code(&Minima { root: (1, [7; 32]), ..known }), "root-forked");
    assert_eq!(code(&Minima { root: (2, [7; 32]), ..known }), "root-older");
    assert_eq!(code(&Minima { authority: other.authority, ..known }), "authority-other");
}
