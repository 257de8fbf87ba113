//! Signature checks: Ed25519 by `verify_strict`, ECDSA with P-256; keys are judged when loaded.

use chancery_formats::key::{Algorithm, PublicKey};
use p256::ecdsa::signature::Verifier as _;

use crate::error::Refusal;

/// A public key that was found to be canonical, on its curve and of prime order.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    public: PublicKey,
    point: Point,
}

#[derive(Clone, Debug)]
enum Point {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl VerifyingKey {
    /// Loads a public key.
    ///
    /// # Errors
    ///
    /// [`Refusal::KeyWeak`] for a point that is not on the curve, not canonically encoded, of low order or
    /// with a torsion component.
    pub fn load(public: &PublicKey) -> Result<Self, Refusal> {
        let point = match public {
            PublicKey::Ed25519(bytes) => ed25519_point(bytes).map(Point::Ed25519),
            PublicKey::P256 { x, y } => p256_point(x, y).map(Point::P256),
            _ => None,
        };
        let point = point.ok_or_else(|| Refusal::KeyWeak { kid: public.key_id() })?;
        Ok(Self { public: *public, point })
    }

    /// Returns the key as documents carry it.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the one algorithm that this key checks.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Checks a signature over a message: 64 bytes, for P-256 r ‖ s (RFC 9053 §2.1).
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureWrong`], whatever is wrong with it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let verified = match &self.point {
            Point::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Point::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        };
        if verified { Ok(()) } else { Err(Refusal::SignatureWrong) }
    }
}

fn ed25519_point(bytes: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
    let point = key.to_edwards();
    let canonical = point.compress().as_bytes() == bytes;
    (canonical && !key.is_weak() && point.is_torsion_free()).then_some(key)
}

fn p256_point(x: &[u8; 32], y: &[u8; 32]) -> Option<p256::ecdsa::VerifyingKey> {
    let mut sec1 = [4; 65];
    sec1[1..33].copy_from_slice(x);
    sec1[33..].copy_from_slice(y);
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).ok()
}
