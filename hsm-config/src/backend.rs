//! What every key backend does, and the way from a reference to an open key.
//!
//! A backend is one open token. It finds, makes and uses keys; it decides nothing. Not here: the rules
//! for signatures (`key`), and what each kind of device needs (the files beside this one).

use std::sync::Arc;

use chancery_formats::key::{Algorithm, Protection, PublicKey};

use self::owner::Owner;
use crate::audit::{AuditLedger, AuditRead, AuditView};
use crate::error::HsmError;
use crate::key::Key;
use crate::reference::{KeyRef, TokenRef};
use crate::secret::{Pin, PinSource};

#[cfg(feature = "conformance")]
pub mod conformance;
mod fault;
pub(crate) mod owner;
#[cfg(feature = "piv")]
pub(crate) mod piv;
#[cfg(feature = "pkcs11")]
pub(crate) mod pkcs11;
pub mod software;
#[cfg(feature = "yubihsm")]
pub(crate) mod yubihsm;

/// An open token: the keys on it can be found, made and used.
///
/// Every method runs in the one thread that owns the token.
pub trait KeyBackend: Send {
    /// Returns where the private keys are.
    fn protection(&self) -> Protection;

    /// Asks the token how it is.
    ///
    /// # Errors
    ///
    /// [`HsmError::SessionLost`] or [`HsmError::TokenAbsent`] when the token does not answer.
    fn health(&mut self) -> Result<Health, HsmError>;

    /// Returns the signing keys on the token, those that Chancery can use.
    ///
    /// # Errors
    ///
    /// [`HsmError::SessionLost`] or [`HsmError::Device`] when the token does not answer.
    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError>;

    /// Finds the one key that `key` names, and reads its public key from the device's own object.
    ///
    /// # Errors
    ///
    /// [`HsmError::KeyMissing`] for none, [`HsmError::KeyAmbiguous`] for several,
    /// [`HsmError::PublicKeyUnusable`] when its public key is not a valid point.
    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError>;

    /// Returns the device's attestation of the key: DER certificates, the key's own first.
    ///
    /// They are not checked here (`attestation`).
    ///
    /// # Errors
    ///
    /// [`HsmError::NoAttestation`] where devices of this kind give none.
    fn attest(&mut self, key: &KeyRef) -> Result<Vec<Vec<u8>>, HsmError> {
        Err(HsmError::NoAttestation { key: key.clone().into() })
    }

    /// Reads the device's own audit log into `ledger`, now and whenever it fills.
    ///
    /// `password` opens the login that may read it, where the reference names one. Devices without such a
    /// log read nothing.
    ///
    /// # Errors
    ///
    /// [`HsmError::AuditBroken`] when entries are missing or changed, [`HsmError::AuditLedger`] when they
    /// cannot be kept, [`HsmError::NotPermitted`] for a login that may not read them.
    fn keep_audit(
        &mut self,
        password: Option<Pin>,
        ledger: Box<dyn AuditLedger>,
    ) -> Result<AuditRead, HsmError> {
        let _ = (password, ledger);
        Ok(AuditRead::default())
    }

    /// Shows the device's own audit log, and leaves it as it is. Nothing for devices without one.
    ///
    /// # Errors
    ///
    /// [`HsmError::NotPermitted`] for a login that may not read it.
    fn look_at_audit(&mut self) -> Result<Option<AuditView>, HsmError> {
        Ok(None)
    }

    /// Makes a new key under the name that `key` gives. It never replaces one.
    ///
    /// # Errors
    ///
    /// [`HsmError::KeyExists`] when the name is taken, [`HsmError::Unsupported`] when the token lacks the
    /// algorithm, [`HsmError::KeyExportable`] when the token made a key that can leave it.
    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError>;

    /// Signs with the one key that `key` names: [`Algorithm::signature_len`] bytes, for P-256 r followed by s.
    /// The caller has bounded the message and verifies.
    ///
    /// # Errors
    ///
    /// [`HsmError::SessionLost`] only where the device certainly did not sign and [`KeyBackend::reopen`] may
    /// help; [`HsmError::OutcomeUnknown`] where it may have signed; otherwise what the device answers.
    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError>;

    /// Opens the session anew, with the PIN that opened it first.
    ///
    /// # Errors
    ///
    /// As opening; a refused PIN is not tried again.
    fn reopen(&mut self) -> Result<(), HsmError>;
}

/// What a device tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// What it is called: manufacturer and model.
    pub model: String,
    /// Its serial number, where it has one.
    pub serial: Option<String>,
    /// The version of its firmware, where it tells.
    pub firmware: Option<String>,
}

/// How a token is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The device.
    pub device: Device,
    /// How many wrong PINs it takes before it locks, where it tells.
    pub pin_tries_left: Option<u8>,
    /// Entries of its audit log in use, and how many it holds; where it has one.
    pub audit_log: Option<(u8, u8)>,
}

/// What a device tells of one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// A reference that names this key alone, with its public key pinned.
    pub reference: KeyRef,
    /// The label on the device; empty where it has none.
    pub label: String,
    /// The public key, from the device's own object.
    pub public_key: PublicKey,
    /// The device that holds it.
    pub device: Device,
    /// Whether the private key can leave its place; nothing where the device does not tell.
    pub exportable: Option<bool>,
    /// Whether the private key was made in its place and never left it; nothing where the device does
    /// not tell.
    pub generated_inside: Option<bool>,
}

/// A token just opened, and the PIN that opened it, where it wanted one.
pub(crate) struct Connected {
    pub(crate) backend: Box<dyn KeyBackend>,
    pub(crate) pin: Option<Pin>,
}

/// A key, and whether it was made for the occasion.
#[derive(Debug)]
pub struct Opened {
    /// The key.
    pub key: Key,
    /// Whether it did not exist before.
    pub generated: bool,
}

/// Why a token is opened: a key file is asked for its passphrase in one case, given one in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Generate,
    Use,
}

/// Opens a key that exists.
///
/// # Errors
///
/// [`HsmError::KeyMissing`], [`HsmError::TokenAbsent`], [`HsmError::WrongPin`] and the others, each for
/// what it says; [`HsmError::PublicKeyMismatch`] when the reference pins another public key.
pub fn open(key: &KeyRef, pins: &mut PinSource) -> Result<Key, HsmError> {
    Key::on(owner(&key.token(), pins)?, key)
}

/// Makes a new key under the name that the reference gives.
///
/// # Errors
///
/// [`HsmError::KeyExists`] when the name is taken; [`HsmError::KeyMissing`] when the reference pins a public
/// key, which no new key can have; [`HsmError::Unsupported`] when the token lacks the algorithm.
pub fn generate(key: &KeyRef, algorithm: Algorithm, pins: &mut PinSource) -> Result<Key, HsmError> {
    if key.public_key().is_some() {
        return Err(HsmError::KeyMissing { key: key.clone().into() });
    }
    let token = key.token();
    let owner = match token {
        // A key file is a token that does not exist yet.
        TokenRef::File(_) => Owner::start(token.clone(), connect(&token, Purpose::Generate, pins)?)?,
        _ => owner(&token, pins)?,
    };
    let name = key.clone();
    owner.run(move |owned| owned.backend()?.generate(&name, algorithm))?;
    Key::on(owner, key)
}

/// Opens a key, or makes it where the token answers that it does not exist.
///
/// # Errors
///
/// As [`open`] and [`generate`]. A key whose public key is pinned is never made.
pub fn open_or_generate(
    key: &KeyRef,
    algorithm: Algorithm,
    pins: &mut PinSource,
) -> Result<Opened, HsmError> {
    match open(key, pins) {
        Ok(key) => Ok(Opened { key, generated: false }),
        Err(HsmError::KeyMissing { .. }) => {
            Ok(Opened { key: generate(key, algorithm, pins)?, generated: true })
        }
        Err(error) => Err(error),
    }
}

/// Returns the signing keys on a token, those that Chancery can use.
///
/// # Errors
///
/// As opening the token.
pub fn list(token: &TokenRef, pins: &mut PinSource) -> Result<Vec<KeyInfo>, HsmError> {
    owner(token, pins)?.run(|owned| owned.read(|backend| backend.list()))
}

/// Opens a token and asks it how it is.
///
/// # Errors
///
/// As opening the token.
pub fn health(token: &TokenRef, pins: &mut PinSource) -> Result<Health, HsmError> {
    owner(token, pins)?.run(|owned| owned.read(|backend| backend.health()))
}

/// Reads the audit log of a device into `ledger`, under the login that `token` names.
///
/// # Errors
///
/// As opening the token, and as [`KeyBackend::keep_audit`].
pub fn read_audit(
    token: &TokenRef,
    pins: &mut PinSource,
    ledger: Box<dyn AuditLedger>,
) -> Result<AuditRead, HsmError> {
    owner(token, pins)?.run(|owned| owned.backend()?.keep_audit(None, ledger))
}

/// Shows the audit log of a device, under the login that `token` names. Nothing for devices without one.
///
/// # Errors
///
/// As opening the token, and as [`KeyBackend::look_at_audit`].
pub fn look_at_audit(token: &TokenRef, pins: &mut PinSource) -> Result<Option<AuditView>, HsmError> {
    owner(token, pins)?.run(|owned| owned.read(|backend| backend.look_at_audit()))
}

/// Returns the owner of a token that has keys in use, or opens the token.
fn owner(token: &TokenRef, pins: &mut PinSource) -> Result<Arc<Owner>, HsmError> {
    let connect = |pins: &mut PinSource| connect(token, Purpose::Use, pins);
    let result = match token {
        // Each opening reads the file, which may be another one by then.
        TokenRef::File(_) => connect(pins).and_then(|connected| Owner::start(token.clone(), connected)),
        _ => Owner::shared(token, pins, connect),
    };
    if let Err(HsmError::WrongPin { .. } | HsmError::PinLocked { .. }) = result {
        pins.forget(token);
    }
    result
}

fn connect(token: &TokenRef, purpose: Purpose, pins: &mut PinSource) -> Result<Connected, HsmError> {
    match token {
        TokenRef::File(path) => software::connect(path, purpose, pins),
        #[cfg(feature = "piv")]
        TokenRef::Piv(token) => piv::connect(token, pins),
        #[cfg(not(feature = "piv"))]
        TokenRef::Piv(_) => Err(HsmError::BackendNotBuilt { scheme: "piv:" }),
        #[cfg(feature = "pkcs11")]
        TokenRef::Pkcs11(token) => pkcs11::connect(token, pins),
        #[cfg(not(feature = "pkcs11"))]
        TokenRef::Pkcs11(_) => Err(HsmError::BackendNotBuilt { scheme: "pkcs11:" }),
        #[cfg(feature = "yubihsm")]
        TokenRef::YubiHsm(token) => yubihsm::connect(token, pins),
        #[cfg(not(feature = "yubihsm"))]
        TokenRef::YubiHsm(_) => Err(HsmError::BackendNotBuilt { scheme: "yubihsm:" }),
    }
}
