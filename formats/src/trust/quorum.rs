//! Keys of which a number must sign: the custodians of a root, and the recovery set.
//!
//! In a hybrid quorum every key has a partner of another kind, ML-DSA-87 (FIPS 204), and counts only where
//! both have signed. Not here: counting signatures (`chancery-verifier`).
//!
//! Spec: `docs/spec/root.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{Reader, Writer, scan};
use crate::error::{DecodeError, Fault};
use crate::key::{Algorithm, PublicKey};
use crate::merkle::Hash;
use crate::seal::MAX_SIGNERS;

/// Keys, and how many of them must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum<'a> {
    /// How many distinct ones must sign, 1 to their number.
    pub threshold: usize,
    /// The keys.
    pub custodians: Custodians<'a>,
    /// Their partners, one each and in their order, where the quorum is hybrid.
    pub partners: Option<Partners<'a>>,
}

impl<'a> Quorum<'a> {
    /// Decodes a recovery set: `[threshold, [COSE_Key, …]]`, or with a third item `[partner COSE_Key, …]`.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `wrong-length`, `out-of-range`, `key-invalid`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "quorum")?)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let items = reader.array("quorum")?;
        if !(2..=3).contains(&items) {
            return Err(start.fault(Fault::WrongLength, "quorum"));
        }
        let threshold = reader.u32("quorum.threshold")? as usize;
        let custodians = Custodians::read(reader)?;
        let partners = if items == 3 { Some(Partners::read(reader)?) } else { None };
        let quorum = Self { threshold, custodians, partners };
        if quorum.is_sound() { Ok(quorum) } else { Err(start.fault(Fault::OutOfRange, "quorum.threshold")) }
    }

    /// Encodes a recovery set.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2 + usize::from(self.partners.is_some())).uint(self.threshold as u64);
        writer.raw(self.custodians.0);
        if let Some(partners) = &self.partners {
            writer.raw(partners.0);
        }
        writer.finish()
    }

    /// Returns what a root commits to long before the set is told: SHA-256 of its encoding.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        Sha256::digest(self.encode()).into()
    }

    /// Iterates over the keys, each with its partner.
    pub fn members(&self) -> impl Iterator<Item = (PublicKey, Option<PublicKey>)> + use<'a> {
        let mut partners = self.partners.map(|partners| partners.iter());
        self.custodians.iter().map(move |key| (key, partners.as_mut().and_then(Iterator::next)))
    }

    /// Returns whether the threshold can be met, and every key has its partner or none has.
    pub(super) fn is_sound(&self) -> bool {
        let keys = self.custodians.len();
        let paired = self.partners.is_none_or(|partners| partners.iter().count() == keys);
        (1..=keys).contains(&self.threshold) && paired
    }
}

/// The custodians' keys, distinct and sorted by their encoding: a view onto the encoded array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Custodians<'a>(&'a [u8]);

impl<'a> Custodians<'a> {
    /// Encodes distinct keys, in any order.
    #[must_use]
    pub fn encode(keys: &[PublicKey]) -> Vec<u8> {
        let mut encoded: Vec<_> = keys.iter().map(PublicKey::encode).collect();
        encoded.sort();
        encoded.dedup();
        let mut writer = Writer::new();
        writer.array(encoded.len());
        for key in &encoded {
            writer.raw(key);
        }
        writer.finish()
    }

    /// Returns the encoded array.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Decodes an array of 1 to 16 keys.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range`, `key-invalid`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "root.custodians")?)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut item = reader.item();
        let view = Self(item.rest());
        let count = item.array("root.custodians")?;
        if count == 0 || count > MAX_SIGNERS as u64 {
            return Err(start.fault(Fault::OutOfRange, "root.custodians"));
        }
        let mut previous: &[u8] = &[];
        for _ in 0..count {
            let mut key = item.item();
            let encoded = key.rest();
            primary(&mut key)?;
            if encoded <= previous {
                return Err(start.fault(Fault::UnsortedKeys, "root.custodians"));
            }
            previous = encoded;
        }
        Ok(view)
    }

    /// Returns the number of custodians, 1 to 16.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether there is none; a decoded view never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the keys.
    pub fn iter(&self) -> impl Iterator<Item = PublicKey> + use<'a> {
        let mut reader = Reader::over(self.0);
        let count = reader.array("root.custodians").unwrap_or(0);
        (0..count).map_while(move |_| PublicKey::read(&mut reader).ok())
    }
}

/// Partner keys, distinct: a view onto the encoded array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partners<'a>(&'a [u8]);

impl<'a> Partners<'a> {
    /// Encodes ML-DSA-87 keys in the order of those they stand beside.
    #[must_use]
    pub fn encode(keys: &[PublicKey]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(keys.len());
        for key in keys {
            writer.raw(&key.encode());
        }
        writer.finish()
    }

    /// Decodes an array of 1 to 16 keys.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range`; `key-invalid` for any other algorithm or a key that stands twice.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "root.partners")?)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut item = reader.item();
        let view = Self(item.rest());
        let count = item.array("root.partners")?;
        if count == 0 || count > MAX_SIGNERS as u64 {
            return Err(start.fault(Fault::OutOfRange, "root.partners"));
        }
        let mut seen: Vec<&[u8]> = Vec::new();
        for _ in 0..count {
            let mut key = item.item();
            let encoded = key.rest();
            partner(&mut key)?;
            if seen.contains(&encoded) {
                return Err(start.fault(Fault::KeyInvalid, "root.partners"));
            }
            seen.push(encoded);
        }
        Ok(view)
    }

    /// Returns the encoded array.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Iterates over the keys.
    pub fn iter(&self) -> impl Iterator<Item = PublicKey> + use<'a> {
        let mut reader = Reader::over(self.0);
        let count = reader.array("root.partners").unwrap_or(0);
        (0..count).map_while(move |_| PublicKey::read(&mut reader).ok())
    }
}

/// Reads a key that may stand alone.
pub(super) fn primary(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let start = *reader;
    let key = PublicKey::read(reader)?;
    if key.algorithm() == Algorithm::MlDsa87 { Err(start.fault(Fault::KeyInvalid, "key")) } else { Ok(key) }
}

/// Reads a key that stands beside another.
pub(super) fn partner(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let start = *reader;
    let key = PublicKey::read(reader)?;
    if key.algorithm() == Algorithm::MlDsa87 { Ok(key) } else { Err(start.fault(Fault::KeyInvalid, "key")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    fn keys(count: u8) -> (Vec<u8>, Vec<u8>) {
        let keys: Vec<_> = (0..count).map(|byte| PublicKey::Ed25519([byte; 32])).collect();
        let partners: Vec<_> = (0..count).map(|byte| PublicKey::MlDsa87(Box::new([byte; 2_592]))).collect();
        (Custodians::encode(&keys), Partners::encode(&partners))
    }

    #[test]
    fn quorums_survive_encoding() {
        let (custodians, partners) = keys(3);
        let custodians = Custodians::decode(&custodians).unwrap();
        let partners = Partners::decode(&partners).unwrap();
        for partners in [None, Some(partners)] {
            let quorum = Quorum { threshold: 2, custodians, partners };
            let encoded = quorum.encode();
            assert_eq!(Quorum::decode(&encoded), Ok(quorum));
            assert!(quorum.members().all(|(_, partner)| partner.is_some() == partners.is_some()));
        }
    }

    #[test]
    fn other_quorums_are_refused() {
        let (custodians, partners) = keys(3);
        let (_, fewer) = keys(2);
        let quorum = |threshold, partners: Option<&[u8]>| {
            let mut writer = Writer::new();
            writer.array(2 + usize::from(partners.is_some())).uint(threshold).raw(&custodians);
            partners.iter().for_each(|partners| {
                writer.raw(partners);
            });
            Quorum::decode(&writer.finish()).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(quorum(0, None), "out-of-range");
        assert_eq!(quorum(4, None), "out-of-range");
        assert_eq!(quorum(2, Some(&fewer)), "out-of-range");
        assert_eq!(quorum(2, Some(&custodians)), "key-invalid");
        let key = PublicKey::Ed25519([9; 32]).encode();
        let twice = [&[0x82], &key[..], &key].concat();
        assert_eq!(Custodians::decode(&twice).unwrap_err().code(), "unsorted-keys");
        assert_eq!(Custodians::decode(&[0x80]).unwrap_err().code(), "out-of-range");
        assert_eq!(Custodians::decode(&partners).unwrap_err().code(), "key-invalid");
        let key = PublicKey::MlDsa87(Box::new([9; 2_592])).encode();
        let twice = [&[0x82], &key[..], &key].concat();
        assert_eq!(Partners::decode(&twice).unwrap_err().code(), "key-invalid");
    }
}
