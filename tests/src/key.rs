//! Secret keys from seeds. Not for production: whoever reads this file has them.

use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::key::{Algorithm, PublicKey};
use ed25519_dalek::Signer as _;
use ml_dsa::{MlDsa87, SigningKey};

/// A secret key of any algorithm; all sign deterministically.
#[derive(Clone, Debug)]
pub enum SecretKey {
    /// An Ed25519 key.
    Ed25519(ed25519_dalek::SigningKey),
    /// An ML-DSA-87 key.
    MlDsa87(Box<SigningKey<MlDsa87>>),
    /// A P-256 key.
    P256(p256::ecdsa::SigningKey),
}

impl SecretKey {
    /// Makes the Ed25519 key with this number.
    #[must_use]
    pub fn ed25519(number: u8) -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[number; 32]))
    }

    /// Makes the ML-DSA-87 key with this number.
    #[must_use]
    pub fn ml_dsa_87(number: u8) -> Self {
        Self::MlDsa87(Box::new(SigningKey::from_seed(&[number; 32].into())))
    }

    /// Makes the P-256 key with this number, from 1.
    #[must_use]
    pub fn p256(number: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[number; 32]).expect("a scalar within the order"))
    }

    /// Makes the key of an algorithm with this number, from 1.
    #[must_use]
    pub fn of(algorithm: Algorithm, number: u8) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::ed25519(number),
            Algorithm::Esp256 => Self::p256(number),
            Algorithm::MlDsa87 => Self::ml_dsa_87(number),
            other => panic!("no key of {other}"),
        }
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Self::MlDsa87(key) => {
                PublicKey::MlDsa87(Box::new(key.expanded_key().verifying_key().encode().into()))
            }
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let coordinate = |at| point.as_bytes()[at..at + 32].try_into().expect("32 bytes");
                PublicKey::P256 { x: coordinate(1), y: coordinate(33) }
            }
        }
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public().algorithm()
    }

    /// Returns the identity of the key.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.public().thumbprint()
    }

    /// Returns the look-up hint of the key.
    #[must_use]
    pub fn kid(&self) -> KeyId {
        self.public().key_id()
    }

    /// Signs a message; for ML-DSA-87 4,627 bytes, else 64.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::MlDsa87(key) => {
                let signed = key.expanded_key().sign_deterministic(message, &[]);
                signed.expect("no context").encode().to_vec()
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
        }
    }
}
