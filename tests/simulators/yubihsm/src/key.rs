//! Key material: made, checked and used.
//!
//! Stored forms, which are those under wrap: P-256, scalar and point (x, y); Ed25519, scalar big-endian,
//! prefix, public key, then the seed if it is known; HMAC, the key's block XORed with both pads; wrap and
//! authentication keys as they are. Not here: who may use a key (`device`).

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{SigningKey as EdKey, VerifyingKey as EdPublic};
use getrandom::SysRng;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::hazmat::RandomizedPrehashSigner;
use p256::ecdsa::{DerSignature, SigningKey as P256Key};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::frame::Refusal;
use crate::object::{
    AES128_AUTHENTICATION, AES128_CCM_WRAP, AES192_CCM_WRAP, AES256_CCM_WRAP, EC_P256, ED25519, HMAC_SHA1,
    HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, OPAQUE_DATA, OPAQUE_X509_CERTIFICATE,
};

/// Length of a stored Ed25519 key without its seed.
pub(crate) const ED25519_SEEDLESS: usize = 96;

/// Length of a stored Ed25519 key with its seed.
pub(crate) const ED25519_SEEDED: usize = 128;

/// Returns `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::CommandUnexecuted)?;
    Ok(bytes)
}

/// Returns `count` random bytes.
pub(crate) fn random_bytes(count: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::CommandUnexecuted)?;
    Ok(bytes)
}

/// Makes a new key's stored form; `algorithm` has been checked.
pub(crate) fn generate(algorithm: u8) -> Result<Vec<u8>, Refusal> {
    loop {
        let material = match algorithm {
            EC_P256 | ED25519 | AES256_CCM_WRAP => random_bytes(32)?,
            AES192_CCM_WRAP => random_bytes(24)?,
            AES128_CCM_WRAP => random_bytes(16)?,
            HMAC_SHA1 => random_bytes(20)?,
            HMAC_SHA256 => random_bytes(32)?,
            HMAC_SHA384 => random_bytes(48)?,
            HMAC_SHA512 => random_bytes(64)?,
            _ => return Err(Refusal::InvalidData),
        };
        match stored(algorithm, &material) {
            Err(Refusal::InvalidData) if algorithm == EC_P256 => (), // not below the order: one in 2^32
            result => return result,
        }
    }
}

/// Checks what a PUT command brings and returns its stored form.
///
/// # Errors
///
/// [`Refusal::WrongLength`] and [`Refusal::InvalidData`].
pub(crate) fn stored(algorithm: u8, material: &[u8]) -> Result<Vec<u8>, Refusal> {
    let length = match algorithm {
        EC_P256 | ED25519 | AES256_CCM_WRAP | AES128_AUTHENTICATION => 32..=32,
        AES192_CCM_WRAP => 24..=24,
        AES128_CCM_WRAP => 16..=16,
        HMAC_SHA1 | HMAC_SHA256 => 1..=64,
        HMAC_SHA384 | HMAC_SHA512 => 1..=128,
        OPAQUE_DATA | OPAQUE_X509_CERTIFICATE => 1..=usize::from(u16::MAX),
        _ => return Err(Refusal::InvalidData),
    };
    if !length.contains(&material.len()) {
        return Err(Refusal::WrongLength);
    }
    Ok(match algorithm {
        EC_P256 => {
            let key = P256Key::from_slice(material).map_err(|_| Refusal::InvalidData)?;
            let point = key.verifying_key().to_sec1_point(false);
            [material, &point.as_bytes()[1..]].concat()
        }
        ED25519 => {
            let seed: [u8; 32] = material.try_into().map_err(|_| Refusal::WrongLength)?;
            let mut hash: [u8; 64] = Sha512::digest(seed).into();
            (hash[0], hash[31]) = (hash[0] & 0xf8, (hash[31] & 0x7f) | 0x40);
            hash[..32].reverse();
            let public = EdKey::from_bytes(&seed).verifying_key().to_bytes();
            [&hash[..], &public, &seed].concat()
        }
        HMAC_SHA1 | HMAC_SHA256 | HMAC_SHA384 | HMAC_SHA512 => {
            let mut block = vec![0; *length.end()];
            block[..material.len()].copy_from_slice(material);
            let padded = |pad: u8| block.iter().map(move |byte| byte ^ pad);
            padded(0x36).chain(padded(0x5c)).collect()
        }
        _ => material.to_vec(),
    })
}

/// Checks a stored form that comes from under wrap, and returns it.
///
/// # Errors
///
/// [`Refusal::InvalidData`] when it is not one, or its halves do not belong together.
pub(crate) fn check_stored(algorithm: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
    let valid = match algorithm {
        EC_P256 => data.len() == 96 && stored(algorithm, &data[..32]).is_ok_and(|own| own == data),
        ED25519 if data.len() == ED25519_SEEDED => {
            stored(algorithm, &data[96..]).is_ok_and(|own| own == data)
        }
        ED25519 => {
            data.len() == ED25519_SEEDLESS && EdPublic::from(&expanded(data)?).as_bytes()[..] == data[64..]
        }
        HMAC_SHA1 | HMAC_SHA256 => data.len() == 128,
        HMAC_SHA384 | HMAC_SHA512 => data.len() == 256,
        _ => stored(algorithm, data).is_ok(),
    };
    if valid { Ok(data.to_vec()) } else { Err(Refusal::InvalidData) }
}

/// Returns a stored asymmetric key's public half as the device gives it: without a point's 0x04.
pub(crate) fn public(data: &[u8], algorithm: u8) -> Result<Vec<u8>, Refusal> {
    let range = if algorithm == ED25519 { 64..96 } else { 32..96 };
    data.get(range).map(<[u8]>::to_vec).ok_or(Refusal::InvalidData)
}

fn expanded(data: &[u8]) -> Result<ExpandedSecretKey, Refusal> {
    let mut bytes: [u8; 64] = *data.first_chunk().ok_or(Refusal::InvalidData)?;
    bytes[..32].reverse();
    Ok(ExpandedSecretKey::from_bytes(&bytes))
}

/// Signs with a stored Ed25519 key.
pub(crate) fn sign_ed25519(data: &[u8], message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let key = expanded(data)?;
    let public = EdPublic::from(&key);
    Ok(raw_sign::<Sha512>(&key, message, &public).to_vec())
}

/// Returns a stored P-256 key.
pub(crate) fn p256(data: &[u8]) -> Result<P256Key, Refusal> {
    P256Key::from_slice(data.get(..32).ok_or(Refusal::InvalidData)?).map_err(|_| Refusal::InvalidData)
}

/// Signs a digest with a stored P-256 key, with fresh randomness as the device does, in DER.
pub(crate) fn sign_p256(data: &[u8], digest: &[u8]) -> Result<Vec<u8>, Refusal> {
    let signature: DerSignature =
        p256(data)?.sign_prehash_with_rng(&mut SysRng, digest).map_err(|_| Refusal::InvalidData)?;
    Ok(signature.as_bytes().to_vec())
}

/// Computes the HMAC of `message` with a stored key.
pub(crate) fn hmac(algorithm: u8, data: &[u8], message: &[u8]) -> Result<Vec<u8>, Refusal> {
    let block: Vec<u8> = data.iter().take(data.len() / 2).map(|byte| byte ^ 0x36).collect();
    macro_rules! with {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(&block).map_err(|_| Refusal::InvalidData)?;
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    Ok(match algorithm {
        HMAC_SHA1 => with!(Sha1),
        HMAC_SHA256 => with!(Sha256),
        HMAC_SHA384 => with!(Sha384),
        HMAC_SHA512 => with!(Sha512),
        _ => return Err(Refusal::InvalidData),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ed25519_dalek::Verifier;

    #[test]
    fn ed25519_signs_the_first_vector_of_rfc_8032_with_and_without_its_seed() {
        let hex = |text: &str| base16ct::lower::decode_vec(text).unwrap();
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let data = stored(ED25519, &seed).unwrap();
        let signature = hex(concat!(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac",
            "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ));
        assert_eq!(sign_ed25519(&data, b""), Ok(signature.clone()));
        assert_eq!(check_stored(ED25519, &data), Ok(data.clone()));
        let seedless = check_stored(ED25519, &data[..96]).unwrap();
        assert_eq!(sign_ed25519(&seedless, b""), Ok(signature));
    }

    #[test]
    fn material_whose_halves_differ_is_refused() {
        for algorithm in [EC_P256, ED25519] {
            let mut data = generate(algorithm).unwrap();
            for at in [0, 40, 95] {
                data[at] ^= 1;
                let refused = check_stored(algorithm, &data);
                assert_eq!(refused, Err(Refusal::InvalidData), "{algorithm} {at}");
                data[at] ^= 1;
            }
            assert!(check_stored(algorithm, &data).is_ok());
            assert_eq!(stored(algorithm, &data[..31]), Err(Refusal::WrongLength));
        }
        assert_eq!(stored(EC_P256, &[0; 32]), Err(Refusal::InvalidData));
        assert_eq!(stored(EC_P256, &[0xff; 32]), Err(Refusal::InvalidData));
    }

    #[test]
    fn p256_signatures_verify_and_differ() {
        let data = generate(EC_P256).unwrap();
        let signatures = [sign_p256(&data, &[7; 32]).unwrap(), sign_p256(&data, &[7; 32]).unwrap()];
        assert_ne!(signatures[0], signatures[1]);
        let public = *p256(&data).unwrap().verifying_key();
        for signature in &signatures {
            use p256::ecdsa::signature::hazmat::PrehashVerifier;
            public.verify_prehash(&[7; 32], &DerSignature::from_bytes(signature).unwrap()).unwrap();
        }
        let key = generate(ED25519).unwrap();
        let signature = sign_ed25519(&key, b"x").unwrap();
        let verifier = EdPublic::try_from(&public_of(&key)[..]).unwrap();
        verifier.verify(b"x", &ed25519_dalek::Signature::from_slice(&signature).unwrap()).unwrap();
    }

    fn public_of(data: &[u8]) -> Vec<u8> {
        public(data, ED25519).unwrap()
    }
}
