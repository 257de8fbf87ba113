//! Public keys in the forms that other programs read.

use chancery_formats::cbor::Writer;
use chancery_formats::key::PublicKey;
use pem_rfc7468::LineEnding;
use serde_json::json;

use crate::error::CommandError;

/// SubjectPublicKeyInfo up to the key's bits: id-Ed25519 (RFC 8410 §4).
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// SubjectPublicKeyInfo up to the point: id-ecPublicKey with secp256r1, uncompressed (RFC 5480 §2).
const P256_SPKI: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";

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
        _ => return key.encode(),
    }
    writer.finish()
}

/// Writes a JSON Web Key (RFC 7517, RFC 8037), with a line break at its end.
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
        _ => Vec::new(),
    };
    pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &der)
        .map_err(|error| CommandError::failed("pem", error.to_string()))
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
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_rfc_4648_section_10() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
    }
}
