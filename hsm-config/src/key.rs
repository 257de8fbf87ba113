//! The handle that signs, and the rules that hold whichever device is behind it.
//!
//! A signature is verified before it is handed on; a key on a token that was opened anew must be the same; one
//! call makes at most one signature. Not here: how a device does it, and whose turn it is (`backend::owner`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chancery_formats::key::{Algorithm, Protection, PublicKey};

use crate::audit::{AuditLedger, AuditRead};
use crate::backend::owner::Owner;
use crate::backend::software::{SoftwareBackend, SoftwareKey};
use crate::backend::{Connected, Health, KeyBackend, KeyInfo};
use crate::error::HsmError;
use crate::reference::KeyRef;
use crate::secret::PinSource;
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
    owner: Arc<Owner>,
    /// The opening of the token at which the public key was last compared.
    compared_at: Arc<AtomicU64>,
}

impl Key {
    /// Finds `reference` on an open token.
    ///
    /// # Errors
    ///
    /// What [`KeyBackend::find`] answers; [`HsmError::PublicKeyMismatch`] when the reference pins another
    /// public key.
    pub fn new(reference: &KeyRef, backend: Box<dyn KeyBackend>) -> Result<Self, HsmError> {
        Self::on(Owner::start(reference.token(), Connected { backend, pin: None })?, reference)
    }

    /// Finds `reference` on a token that has its owner.
    pub(crate) fn on(owner: Arc<Owner>, reference: &KeyRef) -> Result<Self, HsmError> {
        let name = reference.clone();
        let (info, protection, openings) = owner.run(move |owned| {
            let (info, protection) =
                owned.read(|backend| Ok((backend.find(&name)?, backend.protection())))?;
            Ok((info, protection, owned.openings()))
        })?;
        let found = info.public_key.thumbprint();
        if reference.public_key().is_some_and(|pinned| pinned != found) {
            return Err(HsmError::PublicKeyMismatch { key: reference.clone().into(), found });
        }
        Ok(Self {
            reference: reference.clone().with_public_key(found),
            protection,
            info,
            owner,
            compared_at: Arc::new(AtomicU64::new(openings)),
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
        self.info.public_key.clone()
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

    /// Returns the device's attestation of the key: DER certificates, the key's own first.
    ///
    /// # Errors
    ///
    /// [`HsmError::NoAttestation`] where devices of this kind give none; otherwise what the device answers.
    pub fn attestation(&self) -> Result<Vec<Vec<u8>>, HsmError> {
        let key = self.reference.clone();
        self.owner.run(move |owned| owned.backend()?.attest(&key))
    }

    /// Asks the token how it is.
    ///
    /// # Errors
    ///
    /// As [`KeyBackend::health`].
    pub fn health(&self) -> Result<Health, HsmError> {
        self.owner.run(|owned| owned.read(|backend| backend.health()))
    }

    /// Keeps the device's audit log in `ledger` while the key signs, where the reference names the login
    /// (`audit-id`) that may read it.
    ///
    /// # Errors
    ///
    /// As [`KeyBackend::keep_audit`] and [`PinSource::pin`].
    pub fn keep_audit(
        &self,
        pins: &mut PinSource,
        ledger: Box<dyn AuditLedger>,
    ) -> Result<AuditRead, HsmError> {
        let Some(login) = self.reference.token().audit_login() else { return Ok(AuditRead::default()) };
        let password = pins.pin(&login)?;
        let result = self.owner.run(move |owned| owned.backend()?.keep_audit(Some(password), ledger));
        if let Err(HsmError::WrongPin { .. }) = result {
            pins.forget(&login);
        }
        result
    }

    /// Signs `message` and verifies the signature before returning it.
    ///
    /// The signature is raw: 64 bytes, for P-256 r followed by s, and 4,627 bytes for ML-DSA-87. P-256 hashes
    /// with SHA-256; ML-DSA-87 takes the message as it is, with the empty context. One call is at most one
    /// signature of the device: it is asked again only where it certainly did not sign.
    ///
    /// # Errors
    ///
    /// [`HsmError::MessageTooLong`] over [`MAX_MESSAGE_BYTES`]; [`HsmError::SessionLost`] or
    /// [`HsmError::TokenAbsent`] when the token is gone and one attempt to reach it again failed;
    /// [`HsmError::OutcomeUnknown`] when it may have signed, and the answer was lost;
    /// [`HsmError::PublicKeyMismatch`] when another key is found then; [`HsmError::BadSignature`] when the
    /// device signs wrongly; otherwise what the device answers.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HsmError::MessageTooLong { length: message.len(), limit: MAX_MESSAGE_BYTES });
        }
        let (key, bytes) = (self.reference.clone(), message.to_vec());
        let compared_at = Arc::clone(&self.compared_at);
        let signature = self.owner.run(move |owned| {
            owned.sign(&key, &bytes, |backend, opening| {
                if compared_at.load(Ordering::Relaxed) == opening {
                    return Ok(());
                }
                let found = backend.find(&key)?.public_key.thumbprint();
                if key.public_key() != Some(found) {
                    return Err(HsmError::PublicKeyMismatch { key: key.clone().into(), found });
                }
                compared_at.store(opening, Ordering::Relaxed);
                Ok(())
            })
        });
        let signature = signature.map_err(|error| match error {
            // It may sign yet.
            error @ HsmError::Unresponsive { .. } => {
                HsmError::OutcomeUnknown { key: self.reference.clone().into(), source: error.into() }
            }
            error => error,
        })?;
        if !signature::verifies(&self.info.public_key, message, &signature) {
            return Err(HsmError::BadSignature { key: self.reference.clone().into() });
        }
        Ok(signature)
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
