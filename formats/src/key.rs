//! Algorithms, public keys and their thumbprints.
//!
//! Keys travel as COSE_Key (RFC 9052 §7) with the required parameters alone, in deterministic CBOR:
//! the very bytes that RFC 9679 hashes. Not here: private keys, curve arithmetic, signature checks.
//!
//! Spec: `docs/spec/keys.md`.

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
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::Esp256];

    /// Returns the number in the COSE Algorithms registry.
    #[must_use]
    pub const fn cose_number(self) -> i64 {
        match self {
            Self::Ed25519 => -19,
            Self::Esp256 => -9,
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
        }
    }

    /// Returns the name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Esp256 => "P-256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key. Having one says nothing of the point being valid: whoever checks signatures does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PublicKey {
    /// The encoded point of RFC 8032 §5.1.2.
    Ed25519([u8; 32]),
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
        let mut number = |key| (reader.int("key").ok()? == key).then(|| reader.uint("key").ok())?;
        let (kind, curve) = (number(1)?, number(-1)?);
        let mut coordinate = |key| (reader.int("key").ok()? == key).then(|| reader.array_of("key").ok())?;
        match (kind, curve, entries) {
            (1, 6, 3) => Some(Self::Ed25519(coordinate(-2)?)),
            (2, 1, 4) => Some(Self::P256 { x: coordinate(-2)?, y: coordinate(-3)? }),
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

    const KEYS: [PublicKey; 2] = [PublicKey::Ed25519([7; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }];

    #[test]
    fn keys_survive_encoding() {
        for key in KEYS {
            assert_eq!(PublicKey::decode(&key.encode()), Ok(key));
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
