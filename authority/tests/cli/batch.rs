//! Batches through the workflow, with software keys: what is issued once, what waits, and what is refused.
//!
//! Not here: tokens, hostile rows and files (`tests/journeys/batch.sh`), kills (`tests/crash`).

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use chancery_authority::error::CommandError;
use chancery_authority::log::sealed;
use chancery_authority::log::verify::verify;
use chancery_authority::repository::{FeatureValue, KeyClosing, Repository, RevocationTarget, Standing};
use chancery_authority::workflow::batch::export::{Exported, export};
use chancery_authority::workflow::batch::{self, Input, Issued};
use chancery_authority::workflow::custody::Asked;
use chancery_authority::workflow::entitlement::amend::{Amendment, amend};
use chancery_authority::workflow::entitlement::standing::suspend;
use chancery_authority::workflow::role::{Addition, Bounds, Place, Vouching, add};
use chancery_authority::workflow::update::update;
use chancery_authority::workflow::{issue, trust};
use chancery_carriers::report::Exit;
use chancery_formats::id::EntitlementId;
use chancery_formats::key::{Algorithm, Protection};
use chancery_formats::license::Feature;
use chancery_formats::seal::{Role, Seal};
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{Key, KeyRef, PinSource, SoftwareKey};
use chancery_verifier::verify_license;

use crate::desk::{Desk, PASSPHRASE};
use crate::homes::{self, ENTITLEMENT, NOW};

/// An entitlement whose licenses are bound to a site.
const NORTH: EntitlementId = EntitlementId([0x4e; 8]);

struct Vendor {
    desk: Desk,
    repository: Repository,
}

fn pins() -> PinSource {
    PinSource::lines(Cursor::new(format!("{PASSPHRASE}\n{PASSPHRASE}\n")))
}

impl Vendor {
    /// A vendor whose issuing key seals, beside the keys of `co_signers`.
    fn new(co_signers: &[Role], bounds: Bounds) -> Self {
        let desk = Desk::new();
        let mut repository = Repository::open(&desk.home()).unwrap();
        let reference = KeyRef::file(desk.home().path().join("sealing.pem"));
        let addition = Addition {
            role: Role::Issuer,
            place: Place::Here { key: &reference, partner: None },
            mode: Some(KeyMode::Seal),
            co_signers: co_signers.to_vec(),
            bounds,
            vouching: Vouching::Without,
        };
        add(&mut repository, &addition, &Asked::default(), &mut pins(), NOW + 1).unwrap();
        homes::grant(&mut repository, NORTH, 600, Some("north"));
        Self { desk, repository }
    }

    /// Certifies the key of a witness on another machine.
    fn witnessed() -> (Self, Key) {
        let mut vendor = Self::new(&[Role::Witness], Bounds::default());
        let key = Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap()).unwrap();
        let addition = Addition {
            role: Role::Witness,
            place: Place::Elsewhere {
                public_key: key.public_key(),
                partner: None,
                protection: Protection::Software,
            },
            mode: None,
            co_signers: Vec::new(),
            bounds: Bounds::default(),
            vouching: Vouching::Without,
        };
        add(&mut vendor.repository, &addition, &Asked::default(), &mut pins(), NOW + 2).unwrap();
        (vendor, key)
    }

    fn rows(&self, name: &str, count: usize) -> PathBuf {
        let path = self.desk.file(name);
        fs::write(&path, format!("{{\"entitlement\":\"{NORTH}\"}}\n").repeat(count)).unwrap();
        path
    }

    fn issue(&mut self, path: &std::path::Path, label: &str) -> Result<Issued, CommandError> {
        let mut told = Vec::new();
        let input = Input { path, label };
        let progress = &mut |stage, done, total| told.push((stage, done, total));
        batch::issue(&mut self.repository, &input, &mut pins(), NOW + 3, progress)
    }

    fn export(&self, issued: &Issued, folder: &str) -> Result<Exported, CommandError> {
        let record = self.repository.batch(issued.batch.first_index).unwrap();
        export(&self.repository, &record, &self.desk.file(folder), |_, _| {})
    }

    /// Every license of the log as products take it; returns how many there are.
    fn verify_all(&self) -> usize {
        let (_, trust) = trust::bundle(&self.repository).unwrap();
        let licenses = self.repository.licenses().unwrap();
        for license in &licenses {
            let document = sealed::document(&self.repository, license.log_index).unwrap().unwrap();
            let verified = verify_license(&document, &trust).unwrap();
            assert_eq!(verified.log_index(), Some(license.log_index));
            assert_eq!(verified.license().subject, "acme/north");
        }
        let report = verify(&self.repository, None, |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        licenses.len()
    }
}

#[test]
fn rows_are_issued_once_however_often_they_are_given() {
    let mut vendor = Vendor::new(&[], Bounds::default());
    // Across a border of the log's tiles, and with a last tile that is not full.
    let rows = vendor.rows("rows.jsonl", 300);
    let first = vendor.issue(&rows, "").unwrap();
    assert!(!first.known && first.missing.is_empty() && first.batch.sealed_at.is_some());
    let again = vendor.issue(&rows, "").unwrap();
    assert!(again.known);
    assert_eq!(again.batch, first.batch);
    assert_eq!(vendor.verify_all(), 300);
    let labelled = vendor.issue(&rows, "once more").unwrap();
    assert!(!labelled.known && labelled.batch.first_index > first.batch.first_index);
    assert_eq!(vendor.verify_all(), 600);
    let error = vendor.issue(&rows, "and again").unwrap_err();
    assert_eq!((error.code(), error.report().exit), ("batch-rows-refused", Exit::Refused));
    assert_eq!(error.report().causes.len(), 300);
    // One operation a batch, beside the root's and those for the records.
    let keys = vendor.repository.keys().unwrap();
    let sealing =
        keys.iter().filter(|key| key.role == Role::Issuer).max_by_key(|key| key.created_at).unwrap();
    let count = vendor.repository.operation_count(sealing.public_key.thumbprint()).unwrap();
    assert_eq!((count.signed, count.unknown), (2, 0));
}

#[test]
fn a_batch_waits_for_its_witness_and_stands_with_its_signature() {
    let (mut vendor, witness) = Vendor::witnessed();
    let rows = vendor.rows("rows.jsonl", 3);
    let issued = vendor.issue(&rows, "").unwrap();
    let first = issued.batch.first_index;
    assert_eq!(issued.batch.sealed_at, None);
    let missing: Vec<_> = issued.missing.iter().map(|signer| signer.thumbprint).collect();
    assert_eq!(missing, [witness.public_key().thumbprint()]);
    assert_eq!(sealed::document(&vendor.repository, first).unwrap(), None);
    assert_eq!(vendor.export(&issued, "files").unwrap_err().code(), "signature-missing");
    // Asked again, nobody signs twice, and it still waits.
    assert_eq!(vendor.issue(&rows, "").unwrap().missing, issued.missing);

    let statement = sealed::statement_of(&issued.batch).unwrap();
    let message = statement.as_statement().to_sign(&issued.missing[0]).sig_structure();
    let signature = witness.sign(&message).unwrap();
    let repository = &mut vendor.repository;
    repository.keep_batch_signature(first, missing[0], &signature, None, NOW + 4).unwrap();
    assert_eq!(batch::settle(repository, &issued.batch, &[], NOW + 5).unwrap(), []);
    assert_eq!(vendor.verify_all(), 3);
    let exported = Exported { written: 3, passed_over: 0, revoked: 0, suspended: 0 };
    assert_eq!(vendor.export(&issued, "files").unwrap(), exported);
    let exported = Exported { written: 0, passed_over: 3, revoked: 0, suspended: 0 };
    assert_eq!(vendor.export(&issued, "files").unwrap(), exported);
}

#[test]
fn a_forged_signature_of_a_witness_seals_nothing() {
    let (mut vendor, witness) = Vendor::witnessed();
    let rows = vendor.rows("rows.jsonl", 3);
    let issued = vendor.issue(&rows, "").unwrap();
    let first = issued.batch.first_index;
    let thumbprint = witness.public_key().thumbprint();
    vendor.repository.keep_batch_signature(first, thumbprint, &[7; 64], None, NOW + 4).unwrap();
    let error = batch::settle(&mut vendor.repository, &issued.batch, &[], NOW + 5).unwrap_err();
    assert_eq!((error.code(), error.report().exit), ("signature-wrong", Exit::Alarm));
    assert_eq!(vendor.repository.batch(first).unwrap().sealed_at, None);
    assert_eq!(sealed::document(&vendor.repository, first).unwrap(), None);
}

#[test]
fn one_license_under_a_key_that_seals_is_a_batch_of_one() {
    let mut vendor = Vendor::new(&[], Bounds::default());
    let request = fs::read(vendor.desk.file("pump.creq")).unwrap();
    let prepared = issue::prepare(&vendor.repository, ENTITLEMENT, Some(&request), NOW + 3).unwrap();
    let longest = prepared.document_len();
    let license = prepared.sign(&mut vendor.repository, Some(&request), &mut pins(), NOW + 3).unwrap();
    assert!(license.len() <= longest, "{} bytes, {longest} were reserved", license.len());
    let envelope = chancery_formats::cose::Envelope::decode(&license).unwrap();
    let seal = Seal::decode(envelope.signature).unwrap();
    assert_eq!((seal.size, seal.leaf_index, seal.path.len()), (1, 0, 0));
    let again = issue::prepare(&vendor.repository, ENTITLEMENT, Some(&request), NOW + 4).unwrap();
    assert!(again.is_done());
    let same = again.sign(&mut vendor.repository, Some(&request), &mut pins(), NOW + 4).unwrap();
    assert_eq!(same, license);
    let error = issue::prepare(&vendor.repository, NORTH, Some(&request), NOW + 4).unwrap_err();
    assert_eq!(error.code(), "entitlement-other");
}

#[test]
fn one_license_waits_for_its_witness_too() {
    let (mut vendor, witness) = Vendor::witnessed();
    let request = fs::read(vendor.desk.file("pump.creq")).unwrap();
    let sign = |vendor: &mut Vendor, now| {
        let prepared = issue::prepare(&vendor.repository, ENTITLEMENT, Some(&request), now).unwrap();
        prepared.sign(&mut vendor.repository, Some(&request), &mut pins(), now)
    };
    let error = sign(&mut vendor, NOW + 3).unwrap_err();
    assert_eq!(error.code(), "signature-missing");
    let record = vendor.repository.batches().unwrap().remove(0);
    assert_eq!((record.leaf_count, record.input_hash), (1, None));
    let missing = batch::missing(&vendor.repository, &record).unwrap();
    let message = sealed::statement_of(&record).unwrap().as_statement().to_sign(&missing[0]).sig_structure();
    let signature = witness.sign(&message).unwrap();
    let thumbprint = missing[0].thumbprint;
    vendor
        .repository
        .keep_batch_signature(record.first_index, thumbprint, &signature, None, NOW + 4)
        .unwrap();
    // The same command ends it, also where nobody settled the batch before.
    let license = sign(&mut vendor, NOW + 5).unwrap();
    let (_, trust) = trust::bundle(&vendor.repository).unwrap();
    verify_license(&license, &trust).unwrap();
}

#[test]
fn a_key_that_was_closed_signs_no_batch_that_waits() {
    let (mut vendor, witness) = Vendor::witnessed();
    let rows = vendor.rows("rows.jsonl", 2);
    vendor.issue(&rows, "").unwrap();
    let closing =
        KeyClosing { compromised_at: None, log_index: 1, reason: "lost".to_owned(), closed_at: NOW + 4 };
    let change =
        Standing { closings: vec![(witness.public_key().thumbprint(), closing)], ..Standing::default() };
    vendor.repository.stand(&change, NOW + 4).unwrap();
    assert_eq!(vendor.issue(&rows, "").unwrap_err().code(), "key-closed");
}

#[test]
fn what_the_key_may_not_sign_is_refused_before_it_is_drawn() {
    for (bounds, what) in [
        (Bounds { products: vec!["valve".to_owned()], ..Bounds::default() }, "product pump"),
        (Bounds { territories: vec!["DE".to_owned()], ..Bounds::default() }, "without a territory"),
        (Bounds { longest_term_days: Some(30), ..Bounds::default() }, "so long a term"),
    ] {
        let mut vendor = Vendor::new(&[], bounds);
        let rows = vendor.rows("rows.jsonl", 1);
        let error = vendor.issue(&rows, "").unwrap_err();
        let cause = &error.report().causes[0];
        assert!(cause.starts_with("line 1: out-of-scope: ") && cause.contains(what), "{cause}");
        assert_eq!(vendor.repository.entitlement(NORTH).unwrap().used, 0);
    }
}

/// Grants more of a feature than was sold.
fn amend_channels(vendor: &mut Vendor, limit: u64) {
    let features = [("channels".to_owned(), Some(FeatureValue::Limit(limit)))].into();
    let amendment = Amendment { features, ..Amendment::default() };
    amend(&mut vendor.repository, NORTH, &amendment, &homes::NOTE).unwrap();
}

#[test]
fn an_update_goes_on_with_each_activation_and_signs_nothing_twice() {
    let mut vendor = Vendor::new(&[], Bounds::default());
    let stick = vendor.desk.file("stick");
    let nobody = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 4).unwrap_err();
    assert_eq!(nobody.code(), "update-nobody");
    let rows = vendor.rows("rows.jsonl", 3);
    vendor.issue(&rows, "").unwrap();
    amend_channels(&mut vendor, 32);
    let done = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 5).unwrap();
    assert_eq!((done.new, done.licenses.len(), done.revoked), (3, 3, 0));
    assert_eq!(done.folder, stick.join(format!("{NORTH}-2")));
    assert_eq!(vendor.repository.entitlement(NORTH).unwrap().used, 3);
    let (_, trust) = trust::bundle(&vendor.repository).unwrap();
    for license in &done.licenses {
        let document = fs::read(&license.file).unwrap();
        let verified = verify_license(&document, &trust).unwrap();
        assert_eq!(verified.license().terms.features.get("channels"), Some(Feature::Limit(32)));
    }
    let again = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 6).unwrap();
    assert_eq!((again.new, &again.licenses), (0, &done.licenses));
    assert_eq!(vendor.verify_all(), 6);

    // What is withdrawn is passed over, and a file of somebody else's stays as it is.
    let target = RevocationTarget::License(done.licenses[0].id);
    vendor.repository.add_revocation(&target, "lost", NOW).unwrap();
    fs::write(&done.licenses[1].file, "something else").unwrap();
    let error = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 7).unwrap_err();
    assert_eq!(error.code(), "file-other");
    fs::remove_file(&done.licenses[1].file).unwrap();
    let without = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 7).unwrap();
    assert_eq!((without.new, without.licenses.len(), without.revoked), (0, 2, 1));
}

#[test]
fn an_update_waits_for_the_witness_and_goes_on() {
    let (mut vendor, _) = Vendor::witnessed();
    let rows = vendor.rows("rows.jsonl", 2);
    vendor.issue(&rows, "").unwrap();
    amend_channels(&mut vendor, 32);
    let stick = vendor.desk.file("stick");
    for _ in 0..2 {
        let error = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 5).unwrap_err();
        assert_eq!(error.code(), "signature-missing");
        assert_eq!(vendor.repository.licenses().unwrap().len(), 4);
    }
}

#[test]
fn nothing_of_a_suspended_entitlement_leaves() {
    let mut vendor = Vendor::new(&[], Bounds::default());
    let rows = vendor.rows("rows.jsonl", 3);
    let issued = vendor.issue(&rows, "").unwrap();
    suspend(&mut vendor.repository, NORTH, &homes::NOTE).unwrap();
    let withheld = Exported { written: 0, passed_over: 0, revoked: 0, suspended: 3 };
    assert_eq!(vendor.export(&issued, "out").unwrap(), withheld);
    let error = vendor.issue(&rows, "more").unwrap_err();
    assert_eq!(error.code(), "batch-rows-refused");
    assert!(error.report().causes[0].contains("entitlement-suspended"), "{:?}", error.report().causes);
    let stick = vendor.desk.file("stick");
    let error = update(&mut vendor.repository, NORTH, &stick, &mut pins(), NOW + 5).unwrap_err();
    assert_eq!(error.code(), "entitlement-suspended");
    assert!(!stick.exists());
}
