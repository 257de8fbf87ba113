//! ML-DSA-87 (FIPS 204), verification alone.
//!
//! The matrix that a key stands for is computed when the key is loaded and kept on the heap; a check then uses
//! the stack alone. Not here: signing, and ML-DSA's other parameter sets.

use alloc::boxed::Box;

use chancery_formats::key::ML_DSA_87_KEY_LEN;
use ml_dsa::{EncodedSignature, MlDsa87, Signature, VerifyingKey};

/// Length of ρ, which stands before t₁ in an encoded key, in bytes.
const RHO_LEN: usize = 32;

/// A key, expanded.
#[derive(Clone, Debug)]
pub(super) struct Expanded(Box<VerifyingKey<MlDsa87>>);

impl Expanded {
    /// Expands a key; nothing for one with t₁ = 0, for which anybody can sign.
    ///
    /// Every other encoding of the right length is a key (FIPS 204, algorithm 23).
    pub(super) fn load(bytes: &[u8; ML_DSA_87_KEY_LEN]) -> Option<Self> {
        let is_zero = bytes.iter().skip(RHO_LEN).all(|byte| *byte == 0);
        (!is_zero).then(|| Self(Box::new(VerifyingKey::decode(bytes.into()))))
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(encoded) = <&EncodedSignature<MlDsa87>>::try_from(signature) else { return false };
        Signature::decode(encoded)
            .is_some_and(|signature| self.0.verify_with_context(message, &[], &signature))
    }
}
