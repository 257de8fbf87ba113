//! What a device says that it signed, and what we say that we asked for: which differences are an alarm, and what
//! an alarm stops.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_carriers::report::Exit;
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;
use sha2::{Digest, Sha256};

use super::*;
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Authority, Intent, NewKey, NewLeaf, NewOperation, Repository};

const NOW: u64 = 1_800_000_000;
const SERIAL: &str = "0001234567";
const SIGN_EDDSA: u8 = 0x6a;

/// The key that most tests count, and its object on the device.
const ISSUER: (PublicKey, u16) = (PublicKey::Ed25519([7; 32]), 0x0100);
const ROOT: (PublicKey, u16) = (PublicKey::Ed25519([8; 32]), 0x0101);

/// Bytes that most operations sign, and what an entry says of them.
const BYTES: u64 = 100;
const LENGTH: u16 = 102;

/// A home with an authority whose keys are on one device, and that device's log.
struct Site {
    folder: PathBuf,
    repository: Repository,
    newest: Option<AuditEntry>,
    documents: u8,
}

/// An entry that follows `newest`; the first one follows nothing.
fn following(newest: Option<&AuditEntry>, entry: AuditEntry) -> AuditEntry {
    let number = newest.map_or(1, |newest| newest.number.wrapping_add(1));
    let previous = newest.map_or([0; 16], |newest| newest.digest);
    let entry = AuditEntry { number, ..entry };
    let digest = Sha256::new().chain_update(&entry.to_bytes()[..16]).chain_update(previous).finalize();
    AuditEntry { digest: digest[..16].try_into().unwrap(), ..entry }
}

/// An entry of a command that was carried out.
fn done(command: u8, target_key: u16, length: u16) -> AuditEntry {
    AuditEntry {
        number: 0,
        command,
        length,
        session_key: 2,
        target_key,
        second_key: 0xffff,
        result: command | 0x80,
        tick: 1,
        digest: [0; 16],
    }
}

/// The entry of a reset.
fn reset() -> AuditEntry {
    AuditEntry::from_bytes(&[&[0, 1][..], &[0xff; 14], &[7; 16]].concat().try_into().unwrap())
}

impl Site {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("chancery-device-log-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut repository = Repository::create(&Home::new(folder.join("home"))).unwrap();
        for ((public_key, id), role) in [(ISSUER, Role::Issuer), (ROOT, Role::Custodian)] {
            let reference = format!("yubihsm:serial={SERIAL};id=0x{id:04x};auth-id=2?connector=usb");
            let key =
                NewKey { public_key, role, reference: Some(&reference), protection: Protection::Hardware };
            repository.add_key(&key, NOW).unwrap();
        }
        let authority =
            Authority { id: AuthorityId([1; 32]), name: "vendor".into(), root_version: 1, created_at: NOW };
        repository.set_authority(&authority).unwrap();
        Self { folder, repository, newest: None, documents: 0 }
    }

    /// Writes to our log that a key is asked to sign so many bytes.
    fn begin_of(&mut self, key: PublicKey, message_bytes: u64, at: u64) -> Intent {
        self.documents += 1;
        let leaf = NewLeaf { kind: Kind::Root, protected: &[0xa0], payload: &[self.documents] };
        let message_hash = [self.documents; 32];
        let operation = NewOperation { key: key.thumbprint(), message_hash, message_bytes };
        self.repository.begin(&leaf, &operation, None, at).unwrap()
    }

    fn begin(&mut self, key: PublicKey) -> Intent {
        self.begin_of(key, BYTES, NOW)
    }

    /// The device writes an entry, and we read it.
    fn device_records(&mut self, entry: AuditEntry) {
        let entry = if entry.is_reset() { entry } else { following(self.newest.as_ref(), entry) };
        self.repository.keep_device_entries(SERIAL, &[entry.to_bytes()], NOW).unwrap();
        self.newest = Some(entry);
    }

    fn device_signs(&mut self, id: u16) {
        self.device_records(done(SIGN_EDDSA, id, LENGTH));
    }

    /// A signature as it should be: asked for, made, and known to be made.
    fn sign(&mut self, (key, id): (PublicKey, u16)) {
        self.sign_of((key, id), BYTES);
    }

    fn sign_of(&mut self, (key, id): (PublicKey, u16), bytes: u64) {
        let intent = self.begin_of(key, bytes, NOW);
        self.device_records(done(SIGN_EDDSA, id, u16::try_from(bytes + 2).unwrap()));
        self.repository.complete(intent, b"signed", NOW).unwrap();
    }

    fn reconcile(&mut self) -> Reconciled {
        reconcile(&mut self.repository, SERIAL, NOW + 1).unwrap()
    }

    /// The codes of what is found.
    fn codes(&mut self) -> Vec<&'static str> {
        self.reconcile().comparison.findings.iter().map(|finding| finding.code).collect()
    }

    fn counts(&mut self, key: PublicKey) -> (u64, u64, u64) {
        let found = self.reconcile();
        let key = found.comparison.keys.iter().find(|one| one.thumbprint == key.thumbprint()).unwrap();
        (key.on_device, key.signed, key.unknown)
    }

    /// Tries to begin a document of a kind.
    fn try_begin(&mut self, kind: Kind) -> Result<(), CommandError> {
        self.documents += 1;
        let leaf = NewLeaf { kind, protected: &[0xa0], payload: &[self.documents] };
        Ok(self.repository.record(&[leaf], NOW).map(drop)?)
    }

    fn locks(&self) -> Vec<String> {
        self.repository.issuing_locks().unwrap().into_iter().map(|lock| lock.reason).collect()
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
    assert_eq!(site.counts(ISSUER.0), (0, 0, 0));
    for _ in 0..3 {
        site.sign(ISSUER);
    }
    assert_eq!((site.counts(ISSUER.0), site.codes().len()), ((3, 3, 0), 0));
    assert!(site.locks().is_empty());
}

#[test]
fn one_signature_that_nobody_asked_for_is_an_alarm_that_locks_issuing() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.device_signs(ISSUER.1);
    assert_eq!(site.codes(), ["hsm-operation-extra"]);
    assert_eq!(site.locks(), ["hsm-operation-extra"]);
    // Asked again, it is the same lock.
    assert_eq!(site.codes().len(), 1);
    assert_eq!(site.locks().len(), 1);
}

#[test]
fn a_lock_stops_all_but_what_an_alarm_calls_for() {
    let mut site = Site::new();
    let pending = site.begin(ISSUER.0);
    site.device_signs(ROOT.1);
    assert_eq!(site.codes(), ["hsm-operation-extra"]);
    for kind in [Kind::License, Kind::Root, Kind::KeyRecord, Kind::Transcript] {
        let refused = site.try_begin(kind).unwrap_err();
        assert_eq!((refused.code(), refused.report().exit), ("issuing-locked", Exit::Refused), "{kind:?}");
    }
    let operation = NewOperation { key: ISSUER.0.thumbprint(), message_hash: [1; 32], message_bytes: BYTES };
    let retried = site.repository.begin_retry(pending.log_index, &operation, NOW).unwrap_err();
    assert_eq!(retried.code(), "issuing-locked");
    for kind in [Kind::Closing, Kind::RevocationList, Kind::Manifest] {
        site.try_begin(kind).unwrap();
    }
}

#[test]
fn a_signature_that_the_device_does_not_show_is_found() {
    let mut site = Site::new();
    site.sign(ISSUER);
    let intent = site.begin(ISSUER.0);
    site.repository.complete(intent, b"signed", NOW).unwrap();
    assert_eq!(site.codes(), ["hsm-operation-missing"]);
}

#[test]
fn signatures_in_another_order_are_found() {
    let mut site = Site::new();
    for bytes in [50, 60] {
        let intent = site.begin_of(ISSUER.0, bytes, NOW);
        site.repository.complete(intent, b"signed", NOW).unwrap();
    }
    site.device_records(done(SIGN_EDDSA, ISSUER.1, 62));
    site.device_records(done(SIGN_EDDSA, ISSUER.1, 52));
    assert_eq!(site.codes(), ["hsm-operation-order"]);
}

#[test]
fn a_signature_of_another_length_is_not_the_one_that_was_asked_for() {
    let mut site = Site::new();
    let intent = site.begin(ISSUER.0);
    site.repository.complete(intent, b"signed", NOW).unwrap();
    site.device_records(done(SIGN_EDDSA, ISSUER.1, LENGTH + 1));
    assert_eq!(site.codes(), ["hsm-operation-extra", "hsm-operation-missing"]);
}

#[test]
fn an_operation_of_unknown_end_may_have_its_signature_and_is_settled() {
    let mut site = Site::new();
    site.sign(ISSUER);
    let first = site.begin(ISSUER.0).operation_id;
    // Nothing follows it: the device may sign yet, until its session is over.
    assert!(site.codes().is_empty());
    assert!(site.repository.operation_settlements().unwrap().is_empty());
    site.device_signs(ISSUER.1);
    assert!(site.codes().is_empty());
    assert_eq!(site.repository.operation_settlements().unwrap()[&first], Some(1));
    let second = site.begin_of(ISSUER.0, 70, NOW).operation_id;
    site.sign(ISSUER);
    assert!(site.codes().is_empty());
    assert_eq!(site.repository.operation_settlements().unwrap()[&second], None);
    // What is settled makes no room any more.
    site.device_records(done(SIGN_EDDSA, ISSUER.1, 72));
    assert_eq!(site.codes(), ["hsm-operation-extra"]);
}

#[test]
fn what_is_unknown_for_longer_than_a_session_lives_did_not_sign() {
    let mut site = Site::new();
    let id = site.begin_of(ISSUER.0, BYTES, NOW - 3_600).operation_id;
    assert!(site.codes().is_empty());
    assert_eq!(site.repository.operation_settlements().unwrap()[&id], None);
}

#[test]
fn an_attempt_that_failed_makes_no_room_and_one_that_signed_wrongly_is_a_signature() {
    let mut site = Site::new();
    let intent = site.begin(ISSUER.0);
    site.repository.fail(intent.operation_id, "session-lost", NOW).unwrap();
    assert!(site.codes().is_empty());
    let intent = site.begin(ISSUER.0);
    site.device_signs(ISSUER.1);
    site.repository.fail(intent.operation_id, "bad-signature", NOW).unwrap();
    assert!(site.codes().is_empty());
    assert_eq!(site.counts(ISSUER.0), (1, 1, 0));
    site.device_signs(ISSUER.1);
    assert_eq!(site.codes(), ["hsm-operation-extra"]);
}

#[test]
fn entries_that_are_no_signatures_are_judged_by_kind() {
    let mut site = Site::new();
    site.device_records(reset());
    for command in [0x44, 0x46, 0x4f] {
        site.device_records(done(command, ISSUER.1, 10));
    }
    site.device_records(AuditEntry { result: 0x09, ..done(SIGN_EDDSA, ISSUER.1, 10) });
    site.sign(ISSUER);
    site.device_records(done(0x44, 0x0009, 10));
    let found = site.reconcile();
    assert!(found.comparison.findings.is_empty() && found.comparison.is_whole);
    let kinds: Vec<_> = found
        .comparison
        .kinds
        .iter()
        .map(|kind| (kind.command.as_str(), kind.judgement, kind.count))
        .collect();
    // A login made after the device began to sign is worth a look; so is a signature that it refused.
    for expected in [
        ("sign-eddsa", Judgement::Notice, 1),
        ("put-authentication-key", Judgement::Notice, 1),
        ("put-authentication-key", Judgement::Expected, 1),
        ("set-option", Judgement::Expected, 1),
        ("reset", Judgement::Expected, 1),
        ("sign-eddsa", Judgement::Expected, 1),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} in {kinds:?}");
    }
}

#[test]
fn what_nobody_does_to_a_device_that_signs_is_an_alarm() {
    let wrapped = |command| AuditEntry { second_key: ISSUER.1, ..done(command, 0x0300, 10) };
    for (entry, code) in [
        (wrapped(0x4a), "hsm-key-exported"),
        (wrapped(0x4b), "hsm-key-replaced"),
        (done(0x45, ISSUER.1, 10), "hsm-key-replaced"),
        (done(0x46, ISSUER.1, 10), "hsm-key-replaced"),
        (done(0x58, ISSUER.1, 3), "hsm-key-replaced"),
        (done(0x4f, 0xffff, 5), "hsm-settings-changed"),
        (AuditEntry { second_key: ISSUER.1, ..done(0x64, 0x0500, 4) }, "hsm-operation-extra"),
    ] {
        let mut site = Site::new();
        site.device_records(entry.clone());
        let before = site.codes();
        assert_eq!(before.is_empty(), code != "hsm-operation-extra", "being set up: {before:?}");
        let mut site = Site::new();
        site.sign(ISSUER);
        site.device_records(entry.clone());
        assert_eq!(site.codes(), [code]);
        assert_eq!(site.locks(), [code]);
        // Refused by the device, it is no alarm.
        let mut site = Site::new();
        site.sign(ISSUER);
        site.device_records(AuditEntry { result: 0x0b, ..entry });
        assert!(site.codes().is_empty(), "{code}");
    }
}

#[test]
fn keys_are_told_apart() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.sign(ROOT);
    site.device_signs(0x0200);
    site.device_signs(0x0200);
    let found = site.reconcile();
    assert_eq!((found.entries, found.comparison.of_other_keys), (4, 2));
    assert!(found.comparison.findings.is_empty());
    // One too many of one key, one too few of the other: the sums agree, the keys do not.
    let intent = site.begin(ISSUER.0);
    site.device_signs(ROOT.1);
    site.repository.complete(intent, b"signed", NOW).unwrap();
    assert_eq!(site.codes(), ["hsm-operation-extra", "hsm-operation-missing"]);
}

#[test]
fn another_device_holds_none_of_these_keys() {
    let mut site = Site::new();
    site.sign(ISSUER);
    let found = reconcile(&mut site.repository, "0007654321", NOW).unwrap();
    assert_eq!((found.entries, found.comparison), (0, Comparison::default()));
}

#[test]
fn entries_changed_in_the_database_are_an_alarm() {
    // As somebody would who hides that a signature was made: another command, or an entry that is gone.
    for is_removed in [false, true] {
        let mut site = Site::new();
        for _ in 0..3 {
            site.sign(ISSUER);
        }
        assert!(site.codes().is_empty());
        let mut entry = site.repository.device_entries(SERIAL).unwrap()[1];
        entry[2] = 0x67;
        site.repository.falsify_device_entry(1, Some(entry).filter(|_| !is_removed));
        assert!(site.codes().contains(&"audit-broken"), "{is_removed}");
    }
}

#[test]
fn what_an_auditor_accepts_is_a_difference_no_more_and_the_lock_is_released_with_a_name() {
    let mut site = Site::new();
    site.sign(ISSUER);
    site.device_signs(ISSUER.1);
    let found = site.reconcile();
    let accept = found.comparison.findings[0].accept.clone();
    assert_eq!(accept, [Acceptable::Entry(1)]);
    let accept = [NewAcceptance::Entry(1)];
    site.repository.accept_of_device_log(SERIAL, &accept, ("a rehearsal", "J. Roe"), NOW).unwrap();
    assert!(site.codes().is_empty());
    assert_eq!(site.locks().len(), 1, "accepting is not releasing");
    site.repository.lock_issuing("restored", "made from a backup", NOW).unwrap();
    let released = release(&mut site.repository, "a rehearsal", "J. Roe", NOW).unwrap();
    assert_eq!(
        (released.len(), site.locks()),
        (1, vec!["restored".to_owned()]),
        "others are not ours to release"
    );
    let accepted = &site.reconcile().accepted[0];
    assert_eq!((accepted.reason.as_str(), accepted.accepted_by.as_str()), ("a rehearsal", "J. Roe"));
    // One more is one more.
    site.device_signs(ISSUER.1);
    assert_eq!(site.codes(), ["hsm-operation-extra"]);
}

#[test]
fn the_counter_goes_round_and_nothing_is_lost() {
    let mut newest = AuditEntry { number: 65_000, ..done(0, 0xffff, 0) };
    let mut device = Device { serial: SERIAL.to_owned(), ..Device::default() };
    let thumbprint = ISSUER.0.thumbprint();
    device.keys.push(DeviceKey { thumbprint, object: ISSUER.1, algorithm: Algorithm::Ed25519 });
    for id in 0..66_000_u64 {
        let bytes = 100 + id % 5;
        let length = u16::try_from(bytes + 2).unwrap();
        newest = following(Some(&newest), done(SIGN_EDDSA, ISSUER.1, length));
        device.entries.push(newest.clone());
        let operation = Operation {
            id,
            key: thumbprint,
            message_bytes: Some(bytes),
            started_at: NOW,
            signed: Some(true),
        };
        device.operations.push(operation);
    }
    let found = compare(&device, NOW);
    assert_eq!((found.findings.as_slice(), found.keys[0].on_device), (&[][..], 66_000));
    let removed = device.operations.remove(1_000);
    let found = compare(&device, NOW);
    assert_eq!(found.findings.len(), 1);
    assert_eq!(found.findings[0].code, "hsm-operation-extra");
    assert_eq!(removed.id, 1_000);
}

#[test]
fn a_device_that_was_reset_begins_anew_once_and_with_a_reason() {
    use chancery_hsm_config::audit::AuditView;

    let mut site = Site::new();
    site.device_records(reset());
    site.sign(ISSUER);
    let view = |entries: Vec<AuditEntry>| AuditView {
        serial: SERIAL.to_owned(),
        entries,
        unlogged: Default::default(),
        is_forced: Some(true),
        keys: Vec::new(),
    };
    let newest = site.newest.clone().unwrap();
    let begin = |site: &mut Site, entries| {
        let begun =
            crate::workflow::device_log::begin_anew(&mut site.repository, &view(entries), "broken", NOW);
        begun.map_err(|error| error.code())
    };
    let goes_on = following(Some(&newest), done(SIGN_EDDSA, ISSUER.1, LENGTH));
    assert_eq!(begin(&mut site, vec![newest, goes_on.clone()]), Err("device-not-reset"));
    assert_eq!(begin(&mut site, vec![AuditEntry { number: 9, ..goes_on }]), Err("device-not-reset"));
    let again = AuditEntry { digest: [8; 16], ..reset() };
    begin(&mut site, vec![again.clone()]).unwrap();
    assert_eq!(site.repository.newest_device_entry(SERIAL).unwrap(), None);
    site.device_records(again);
    site.device_records(done(0x44, 0x0002, 10));
    site.sign(ISSUER);
    let found = site.reconcile();
    assert!(found.comparison.findings.is_empty(), "{:?}", found.comparison.findings);
    assert_eq!((found.chains[0].position, found.chains[0].reason.as_str()), (2, "broken"));
}

/// What another process kept meanwhile is not kept twice, and what contradicts it is not kept at all.
#[test]
fn two_processes_that_keep_the_same_entries_keep_them_once() {
    let mut site = Site::new();
    for _ in 0..4 {
        site.sign(ISSUER);
    }
    let kept = site.repository.device_entries(SERIAL).unwrap();
    let mut other = Repository::open(&site.repository.home().clone()).unwrap();
    let newer = following(site.newest.as_ref(), done(SIGN_EDDSA, ROOT.1, LENGTH)).to_bytes();
    other.keep_device_entries(SERIAL, &[kept[2], kept[3], newer], NOW).unwrap();
    site.repository.keep_device_entries(SERIAL, &kept[1..3], NOW).unwrap();
    assert_eq!(site.repository.device_entries(SERIAL).unwrap(), [&kept[..], &[newer]].concat());
    let mut changed = kept[3];
    changed[7] ^= 1;
    let refused = site.repository.keep_device_entries(SERIAL, &[kept[2], changed], NOW).unwrap_err();
    assert_eq!(refused.code(), "audit-broken");
    assert_eq!(CommandError::from(refused).report().exit, Exit::Alarm);
    assert_eq!(site.repository.device_entries(SERIAL).unwrap().len(), 5);
}
