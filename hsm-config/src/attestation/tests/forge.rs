//! Certificates in the shapes of real devices, signed by keys made for the test.
//!
//! A small DER writer of its own, so that every field can be wrong too. The shapes are those of a YubiHSM 2
//! with firmware 2.4.0 and of a YubiKey with 5.4.3, whose published certificates were read for it: dates of
//! two kinds, a leaf without basic constraints or key identifiers, extensions that are not critical, the
//! serial in the certificate of a YubiHSM but not in that of a YubiKey.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair,
};

use crate::attestation::{AttestationError, Roots, Statement, validate};

/// 14 November 2023.
pub const NOW: u64 = 1_700_000_000;
/// The end of what the forged certificates are valid for, as their devices have it.
pub const NOT_AFTER: u64 = 3_211_228_800;

pub const ECDSA_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
pub const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

/// The place of each certificate in [`World`].
pub const LEAF: usize = 0;
pub const DEVICE: usize = 1;
pub const SUB: usize = 2;
pub const ROOT: usize = 3;

/// Writes one DER element.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match u16::try_from(content.len()).unwrap().to_be_bytes() {
        [0, short] if short < 0x80 => vec![short],
        [0, short] => vec![0x81, short],
        [high, low] => vec![0x82, high, low],
    };
    [vec![tag], length, content].concat()
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// A key that signs certificates.
#[derive(Debug)]
pub enum Key {
    Ecdsa { pair: EcdsaKeyPair, curve: &'static [u8], signature: &'static [u8] },
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub fn p256() -> Self {
        Self::ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, P256, ECDSA_SHA256)
    }

    pub fn p384() -> Self {
        Self::ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, P384, ECDSA_SHA384)
    }

    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn ecdsa(
        algorithm: &'static EcdsaSigningAlgorithm,
        curve: &'static [u8],
        signature: &'static [u8],
    ) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self::Ecdsa { pair, curve, signature }
    }

    /// The public point, as the certificate holds it.
    pub fn point(&self) -> &[u8] {
        match self {
            Self::Ecdsa { pair, .. } => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    fn info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Ecdsa { curve, .. } => sequence(&[EC_PUBLIC_KEY, curve]),
            Self::Ed25519(_) => sequence(&[ED25519]),
        };
        sequence(&[&algorithm, &tlv(0x03, &[&[0], self.point()])])
    }

    fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa { signature, .. } => sequence(&[signature]),
            Self::Ed25519(_) => sequence(&[ED25519]),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ecdsa { pair, .. } => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// An extension: the object identifier in DER, whether it is critical, and what its octets hold.
pub type Extension = (Vec<u8>, bool, Vec<u8>);

/// What a certificate will say.
#[derive(Clone, Debug)]
pub struct Draft {
    pub version: u8,
    pub issuer: String,
    pub subject: String,
    /// UTCTime (13 characters) or GeneralizedTime (15).
    pub not_before: &'static str,
    pub not_after: &'static str,
    pub extensions: Vec<Extension>,
    /// The algorithm that is written in the signed part and after it, where it is not the issuer's.
    pub algorithms: Option<[Vec<u8>; 2]>,
}

impl Draft {
    fn new(issuer: &str, subject: &str, extensions: Vec<Extension>) -> Self {
        Self {
            version: 2,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            not_before: "170101000000Z",
            not_after: "20711005000000Z",
            extensions,
            algorithms: None,
        }
    }

    /// Gives an extension another value.
    pub fn replace(&mut self, oid: &[u8], value: &[u8]) {
        let extension = self.extensions.iter_mut().find(|extension| extension.0 == oid).unwrap();
        extension.2 = value.to_vec();
    }

    /// Takes an extension away.
    pub fn remove(&mut self, oid: &[u8]) {
        let before = self.extensions.len();
        self.extensions.retain(|extension| extension.0 != oid);
        assert_eq!(self.extensions.len(), before - 1);
    }

    fn sign(&self, key: &Key, issuer: &Key) -> Vec<u8> {
        let name = |text: &str| {
            let attribute = sequence(&[COMMON_NAME, &tlv(0x0c, &[text.as_bytes()])]);
            sequence(&[&tlv(0x31, &[&attribute])])
        };
        let time = |text: &str| tlv(if text.len() == 13 { 0x17 } else { 0x18 }, &[text.as_bytes()]);
        let extensions: Vec<u8> = self.extensions.iter().flat_map(write_extension).collect();
        let honest = [issuer.algorithm(), issuer.algorithm()];
        let [inner, outer] = self.algorithms.as_ref().unwrap_or(&honest);
        let signed = sequence(&[
            &tlv(0xa0, &[&tlv(0x02, &[&[self.version]])]),
            &tlv(0x02, &[&[0x00, 0xf6, 0x4a, 0xf7, 0x6d]]),
            inner,
            &name(&self.issuer),
            &sequence(&[&time(self.not_before), &time(self.not_after)]),
            &name(&self.subject),
            &key.info(),
            &tlv(0xa3, &[&sequence(&[&extensions])]),
        ]);
        let signature = tlv(0x03, &[&[0], &issuer.sign(&signed)]);
        sequence(&[&signed, outer, &signature])
    }
}

fn write_extension((oid, critical, value): &Extension) -> Vec<u8> {
    let critical: &[u8] = if *critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[oid, critical, &tlv(0x04, &[value])])
}

/// An object identifier of the YubiHSM 2 (4) or of PIV (3), in DER.
pub fn vendor(arc: u8, number: u8) -> Vec<u8> {
    tlv(0x06, &[&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xc4, 0x0a, arc, number]])
}

pub fn basic_constraints() -> Vec<u8> {
    tlv(0x06, &[&[0x55, 0x1d, 0x13]])
}

pub fn key_usage() -> Vec<u8> {
    tlv(0x06, &[&[0x55, 0x1d, 0x0f]])
}

/// What basic constraints hold for an authority.
pub fn authority(path_len: u8) -> Vec<u8> {
    sequence(&[&[0x01, 0x01, 0xff], &[0x02, 0x01, path_len]])
}

/// The vendor's extensions for a device: basic constraints, and key usage where it may issue authorities.
fn issuing(path_len: u8) -> Vec<Extension> {
    let mut extensions = vec![(basic_constraints(), true, authority(path_len))];
    if path_len > 0 {
        extensions.push((key_usage(), true, vec![0x03, 0x02, 0x01, 0x06]));
    }
    extensions
}

pub const HSM_SERIAL: u32 = 31_650_425;
pub const PIV_SERIAL: u32 = 28_557_046;

fn serial(value: u32) -> Vec<u8> {
    tlv(0x02, &[&value.to_be_bytes()])
}

/// A vendor, a device and one of its keys.
#[derive(Debug)]
pub struct World {
    pub drafts: [Draft; 4],
    pub keys: [Key; 4],
}

impl World {
    /// A YubiHSM 2 that attests object 0x7e57.
    pub fn hsm(key: Key) -> Self {
        let names = ["Test HSM Root CA", "Test HSM Sub-CA", "YubiHSM Attestation (31650425)"];
        let leaf = vec![
            (vendor(4, 1), false, tlv(0x04, &[&[2, 4, 0]])),
            (vendor(4, 2), false, serial(HSM_SERIAL)),
            (vendor(4, 3), false, tlv(0x03, &[&[0, 0x01]])),
            (vendor(4, 4), false, tlv(0x03, &[&[0, 0x00, 0x05]])),
            (vendor(4, 5), false, tlv(0x03, &[&[0, 0, 0, 0, 0, 0, 0, 0x01, 0x80]])),
            (vendor(4, 6), false, tlv(0x02, &[&[0x7e, 0x57]])),
            (vendor(4, 9), false, tlv(0x0c, &[b"issuing key"])),
        ];
        let mut device = issuing(0);
        device.push((vendor(4, 1), false, tlv(0x04, &[&[2, 2, 0]])));
        device.push((vendor(4, 2), false, serial(HSM_SERIAL)));
        Self::new(names, "YubiHSM Attestation id:0x7e57", leaf, device, key)
    }

    /// A YubiKey that attests its slot 9c.
    pub fn piv(key: Key) -> Self {
        let names = ["Test PIV Root CA", "Test PIV Attestation A 1", "Yubico PIV Attestation"];
        let leaf = vec![
            (vendor(3, 3), false, vec![5, 7, 4]),
            (vendor(3, 7), false, serial(PIV_SERIAL)),
            (vendor(3, 8), false, vec![2, 3]),
            (vendor(3, 9), false, vec![0x81]),
        ];
        let mut device = issuing(0);
        device.push((vendor(3, 3), false, vec![5, 7, 4]));
        device.push((vendor(3, 10), false, vec![0x02, 0x01, 0x07]));
        Self::new(names, "YubiKey PIV Attestation 9c", leaf, device, key)
    }

    fn new(
        [root, sub, device]: [&str; 3],
        leaf: &str,
        leaf_extensions: Vec<Extension>,
        device_extensions: Vec<Extension>,
        key: Key,
    ) -> Self {
        Self {
            drafts: [
                Draft::new(device, leaf, leaf_extensions),
                Draft::new(sub, device, device_extensions),
                Draft::new(root, sub, issuing(1)),
                Draft::new(root, root, issuing(2)),
            ],
            keys: [key, Key::p256(), Key::p256(), Key::p384()],
        }
    }

    /// The four certificates: each is signed by the next, the root by itself.
    pub fn der(&self) -> [Vec<u8>; 4] {
        std::array::from_fn(|place| {
            self.drafts[place].sign(&self.keys[place], &self.keys[usize::min(place + 1, ROOT)])
        })
    }

    pub fn validate(&self) -> Result<Statement, AttestationError> {
        let der = self.der();
        validate(&der[..ROOT], &Roots::from_der(&der[ROOT..])?, NOW)
    }
}
