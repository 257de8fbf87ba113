//! What a device says that it signed, and what we say that we asked for: which differences are an alarm.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_carriers::report::Exit;
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::Protection;
use sha2::{Digest, Sha256};

use super::*;
use crate::repository::{Authority, Intent, KeyRole, NewKey, NewLeaf, NewOperation};

const NOW: u64 = 1_800_000_000;
const SERIAL: &str = "0001234567";
const SIGN_EDDSA: u8 = 0x6a;

/// The key that most tests count, and its object on the device.
const ISSUER: (PublicKey, u16) = (PublicKey::Ed25519([7; 32]), 0x0100);
const ROOT: (PublicKey, u16) = (PublicKey::Ed25519([8; 32]), 0x0101);

/// A home with an authority whose keys are on one device, and that device's log.
struct Site {
    folder: PathBuf,
    repository: Repository,
    newest: Option<AuditEntry>,
    documents: u8,
}

impl Site {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("chancery-device-log-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut repository = Repository::create(&Home::new(folder.join("home"))).unwrap();
        for ((public_key, id), role) in [(ISSUER, KeyRole::Issuer), (ROOT, KeyRole::Root)] {
            let reference = format!("yubihsm:serial={SERIAL};id=0x{id:04x};auth-id=2?connector=usb");
            let key = NewKey { public_key, role, reference: &reference, protection: Protection::Hardware };
            repository.add_key(&key, NOW).unwrap();
        }
        let authority =
            Authority { id: AuthorityId([1; 32]), name: "vendor".into(), root_version: 1, created_at: NOW };
        repository.set_authority(&authority).unwrap();
        Self { folder, repository, newest: None, documents: 0 }
    }

    /// Writes to our log that a key is asked to sign.
    fn begin(&mut self, key: PublicKey) -> Intent {
        self.documents += 1;
        let leaf_hash = [self.documents; 32];
        let leaf = NewLeaf { kind: Kind::Root, protected: &[0xa0], payload: &[0xa0], leaf_hash };
        let operation = NewOperation { key: key.thumbprint(), message_hash: leaf_hash };
        self.repository.begin(&leaf, &operation, None, NOW).unwrap()
    }

    /// The device writes an entry, and we read it.
    fn device_records(&mut self, command: u8, result: u8, target_key: u16) {
        let mut entry = AuditEntry {
            number: self.newest.as_ref().map_or(1, |newest| newest.number + 1),
            command,
            length: 10,
            session_key: 2,
            target_key,
            second_key: 0xffff,
            result,
            tick: 1,
            digest: [0; 16],
        };
        let previous = self.newest.as_ref().map_or([0; 16], |newest| newest.digest);
        let digest = Sha256::new().chain_update(&entry.to_bytes()[..16]).chain_update(previous).finalize();
        entry.digest = digest[..16].try_into().unwrap();
        self.repository.keep_device_entries(SERIAL, &[entry.to_bytes()], NOW).unwrap();
        self.newest = Some(entry);
    }

    fn device_signs(&mut self, id: u16) {
        self.device_records(SIGN_EDDSA, SIGN_EDDSA | 0x80, id);
    }

    /// A signature as it should be: asked for, made, and known to be made.
    fn sign(&mut self, (key, id): (PublicKey, u16)) {
        let intent = self.begin(key);
        self.device_signs(id);
        self.repository.complete(intent, b"signed", NOW).unwrap();
    }

    fn reconciled(&self, key: PublicKey) -> Reconciled {
        let found = reconcile(&self.repository, SERIAL).unwrap();
        *found.keys.iter().find(|reconciled| reconciled.public_key == key).unwrap()
    }

    fn counts(&self, key: PublicKey) -> (u64, u64, u64, bool) {
        let found = self.reconciled(key);
        (found.on_device, found.signed, found.unknown, found.agrees())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_was_asked_for_and_made_agrees() {
    let mut site = Site::new();
    assert_eq!(site.counts(ISSUER.0), (0, 0, 0, true));
    for _ in 0..3 {
        site.sign(ISSUER);
    }
    assert_eq!(site.counts(ISSUER.0), (3, 3, 0, true));
}

#[test]
fn one_signature_that_nobody_asked_for_is_found() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.device_signs(ISSUER.1);
    assert_eq!(site.counts(ISSUER.0), (2, 1, 0, false));
}

#[test]
fn a_signature_that_the_device_does_not_show_is_found() {
    let mut site = Site::new();
    site.sign(ISSUER);
    let intent = site.begin(ISSUER.0);
    site.repository.complete(intent, b"signed", NOW).unwrap();
    assert_eq!(site.counts(ISSUER.0), (1, 2, 0, false));
}

#[test]
fn an_operation_of_unknown_end_makes_room_for_one_signature() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.begin(ISSUER.0);
    assert_eq!(site.counts(ISSUER.0), (1, 1, 1, true));
    site.device_signs(ISSUER.1);
    assert_eq!(site.counts(ISSUER.0), (2, 1, 1, true));
    site.device_signs(ISSUER.1);
    assert_eq!(site.counts(ISSUER.0), (3, 1, 1, false));
}

#[test]
fn an_attempt_that_failed_makes_no_room_and_one_that_signed_wrongly_is_a_signature() {
    let mut site = Site::new();
    let intent = site.begin(ISSUER.0);
    site.repository.fail(intent.operation_id, "session-lost", NOW).unwrap();
    assert_eq!(site.counts(ISSUER.0), (0, 0, 0, true));
    site.device_signs(ISSUER.1);
    assert_eq!(site.counts(ISSUER.0), (1, 0, 0, false));
    let intent = site.begin(ISSUER.0);
    site.repository.fail(intent.operation_id, "bad-signature", NOW).unwrap();
    assert_eq!(site.counts(ISSUER.0), (1, 1, 0, true));
}

#[test]
fn entries_that_are_no_signatures_do_not_count() {
    let mut site = Site::new();
    site.device_records(SIGN_EDDSA, 0x09, ISSUER.1); // refused by the device
    site.device_records(0x67, 0xe7, ISSUER.1); // a log that was read
    assert_eq!(site.counts(ISSUER.0), (0, 0, 0, true));
    assert_eq!(reconcile(&site.repository, SERIAL).unwrap().entries, 2);
}

#[test]
fn keys_are_counted_apart() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.sign(ROOT);
    site.device_signs(0x0200);
    site.device_signs(0x0200);
    let found = reconcile(&site.repository, SERIAL).unwrap();
    assert_eq!((found.entries, found.keys.len(), found.of_other_keys), (4, 2, 2));
    // One too many of one key, one too few of the other: the sums agree, the keys do not.
    let intent = site.begin(ISSUER.0);
    site.device_signs(ROOT.1);
    site.repository.complete(intent, b"signed", NOW).unwrap();
    assert_eq!(site.counts(ISSUER.0), (1, 2, 0, false));
    assert_eq!(site.counts(ROOT.0), (2, 1, 0, false));
}

#[test]
fn another_device_holds_none_of_these_keys() {
    let mut site = Site::new();
    site.sign(ISSUER);
    let found = reconcile(&site.repository, "0007654321").unwrap();
    assert_eq!((found.entries, found.keys.len(), found.of_other_keys), (0, 0, 0));
}

#[test]
fn entries_changed_in_the_database_are_an_alarm() {
    // As somebody would who hides that a signature was made: another command, or an entry that is gone.
    for is_removed in [false, true] {
        let mut site = Site::new();
        for _ in 0..3 {
            site.sign(ISSUER);
        }
        assert!(reconcile(&site.repository, SERIAL).is_ok());
        let mut entry = site.repository.device_entries(SERIAL).unwrap()[1];
        entry[2] = 0x67;
        site.repository.falsify_device_entry(1, Some(entry).filter(|_| !is_removed));
        let error = reconcile(&site.repository, SERIAL).unwrap_err();
        assert_eq!((error.code(), error.report().exit), ("audit-broken", Exit::Alarm), "{is_removed}");
    }
}
