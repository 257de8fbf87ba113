//! The check that every signature passes before it is handed on.
//!
//! Not here: private keys, and public keys as devices give them (`point`).

use chancery_formats::key::PublicKey;
use ml_dsa::{EncodedSignature, MlDsa87, Signature, VerifyingKey};
use p256::ecdsa::signature::Verifier;

/// Whether `signature`, in its raw form, is one over `message` by the holder of `public_key`.
pub(crate) fn verifies(public_key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    match public_key {
        PublicKey::Ed25519(point) => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(point);
            let signature = ed25519_dalek::Signature::from_slice(signature);
            let (Ok(key), Ok(signature)) = (key, signature) else { return false };
            key.verify_strict(message, &signature).is_ok()
        }
        PublicKey::MlDsa87(key) => {
            let Ok(encoded) = <&EncodedSignature<MlDsa87>>::try_from(signature) else { return false };
            let signature = Signature::decode(encoded);
            let key = VerifyingKey::<MlDsa87>::decode(key.as_ref().into());
            signature.is_some_and(|signature| key.verify_with_context(message, &[], &signature))
        }
        PublicKey::P256 { x, y } => {
            let point = p256::Sec1Point::from_affine_coordinates(x.into(), y.into(), false);
            let key = p256::ecdsa::VerifyingKey::from_sec1_point(&point);
            let signature = p256::ecdsa::Signature::from_slice(signature);
            let (Ok(key), Ok(signature)) = (key, signature) else { return false };
            key.verify(message, &signature).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn only_true_signatures_verify() {
        use ed25519_dalek::Signer;

        let signer = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
        let key = PublicKey::Ed25519(signer.verifying_key().to_bytes());
        let mut signature = signer.sign(b"a").to_bytes();
        assert!(verifies(&key, b"a", &signature));
        assert!(!verifies(&key, b"b", &signature));
        assert!(!verifies(&key, b"a", &signature[..63]));
        signature[40] ^= 1;
        assert!(!verifies(&key, b"a", &signature));
    }
}
