//! Proofs of possession: made on the machine that has the key, checked by the ceremony.
//!
//! Not here: which challenge counts, and whose key it should be (`parties`).

use chancery_formats::id::is_label;
use chancery_formats::key::PublicKey;
use chancery_formats::merkle::Hash;
use chancery_formats::trust::Possession;
use chancery_formats::trust::possession::Claim;
use chancery_hsm_config::Key;
use chancery_verifier::Refusal;
use chancery_verifier::signature::VerifyingKey;

use crate::error::CommandError;
use crate::workflow::custody::Custodian;
use crate::workflow::signatory::is_pair;

/// Proves possession of a key, and of its partner in hybrid trust.
///
/// # Errors
///
/// A refusal of a name that is none and of a partner that is not ML-DSA-87; those of the keys.
pub fn make(challenge: Hash, name: &str, key: &Key, partner: Option<&Key>) -> Result<Vec<u8>, CommandError> {
    if !is_label(name) {
        return Err(
            CommandError::usage("this cannot be a name in a plan").hint("give the name as the plan has it")
        );
    }
    let public_key = key.public_key();
    if !is_pair(public_key.algorithm(), partner.map(Key::algorithm)) {
        let message = "the partner of a key is an ML-DSA-87 key, and the key itself is not";
        return Err(CommandError::refused("partner-algorithm", message)
            .hint("name the ML-DSA-87 key with `--partner`"));
    }
    let partner_key = partner.map(Key::public_key);
    let claim = Claim {
        challenge,
        name,
        key: public_key.thumbprint(),
        partner: partner_key.as_ref().map(PublicKey::thumbprint),
    };
    let sign = |key: &Key| key.sign(&claim.to_sign(&key.public_key()).sig_structure());
    let signature = sign(key)?;
    let other = partner.map(sign).transpose()?;
    let partner = partner_key.zip(other.as_deref());
    Ok(Possession { challenge, name, key: public_key, signature: &signature, partner }.encode())
}

/// Checks the signatures of a proof, and returns whose keys they are.
///
/// # Errors
///
/// `key-weak`, `signature-wrong`.
pub fn check(proof: &Possession<'_>) -> Result<Custodian, Refusal> {
    let claim = proof.claim();
    let verify = |key: &PublicKey, signature: &[u8]| {
        VerifyingKey::load(key)?.verify(&claim.to_sign(key).sig_structure(), signature)
    };
    verify(&proof.key, proof.signature)?;
    if let Some((key, signature)) = &proof.partner {
        verify(key, signature)?;
    }
    Ok(Custodian { key: proof.key.clone(), partner: proof.partner.as_ref().map(|(key, _)| key.clone()) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chancery_formats::key::Algorithm;
    use chancery_hsm_config::SoftwareKey;

    fn key(algorithm: Algorithm) -> Key {
        Key::from_software(SoftwareKey::ephemeral(algorithm).unwrap()).unwrap()
    }

    #[test]
    fn a_proof_shows_who_has_which_keys() {
        let (key, partner) = (key(Algorithm::Ed25519), key(Algorithm::MlDsa87));
        for partner in [None, Some(&partner)] {
            let bytes = make([7; 32], "Alice Arnold", &key, partner).unwrap();
            let proof = Possession::decode(&bytes).unwrap();
            let shown = check(&proof).unwrap();
            assert_eq!(shown.key, key.public_key());
            assert_eq!(shown.partner, partner.map(Key::public_key));
        }
    }

    #[test]
    fn a_proof_that_was_changed_shows_nothing() {
        let (key, partner, other) =
            (key(Algorithm::Ed25519), key(Algorithm::MlDsa87), key(Algorithm::Ed25519));
        let bytes = make([7; 32], "Alice Arnold", &key, Some(&partner)).unwrap();
        let good = Possession::decode(&bytes).unwrap();
        for bad in [
            Possession { challenge: [8; 32], ..good.clone() },
            Possession { name: "Bob Brandt", ..good.clone() },
            Possession { key: other.public_key(), ..good.clone() },
            Possession { partner: None, ..good.clone() },
            Possession {
                partner: good.partner.as_ref().map(|(key, _)| (key.clone(), &[0; 4_627][..])),
                ..good.clone()
            },
        ] {
            assert_eq!(check(&bad).unwrap_err().code(), "signature-wrong");
        }
    }

    #[test]
    fn halves_that_are_no_pair_sign_nothing() {
        let (key, partner) = (key(Algorithm::Ed25519), key(Algorithm::MlDsa87));
        for (one, two) in [(&partner, None), (&key, Some(&key))] {
            assert_eq!(make([7; 32], "a", one, two).unwrap_err().code(), "partner-algorithm");
        }
        assert_eq!(make([7; 32], "a\u{202e}", &key, None).unwrap_err().code(), "usage");
    }
}
