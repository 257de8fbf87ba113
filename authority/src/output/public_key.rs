//! Public keys in the forms that other programs read, and read back from those.

use chancery_formats::cbor::Writer;
use chancery_formats::key::{ML_DSA_87_KEY_LEN, PublicKey};
use pem_rfc7468::LineEnding;
use serde_json::json;

use crate::error::CommandError;

/// SubjectPublicKeyInfo up to the key's bits: id-Ed25519 (RFC 8410 §4).
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// SubjectPublicKeyInfo up to the point: id-ecPublicKey with secp256r1, uncompressed (RFC 5480 §2).
const P256_SPKI: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";

/// SubjectPublicKeyInfo up to the key's bits: id-ml-dsa-87 (RFC 9881 §4).
const ML_DSA_87_SPKI: &[u8] =
    b"\x30\x82\x0a\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13\x03\x82\x0a\x21\x00";

/// Encodes a COSE_Key (RFC 9052 §7) with kid and alg, as other COSE libraries want it.
#[must_use]
pub fn cose(key: &PublicKey) -> Vec<u8> {
    let (kid, alg) = (key.key_id(), key.algorithm().cose_number());
    let mut writer = Writer::new();
    match key {
        PublicKey::P256 { x, y } => {
            writer.map(6).uint(1).uint(2).uint(2).bytes(&kid.0).uint(3).int(alg);
            writer.int(-1).uint(1).int(-2).bytes(x).int(-3).bytes(y);
        }
        PublicKey::Ed25519(point) => {
            writer.map(5).uint(1).uint(1).uint(2).bytes(&kid.0).uint(3).int(alg);
            writer.int(-1).uint(6).int(-2).bytes(point);
        }
        PublicKey::MlDsa87(value) => {
            writer.map(4).uint(1).uint(7).uint(2).bytes(&kid.0).uint(3).int(alg);
            writer.int(-1).bytes(value.as_slice());
        }
        _ => return key.encode(),
    }
    writer.finish()
}

/// Writes a JSON Web Key (RFC 7517, RFC 8037, RFC 9964), with a line break at its end.
#[must_use]
pub fn jwk(key: &PublicKey) -> String {
    let kid = key.key_id().to_string();
    let value = match key {
        PublicKey::P256 { x, y } => {
            json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "x": base64url(x), "y": base64url(y)})
        }
        PublicKey::Ed25519(x) => {
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "kid": kid, "x": base64url(x)})
        }
        PublicKey::MlDsa87(value) => {
            json!({"kty": "AKP", "alg": "ML-DSA-87", "kid": kid, "pub": base64url(value.as_slice())})
        }
        _ => json!({"kid": kid}),
    };
    chancery_carriers::output::json_text(&value)
}

/// Writes a SubjectPublicKeyInfo in PEM (RFC 7468 §13).
///
/// # Errors
///
/// A failure for a kind of key that has no such form.
pub fn pem(key: &PublicKey) -> Result<String, CommandError> {
    let der = match key {
        PublicKey::Ed25519(point) => [ED25519_SPKI, point].concat(),
        PublicKey::P256 { x, y } => [P256_SPKI, x, y].concat(),
        PublicKey::MlDsa87(value) => [ML_DSA_87_SPKI, value.as_slice()].concat(),
        _ => Vec::new(),
    };
    pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &der)
        .map_err(|error| CommandError::failed("pem", error.to_string()))
}

/// Reads a public key: a SubjectPublicKeyInfo in PEM, or a COSE_Key with or without kid and alg.
///
/// # Errors
///
/// A refusal for anything else, an exported JSON Web Key among it.
pub fn read(bytes: &[u8]) -> Result<PublicKey, CommandError> {
    let found = PublicKey::decode(bytes).ok().or_else(|| read_cose(bytes)).or_else(|| read_pem(bytes));
    found.ok_or_else(|| {
        CommandError::refused("public-key-invalid", "file is not a public key")
            .hint("export it with `chancery key export KID --format pem`")
    })
}

/// Reads what [`cose`] writes, by writing the key that its last bytes would be.
fn read_cose(bytes: &[u8]) -> Option<PublicKey> {
    let last = |end: usize| -> Option<[u8; 32]> {
        let end = bytes.len().checked_sub(end)?;
        bytes.get(end.checked_sub(32)?..end)?.try_into().ok()
    };
    // Before the y-coordinate stands its label and length: -3, and a byte string of 32.
    let p256 = || Some(PublicKey::P256 { x: last(32 + 3)?, y: last(0)? });
    let ml_dsa_87 = || {
        let value = bytes.get(bytes.len().checked_sub(ML_DSA_87_KEY_LEN)?..)?.try_into().ok()?;
        Some(PublicKey::MlDsa87(Box::new(value)))
    };
    let candidates = [last(0).map(PublicKey::Ed25519), p256(), ml_dsa_87()];
    candidates.into_iter().flatten().find(|key| cose(key) == bytes)
}

fn read_pem(bytes: &[u8]) -> Option<PublicKey> {
    let (label, der) = pem_rfc7468::decode_vec(bytes).ok()?;
    if label != "PUBLIC KEY" {
        return None;
    }
    if let Some(point) = der.strip_prefix(ED25519_SPKI) {
        return point.try_into().ok().map(PublicKey::Ed25519);
    }
    if let Some(value) = der.strip_prefix(ML_DSA_87_SPKI) {
        return value.try_into().ok().map(|value| PublicKey::MlDsa87(Box::new(value)));
    }
    match der.strip_prefix(P256_SPKI)?.as_chunks::<32>() {
        ([x, y], []) => Some(PublicKey::P256 { x: *x, y: *y }),
        _ => None,
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value =
            chunk.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(value >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_from_their_own_forms_alone() {
        let ml_dsa_87 = PublicKey::MlDsa87(Box::new([3; ML_DSA_87_KEY_LEN]));
        for key in [PublicKey::Ed25519([7; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }, ml_dsa_87] {
            assert_eq!(read(&key.encode()).unwrap(), key);
            assert_eq!(read(&cose(&key)).unwrap(), key);
            assert_eq!(read(pem(&key).unwrap().as_bytes()).unwrap(), key);
            let mut other = cose(&key);
            other[8] ^= 1; // a bit of the kid
            assert_eq!(read(&other).unwrap_err().code(), "public-key-invalid");
            let certificate = pem(&key).unwrap().replace("PUBLIC KEY", "CERTIFICATE");
            assert_eq!(read(certificate.as_bytes()).unwrap_err().code(), "public-key-invalid");
            assert_eq!(read(jwk(&key).as_bytes()).unwrap_err().code(), "public-key-invalid");
        }
    }

    #[test]
    fn base64url_is_that_of_rfc_4648_section_10() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
    }
}
