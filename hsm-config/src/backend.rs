//! What every key backend does, and the way from a reference to an open key.
//!
//! A backend is one open token. It finds, makes and uses keys; it decides nothing. Not here: the rules
//! for signatures (`key`), and what each kind of device needs (the files beside this one).

use chancery_formats::key::{Algorithm, Protection, PublicKey};

use crate::error::HsmError;
use crate::key::Key;
use crate::reference::{KeyRef, TokenRef};
use crate::secret::PinSource;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "pkcs11")]
mod pkcs11;
pub mod software;
#[cfg(feature = "yubihsm")]
mod yubihsm;

/// An open token: the keys on it can be found, made and used.
pub trait KeyBackend: Send {
    /// Returns where the private keys are.
    fn protection(&self) -> Protection;

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

    /// Makes a new key under the name that `key` gives. It never replaces one.
    ///
    /// # Errors
    ///
    /// [`HsmError::KeyExists`] when the name is taken, [`HsmError::Unsupported`] when the token lacks the
    /// algorithm, [`HsmError::KeyExportable`] when the token made a key that can leave it.
    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError>;

    /// Signs with the one key that `key` names; the caller has bounded the message and verifies.
    ///
    /// # Errors
    ///
    /// [`HsmError::SessionLost`] when [`KeyBackend::reopen`] may help; otherwise what the device answers.
    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<[u8; 64], HsmError>;

    /// Opens the session anew, with the PIN that opened it first.
    ///
    /// # Errors
    ///
    /// As opening; a refused PIN is not tried again.
    fn reopen(&mut self) -> Result<(), HsmError>;
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
    /// Whether the private key can leave its place; nothing where the device does not tell.
    pub exportable: Option<bool>,
    /// Whether the private key was made in its place and never left it; nothing where the device does
    /// not tell.
    pub generated_inside: Option<bool>,
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
    Key::new(key, connect(&key.token(), Purpose::Use, pins)?)
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
    let mut backend = connect(&key.token(), Purpose::Generate, pins)?;
    backend.generate(key, algorithm)?;
    Key::new(key, backend)
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
    connect(token, Purpose::Use, pins)?.list()
}

fn connect(
    token: &TokenRef,
    purpose: Purpose,
    pins: &mut PinSource,
) -> Result<Box<dyn KeyBackend>, HsmError> {
    let result: Result<Box<dyn KeyBackend>, HsmError> = match token {
        TokenRef::File(path) => software::connect(path, purpose, pins).map(|backend| Box::new(backend) as _),
        #[cfg(feature = "pkcs11")]
        TokenRef::Pkcs11(token) => pkcs11::connect(token, pins).map(|backend| Box::new(backend) as _),
        #[cfg(not(feature = "pkcs11"))]
        TokenRef::Pkcs11(_) => Err(HsmError::BackendNotBuilt { scheme: "pkcs11:" }),
        #[cfg(feature = "yubihsm")]
        TokenRef::YubiHsm(token) => yubihsm::connect(token, pins).map(|backend| Box::new(backend) as _),
        #[cfg(not(feature = "yubihsm"))]
        TokenRef::YubiHsm(_) => Err(HsmError::BackendNotBuilt { scheme: "yubihsm:" }),
    };
    if let Err(HsmError::WrongPin { .. } | HsmError::PinLocked { .. }) = result {
        pins.forget(token);
    }
    result
}
