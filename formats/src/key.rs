//! Algorithms, public keys and their thumbprints.
//!
//! Keys travel as COSE_Key (RFC 9052 §7) with the required parameters alone, in deterministic CBOR:
//! the very bytes that RFC 9679 hashes. Not here: private keys, curve arithmetic, signature checks.
//!
//! Spec: `docs/spec/keys.md`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::cbor::{MapWriter, Reader, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{KeyId, Thumbprint};

/// A signature algorithm, fully specified (RFC 9864): curve and hash are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), COSE algorithm -19.
    Ed25519,
    /// ECDSA with P-256 and SHA-256, COSE algorithm -9 (`ESP256`).
    Esp256,
    /// ML-DSA-87 (FIPS 204) with the empty context and no pre-hash, COSE algorithm -50 (RFC 9964).
    MlDsa87,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Esp256, Self::MlDsa87];

    /// Returns the number in the COSE Algorithms registry.
    #[must_use]
    pub const fn cose_number(self) -> i64 {
        match self {
            Self::Ed25519 => -19,
            Self::Esp256 => -9,
            Self::MlDsa87 => -50,
        }
    }

    /// Returns the algorithm with this number in the COSE Algorithms registry.
    #[must_use]
    pub fn from_cose_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.cose_number() == number)
    }

    /// Returns the exact length of a signature, in bytes.
    #[must_use]
    pub const fn signature_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::Esp256 => 64,
            Self::MlDsa87 => 4_627,
        }
    }

    /// Returns the name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Esp256 => "P-256",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Length of an ML-DSA-87 public key, in bytes (FIPS 204, table 2).
pub const ML_DSA_87_KEY_LEN: usize = 2_592;

/// A public key. Having one says nothing of its being valid: whoever checks signatures does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PublicKey {
    /// The encoded point of RFC 8032 §5.1.2.
    Ed25519([u8; 32]),
    /// The encoding of FIPS 204, algorithm 22: ρ, then t₁.
    MlDsa87(Box<[u8; ML_DSA_87_KEY_LEN]>),
    /// Affine coordinates, big-endian.
    P256 {
        /// The x-coordinate.
        x: [u8; 32],
        /// The y-coordinate.
        y: [u8; 32],
    },
}

impl PublicKey {
    /// Returns the one algorithm that this key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::MlDsa87(_) => Algorithm::MlDsa87,
            Self::P256 { .. } => Algorithm::Esp256,
        }
    }

    /// Encodes the COSE_Key with its required parameters alone.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        match self {
            Self::Ed25519(point) => {
                map.entry(1).uint(1);
                map.entry(-1).uint(6);
                map.entry(-2).bytes(point);
            }
            Self::MlDsa87(key) => {
                map.entry(1).uint(7);
                map.entry(3).int(-50);
                map.entry(-1).bytes(key.as_slice());
            }
            Self::P256 { x, y } => {
                map.entry(1).uint(2);
                map.entry(-1).uint(1);
                map.entry(-2).bytes(x);
                map.entry(-3).bytes(y);
            }
        }
        map.finish()
    }

    /// Decodes what [`PublicKey::encode`] writes, and nothing else.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `key-invalid` for other types, curves, parameters or lengths.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "key")?)
    }

    /// Reads a COSE_Key in its place inside a document.
    ///
    /// # Errors
    ///
    /// `key-invalid` for other types, curves, parameters or lengths.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invalid = reader.fault(Fault::KeyInvalid, "key");
        Self::read_parameters(&mut reader.item()).ok_or(invalid)
    }

    fn read_parameters(reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.map("key").ok()?;
        match (entries, parameter(reader, 1, Reader::uint)?) {
            (3, 1) => {
                (parameter(reader, -1, Reader::uint)? == 6).then_some(())?;
                Some(Self::Ed25519(parameter(reader, -2, Reader::array_of)?))
            }
            (3, 7) => {
                (parameter(reader, 3, Reader::int)? == -50).then_some(())?;
                let key = parameter(reader, -1, Reader::bytes)?;
                Some(Self::MlDsa87(Box::new(key.try_into().ok()?)))
            }
            (4, 2) => {
                (parameter(reader, -1, Reader::uint)? == 1).then_some(())?;
                let mut coordinate = |label| parameter(reader, label, Reader::array_of);
                Some(Self::P256 { x: coordinate(-2)?, y: coordinate(-3)? })
            }
            _ => None,
        }
    }

    /// Returns the key's identity: SHA-256 of the encoded COSE_Key (RFC 9679 §3).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(Sha256::digest(self.encode()).into())
    }

    /// Returns the look-up hint that stands in the `kid` header.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.thumbprint().key_id()
    }
}

/// Reads the parameter that must come next: its label, then its value.
fn parameter<'a, T>(
    reader: &mut Reader<'a>,
    label: i64,
    value: impl FnOnce(&mut Reader<'a>, &'static str) -> Result<T, DecodeError>,
) -> Option<T> {
    (reader.int("key").ok()? == label).then(|| value(reader, "key").ok())?
}

/// Where a private key lives, as its key record certifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// In a file or in memory: whoever owns the machine owns the key.
    Software,
    /// In a device that signs and never lets the key out.
    Hardware,
}

impl Protection {
    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Hardware => "hardware",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ml_dsa() -> PublicKey {
        PublicKey::MlDsa87(Box::new(core::array::from_fn(|index| index as u8)))
    }

    #[test]
    fn keys_survive_encoding() {
        let keys = [PublicKey::Ed25519([7; 32]), ml_dsa(), PublicKey::P256 { x: [1; 32], y: [2; 32] }];
        for key in keys {
            assert_eq!(PublicKey::decode(&key.encode()), Ok(key));
        }
    }

    #[test]
    fn ml_dsa_keys_are_those_of_rfc_9964() {
        let encoded = ml_dsa().encode();
        // {1: 7, 3: -50, -1: h'…'}
        assert_eq!(encoded[..9], [0xa3, 0x01, 0x07, 0x03, 0x38, 0x31, 0x20, 0x59, 0x0a]);
        assert_eq!(encoded.len(), 10 + ML_DSA_87_KEY_LEN);
        let mut other_algorithm = encoded.clone();
        other_algorithm[5] = 0x30; // -49, ML-DSA-65
        let mut other_type = encoded.clone();
        other_type[2] = 1;
        for bytes in [other_algorithm, other_type] {
            assert_eq!(PublicKey::decode(&bytes).unwrap_err().code(), "key-invalid");
        }
        for length in [ML_DSA_87_KEY_LEN - 1, ML_DSA_87_KEY_LEN + 1] {
            let mut map = MapWriter::new();
            map.entry(1).uint(7);
            map.entry(3).int(-50);
            map.entry(-1).bytes(&alloc::vec![1; length]);
            assert_eq!(PublicKey::decode(&map.finish()).unwrap_err().code(), "key-invalid");
        }
    }

    #[test]
    fn thumbprint_is_that_of_rfc_9679_section_6() {
        let hex =
            |text: &str| core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap());
        let key = PublicKey::P256 {
            x: hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
            y: hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
        };
        let expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec";
        assert_eq!(alloc::format!("{}", key.thumbprint()), expected);
    }

    #[test]
    fn other_keys_are_refused() {
        let mut with_alg = MapWriter::new();
        with_alg.entry(1).uint(1);
        with_alg.entry(3).int(-19);
        with_alg.entry(-1).uint(6);
        with_alg.entry(-2).bytes(&[7; 32]);
        let mut ed448 = MapWriter::new();
        ed448.entry(1).uint(1);
        ed448.entry(-1).uint(7);
        ed448.entry(-2).bytes(&[7; 57]);
        for bytes in [with_alg.finish(), ed448.finish(), alloc::vec![0xa0], alloc::vec![0x01]] {
            assert_eq!(PublicKey::decode(&bytes).unwrap_err().code(), "key-invalid");
        }
    }
}
