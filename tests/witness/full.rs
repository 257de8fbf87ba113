//! The whole exchange with a real authority: its database, its keys, its log.

use std::path::Path;

use chancery_authority::home::Home;
use chancery_authority::log::sealed::document;
use chancery_authority::repository::Repository;
use chancery_authority::workflow::bundle;
use chancery_authority::workflow::custody;
use chancery_authority::workflow::init::{Plan, init};
use chancery_authority::workflow::role::{Addition, Bounds, Place, Vouching, add};
use chancery_authority::workflow::sealing::{Batch, Draft};
use chancery_authority::workflow::signing::{key_of_role, open_key};
use chancery_authority::workflow::witness::ask::{Asked, Terms, for_batch, for_checkpoint};
use chancery_authority::workflow::witness::complete::{Completed, complete};
use chancery_authority::workflow::witness::found;
use chancery_authority::workflow::witness::judge::{Verdict, judge};
use chancery_authority::workflow::witness::sign::{repeat, sign};
use chancery_authority::{error::CommandError, witness::Memory};
use chancery_formats::document::Kind;
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::KeyRef;
use chancery_tests::folder::Folder;
use chancery_verifier::{Demands, verify_license};

use crate::answered;
use crate::desk::pins;
use crate::vendor::{NOW, license, signer};

/// An authority and a witness, each with a home of its own.
struct Pair {
    folder: Folder,
    repository: Repository,
}

impl Pair {
    fn new() -> Self {
        let folder = Folder::new("witness");
        let home = Home::new(folder.path().join("authority"));
        let plan = Plan { name: "Northwind Controls GmbH", root_key: None, issuing_key: None };
        init(&home, &plan, &mut pins(), NOW - 60).unwrap();
        let mut repository = Repository::open(&home).unwrap();
        certify(&mut repository, Role::Log, "log.pem", &[]);
        let mut pair = Self { folder, repository };
        let key = pair.found("witness");
        pair.certify_witness(key);
        certify(&mut pair.repository, Role::Issuer, "sealing.pem", &[Role::Witness]);
        pair
    }

    /// Founds a witness in a home of this name and returns its public key.
    fn found(&mut self, name: &str) -> PublicKey {
        let published = bundle::in_force(&mut self.repository, &mut pins(), NOW).unwrap();
        let (authority, bundle) = (published.trust.authority(), &published.bytes);
        let plan = found::Plan { authority, bundle, checkpoint: None, key: None };
        found::found(&self.home(name), &plan, &mut pins(), NOW).unwrap().identity.public_key
    }

    fn certify_witness(&mut self, public_key: PublicKey) {
        let place = Place::Elsewhere { public_key, partner: None, protection: Protection::Software };
        add_key(&mut self.repository, Role::Witness, place, &[]);
    }

    fn home(&self, name: &str) -> Home {
        Home::new(self.folder.path().join(name))
    }

    /// Begins a batch that the issuer has signed, and returns its first index.
    fn issue(&mut self, numbers: std::ops::Range<u8>) -> u64 {
        let issuer = key_of_role(&self.repository, Role::Issuer).unwrap();
        let keys = self.repository.keys().unwrap().into_iter();
        let witnesses =
            keys.filter(|key| key.role == Role::Witness).map(|key| signer(key.role, &key.public_key));
        let mut signers: Vec<_> = witnesses.chain([signer(Role::Issuer, &issuer.public_key)]).collect();
        signers.sort_unstable();
        let payloads = numbers.map(|number| license(number).encode()).collect();
        let draft = Draft { kind: Kind::License, payloads, signers, root_version: 1 };
        let authority = self.repository.authority().unwrap().id;
        let batch = Batch::begin(&mut self.repository, authority, &[draft], &[], NOW).unwrap().remove(0);
        let key = open_key(&self.home("authority"), &issuer, &mut pins()).unwrap();
        batch.sign(&mut self.repository, &key, NOW).unwrap();
        batch.first_index()
    }

    fn ask(&mut self, first_index: u64, terms: Terms) -> Result<Asked, CommandError> {
        for_batch(&mut self.repository, first_index, &terms, &mut pins(), NOW)
    }

    fn witness(&self, name: &str, request: &[u8]) -> Result<Vec<u8>, CommandError> {
        let mut memory = Memory::open(&self.home(name))?;
        match judge(&memory, request, NOW, &mut |_, _| {})? {
            Verdict::New(agreed) => sign(&mut memory, &agreed, &mut pins()),
            Verdict::Known { number, request } => repeat(&memory, number, request, &mut pins()),
        }
    }

    /// The license at a place in the log, once it stands.
    fn license(&self, log_index: u64) -> Option<Vec<u8>> {
        document(&self.repository, log_index).unwrap()
    }

    fn complete(&mut self, answer: &[u8]) -> Result<Completed, CommandError> {
        complete(&mut self.repository, answer, NOW)
    }
}

fn certify(repository: &mut Repository, role: Role, file: &str, co_signers: &[Role]) {
    let reference = KeyRef::file(Path::new(&repository.home().keys()).join(file));
    add_key(repository, role, Place::Here { key: &reference, partner: None }, co_signers);
}

fn add_key(repository: &mut Repository, role: Role, place: Place<'_>, co_signers: &[Role]) {
    let wanted = Addition {
        role,
        place,
        mode: Some(KeyMode::Seal),
        co_signers: co_signers.to_vec(),
        bounds: Bounds::default(),
        vouching: Vouching::Undecided,
    };
    add(repository, &wanted, &custody::Asked::default(), &mut pins(), NOW).unwrap();
}

fn code<T>(result: Result<T, CommandError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn a_batch_stands_once_its_witness_has_signed() {
    let mut pair = Pair::new();
    let first = pair.issue(0..4);
    assert_eq!(pair.license(first), None, "nothing stands before");
    let asked = pair.ask(first, Terms::default()).unwrap();
    assert_eq!((asked.known, asked.head.size, asked.documents), (0, first + 4, 4));
    let answer = pair.witness("witness", &asked.bytes).unwrap();

    // What is no answer to this, or was changed on the way, leaves everything as it was.
    assert_eq!(code(pair.complete(&asked.bytes)), "exchange-request");
    let good = answered(&answer);
    let signed = good.batch.unwrap();
    let mut wrong = signed.signature.to_vec();
    wrong[3] ^= 1;
    let batch =
        |first_index, signature| Some(chancery_formats::witness::BatchSignature { first_index, signature });
    let with = |batch| chancery_formats::witness::Answer { batch, ..good }.encode();
    assert_eq!(code(pair.complete(&with(batch(first, &wrong)))), "signature-wrong");
    assert_eq!(code(pair.complete(&with(batch(0, signed.signature)))), "batch-unknown");
    let mut cosigned = good.cosigned.unwrap();
    cosigned.signature[20] ^= 1;
    let other = chancery_formats::witness::Answer { cosigned: Some(cosigned), ..good };
    assert_eq!(code(pair.complete(&other.encode())), "checkpoint-signature-wrong");
    let stranger = chancery_formats::witness::Answer {
        witness: license(1).id.0.repeat(2).try_into().map(chancery_formats::id::Thumbprint).unwrap(),
        ..good
    };
    assert_eq!(code(pair.complete(&stranger.encode())), "key-unknown");
    assert_eq!(pair.license(first), None);

    let done = pair.complete(&answer).unwrap();
    let stood = done.batch.unwrap();
    assert_eq!((stood.missing.len(), stood.known, done.checkpoint), (0, false, Some(first + 4)));
    let trust = bundle::in_force(&mut pair.repository, &mut pins(), NOW).unwrap().trust;
    let trust = trust.demanding(Demands { witness: true, ..Demands::default() });
    for index in first..first + 4 {
        let document = pair.license(index).unwrap();
        assert_eq!(verify_license(&document, &trust).unwrap().log_index(), Some(index));
    }
    let note = pair.repository.checkpoint(first + 4).unwrap().unwrap().note;
    assert!(note.contains("vnd.chancery/witness/"), "{note}");
    // The same answer again changes nothing, and there is nothing to ask any more.
    assert!(pair.complete(&answer).unwrap().batch.unwrap().known);
    assert_eq!(code(pair.ask(first, Terms::default())), "batch-complete");
    assert_eq!(code(pair.ask(first + 1, Terms::default())), "batch-unknown");

    // The next batch and a checkpoint go on from there.
    let next = pair.issue(4..5);
    let asked = pair.ask(next, Terms::default()).unwrap();
    assert_eq!(asked.known, first + 4);
    let answer = pair.witness("witness", &asked.bytes).unwrap();
    pair.complete(&answer).unwrap();
    certify(&mut pair.repository, Role::Revoker, "revoker.pem", &[]);
    let asked = for_checkpoint(&mut pair.repository, &Terms::default(), &mut pins(), NOW).unwrap();
    let answer = pair.witness("witness", &asked.bytes).unwrap();
    let done = pair.complete(&answer).unwrap();
    assert_eq!((done.batch, done.checkpoint), (None, Some(asked.head.size)));
}

#[test]
fn batches_are_witnessed_in_their_order() {
    let mut pair = Pair::new();
    let (older, newer) = (pair.issue(0..2), pair.issue(2..4));
    assert_eq!(code(pair.ask(newer, Terms::default())), "batch-older-open");
    let asked = for_checkpoint(&mut pair.repository, &Terms::default(), &mut pins(), NOW);
    assert_eq!(code(asked), "batch-older-open");
    let asked = pair.ask(newer, Terms { pass_over: true, ..Terms::default() }).unwrap();
    let answer = pair.witness("witness", &asked.bytes).unwrap();
    pair.complete(&answer).unwrap();
    // The one that was passed over is not witnessed any more, whatever the request says.
    assert_eq!(code(pair.ask(older, Terms::default())), "range-back-dated");
    let asked = pair.ask(older, Terms { known: Some(0), ..Terms::default() }).unwrap();
    assert_eq!(code(pair.witness("witness", &asked.bytes)), "range-back-dated");
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let mut pair = Pair::new();
    let first = pair.issue(0..2);
    let asked = pair.ask(first, Terms::default()).unwrap();
    let lost = pair.witness("witness", &asked.bytes).unwrap();
    // The request is made anew, after the log has grown.
    pair.issue(2..3);
    let again = pair.ask(first, Terms::default()).unwrap();
    let answer = pair.witness("witness", &again.bytes).unwrap();
    assert_eq!(answered(&answer).batch, answered(&lost).batch);
    assert!(pair.complete(&answer).unwrap().batch.unwrap().missing.is_empty());
}

#[test]
fn two_witnesses_sign_one_batch() {
    let mut pair = Pair::new();
    let key = pair.found("second");
    let second = key.thumbprint().key_id();
    pair.certify_witness(key);
    let first = pair.issue(0..2);
    assert_eq!(code(pair.ask(first, Terms::default())), "witness-several");
    let asked = pair.ask(first, Terms { witness: Some(second), ..Terms::default() }).unwrap();
    assert_eq!(code(pair.witness("witness", &asked.bytes)), "ok", "the request is the same for both");
    let answer = pair.witness("second", &asked.bytes).unwrap();
    assert_eq!(pair.complete(&answer).unwrap().batch.unwrap().missing.len(), 1);
    assert_eq!(pair.license(first), None);
    let asked = pair.ask(first, Terms::default()).unwrap();
    let answer = pair.witness("witness", &asked.bytes).unwrap();
    assert!(pair.complete(&answer).unwrap().batch.unwrap().missing.is_empty());
    assert!(pair.license(first + 1).is_some());
}
