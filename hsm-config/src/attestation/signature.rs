//! The signature algorithms of certificates (RFC 4055, RFC 5758, RFC 8410), checked by `ring`.
//!
//! RSA keys have 2,048 to 8,192 bits. Not here: SHA-1, RSA-PSS, and keys with their own parameters.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    VerificationAlgorithm,
};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};
use x509_cert::der::oid::db::rfc8410::ID_ED_25519;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// The algorithm of a signature, that of the key, its curve, and what checks both.
type Scheme =
    (ObjectIdentifier, ObjectIdentifier, Option<ObjectIdentifier>, &'static dyn VerificationAlgorithm);

static SCHEMES: [Scheme; 8] = [
    (ECDSA_WITH_SHA_256, ID_EC_PUBLIC_KEY, Some(SECP_256_R_1), &ECDSA_P256_SHA256_ASN1),
    (ECDSA_WITH_SHA_256, ID_EC_PUBLIC_KEY, Some(SECP_384_R_1), &ECDSA_P384_SHA256_ASN1),
    (ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, Some(SECP_256_R_1), &ECDSA_P256_SHA384_ASN1),
    (ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, Some(SECP_384_R_1), &ECDSA_P384_SHA384_ASN1),
    (ID_ED_25519, ID_ED_25519, None, &ED25519),
    (SHA_256_WITH_RSA_ENCRYPTION, RSA_ENCRYPTION, None, &RSA_PKCS1_2048_8192_SHA256),
    (SHA_384_WITH_RSA_ENCRYPTION, RSA_ENCRYPTION, None, &RSA_PKCS1_2048_8192_SHA384),
    (SHA_512_WITH_RSA_ENCRYPTION, RSA_ENCRYPTION, None, &RSA_PKCS1_2048_8192_SHA512),
];

/// Returns what checks signatures of this algorithm with this key, if both are known and belong together.
pub(super) fn scheme(
    signature: &AlgorithmIdentifierOwned,
    key: &SubjectPublicKeyInfoOwned,
) -> Option<&'static dyn VerificationAlgorithm> {
    let curve = curve(key);
    let (_, _, _, check) = SCHEMES.iter().find(|(algorithm, key_algorithm, on, _)| {
        *algorithm == signature.oid && *key_algorithm == key.algorithm.oid && *on == curve
    })?;
    // RSA writes NULL (RFC 4055 §5), the others nothing (RFC 5758 §3.2, RFC 8410 §3).
    let bare = match &signature.parameters {
        Some(parameters) => key.algorithm.oid == RSA_ENCRYPTION && parameters.is_null(),
        None => true,
    };
    bare.then_some(*check)
}

/// Returns the named curve of a public key, if it has one (RFC 5480 §2.1.1).
pub(super) fn curve(key: &SubjectPublicKeyInfoOwned) -> Option<ObjectIdentifier> {
    key.algorithm.parameters.as_ref()?.decode_as().ok()
}
