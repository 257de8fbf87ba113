//! A witness against an authority that is honest, one whose issuing key was stolen, and one that rewrites its log.
//!
//! The witness is the real one, with a home on disk and a key in software; the authority is in memory, so that it
//! can do what no authority should. Not here: the exchange on the command line (`tests/journeys/witness.sh`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_debug_implementations, missing_docs)]

use chancery_authority::workflow::witness::judge::Verdict;
use chancery_authority::workflow::witness::sign::repeat;
use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::license::License;
use chancery_formats::merkle::Tree;
use chancery_formats::seal::{Role, Seal};
use chancery_formats::trust::{Closed, Closing, KeyMode};
use chancery_formats::witness::{Answer, Exchange};
use chancery_tests::authority::{Authority, Quorum};
use chancery_tests::folder::Folder;
use chancery_tests::key::SecretKey;
use chancery_verifier::{Demands, Refusal, verify_license};

#[path = "witness/desk.rs"]
mod desk;
#[path = "witness/full.rs"]
mod full;
#[path = "witness/stolen.rs"]
mod stolen;
#[path = "witness/vendor.rs"]
mod vendor;

use desk::{Desk, pins};
use vendor::{NOW, Offer, Vendor, license, note, signer};

const REFUSED: u8 = 3;
const ALARM: u8 = 5;

fn world() -> (Desk, Vendor) {
    Desk::of(Vendor::new())
}

fn answered(bytes: &[u8]) -> Answer<'_> {
    match Exchange::decode(bytes).unwrap() {
        Exchange::Answer(answer) => answer,
        Exchange::Request(_) => panic!("a request"),
    }
}

/// Seals the documents of an offer with the issuer's and the witness's signature.
fn sealed(offer: &Offer, issuer: &SecretKey, witness: &[u8]) -> Vec<Vec<u8>> {
    let header = Header { mode: Mode::Seal, kid: issuer.kid(), typ: Kind::License.typ() };
    let tree = Tree::new(offer.leaves(issuer)).unwrap();
    let signatures = [offer.signatures[0].1.clone(), witness.to_vec()];
    let seal =
        |index| Seal::encode(&offer.statement.as_statement(), index as u64, &tree.path(index), &signatures);
    let documents = offer.payloads.iter().enumerate();
    documents.map(|(index, payload)| Unsigned::new(&header, payload.clone()).sign(&seal(index))).collect()
}

#[test]
fn an_honest_batch_is_signed_and_its_licenses_verify() {
    let (desk, mut vendor) = world();
    let offer = vendor.offer(&desk.key, 0, 0..5);
    let Verdict::New(agreed) = desk.judge(&offer.encode()).unwrap() else { panic!("known") };
    let summary = &agreed.batch.as_ref().unwrap().summary;
    assert_eq!((summary.licenses, summary.perpetual), (5, 0));
    assert_eq!(summary.customers, [("acme".to_owned(), 5)].into());
    assert_eq!(summary.products, [("pump-control".to_owned(), 5)].into());
    assert_eq!(summary.issued, Some((NOW, NOW)));
    let answer = desk.sign(&offer.encode());
    let signed = answered(&answer).batch.unwrap();
    assert_eq!(signed.first_index, 7);
    let trust = vendor.authority.trust().demanding(Demands { witness: true, ..Demands::default() });
    for (index, bytes) in sealed(&offer, &vendor.issuer, signed.signature).iter().enumerate() {
        assert_eq!(verify_license(bytes, &trust).unwrap().log_index(), Some(7 + index as u64));
    }
    // The issuer's signature in the place of the witness's, which a thief could give.
    let theirs = sealed(&offer, &vendor.issuer, &offer.signatures[0].1);
    assert_eq!(verify_license(&theirs[0], &trust).unwrap_err(), Refusal::SignatureWrong);
    let memory = desk.memory();
    let newest = memory.newest().unwrap();
    assert_eq!((newest.head, newest.newest_time), (vendor.head(12), NOW));
    // The next batch goes on from there.
    vendor.append(3);
    let next = vendor.offer(&desk.key, 12, 5..7);
    assert_eq!(desk.says(&next.encode()), ("new", 0));
}

#[test]
fn the_same_request_gives_the_same_answer() {
    let (desk, mut vendor) = world();
    let offer = vendor.offer(&desk.key, 0, 0..3);
    let answer = desk.sign(&offer.encode());
    assert_eq!(desk.says(&offer.encode()), ("known", 0));
    assert_eq!(desk.sign(&offer.encode()), answer);
    // Also when others were signed since, or when the request says something else beside the statement.
    let next = vendor.offer(&desk.key, 10, 3..4);
    desk.sign(&next.encode());
    assert_eq!(desk.sign(&offer.encode()), answer);
    let other = Offer { known: 10, ..offer.clone() }.encode();
    let again = desk.sign(&other);
    assert_eq!(
        (answered(&again).batch, answered(&again).cosigned),
        (answered(&answer).batch, answered(&answer).cosigned)
    );
    assert_eq!(desk.memory().entries().len(), 3);
}

#[test]
fn a_stolen_issuing_key_alone_gets_no_signature() {
    let (desk, mut vendor) = world();
    let first = vendor.offer(&desk.key, 0, 0..3);
    desk.sign(&first.encode());
    // The thief knows the whole log and its tree, and has the issuing key and nothing else.
    let mut theirs = vendor.clone();
    let offer = theirs.offer(&desk.key, 10, 50..52);
    let thief = SecretKey::ed25519(99);
    let head = theirs.head(theirs.size());
    for key in [&thief, &vendor.issuer] {
        let forged = Offer { note: note(vendor.authority.id, &head, key), ..offer.clone() };
        assert_eq!(desk.says(&forged.encode()), ("checkpoint-unsigned", REFUSED));
    }
    for size in 7..=10 {
        let stale = Offer { note: vendor.note(size), ..offer.clone() };
        assert_eq!(desk.says(&stale.encode()), ("head-mismatch", REFUSED), "a true checkpoint of {size}");
    }
}

#[test]
fn any_log_index_that_was_passed_is_refused() {
    let (desk, mut vendor) = world();
    let honest = vendor.clone();
    let first = vendor.offer(&desk.key, 0, 0..3);
    desk.sign(&first.encode());
    for index in 0..10 {
        let backwards = first.stating(&vendor.issuer, |statement| {
            statement.first_index = Some(index);
            statement.time = NOW - 3_600;
        });
        let (code, exit) = desk.says(&backwards.encode());
        // Below 5 the three documents end before the batch that was signed.
        let expected = if index < 5 { ("range-back-dated", REFUSED) } else { ("witness-replay", ALARM) };
        assert_eq!((code, exit), expected, "index {index}");
    }
    // The whole log again with other licenses, checkpoint and all: the log's key is stolen as well.
    let replayed = honest.clone().offer(&desk.key, 0, 100..103);
    assert_eq!(desk.says(&replayed.encode()), ("witness-replay", ALARM));
    let mut noise = replayed.clone();
    noise.signatures[0].1[0] ^= 1;
    assert_eq!(desk.says(&noise.encode()), ("signature-wrong", REFUSED), "no alarm without a certified key");
    let longer = honest.clone().offer(&desk.key, 0, 100..120);
    assert_eq!(desk.says(&longer.encode()), ("witness-replay", ALARM));
    let beyond = first.stating(&vendor.issuer, |statement| statement.first_index = Some(u64::MAX));
    assert_eq!(desk.says(&beyond.encode()), ("range-none", REFUSED));
}

#[test]
fn a_log_that_forked_is_an_alarm() {
    let (desk, mut vendor) = world();
    let mut fork = vendor.clone();
    desk.sign(&vendor.offer(&desk.key, 0, 0..3).encode());
    // The other copy of the log went on with other documents, to the same size and beyond.
    fork.append(3);
    assert_eq!(desk.says(&fork.offer(&desk.key, 10, 3..5).encode()), ("witness-forked", ALARM));
    fork.append(5);
    let offer = fork.offer(&desk.key, 10, 5..8);
    assert_eq!(desk.says(&offer.encode()), ("witness-forked", ALARM));
    assert_eq!(desk.says(&fork.ask_checkpoint(10)), ("witness-forked", ALARM));
    // A proof that is none, of the honest log.
    vendor.append(4);
    let offer = Offer { proof: vec![[7; 32]; 3], ..vendor.offer(&desk.key, 10, 3..4) };
    assert_eq!(desk.says(&offer.encode()), ("witness-forked", ALARM));
}

#[test]
fn the_proof_begins_where_the_memory_ends() {
    let (desk, mut vendor) = world();
    desk.sign(&vendor.offer(&desk.key, 0, 0..3).encode());
    vendor.append(2);
    let offer = vendor.offer(&desk.key, 0, 3..5);
    assert_eq!(desk.says(&offer.encode()), ("witness-ahead", REFUSED));
    let offer = Offer { known: 11, ..offer };
    assert_eq!(
        desk.says(&offer.encode()),
        ("witness-older", ALARM),
        "it would have signed more than it knows"
    );
}

#[test]
fn another_authority_is_refused() {
    let (desk, mut vendor) = world();
    let offer = vendor.offer(&desk.key, 0, 0..2);
    let other = Authority::found(Quorum::of(2, &[4, 5, 6]));
    let foreign = Offer { bundle: other.bundle(), ..offer.clone() };
    assert_eq!(desk.says(&foreign.encode()), ("authority-other", REFUSED));
    let stated = offer.stating(&vendor.issuer, |statement| statement.authority = other.id);
    assert_eq!(desk.says(&stated.encode()), ("authority-other", REFUSED));
    let name = note(other.id, &vendor.head(9), &vendor.log);
    let noted = Offer { note: name, ..offer };
    assert_eq!(desk.says(&noted.encode()), ("checkpoint-origin-other", REFUSED));
}

#[test]
fn documents_and_statement_must_agree() {
    let (desk, mut vendor) = world();
    let offer = vendor.offer(&desk.key, 0, 0..4);
    let issuer = vendor.issuer.clone();
    let says = |offer: &Offer| desk.says(&offer.encode());
    let changed = |change: fn(&mut Offer)| {
        let mut offer = offer.clone();
        change(&mut offer);
        says(&offer)
    };
    assert_eq!(changed(|offer| offer.payloads[2] = license(90).encode()), ("batch-root", REFUSED));
    assert_eq!(changed(|offer| offer.payloads.swap(0, 1)), ("batch-root", REFUSED));
    assert_eq!(changed(|offer| offer.payloads.truncate(3)), ("batch-size", REFUSED));
    assert_eq!(changed(|offer| offer.payloads.push(license(90).encode())), ("batch-size", REFUSED));
    assert_eq!(changed(|offer| offer.payloads[1] = vec![0xa0]), ("missing-field", REFUSED));
    assert_eq!(changed(|offer| offer.frontier.truncate(2)), ("frontier-wrong", REFUSED));
    assert_eq!(changed(|offer| offer.frontier[0] = [9; 32]), ("head-mismatch", REFUSED));
    assert_eq!(changed(|offer| offer.signatures[0].1[9] ^= 1), ("signature-wrong", REFUSED));
    let stated =
        |change: fn(&mut chancery_formats::seal::OwnedStatement)| says(&offer.stating(&issuer, change));
    assert_eq!(stated(|statement| statement.root = [1; 32]), ("batch-root", REFUSED));
    assert_eq!(stated(|statement| statement.size = 5), ("batch-size", REFUSED));
    assert_eq!(stated(|statement| statement.leaf_typ = Kind::KeyRecord.typ().into()), ("leaf-kind", REFUSED));
    assert_eq!(stated(|statement| statement.first_index = None), ("range-none", REFUSED));
    assert_eq!(stated(|statement| statement.first_index = Some(8)), ("frontier-wrong", REFUSED));
    assert_eq!(stated(|statement| statement.root_version = 2), ("root-version", REFUSED));
    assert_eq!(stated(|statement| statement.root_version = 0), ("root-version", REFUSED));
    assert_eq!(stated(|statement| statement.time = NOW + 86_401), ("statement-ahead", REFUSED));
    assert_eq!(stated(|statement| statement.time = NOW - 86_401), ("license-date", REFUSED));
    assert_eq!(says(&offer), ("new", 0), "and nothing of that was remembered");
}

#[test]
fn time_does_not_go_backwards() {
    let (desk, mut vendor) = world();
    let first = vendor.offer(&desk.key, 0, 0..1);
    desk.sign(&first.encode());
    let next = vendor.offer(&desk.key, 8, 1..2);
    let older = next.stating(&vendor.issuer, |statement| statement.time = NOW - 1);
    assert_eq!(desk.says(&older.encode()), ("statement-older", REFUSED));
    let behind = desk.judge_at(&next.encode(), NOW - 1).unwrap_err();
    assert_eq!((behind.code(), behind.report().exit as u8), ("clock-behind", REFUSED));
    let mut dated = next.clone();
    dated.payloads = vec![License { issued_at: NOW - 90_000, ..license(1) }.encode()];
    dated.state(&vendor.issuer);
    assert_eq!(desk.says(&dated.encode()), ("license-date", REFUSED));
}

#[test]
fn signers_are_those_that_the_root_certifies() {
    let (desk, mut vendor) = world();
    let (direct, stranger) = (SecretKey::ed25519(50), SecretKey::ed25519(51));
    let record = vendor.authority.record(&direct, Role::Issuer, KeyMode::Direct);
    vendor.authority = vendor.authority.clone().certify(&record);
    let offer = vendor.offer(&desk.key, 0, 0..2);
    let witness = signer(Role::Witness, &desk.key);
    let by = |key: &SecretKey, role, others: &[_]| {
        let mut offer = offer.clone();
        offer.statement.signers = [&[signer(role, &key.public())], others].concat();
        offer.state(key);
        desk.says(&offer.encode())
    };
    assert_eq!(by(&stranger, Role::Issuer, &[witness]), ("key-unknown", REFUSED));
    assert_eq!(by(&direct, Role::Issuer, &[witness]), ("alg-mismatch", REFUSED), "a key of direct mode");
    assert_eq!(
        by(&vendor.log, Role::Issuer, &[witness]),
        ("signers-wrong", REFUSED),
        "a key of another role"
    );
    assert_eq!(by(&vendor.issuer, Role::Issuer, &[]), ("witness-unnamed", REFUSED));
    let unsigned = Offer { signatures: vec![(stranger.thumbprint(), vec![1; 64])], ..offer.clone() };
    assert_eq!(desk.says(&unsigned.encode()), ("signature-missing", REFUSED));
    let mut surplus = offer.clone();
    surplus.signatures.push((stranger.thumbprint(), vec![1; 64]));
    surplus.signatures.sort();
    assert_eq!(desk.says(&surplus.encode()), ("signers-wrong", REFUSED));
    // Nobody but the witness itself: a statement that makes no license genuine.
    let alone = offer.stating(&vendor.issuer, |statement| statement.signers = vec![witness]);
    assert_eq!(desk.says(&alone.encode()).1, REFUSED);
    // A witness that the root does not certify yet.
    let young = Vendor::new().offer(&desk.key, 0, 0..2);
    assert_eq!(desk.says(&young.encode()), ("key-unknown", REFUSED));
}

#[test]
fn a_closed_key_stays_closed() {
    let (desk, mut vendor) = world();
    let honest = vendor.clone();
    desk.sign(&vendor.offer(&desk.key, 0, 0..1).encode());
    let closing = |key: &SecretKey, closed| Closing {
        authority: vendor.authority.id,
        thumbprint: key.thumbprint(),
        closed,
        time: NOW,
        reason: "left the company",
    };
    let mut closed = vendor.clone();
    let document = closing(&vendor.issuer, Closed::Retired).encode();
    closed.authority = vendor.authority.clone().publish(Kind::Closing, document);
    assert_eq!(desk.says(&closed.clone().offer(&desk.key, 8, 1..2).encode()), ("key-closed", REFUSED));
    // Seen once, by a checkpoint, it is remembered: an older bundle does not open the key again.
    closed.append(1);
    desk.sign(&closed.ask_checkpoint(8));
    let mut older = closed.clone();
    older.authority = honest.authority;
    assert_eq!(desk.says(&older.offer(&desk.key, 9, 1..2).encode()), ("key-closed", REFUSED));
    let document = closing(&vendor.log, Closed::Retired).encode();
    vendor.authority = vendor.authority.clone().publish(Kind::Closing, document);
    vendor.append(1);
    let asked = vendor.offer(&desk.key, 9, 1..2);
    assert_eq!(desk.says(&asked.encode()).1, REFUSED);
}

#[test]
fn an_older_root_is_refused() {
    let (desk, vendor) = world();
    let mut newer = Vendor::new();
    let record = |authority: &Authority, key, role, mode| authority.record(key, role, mode);
    newer.authority = Authority::found(Quorum::of(2, &[1, 2, 3])).rotate(Quorum::of(2, &[2, 3, 4]));
    let log = newer.authority.record_for(&newer.log, Role::Log, Kind::Manifest);
    newer.authority = newer.authority.clone().certify(&log);
    let issuer = record(&newer.authority, &newer.issuer, Role::Issuer, KeyMode::Seal);
    newer.authority = newer.authority.clone().certify(&issuer);
    let mut newer = newer.with_witness(&desk.key);
    desk.sign(&newer.ask_checkpoint(0));
    let mut older = vendor.clone();
    older.append(1);
    assert_eq!(desk.says(&older.ask_checkpoint(7)), ("root-older", REFUSED));
    assert_eq!(desk.says(&newer.offer(&desk.key, 7, 0..1).encode()), ("new", 0));
}

#[test]
fn what_was_interrupted_is_resumed_and_holds_its_range() {
    let (desk, mut vendor) = world();
    let honest = vendor.clone();
    let offer = vendor.offer(&desk.key, 0, 0..3);
    let Verdict::New(agreed) = desk.judge(&offer.encode()).unwrap() else { panic!("known") };
    // The entry is durable, and the process ends before the key signs.
    desk.memory().remember(agreed.entry.clone()).unwrap();
    let mut rewritten = honest;
    assert_eq!(desk.says(&rewritten.offer(&desk.key, 0, 60..63).encode()), ("witness-replay", ALARM));
    let Verdict::Known { number, request } = desk.judge(&offer.encode()).unwrap() else { panic!("new") };
    let answer = repeat(&desk.memory(), number, request, &mut pins()).unwrap();
    assert_eq!(desk.sign(&offer.encode()), answer);
    assert_eq!(desk.says(&vendor.offer(&desk.key, 10, 3..4).encode()), ("new", 0));
}

#[test]
fn checkpoints_are_cosigned_and_move_the_memory() {
    let (desk, mut vendor) = world();
    let asked = vendor.ask_checkpoint(0);
    let answer = desk.sign(&asked);
    assert!(answered(&answer).batch.is_none());
    assert_eq!(answered(&answer).cosigned.unwrap().size, 7);
    assert_eq!(desk.sign(&asked), answer);
    let mut shorter = vendor.clone();
    shorter.leaves.truncate(5);
    let older = chancery_formats::witness::Request::encode(
        &vendor.authority.bundle(),
        7,
        &[],
        &shorter.note(5),
        None,
    );
    assert_eq!(desk.says(&older), ("checkpoint-older", REFUSED));
    assert_eq!(desk.says(&answer), ("exchange-answer", REFUSED));
    let mut before = vendor.clone();
    before.leaves.truncate(4);
    assert_eq!(desk.says(&before.offer(&desk.key, 4, 0..1).encode()), ("range-back-dated", REFUSED));
    assert_eq!(desk.says(&vendor.offer(&desk.key, 7, 0..1).encode()), ("new", 0));
}

#[test]
fn a_new_witness_is_pinned_and_never_takes_a_key_up_again() {
    let vendor = Vendor::new();
    let folder = Folder::new("witness");
    let found =
        |vendor: &Vendor, note: Option<&str>| Desk::found(&folder, vendor, note).map(|made| made.head);
    let code = |result: Result<_, chancery_authority::error::CommandError>| {
        result.map_or_else(|error| error.code(), |_| "ok")
    };
    let mut mixed = vendor.clone();
    mixed.authority.members = Authority::found(Quorum::of(1, &[9])).members;
    assert_eq!(code(found(&mixed, None)), "authority-other");
    let forged = note(vendor.authority.id, &vendor.head(7), &vendor.issuer);
    assert_eq!(code(found(&vendor, Some(&forged))), "checkpoint-unsigned");
    assert!(!folder.path().join("witness").exists(), "a refusal leaves nothing");
    let made = Desk::found(&folder, &vendor, Some(&vendor.note(7))).unwrap();
    assert_eq!(made.head, vendor.head(7));
    assert_eq!(code(found(&vendor, None)), "home-not-empty");
    // Its memory is lost, and its key is certified: that key must not begin again.
    let home = folder.path().join("witness");
    std::fs::remove_file(home.join("identity")).unwrap();
    let certified = vendor.clone().with_witness(&made.identity.public_key);
    let again = chancery_authority::workflow::witness::found::found(
        &chancery_authority::home::Home::new(folder.path().join("second")),
        &chancery_authority::workflow::witness::found::Plan {
            authority: vendor.authority.id,
            bundle: &certified.authority.bundle(),
            checkpoint: None,
            key: Some(&chancery_hsm_config::KeyRef::file(home.join("keys/witness.pem"))),
        },
        &mut pins(),
        NOW,
    );
    assert_eq!(code(again.map(|made| made.head)), "witness-key-known");
    assert!(!folder.path().join("second").exists());
}
