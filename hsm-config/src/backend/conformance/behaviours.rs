//! The behaviours, one function each, in the order of the suite: later ones use the keys of earlier ones.

use std::thread;

use chancery_formats::id::Thumbprint;
use chancery_formats::key::Algorithm;

use super::{Fault, Fixture, Unavailable};
use crate::backend::{Opened, generate, health as ask, list, open, open_or_generate};
use crate::error::HsmError;
use crate::key::{Key, MAX_MESSAGE_BYTES};
use crate::reference::KeyRef;
use crate::secret::PinSource;
use crate::signature;

/// Why a behaviour did not come out.
pub(super) enum Stop {
    Failed(String),
    Unavailable(Unavailable),
}

pub(super) type Checked = Result<(), Stop>;

impl From<HsmError> for Stop {
    fn from(error: HsmError) -> Self {
        let mut text = format!("{}: {error}", error.code());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!("; {cause}"));
            source = cause.source();
        }
        Self::Failed(text)
    }
}

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

fn ensure(holds: bool, otherwise: &str) -> Checked {
    if holds { Ok(()) } else { Err(Stop::Failed(otherwise.to_owned())) }
}

fn refused<T>(result: Result<T, HsmError>, codes: &[&str]) -> Checked {
    match result {
        Err(error) if codes.contains(&error.code()) => {
            ensure(!error.hint().is_empty(), "the error has no hint")
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Stop::Failed(format!("not refused with {codes:?}"))),
    }
}

/// Key number 1 has the first algorithm of the fixture, number 2 the second, if any.
fn key_of(fixture: &dyn Fixture, algorithm: Algorithm) -> Option<KeyRef> {
    let index = fixture.algorithms().iter().position(|other| *other == algorithm)?;
    Some(fixture.key(u8::try_from(index).ok()? + 1))
}

const SPARE: u8 = 100;
const MISSING: u8 = 101;

fn signs(key: &Key, message: &[u8]) -> Checked {
    let signature = key.sign(message)?;
    ensure(signature.len() == key.algorithm().signature_len(), "a signature of another length")?;
    ensure(signature::verifies(&key.public_key(), message, &signature), "a signature that does not verify")
}

pub(super) fn generates(fixture: &mut dyn Fixture) -> Checked {
    if !fixture.makes_keys() {
        // What is there stays, whatever the device answers.
        let (reference, algorithm) = (fixture.key(1), fixture.algorithms().first().copied());
        let before = open(&reference, &mut fixture.pins())?.public_key();
        if let Some(algorithm) = algorithm {
            let made = generate(&reference, algorithm, &mut fixture.pins());
            refused(made, &["key-exists", "not-permitted", "device-failure"])?;
        }
        ensure(open(&reference, &mut fixture.pins())?.public_key() == before, "the key was replaced")?;
        return Err(Unavailable("keys are made with the vendor's tools").into());
    }
    for algorithm in fixture.algorithms() {
        let Some(reference) = key_of(fixture, algorithm) else { continue };
        let opened = open_or_generate(&reference, algorithm, &mut fixture.pins())?;
        ensure(opened.generated, "the key exists before it is made")?;
        ensure(opened.key.algorithm() == algorithm, "a key of another algorithm")?;
        signs(&opened.key, b"first")?;
        refused(generate(&reference, algorithm, &mut fixture.pins()), &["key-exists"])?;
        let again = open(&reference, &mut fixture.pins())?;
        ensure(again.public_key() == opened.key.public_key(), "the key was replaced")?;
    }
    Ok(())
}

pub(super) fn finds(fixture: &mut dyn Fixture) -> Checked {
    for algorithm in fixture.algorithms() {
        let Some(reference) = key_of(fixture, algorithm) else { continue };
        let found = open_or_generate(&reference, algorithm, &mut fixture.pins())?;
        ensure(!found.generated, "a key that exists is made again")?;
        let text = found.key.reference().to_string();
        let read: KeyRef = text.parse().map_err(HsmError::from)?;
        ensure(open(&read, &mut fixture.pins())?.public_key() == found.key.public_key(), "another key")?;
        let listed = list(&reference.token(), &mut fixture.pins())?;
        let Some(info) = listed.iter().find(|info| info.public_key == found.key.public_key()) else {
            return Err(Stop::Failed("the key is not listed".into()));
        };
        signs(&open(&info.reference, &mut fixture.pins())?, b"listed")?;
    }
    Ok(())
}

pub(super) fn public_key(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let key = open(&reference, &mut fixture.pins())?;
    let pinned = reference.clone().with_public_key(key.public_key().thumbprint());
    ensure(open(&pinned, &mut fixture.pins())?.info() == key.info(), "another key")?;
    let other = Thumbprint([0x55; 32]);
    refused(open(&reference.with_public_key(other), &mut fixture.pins()), &["public-key-mismatch"])?;
    let absent = fixture.key(MISSING).with_public_key(other);
    let made = open_or_generate(&absent, key.algorithm(), &mut fixture.pins());
    refused(made, &["key-missing"])
}

fn signs_with(fixture: &dyn Fixture, algorithm: Algorithm) -> Checked {
    let Some(reference) = key_of(fixture, algorithm) else {
        return Err(Unavailable("the device does not have it").into());
    };
    let key = open(&reference, &mut fixture.pins())?;
    for length in [1, 31, 32, 33, 255, 256, 410, MAX_MESSAGE_BYTES] {
        signs(&key, &vec![0x5a; length])?;
    }
    Ok(())
}

pub(super) fn signs_ed25519(fixture: &mut dyn Fixture) -> Checked {
    signs_with(fixture, Algorithm::Ed25519)
}

pub(super) fn signs_p256(fixture: &mut dyn Fixture) -> Checked {
    signs_with(fixture, Algorithm::Esp256)
}

pub(super) fn signs_ml_dsa_87(fixture: &mut dyn Fixture) -> Checked {
    signs_with(fixture, Algorithm::MlDsa87)
}

pub(super) fn lacks_others(fixture: &mut dyn Fixture) -> Checked {
    let has = fixture.algorithms();
    let lacking: Vec<_> = Algorithm::ALL.into_iter().filter(|algorithm| !has.contains(algorithm)).collect();
    if lacking.is_empty() {
        return Err(Unavailable("the device has every algorithm").into());
    }
    if !fixture.makes_keys() {
        return Err(Unavailable("keys are made with the vendor's tools").into());
    }
    for algorithm in lacking {
        let made = generate(&fixture.key(MISSING), algorithm, &mut fixture.pins());
        refused(made, &["algorithm-unsupported"])?;
        refused(open(&fixture.key(MISSING), &mut fixture.pins()), &["key-missing"])?;
    }
    Ok(())
}

pub(super) fn wrong_pin(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let mut pins = fixture.wrong_pins();
    refused(open(&reference, &mut pins), &["wrong-pin"])?;
    // A source that had kept the PIN would try it again, and lock the token in the end.
    refused(open(&reference, &mut pins), &["pin-missing"])?;
    signs(&open(&reference, &mut fixture.pins())?, b"after a wrong PIN")
}

pub(super) fn no_pin(fixture: &mut dyn Fixture) -> Checked {
    refused(open(&fixture.key(1), &mut PinSource::none()), &["pin-missing"])
}

pub(super) fn missing_token(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key_on_missing_token()?;
    refused(open(&reference, &mut fixture.pins()), &["token-absent"])?;
    refused(open_or_generate(&reference, Algorithm::Ed25519, &mut fixture.pins()), &["token-absent"])
}

pub(super) fn missing_key(fixture: &mut dyn Fixture) -> Checked {
    refused(open(&fixture.key(MISSING), &mut fixture.pins()), &["key-missing"])
}

pub(super) fn ambiguous_key(fixture: &mut dyn Fixture) -> Checked {
    if !fixture.makes_keys() {
        return Err(Unavailable("keys are made with the vendor's tools").into());
    }
    let Some(algorithm) = fixture.algorithms().first().copied() else { return Ok(()) };
    let reference = fixture.key(SPARE);
    let key = generate(&reference, algorithm, &mut fixture.pins())?;
    fixture.duplicate(&reference)?;
    refused(open(&reference, &mut fixture.pins()), &["key-ambiguous"])?;
    refused(open_or_generate(&reference, algorithm, &mut fixture.pins()), &["key-ambiguous"])?;
    // Its full reference, with the id, still names one.
    signs(&open(&key.info().reference, &mut fixture.pins())?, b"named by its id")
}

pub(super) fn long_message(fixture: &mut dyn Fixture) -> Checked {
    for algorithm in fixture.algorithms() {
        let Some(reference) = key_of(fixture, algorithm) else { continue };
        let key = open(&reference, &mut fixture.pins())?;
        for length in [MAX_MESSAGE_BYTES + 1, 2_043, 65_536] {
            refused(key.sign(&vec![0; length]), &["message-too-long"])?;
        }
        signs(&key, b"after a long message")?;
    }
    Ok(())
}

pub(super) fn concurrent_use(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let shared = open(&reference, &mut fixture.pins())?;
    let own: Vec<PinSource> = (0..2).map(|_| fixture.pins()).collect();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..4_u8 {
            let shared = &shared;
            threads.push(scope.spawn(move || (0..8).try_for_each(|count| signs(shared, &[number, count]))));
        }
        for mut pins in own {
            let reference = &reference;
            threads.push(scope.spawn(move || {
                (0..4).try_for_each(|count| signs(&open(reference, &mut pins)?, &[0xff, count]))
            }));
        }
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Stop::Failed("a thread panicked".into())))
        })
    })
}

/// What a device may answer while its token is away.
const AWAY: [&str; 4] = ["session-lost", "token-absent", "device-failure", "outcome-unknown"];

pub(super) fn session_lost(fixture: &mut dyn Fixture) -> Checked {
    let key = open(&fixture.key(1), &mut fixture.pins())?;
    signs(&key, b"before")?;
    fixture.remove_token()?;
    let while_away = refused(key.sign(b"away"), &AWAY).and_then(|()| refused(key.sign(b"still away"), &AWAY));
    let returned = fixture.return_token();
    while_away?;
    // That the keys come back too is the next behaviour's business.
    match returned {
        Ok(()) | Err(Unavailable(_)) => Ok(()),
    }
}

pub(super) fn session_recovered(fixture: &mut dyn Fixture) -> Checked {
    let keys = [open(&fixture.key(1), &mut fixture.pins())?, open(&fixture.key(1), &mut fixture.pins())?];
    signs(&keys[1], b"before")?;
    fixture.remove_token()?;
    let while_away = refused(keys[0].sign(b"away"), &AWAY);
    fixture.return_token()?;
    while_away?;
    // One was used for the first time while the token was away, the other before; both heal.
    keys.iter().try_for_each(|key| signs(key, b"back"))?;
    keys.iter().try_for_each(|key| signs(key, b"again"))?;
    signs(&open(&fixture.key(1), &mut fixture.pins())?, b"opened anew")
}

pub(super) fn pin_limit(fixture: &mut dyn Fixture) -> Checked {
    let Some(tries) = fixture.pin_tries() else {
        return Err(Unavailable("it never locks").into());
    };
    let reference = fixture.key(1);
    for _ in 1..tries {
        match open(&reference, &mut fixture.wrong_pins()) {
            Err(error) if error.code() == "wrong-pin" => {}
            // It tells that one try is left, and none is made.
            Err(error) if error.code() == "pin-last-try" => break,
            other => return refused(other, &["wrong-pin", "pin-last-try"]),
        }
    }
    fixture.mend();
    signs(&open(&reference, &mut fixture.pins())?, b"after wrong PINs")
}

/// Provokes a fault under an open key, tries to sign, mends it, and lets the same key sign again.
///
/// The device must have made as many signatures as `made` says, and the backend returns none.
fn with_fault(fixture: &mut dyn Fixture, fault: Fault, codes: &[&str], made: u64) -> Checked {
    let reference = fixture.key(1);
    let key = open(&reference, &mut fixture.pins())?;
    signs(&key, b"before the fault")?;
    let before = fixture.signatures();
    fixture.provoke(fault, &reference)?;
    let result = refused(key.sign(b"under the fault"), codes);
    let after = fixture.signatures();
    fixture.mend();
    result?;
    if let (Some(before), Some(after)) = (before, after) {
        let text = format!("{} signatures were made, not {made}", after.saturating_sub(before));
        ensure(after == before + made, &text)?;
    }
    signs(&key, b"mended")?;
    signs(&open(&reference, &mut fixture.pins())?, b"opened anew")
}

pub(super) fn wrong_signature(fixture: &mut dyn Fixture) -> Checked {
    with_fault(fixture, Fault::SignatureWrong, &["bad-signature"], 1)
}

pub(super) fn other_key(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let pinned = open(&reference, &mut fixture.pins())?.reference().clone();
    fixture.provoke(Fault::OtherKey, &reference)?;
    // Found as another key when it is opened, else by its signature, which the pinned key does not verify.
    let opened = refused(open(&pinned, &mut fixture.pins()), &["public-key-mismatch"]);
    fixture.mend();
    opened?;
    with_fault(fixture, Fault::OtherKey, &["public-key-mismatch", "bad-signature"], 1).or_else(|stop| {
        match stop {
            // Refused before it signed is better still.
            Stop::Failed(text) if text.starts_with("0 signatures") => Ok(()),
            stop => Err(stop),
        }
    })
}

pub(super) fn reply_lost(fixture: &mut dyn Fixture) -> Checked {
    with_fault(fixture, Fault::ReplyLost, &["outcome-unknown"], 1)
}

pub(super) fn session_table_full(fixture: &mut dyn Fixture) -> Checked {
    with_fault(fixture, Fault::SessionTableFull, &["sessions-exhausted"], 0)
}

pub(super) fn audit_log_full(fixture: &mut dyn Fixture) -> Checked {
    with_fault(fixture, Fault::AuditLogFull, &["audit-log-full"], 0)
}

pub(super) fn module_unloaded(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let key = open(&reference, &mut fixture.pins())?;
    signs(&key, b"before")?;
    fixture.provoke(Fault::ModuleUnloaded, &reference)?;
    let result = signs(&key, b"begun again");
    fixture.mend();
    result
}

pub(super) fn device_reset(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let key = open(&reference, &mut fixture.pins())?;
    let pinned = key.reference().clone();
    fixture.provoke(Fault::DeviceReset, &reference)?;
    let codes = [&AWAY[..], &["key-missing", "login-missing", "wrong-pin", "pin-missing"]].concat();
    let signed = refused(key.sign(b"after a reset"), &codes);
    let made = match open_or_generate(&pinned, key.algorithm(), &mut fixture.pins()) {
        // A module may show what it saw before: that key must not sign, and no other be made.
        Ok(Opened { key, generated: false }) => refused(key.sign(b"what a module remembers"), &codes),
        other => refused(other, &["key-missing", "login-missing", "wrong-pin", "token-absent"]),
    };
    fixture.mend();
    signed.and(made)
}

pub(super) fn health(fixture: &mut dyn Fixture) -> Checked {
    let reference = fixture.key(1);
    let key = open(&reference, &mut fixture.pins())?;
    let told = key.health()?;
    ensure(!told.device.model.is_empty(), "the device has no name")?;
    ensure(told.device == key.info().device, "the key is told to be on another device")?;
    ensure(ask(&reference.token(), &mut fixture.pins())?.device == told.device, "another device")
}
