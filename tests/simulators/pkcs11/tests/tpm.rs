//! The PKCS#11 backend on a TPM: the common suite, the TPM's own lockout, and a module that returns wrong
//! signatures.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::process::ExitCode;

use chancery_formats::key::{Algorithm, PublicKey};
use chancery_hsm_config::backend::conformance::{self, Fixture};
use chancery_hsm_config::{Key, open, open_or_generate};
use chancery_pkcs11_faults::control::Fault;
use chancery_pkcs11_faults::fixture::{self, Token};
use chancery_pkcs11_faults::tokens::{Kind, PIN, Tpm, session, session_with, slot};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::AuthPin;
use p256::ecdsa::signature::Verifier;

fn main() -> ExitCode {
    fixture::main(
        Tpm::default(),
        &[
            ("conforms", conforms),
            ("three wrong PINs lock it", three_wrong_pins_lock_it),
            ("a PIN that was changed is tried once", a_pin_that_was_changed_is_tried_once),
            ("multi-part signatures are wrong", multi_part_signatures_are_wrong),
            ("the backend is not misled", the_backend_is_not_misled),
            ("it heals after a power cut", it_heals_after_a_power_cut),
        ],
    )
}

fn conforms(token: &mut Token<Tpm>) {
    let report = conformance::run(token);
    println!("{report}");
    assert_eq!(report.failures(), []);
}

fn key(token: &Token<Tpm>) -> Key {
    open_or_generate(&token.key(1), Algorithm::Esp256, &mut token.pins()).unwrap().key
}

/// Tried up to one before the lock. The module's flags tell of nothing, so no program can stop by itself.
fn three_wrong_pins_lock_it(token: &mut Token<Tpm>) {
    drop(key(token));
    assert_eq!(token.kind.lockout(), (0, 3));
    for wrong in 1..u32::from(token.pin_tries().unwrap()) {
        assert_eq!(open(&token.key(1), &mut token.wrong_pins()).unwrap_err().code(), "wrong-pin");
        assert_eq!(token.kind.lockout(), (wrong, 3));
        let module = token.load();
        let info = module.get_token_info(slot(&module)).unwrap();
        assert!(!info.user_pin_count_low() && !info.user_pin_final_try() && !info.user_pin_locked());
    }
    // A right PIN opens it, and does not take the wrong ones back.
    open(&token.key(1), &mut token.pins_after("")).unwrap().sign(b"two wrong PINs later").unwrap();
    assert_eq!(token.kind.lockout(), (2, 3));
    let _ = token.pins();
    assert_eq!(token.kind.lockout(), (0, 3));
}

/// A key that is open keeps its PIN for reopening. Once the token refuses it, each further try would count.
fn a_pin_that_was_changed_is_tried_once(token: &mut Token<Tpm>) {
    const CHANGED: &str = "changed-5678";
    let key = key(token);
    let change = |from: &str, to: &str| {
        let session = session_with(&token.load(), from);
        session.set_pin(&AuthPin::from(from), &AuthPin::from(to)).unwrap();
    };
    change(PIN, CHANGED);
    token.inject(Fault::SessionsLost);
    assert_eq!(key.sign(b"first").unwrap_err().code(), "wrong-pin");
    let again = [key.sign(b"second").unwrap_err().code(), key.health().unwrap_err().code()];
    let counted = token.kind.lockout();
    token.kind.forget_wrong_pins();
    drop(key);
    change(CHANGED, PIN);
    assert_eq!(counted, (1, 3), "{again:?}");
    open(&token.key(1), &mut token.pins()).unwrap().sign(b"changed back").unwrap();
}

/// Verifies without the code under test.
fn verifies(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let PublicKey::P256 { x, y } = key.public_key() else { panic!("a key of another algorithm") };
    let point = p256::Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
    let public = p256::ecdsa::VerifyingKey::from_sec1_point(&point).unwrap();
    public.verify(message, &p256::ecdsa::Signature::from_slice(signature).unwrap()).is_ok()
}

/// Signs as [`Mechanism::EcdsaSha256`] has it, in parts or at once.
fn sign_directly(session: &Session, key: ObjectHandle, message: &[u8], in_parts: bool) -> Vec<u8> {
    if !in_parts {
        return session.sign(&Mechanism::EcdsaSha256, key, message).unwrap();
    }
    session.sign_init(&Mechanism::EcdsaSha256, key).unwrap();
    session.sign_update(message).unwrap();
    session.sign_final().unwrap()
}

fn multi_part_signatures_are_wrong(token: &mut Token<Tpm>) {
    let key = key(token);
    let session = session(&token.load());
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"key 1".to_vec())];
    let private = session.find_objects(&wanted).unwrap()[0];
    let mut wrong = [0, 0];
    for message in [&b"one"[..], b"two", b"three", b"four"] {
        for in_parts in [false, true] {
            let signature = sign_directly(&session, private, message, in_parts);
            wrong[usize::from(in_parts)] += usize::from(!verifies(&key, message, &signature));
        }
    }
    println!("swtpm: wrong signatures of 4, at once and in parts: {wrong:?}");
    assert_eq!(wrong, [0, 4]);
}

/// The backend signs in parts where a key wants the PIN for each use, and hashes itself: those are right.
fn the_backend_is_not_misled(token: &mut Token<Tpm>) {
    drop(key(token));
    for faults in
        [&[Fault::AlwaysAuthenticate][..], &[Fault::AlwaysAuthenticate, Fault::ContextLoginAccepted]]
    {
        faults.iter().for_each(|fault| token.inject(fault.clone()));
        let key = open(&token.key(1), &mut token.pins()).unwrap();
        let before = token.signatures().unwrap();
        let signature = key.sign(b"in parts").unwrap();
        assert!(verifies(&key, b"in parts", &signature));
        assert_eq!(token.signatures().unwrap(), before + 1);
        token.inject(Fault::SignatureWrong);
        assert_eq!(key.sign(b"in parts, and wrong").unwrap_err().code(), "bad-signature");
        drop(key);
        token.control.clear().unwrap();
    }
}

/// A TPM that lost power while it was in use counts that as a wrong PIN; one shut down in order does not.
fn it_heals_after_a_power_cut(token: &mut Token<Tpm>) {
    let key = key(token);
    for (in_order, counted) in [(true, 0), (false, 1)] {
        key.sign(b"before").unwrap();
        let (before, _) = token.kind.lockout();
        if in_order {
            token.kind.shut_down();
        } else {
            token.power_off();
        }
        let code = key.sign(b"without power").unwrap_err().code();
        assert!(["outcome-unknown", "session-lost", "token-absent"].contains(&code), "{code}");
        token.power_on();
        assert_eq!(token.kind.lockout().0, before + counted);
        key.sign(b"with power again").unwrap();
    }
    token.kind.forget_wrong_pins();
}
