//! ML-DSA-87 private keys (FIPS 204) in memory and as PKCS#8.
//!
//! A key is its seed of 32 bytes: RFC 9881 §6 calls that form preferred, and it is the only one here. The expanded
//! form, alone or beside the seed, is refused: nothing says that the two belong together. Not here: encryption.

use chancery_formats::key::ML_DSA_87_KEY_LEN;
use getrandom::SysRng;
use ml_dsa::{MlDsa87, SigningKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::{AlgorithmIdentifierRef, KeyError, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::error::HsmError;

/// id-ml-dsa-87 (RFC 9881 §2).
const ID_ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");
/// `seed [0] OCTET STRING (SIZE (32))`, without the seed itself (RFC 9881 §6).
const SEED_HEAD: [u8; 2] = [0x80, 32];

/// A private key, expanded; its parts are wiped when it is dropped.
pub(super) struct MlDsaKey(SigningKey<MlDsa87>);

impl MlDsaKey {
    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_seed(seed.into()))
    }

    pub(super) fn public_key(&self) -> Box<[u8; ML_DSA_87_KEY_LEN]> {
        Box::new(self.0.expanded_key().verifying_key().encode().into())
    }

    /// Signs, hedged: with fresh randomness, as FIPS 204 §3.4 prefers.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let signature = self.0.expanded_key().sign_randomized(message, &[], &mut SysRng);
        let signature = signature.map_err(|source| HsmError::Random { source: source.into() })?;
        Ok(signature.encode().to_vec())
    }

    pub(super) fn to_pkcs8_der(&self) -> pkcs8::Result<SecretDocument> {
        let seed = Zeroizing::new([&SEED_HEAD[..], self.0.as_seed()].concat());
        let algorithm = AlgorithmIdentifierRef { oid: ID_ML_DSA_87, parameters: None };
        let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&seed)?);
        SecretDocument::encode_msg(&info).map_err(pkcs8::Error::Asn1)
    }
}

impl TryFrom<PrivateKeyInfoRef<'_>> for MlDsaKey {
    type Error = pkcs8::Error;

    fn try_from(info: PrivateKeyInfoRef<'_>) -> pkcs8::Result<Self> {
        info.algorithm.assert_algorithm_oid(ID_ML_DSA_87)?;
        if info.algorithm.parameters.is_some() {
            return Err(pkcs8::Error::ParametersMalformed);
        }
        let seed = info.private_key.as_bytes().strip_prefix(&SEED_HEAD);
        let seed = seed.and_then(|seed| seed.try_into().ok()).ok_or(KeyError::Invalid)?;
        Ok(Self::from_seed(seed))
    }
}
