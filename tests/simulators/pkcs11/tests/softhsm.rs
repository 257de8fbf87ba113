//! The PKCS#11 backend on SoftHSM2 behind the fault module: the common suite, and every fault that PKCS#11
//! modules have beyond it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{self, Fixture};
use chancery_hsm_config::{Key, PinSource, list, open, open_or_generate};
use chancery_pkcs11_faults::control::Fault;
use chancery_pkcs11_faults::fixture::{self, Token};
use chancery_pkcs11_faults::tokens::{LABEL, PIN, SoftHsm};

fn main() -> ExitCode {
    fixture::main(
        SoftHsm,
        &[
            ("conforms", conforms),
            ("another program sees the token", another_program_sees_the_token),
            ("every signature is counted", every_signature_is_counted),
            ("PIN flags are heeded", pin_flags_are_heeded),
            ("refused PINs are told", refused_pins_are_told),
            ("sessions are given back", sessions_are_given_back),
            ("a pulled token is told and comes back", a_pulled_token_is_told_and_comes_back),
            ("lost sessions heal", lost_sessions_heal),
            ("a slow token is waited for", a_slow_token_is_waited_for),
            ("a PIN for each use is not had", a_pin_for_each_use_is_not_had),
        ],
    )
}

fn conforms(token: &mut Token<SoftHsm>) {
    let report = conformance::run(token);
    println!("{report}");
    assert_eq!(report.failures(), []);
}

fn key(token: &Token<SoftHsm>) -> Key {
    open_or_generate(&token.key(1), Algorithm::Ed25519, &mut token.pins()).unwrap().key
}

/// What the module forwards is what a client that is not ours finds, through each interface.
fn another_program_sees_the_token(token: &mut Token<SoftHsm>) {
    let _ = key(token);
    let module = token.module().to_str().unwrap().to_owned();
    let output = Command::new("pkcs11-tool")
        .args(["--module", &module, "--token-label", LABEL, "--login", "--pin", PIN, "--list-objects"])
        .output()
        .expect("pkcs11-tool is missing: apt-get install opensc");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && shown.contains("key 1"), "{shown}");
}

fn every_signature_is_counted(token: &mut Token<SoftHsm>) {
    let key = key(token);
    let before = token.signatures().unwrap();
    for count in 0..20_u8 {
        key.sign(&[count]).unwrap();
    }
    assert_eq!(token.signatures().unwrap(), before + 20);
}

fn pin_flags_are_heeded(token: &mut Token<SoftHsm>) {
    drop(key(token));
    token.inject(Fault::PinCountLow);
    open(&token.key(1), &mut token.pins()).unwrap();
    for (fault, code) in [(Fault::PinFinalTry, "pin-last-try"), (Fault::PinLockedFlag, "pin-locked")] {
        token.inject(fault);
        // No PIN is asked for, so none can be wrong.
        assert_eq!(open(&token.key(1), &mut PinSource::none()).unwrap_err().code(), code);
        token.control.clear().unwrap();
    }
    open(&token.key(1), &mut token.pins()).unwrap();
}

fn refused_pins_are_told(token: &mut Token<SoftHsm>) {
    drop(key(token));
    for (fault, code) in [(Fault::PinIncorrect, "wrong-pin"), (Fault::PinLocked, "pin-locked")] {
        token.inject(fault);
        let mut pins = token.pins();
        assert_eq!(open(&token.key(1), &mut pins).unwrap_err().code(), code);
        token.control.clear().unwrap();
        // The PIN is forgotten: it is not tried again unasked.
        assert_eq!(open(&token.key(1), &mut pins).unwrap_err().code(), "pin-missing");
    }
    let key = key(token);
    token.inject(Fault::SessionsLost);
    token.inject(Fault::PinIncorrect);
    // A PIN that was right and is wrong after a reopening is told, and tried once.
    assert_eq!(key.sign(b"the PIN was changed").unwrap_err().code(), "wrong-pin");
}

fn sessions_are_given_back(token: &mut Token<SoftHsm>) {
    let key = key(token);
    token.inject(Fault::SessionLimit(2));
    for _ in 0..50 {
        assert!(open(&token.key(1), &mut token.pins()).is_ok());
        assert!(list(&token.key(1).token(), &mut token.pins()).is_ok());
        assert_eq!(open(&token.key(101), &mut token.pins()).unwrap_err().code(), "key-missing");
    }
    for _ in 0..20 {
        token.inject(Fault::SessionsLost);
        key.sign(b"reopened").unwrap();
    }
    drop(key);
    for _ in 0..50 {
        assert_eq!(open(&token.key(1), &mut token.wrong_pins()).unwrap_err().code(), "wrong-pin");
        assert!(open(&token.key(1), &mut token.pins()).is_ok());
    }
}

fn a_pulled_token_is_told_and_comes_back(token: &mut Token<SoftHsm>) {
    let key = key(token);
    let before = token.signatures();
    token.inject(Fault::TokenPulled);
    assert_eq!(key.sign(b"away").unwrap_err().code(), "token-absent");
    assert_eq!(
        open(&token.reference("object=key%202"), &mut token.pins()).unwrap_err().code(),
        "token-absent"
    );
    assert_eq!(list(&token.key(1).token(), &mut token.pins()).unwrap_err().code(), "token-absent");
    assert_eq!(token.signatures(), before);
    token.control.clear().unwrap();
    assert!(list(&token.key(1).token(), &mut token.pins()).is_ok());
    key.sign(b"back").unwrap();
}

/// Whichever use of the token comes first after the loss.
fn lost_sessions_heal(token: &mut Token<SoftHsm>) {
    let key = key(token);
    for fault in [Fault::SessionsLost, Fault::ModuleUnloaded] {
        token.inject(fault.clone());
        key.sign(b"signs").unwrap();
        token.inject(fault.clone());
        key.health().unwrap();
        token.inject(fault.clone());
        list(&token.key(1).token(), &mut token.pins()).unwrap();
        token.inject(fault);
        open(&token.key(1), &mut token.pins()).unwrap();
    }
}

fn a_slow_token_is_waited_for(token: &mut Token<SoftHsm>) {
    let key = key(token);
    token.inject(Fault::Latency(40));
    let begun = Instant::now();
    key.sign(b"slowly").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(120), "three calls a signature at least");
}

/// SoftHSM2 has no login for one operation; nothing is signed without it.
fn a_pin_for_each_use_is_not_had(token: &mut Token<SoftHsm>) {
    drop(key(token));
    token.inject(Fault::AlwaysAuthenticate);
    let key = open(&token.key(1), &mut token.pins()).unwrap();
    let before = token.signatures();
    let error = key.sign(b"with a PIN").unwrap_err();
    println!("SoftHSM2: a PIN for each use: {}: {error}", error.code());
    assert_eq!(token.signatures(), before);
    drop(key);
    token.control.clear().unwrap();
    open(&token.key(1), &mut token.pins()).unwrap().sign(b"without").unwrap();
}
