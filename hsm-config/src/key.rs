//! The handle that signs, and the rules that hold whichever device is behind it.
//!
//! A signature is verified before it is handed on; a lost session is reopened once, and the key found
//! then must be the same; a wrong PIN is never tried again. Not here: how a device does it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chancery_formats::key::{Algorithm, Protection, PublicKey};

use crate::backend::software::{SoftwareBackend, SoftwareKey};
use crate::backend::{KeyBackend, KeyInfo};
use crate::error::HsmError;
use crate::reference::KeyRef;
use crate::signature;

/// The longest message that a key signs, in bytes: what every supported device takes.
pub const MAX_MESSAGE_BYTES: usize = 1_024;

/// A private key, open and ready to sign.
///
/// Shared references sign from several threads; they take turns at the device.
pub struct Key {
    reference: KeyRef,
    info: KeyInfo,
    protection: Protection,
    backend: Mutex<Box<dyn KeyBackend>>,
}

impl Key {
    /// Finds `reference` on an open token.
    ///
    /// # Errors
    ///
    /// What [`KeyBackend::find`] answers; [`HsmError::PublicKeyMismatch`] when the reference pins another
    /// public key.
    pub fn new(reference: &KeyRef, mut backend: Box<dyn KeyBackend>) -> Result<Self, HsmError> {
        let info = backend.find(reference)?;
        let found = info.public_key.thumbprint();
        if reference.public_key().is_some_and(|pinned| pinned != found) {
            return Err(HsmError::PublicKeyMismatch { key: reference.clone().into(), found });
        }
        Ok(Self {
            reference: reference.clone().with_public_key(found),
            protection: backend.protection(),
            info,
            backend: Mutex::new(backend),
        })
    }

    /// Takes a software key that is open already.
    ///
    /// # Errors
    ///
    /// None in practice; the key passes the same checks as one on a device.
    pub fn from_software(key: SoftwareKey) -> Result<Self, HsmError> {
        let backend = SoftwareBackend::holding(key);
        Self::new(&backend.reference(), Box::new(backend))
    }

    /// Returns the public key, as the device gave it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.info.public_key
    }

    /// Returns the algorithm that the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.info.public_key.algorithm()
    }

    /// Returns whether the private key is in a device.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Returns what the device tells of the key.
    #[must_use]
    pub fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// Returns the reference with the public key pinned, to be kept and opened again.
    #[must_use]
    pub fn reference(&self) -> &KeyRef {
        &self.reference
    }

    /// Signs `message` and verifies the signature before returning it.
    ///
    /// The signature is raw: 64 bytes, for P-256 r followed by s. P-256 hashes with SHA-256.
    ///
    /// # Errors
    ///
    /// [`HsmError::MessageTooLong`] over [`MAX_MESSAGE_BYTES`]; [`HsmError::SessionLost`] or
    /// [`HsmError::TokenAbsent`] when the token is gone and one attempt to reach it again failed;
    /// [`HsmError::PublicKeyMismatch`] when another key is found then; [`HsmError::BadSignature`] when the
    /// device signs wrongly; otherwise what the device answers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HsmError::MessageTooLong { length: message.len(), limit: MAX_MESSAGE_BYTES });
        }
        let mut backend = self.lock();
        let signature = match backend.sign(&self.reference, message) {
            // A key that was there and is not any more went with its token, as SoftHSM2 tells it.
            Err(HsmError::SessionLost { .. } | HsmError::KeyMissing { .. }) => {
                self.reopen(backend.as_mut())?;
                backend.sign(&self.reference, message)?
            }
            other => other?,
        };
        if !signature::verifies(&self.info.public_key, message, &signature) {
            return Err(HsmError::BadSignature { key: self.reference.clone().into() });
        }
        Ok(signature.to_vec())
    }

    fn reopen(&self, backend: &mut dyn KeyBackend) -> Result<(), HsmError> {
        backend.reopen()?;
        let found = backend.find(&self.reference)?.public_key.thumbprint();
        if self.reference.public_key() != Some(found) {
            return Err(HsmError::PublicKeyMismatch { key: self.reference.clone().into(), found });
        }
        Ok(())
    }

    /// A panic elsewhere leaves at worst a broken session, which the checks of [`Key::sign`] catch.
    fn lock(&self) -> MutexGuard<'_, Box<dyn KeyBackend>> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("reference", &self.reference).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
