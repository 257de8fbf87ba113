//! Every signature accounted for: ten thousand in one process, with a log that must not overflow.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/provisioned.rs"]
mod provisioned;

use std::sync::{Arc, Mutex};

use chancery_hsm_config::audit::{AuditEntry, AuditLedger};
use chancery_hsm_config::{HsmError, look_at_audit, open};
use chancery_yubihsm_simulator::Fault;
use provisioned::{Provisioned, lines};

type Store = Arc<Mutex<Vec<AuditEntry>>>;

/// A ledger in memory that checks each chain again, and fails when it is told to.
#[derive(Clone, Default)]
struct Ledger {
    entries: Store,
    is_full: Arc<Mutex<bool>>,
}

impl AuditLedger for Ledger {
    fn newest(
        &mut self,
        serial: &str,
    ) -> Result<Option<AuditEntry>, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(serial, "0012345678");
        Ok(self.entries.lock().unwrap().last().cloned())
    }

    fn keep(
        &mut self,
        _: &str,
        entries: &[AuditEntry],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if *self.is_full.lock().unwrap() {
            return Err("no space left".into());
        }
        self.entries.lock().unwrap().extend_from_slice(entries);
        Ok(())
    }
}

impl Ledger {
    fn signatures(&self) -> u64 {
        let entries = self.entries.lock().unwrap();
        assert!(entries.windows(2).all(|pair| pair[1].follows(&pair[0])));
        entries.iter().filter(|entry| entry.signer() == Some(0x100)).count().try_into().unwrap()
    }
}

#[test]
fn ten_thousand_signatures_are_all_in_the_log() {
    const SIGNATURES: u64 = 10_000;

    let device = Provisioned::new();
    let ledger = Ledger::default();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    for number in 0..SIGNATURES {
        assert_eq!(key.sign(&number.to_be_bytes()).unwrap().len(), 64);
    }
    let operations = device.simulator.operations();
    assert_eq!(operations.sign_eddsa, SIGNATURES);
    assert_eq!(operations.sessions_open, 1, "a session leaked");
    // What the last reading left on the device is read when the log is kept anew.
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    assert_eq!(ledger.signatures(), SIGNATURES);
    drop(key);
    assert_eq!(device.simulator.operations().sessions_open, 0, "a session was not closed");
}

#[test]
fn lost_answers_leave_one_entry_each() {
    let device = Provisioned::new();
    let ledger = Ledger::default();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    let mut unknown = 0;
    for number in 0..100_u32 {
        if number % 10 == 3 {
            device.simulator.inject(&Fault::DropReply).unwrap();
        }
        match key.sign(&number.to_be_bytes()) {
            Ok(_) => {}
            Err(HsmError::OutcomeUnknown { .. }) => unknown += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(unknown, 10);
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    assert_eq!(ledger.signatures(), 100);
    assert_eq!(device.simulator.operations().sign_eddsa, 100);
}

#[test]
fn entries_that_cannot_be_kept_stay_on_the_device() {
    let device = Provisioned::new();
    let ledger = Ledger::default();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    *ledger.is_full.lock().unwrap() = true;
    let failed = (0..100_u8).find_map(|number| key.sign(&[number]).err()).expect("the log never filled");
    assert_eq!(failed.code(), "audit-ledger-failure", "{failed}");
    let made = device.simulator.operations().sign_eddsa;
    *ledger.is_full.lock().unwrap() = false;
    key.sign(b"space again").unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    assert_eq!(ledger.signatures(), made + 1);
}

#[test]
fn a_log_that_somebody_else_read_is_an_alarm() {
    let device = Provisioned::new();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    let ledger = Ledger::default();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    key.sign(b"one").unwrap();
    key.sign(b"two").unwrap();
    // Another ledger takes an entry away, as a thief of the audit login would.
    key.keep_audit(&mut lines("audit-secret"), Box::new(Ledger::default())).unwrap();
    key.sign(b"three").unwrap();
    let broken = key.keep_audit(&mut lines("audit-secret"), Box::new(ledger)).unwrap_err();
    assert_eq!(broken.code(), "audit-broken", "{broken}");
}

#[test]
fn numbers_go_on_at_zero_and_nothing_is_lost() {
    const SIGNATURES: u64 = 300;

    let device = Provisioned::new();
    // As after years of use: the counter of the log has sixteen bits.
    device.simulator.inject(&Fault::Age(65_400)).unwrap();
    let ledger = Ledger::default();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    for number in 0..SIGNATURES {
        key.sign(&number.to_be_bytes()).unwrap();
    }
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    assert_eq!(ledger.signatures(), SIGNATURES);
    let entries = ledger.entries.lock().unwrap();
    let at = entries.iter().position(|entry| entry.number == 0).expect("the counter went round");
    assert_eq!(entries[at - 1].number, u16::MAX);
}

#[test]
fn looking_takes_nothing_away_and_shows_the_newest_entry_again() {
    let device = Provisioned::new();
    let ledger = Ledger::default();
    let look = |login, password| look_at_audit(&device.login(login), &mut lines(password));
    let first = look(3, "audit-secret").unwrap().unwrap();
    assert_eq!((first.serial.as_str(), first.is_forced), ("0012345678", Some(true)));
    assert!(first.entries[0].is_reset());
    assert_eq!(look(3, "audit-secret").unwrap().unwrap(), first);
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(ledger.clone())).unwrap();
    let kept = ledger.entries.lock().unwrap().clone();
    assert_eq!(kept, first.entries);
    assert_eq!(look(3, "audit-secret").unwrap().unwrap().entries, kept[kept.len() - 1..]);
    key.sign(b"one more").unwrap();
    assert_eq!(look(3, "audit-secret").unwrap().unwrap().entries.len(), 2);
    assert_eq!(look(2, "sign-secret").unwrap_err().code(), "not-permitted");
}

#[test]
fn a_wrong_audit_password_is_not_that_of_the_login_that_signs() {
    let device = Provisioned::new();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    let refused = key.keep_audit(&mut lines("not-it"), Box::new(Ledger::default())).unwrap_err();
    assert_eq!(refused.code(), "wrong-pin", "{refused}");
    key.sign(b"under its own password").unwrap();
    key.keep_audit(&mut lines("audit-secret"), Box::new(Ledger::default())).unwrap();
    assert_eq!(device.simulator.operations().sign_eddsa, 1);
}

#[test]
fn without_the_audit_login_a_full_log_stops_the_key() {
    let device = Provisioned::new();
    let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
    let full = (0..100_u8).find_map(|number| key.sign(&[number]).err()).expect("the log never filled");
    assert_eq!(full.code(), "audit-log-full", "{full}");
    let made = device.simulator.operations().sign_eddsa;
    key.keep_audit(&mut lines("audit-secret"), Box::new(Ledger::default())).unwrap();
    key.sign(b"room again").unwrap();
    assert_eq!(device.simulator.operations().sign_eddsa, made + 1);
}
