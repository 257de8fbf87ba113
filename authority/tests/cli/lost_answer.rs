//! Issuing with a key whose answer is lost: the attempt stays open, and the same request gives one license.
//!
//! The key is the authority's own, behind a backend that signs and then says that nobody knows. Not here: devices
//! that lose answers (package `chancery-tests`), one call and one signature (`hsm-config`).

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_authority::home::Home;
use chancery_authority::repository::{KeyClosing, NewLicense, Repository, Standing};
use chancery_authority::workflow::custody::Asked;
use chancery_authority::workflow::role::{Addition, Bounds, Place, Vouching, add};
use chancery_authority::workflow::signing::{key_of_role, open_key, resume_direct, sign_direct};
use chancery_authority::workflow::{issue, trust};
use chancery_carriers::report::Exit;
use chancery_formats::cose::{Envelope, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::key::{Algorithm, Protection};
use chancery_formats::license::License;
use chancery_formats::seal::Role;
use chancery_hsm_config::{Health, HsmError, Key, KeyBackend, KeyInfo, KeyRef, PinSource};
use chancery_verifier::verify_license;
use sha2::{Digest, Sha256};

use crate::desk::{Desk, PASSPHRASE};
use crate::homes::{ENTITLEMENT, NOW};

/// A device that signs each time it is asked, and whose answer to the first is lost.
struct Lossy {
    key: Key,
    signatures: Arc<AtomicU32>,
}

impl KeyBackend for Lossy {
    fn protection(&self) -> Protection {
        self.key.protection()
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        self.key.health()
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(vec![self.key.info().clone()])
    }

    fn find(&mut self, _: &KeyRef) -> Result<KeyInfo, HsmError> {
        Ok(self.key.info().clone())
    }

    fn generate(&mut self, key: &KeyRef, _: Algorithm) -> Result<(), HsmError> {
        Err(HsmError::KeyExists { key: key.clone().into() })
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let signature = self.key.sign(message)?;
        match self.signatures.fetch_add(1, Ordering::Relaxed) {
            0 => Err(HsmError::OutcomeUnknown { key: key.clone().into(), source: "the line is dead".into() }),
            _ => Ok(signature),
        }
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        Ok(())
    }
}

fn pins() -> PinSource {
    PinSource::lines(Cursor::new(format!("{PASSPHRASE}\n")))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Returns what a license for the request says, signed by a copy of the home that is gone afterwards.
fn license_of(desk: &Desk, request: &[u8]) -> Vec<u8> {
    let twin = Home::new(desk.file("twin"));
    copy(desk.home().path(), twin.path());
    let mut repository = Repository::open_unleased(&twin).unwrap();
    let prepared = issue::prepare(&repository, ENTITLEMENT, Some(request), NOW).unwrap();
    let bytes = prepared.sign(&mut repository, Some(request), &mut pins(), NOW).unwrap();
    drop(repository);
    fs::remove_dir_all(twin.path()).unwrap();
    bytes
}

struct Lost {
    desk: Desk,
    request: Vec<u8>,
    repository: Repository,
    key: Key,
    signatures: Arc<AtomicU32>,
}

/// Issues a license up to the signature, whose answer is lost.
fn lose_an_answer() -> Lost {
    let desk = Desk::new();
    let request = fs::read(desk.file("pump.creq")).unwrap();
    let model = license_of(&desk, &request);
    let model = Envelope::decode(&model).unwrap();
    let license = License::decode(model.payload).unwrap();
    let unsigned = Unsigned::from_parts(model.protected.to_vec(), model.payload.to_vec());
    let new = NewLicense {
        id: license.id,
        entitlement: ENTITLEMENT,
        device: license.device_key,
        revision: 1,
        request_hash: Some(Sha256::digest(&request).into()),
        grant: 1,
        activation: None,
    };
    let mut repository = Repository::open(&desk.home()).unwrap();
    let record = key_of_role(&repository, Role::Issuer).unwrap();
    let inner = open_key(&desk.home(), &record, &mut pins()).unwrap();
    let (reference, signatures) = (inner.reference().clone(), Arc::new(AtomicU32::new(0)));
    let key =
        Key::new(&reference, Box::new(Lossy { key: inner, signatures: Arc::clone(&signatures) })).unwrap();

    let error = sign_direct(&mut repository, &key, Kind::License, &unsigned, Some(&new), NOW).unwrap_err();
    assert_eq!((error.code(), error.report().exit), ("outcome-unknown", Exit::Hsm));
    Lost { desk, request, repository, key, signatures }
}

fn counted(repository: &Repository, key: Thumbprint) -> (u64, u64) {
    let count = repository.operation_count(key).unwrap();
    (count.signed, count.unknown)
}

#[test]
fn an_attempt_whose_answer_is_lost_stays_open() {
    let lost = lose_an_answer();
    let pending = lost.repository.pending().unwrap();
    assert_eq!((pending.len(), pending[0].open_operations.len()), (1, 1));
    assert_eq!(pending[0].last_failure, None);
    assert_eq!(counted(&lost.repository, lost.key.public_key().thumbprint()), (0, 1));
    // One call asked the device once.
    assert_eq!(lost.signatures.load(Ordering::Relaxed), 1);
    assert_eq!(lost.repository.entitlement(ENTITLEMENT).unwrap().used, 1);
}

#[test]
fn the_same_request_gives_one_license_after_a_lost_answer() {
    let Lost { desk, request, mut repository, key, .. } = lose_an_answer();
    drop(key);
    let interrupted = repository.pending().unwrap()[0].license.unwrap().0;
    let prepared = issue::prepare(&repository, ENTITLEMENT, Some(&request), NOW + 60).unwrap();
    assert_eq!((prepared.id, prepared.is_done()), (interrupted, false));
    let license = prepared.sign(&mut repository, Some(&request), &mut pins(), NOW + 60).unwrap();

    let (_, trust) = trust::bundle(&repository).unwrap();
    assert_eq!(verify_license(&license, &trust).unwrap().license().id, interrupted);
    assert!(repository.pending().unwrap().is_empty());
    assert_eq!(repository.entitlement(ENTITLEMENT).unwrap().used, 1);
    let again = issue::prepare(&repository, ENTITLEMENT, Some(&request), NOW + 120).unwrap();
    assert!(again.is_done());
    assert_eq!(again.sign(&mut repository, Some(&request), &mut pins(), NOW + 120).unwrap(), license);
    assert_eq!(repository.documents_of_kind(Kind::License).unwrap().len(), 1);
    // The end of the first attempt stays unknown: the device may count one more than we have.
    let issuer = key_of_role(&repository, Role::Issuer).unwrap().public_key.thumbprint();
    assert_eq!(counted(&repository, issuer), (1, 1));
    drop(desk);
}

#[test]
fn a_device_that_answers_again_signs_the_same_document() {
    let Lost { desk, request, mut repository, key, signatures } = lose_an_answer();
    let log_index = repository.pending().unwrap()[0].log_index;
    let license = resume_direct(&mut repository, &key, log_index, NOW + 60).unwrap();
    assert_eq!(signatures.load(Ordering::Relaxed), 2);
    assert_eq!(counted(&repository, key.public_key().thumbprint()), (1, 1));
    let answered = issue::prepare(&repository, ENTITLEMENT, Some(&request), NOW + 120).unwrap();
    assert!(answered.is_done());
    assert_eq!(answered.sign(&mut repository, Some(&request), &mut pins(), NOW + 120).unwrap(), license);
    drop(desk);
}

#[test]
fn an_interrupted_license_is_signed_by_the_key_that_its_header_names() {
    let Lost { desk, request, mut repository, key, .. } = lose_an_answer();
    let reference = KeyRef::file(desk.home().path().join("newer.pem"));
    let addition = Addition {
        role: Role::Issuer,
        place: Place::Here { key: &reference, partner: None },
        mode: None,
        co_signers: Vec::new(),
        bounds: Bounds::default(),
        vouching: Vouching::Without,
    };
    let lines = format!("{PASSPHRASE}\n{PASSPHRASE}\n");
    let (newer, _) = add(
        &mut repository,
        &addition,
        &Asked::default(),
        &mut PinSource::lines(Cursor::new(lines)),
        NOW + 30,
    )
    .unwrap();
    assert_eq!(key_of_role(&repository, Role::Issuer).unwrap().public_key, newer.public_key);
    let prepared = issue::prepare(&repository, ENTITLEMENT, Some(&request), NOW + 60).unwrap();
    let license = prepared.sign(&mut repository, Some(&request), &mut pins(), NOW + 60).unwrap();
    assert_eq!(Envelope::decode(&license).unwrap().header.kid, key.public_key().key_id());
    drop(desk);
}

#[test]
fn a_key_that_was_closed_meanwhile_signs_no_more() {
    let Lost { desk, request, mut repository, key, .. } = lose_an_answer();
    let closing =
        KeyClosing { compromised_at: None, log_index: 1, reason: "lost".to_owned(), closed_at: NOW + 30 };
    let change = Standing { closings: vec![(key.public_key().thumbprint(), closing)], ..Standing::default() };
    repository.stand(&change, NOW + 30).unwrap();
    let error = issue::prepare(&repository, ENTITLEMENT, Some(&request), NOW + 60).unwrap_err();
    assert_eq!((error.code(), error.report().exit), ("key-closed", Exit::Refused));
    drop(desk);
}
