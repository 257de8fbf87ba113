//! Signature checks: Ed25519 by `verify_strict`, ECDSA with P-256, and ML-DSA-87 where the feature `hybrid` is
//! on; keys are judged when loaded.
//!
//! ML-DSA-87 is FIPS 204's own verification with the empty context, no pre-hash. It accepts deterministic and
//! hedged signatures alike: a verifier cannot tell them apart. Not here: who must sign with what (`trust`).

use chancery_formats::key::{Algorithm, PublicKey};
use p256::ecdsa::signature::Verifier as _;

use crate::error::Refusal;

#[cfg(feature = "hybrid")]
mod ml_dsa_87;

/// A public key that was found to be usable: canonical, on its curve and of prime order; for ML-DSA-87 not zero.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    public: PublicKey,
    point: Point,
}

#[derive(Clone, Debug)]
enum Point {
    Ed25519(ed25519_dalek::VerifyingKey),
    #[cfg(feature = "hybrid")]
    MlDsa87(ml_dsa_87::Expanded),
    P256(p256::ecdsa::VerifyingKey),
}

impl VerifyingKey {
    /// Loads a public key.
    ///
    /// An ML-DSA-87 key is expanded once, here, into 75 KiB of heap; the checks themselves allocate nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::KeyWeak`] for a point that is not on the curve, not canonically encoded, of low order or
    /// with a torsion component, and for an ML-DSA-87 key whose t₁ is zero; [`Refusal::AlgUnsupported`] for an
    /// ML-DSA-87 key where the feature `hybrid` is off.
    pub fn load(public: &PublicKey) -> Result<Self, Refusal> {
        let point = match public {
            PublicKey::Ed25519(bytes) => ed25519_point(bytes).map(Point::Ed25519),
            #[cfg(feature = "hybrid")]
            PublicKey::MlDsa87(bytes) => ml_dsa_87::Expanded::load(bytes).map(Point::MlDsa87),
            PublicKey::P256 { x, y } => p256_point(x, y).map(Point::P256),
            other => {
                let (kid, algorithm) = (other.key_id(), other.algorithm());
                return Err(Refusal::AlgUnsupported { kid, algorithm });
            }
        };
        let point = point.ok_or_else(|| Refusal::KeyWeak { kid: public.key_id() })?;
        Ok(Self { public: public.clone(), point })
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

    /// Checks a signature over a message: for Ed25519 and P-256 64 bytes, the latter r ‖ s (RFC 9053 §2.1); for
    /// ML-DSA-87 4,627 bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureWrong`], whatever is wrong with it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let verified = match &self.point {
            Point::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            #[cfg(feature = "hybrid")]
            Point::MlDsa87(key) => key.verifies(message, signature),
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

/// Without the feature, a key of ML-DSA-87 is refused by name, wherever it stands.
#[cfg(all(test, not(feature = "hybrid")))]
mod tests {
    use super::*;

    #[test]
    fn keys_that_this_build_cannot_check_are_refused_by_name() {
        let public = PublicKey::MlDsa87(alloc::boxed::Box::new([1; 2_592]));
        let refused = VerifyingKey::load(&public).map(drop);
        assert_eq!(
            refused,
            Err(Refusal::AlgUnsupported { kid: public.key_id(), algorithm: Algorithm::MlDsa87 })
        );
    }
}
