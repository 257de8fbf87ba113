//! Attestation certificates, under a test root that is made with each card and then thrown away.
//!
//! The shape is that of Yubico's: root, the card's own certificate in slot F9, and for each statement a
//! certificate of the attested key with firmware, serial number and policies. P-256 throughout, where
//! Yubico has RSA too. Not here: any claim to come from Yubico; the names say "simulator".

use sha2::{Digest as _, Sha256};

use crate::apdu::Status;
use crate::applet::Firmware;
use crate::key::{Algorithm, Origin, PinPolicy, SlotKey, TouchPolicy};
use crate::tlv::field;

const ROOT_NAME: &str = "Simulated YubiKey PIV Root CA";
const CARD_NAME: &str = "Simulated YubiKey PIV Attestation";

/// 1.3.6.1.4.1.41482.3, the arc of Yubico's attestation extensions.
const YUBICO: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, 0x03];
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: [u8; 3] = [0x2b, 0x65, 0x70];

const OBJECT_ID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// What the factory puts into a card.
#[derive(Debug)]
pub struct Manufactured {
    /// The attestation key.
    pub key: SlotKey,
    /// Its certificate, in DER.
    pub certificate: Vec<u8>,
    /// The root's certificate, in DER.
    pub root: Vec<u8>,
}

/// Makes a root and, under it, an attestation key.
///
/// # Errors
///
/// [`Status::MEMORY`] without random bytes.
pub fn manufacture() -> Result<Manufactured, Status> {
    let make = || SlotKey::generate(Algorithm::P256, PinPolicy::Never, TouchPolicy::Never);
    let (root_key, mut key) = (make()?, make()?);
    key.origin = Origin::Imported;
    let ca = |path_length| {
        let constraints = [field(0x01, &[0xff]), field(INTEGER, &[path_length])].concat();
        extension(&BASIC_CONSTRAINTS, true, &field(SEQUENCE, &constraints))
    };
    let root = certificate(ROOT_NAME, &root_key, ROOT_NAME, &root_key, &ca(1))?;
    let certificate = certificate(ROOT_NAME, &root_key, CARD_NAME, &key, &ca(0))?;
    Ok(Manufactured { key, certificate, root })
}

/// Certifies that the card made `key` in a slot.
///
/// # Errors
///
/// [`Status::WRONG_DATA`] when a key in the state is none.
pub fn statement(
    slot: u8,
    key: &SlotKey,
    signer: &SlotKey,
    firmware: Firmware,
    serial: u32,
) -> Result<Vec<u8>, Status> {
    let yubico = |last: u8, value: &[u8]| extension(&[&YUBICO[..], &[last]].concat(), false, value);
    let extensions = [
        yubico(3, &[firmware.major, firmware.minor, firmware.patch]),
        yubico(7, &integer(&serial.to_be_bytes())),
        yubico(8, &[key.pin as u8, key.touch as u8]),
        // The form of the device: a keychain with USB-A.
        yubico(9, &[0x01]),
    ];
    let subject = format!("YubiKey PIV Attestation {slot:02x}");
    certificate(CARD_NAME, signer, &subject, key, &extensions.concat())
}

/// Writes a certificate as PEM.
#[must_use]
pub fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        text.push_str(&base64(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 0x3f;
            let letter = ALPHABET.get(usize::try_from(index).unwrap_or_default()).copied().unwrap_or(b'A');
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn certificate(
    issuer: &str,
    issuer_key: &SlotKey,
    subject: &str,
    subject_key: &SlotKey,
    extensions: &[u8],
) -> Result<Vec<u8>, Status> {
    let algorithm = field(SEQUENCE, &field(OBJECT_ID, &ECDSA_WITH_SHA256));
    let public = subject_public_key(subject_key)?;
    // Twenty random bytes would do; a digest of the key makes the same statement the same certificate.
    let serial = Sha256::digest(&public);
    let body = [
        field(0xa0, &field(INTEGER, &[2])),
        integer(serial.get(..16).unwrap_or_default()),
        algorithm.clone(),
        name(issuer),
        validity(),
        name(subject),
        public,
        field(0xa3, &field(SEQUENCE, extensions)),
    ];
    let body = field(SEQUENCE, &body.concat());
    let signature = issuer_key.sign(&Sha256::digest(&body))?;
    Ok(field(SEQUENCE, &[body, algorithm, bit_string(&signature)].concat()))
}

fn subject_public_key(key: &SlotKey) -> Result<Vec<u8>, Status> {
    let algorithm = match key.algorithm {
        Algorithm::P256 => [field(OBJECT_ID, &EC_PUBLIC_KEY), field(OBJECT_ID, &PRIME256V1)].concat(),
        Algorithm::Ed25519 => field(OBJECT_ID, &ED25519),
    };
    Ok(field(SEQUENCE, &[field(SEQUENCE, &algorithm), bit_string(&key.public()?)].concat()))
}

fn name(common: &str) -> Vec<u8> {
    let attribute = [field(OBJECT_ID, &COMMON_NAME), field(0x0c, common.as_bytes())].concat();
    field(SEQUENCE, &field(0x31, &field(SEQUENCE, &attribute)))
}

fn validity() -> Vec<u8> {
    field(SEQUENCE, &[field(0x17, b"240101000000Z"), field(0x17, b"491231235959Z")].concat())
}

fn extension(id: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { field(0x01, &[0xff]) } else { Vec::new() };
    field(SEQUENCE, &[field(OBJECT_ID, id), critical, field(OCTET_STRING, value)].concat())
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    field(BIT_STRING, &[&[0], bytes].concat())
}

/// An INTEGER that is not negative, from big-endian bytes.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let bare = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if bare.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    field(INTEGER, &[sign, bare].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_not_negative() {
        assert_eq!(integer(&[0, 0, 0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0xbc, 0x61, 0x4e]), [2, 4, 0, 0xbc, 0x61, 0x4e]);
        assert_eq!(integer(&[0, 0x12, 0x34, 0x56]), [2, 3, 0x12, 0x34, 0x56]);
    }

    /// RFC 4648 §10.
    #[test]
    fn base64_agrees_with_its_specification() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
