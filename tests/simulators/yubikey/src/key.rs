//! The keys in a card's slots: P-256 and Ed25519, with the policies and the origin that the card keeps.
//!
//! Not here: RSA, P-384 and X25519, which Chancery does not use; whether a key may be used (`applet`).

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use serde::{Deserialize, Serialize};

use crate::apdu::Status;
use crate::tlv;

/// What a key signs with, under the number that PIV gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA over a digest of 32 bytes.
    P256,
    /// Ed25519 over the message itself.
    Ed25519,
}

impl Algorithm {
    /// Reads the number of an algorithm; nothing for one that the card does not have.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0x11 => Some(Self::P256),
            0xe0 => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// Returns its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::P256 => 0x11,
            Self::Ed25519 => 0xe0,
        }
    }
}

/// When a key wants the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PinPolicy {
    /// Not at all.
    Never = 1,
    /// Once in a session.
    Once = 2,
    /// Immediately before each use.
    Always = 3,
}

/// When a key wants to be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TouchPolicy {
    /// Not at all.
    Never = 1,
    /// For each use.
    Always = 2,
    /// Once in fifteen seconds.
    Cached = 3,
}

/// Where a private key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// In the card.
    Generated = 1,
    /// Elsewhere.
    Imported = 2,
}

/// The key in a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotKey {
    /// What it signs with.
    pub algorithm: Algorithm,
    #[serde(with = "crate::state::hex")]
    secret: Vec<u8>,
    /// When it wants the PIN.
    pub pin: PinPolicy,
    /// When it wants a touch.
    pub touch: TouchPolicy,
    /// Where it was made.
    pub origin: Origin,
}

impl SlotKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Status::MEMORY`] without random bytes.
    pub fn generate(algorithm: Algorithm, pin: PinPolicy, touch: TouchPolicy) -> Result<Self, Status> {
        loop {
            let mut secret = vec![0; 32];
            getrandom::fill(&mut secret).map_err(|_| Status::MEMORY)?;
            // One P-256 scalar in 2^32 is out of range.
            if let Ok(key) = Self::new(algorithm, &secret, pin, touch, Origin::Generated) {
                return Ok(key);
            }
        }
    }

    /// Takes over a private key: a P-256 scalar or an Ed25519 seed, 32 bytes each.
    ///
    /// # Errors
    ///
    /// [`Status::WRONG_DATA`] for another length or a scalar out of range.
    pub fn new(
        algorithm: Algorithm,
        secret: &[u8],
        pin: PinPolicy,
        touch: TouchPolicy,
        origin: Origin,
    ) -> Result<Self, Status> {
        let key = Self { algorithm, secret: secret.to_vec(), pin, touch, origin };
        key.public()?;
        Ok(key)
    }

    /// Returns the public key: an uncompressed point of 65 bytes, or 32 bytes.
    ///
    /// # Errors
    ///
    /// [`Status::WRONG_DATA`] when the private key is none, as a state file can have it.
    pub fn public(&self) -> Result<Vec<u8>, Status> {
        match self.algorithm {
            Algorithm::P256 => Ok(self.p256()?.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Algorithm::Ed25519 => Ok(self.ed25519()?.verifying_key().to_bytes().to_vec()),
        }
    }

    /// Returns the public key as PIV's tag 86, the way the card hands it out.
    ///
    /// # Errors
    ///
    /// As [`SlotKey::public`].
    pub fn public_field(&self) -> Result<Vec<u8>, Status> {
        Ok(tlv::field(0x86, &self.public()?))
    }

    /// Signs: P-256 a digest of exactly 32 bytes, giving DER; Ed25519 any message, giving 64 bytes.
    ///
    /// # Errors
    ///
    /// [`Status::WRONG_DATA`] for a digest of another length.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Status> {
        match self.algorithm {
            Algorithm::P256 if input.len() != 32 => Err(Status::WRONG_DATA),
            Algorithm::P256 => {
                let signed = self.p256()?.sign_prehash(input);
                let signature: p256::ecdsa::Signature = signed.map_err(|_| Status::WRONG_DATA)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Algorithm::Ed25519 => Ok(self.ed25519()?.sign(input).to_bytes().to_vec()),
        }
    }

    fn p256(&self) -> Result<p256::ecdsa::SigningKey, Status> {
        p256::ecdsa::SigningKey::from_slice(&self.secret).map_err(|_| Status::WRONG_DATA)
    }

    fn ed25519(&self) -> Result<ed25519_dalek::SigningKey, Status> {
        let seed: &[u8; 32] = self.secret.as_slice().try_into().map_err(|_| Status::WRONG_DATA)?;
        Ok(ed25519_dalek::SigningKey::from_bytes(seed))
    }
}
