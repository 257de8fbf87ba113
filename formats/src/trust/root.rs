//! A root set: the custodians' keys and how many of them must sign.
//!
//! `1 schema · 2 authority name · 3 version · 4 hash of the version before · 5 threshold · 6 [COSE_Key, …]
//! · 7 time`. Root documents are sealed by their custodians; the authority's id is the SHA-256 of the
//! payload of version 1. Not here: counting signatures (`chancery-verifier`).
//!
//! Spec: `docs/spec/root.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{MapWriter, Reader, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label};
use crate::key::PublicKey;
use crate::license::{text, time};
use crate::merkle::Hash;
use crate::seal::MAX_SIGNERS;

const SCHEMA: u64 = 1;

/// The payload of a root document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root<'a> {
    /// Key 2: the name of the authority, for people.
    pub name: &'a str,
    /// Key 3: from 1.
    pub version: u32,
    /// Key 4: SHA-256 of the payload of the version before; none in version 1.
    pub previous: Option<Hash>,
    /// Key 5: how many distinct custodians must sign, 1 to their number.
    pub threshold: usize,
    /// Key 6: the custodians' keys.
    pub custodians: Custodians<'a>,
    /// Key 7: when it was made, in Unix seconds.
    pub made_at: u64,
}

impl<'a> Root<'a> {
    /// Decodes the payload of a root document.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `out-of-range`, `text-forbidden`, `key-invalid`, `unsorted-keys`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "root")?;
        let entries = reader.map("root")?;
        let (mut schema, mut name, mut version, mut previous) = (None, None, None, None);
        let (mut threshold, mut custodians, mut made_at) = (None, None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("root")? {
                1 if reader.uint("root.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "root.schema")),
                2 => name = Some(text(&mut reader, "root.name", is_label)?),
                3 => version = Some(reader.u32("root.version")?),
                4 => previous = Some(reader.array_of("root.previous")?),
                5 => threshold = Some(reader.u32("root.threshold")?),
                6 => custodians = Some(Custodians::read(&mut reader)?),
                7 => made_at = Some(time(&mut reader, "root.time")?),
                _ => return Err(at.fault(Fault::UnknownField, "root")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        let out_of_range = |field| reader.fault(Fault::OutOfRange, field);
        schema.ok_or(missing("root.schema"))?;
        let version = version.ok_or(missing("root.version"))?;
        let custodians = custodians.ok_or(missing("root.custodians"))?;
        let threshold = threshold.ok_or(missing("root.threshold"))? as usize;
        if !(1..=custodians.len()).contains(&threshold) {
            return Err(out_of_range("root.threshold"));
        }
        if version == 0 || previous.is_some() != (version > 1) {
            return Err(out_of_range("root.version"));
        }
        Ok(Self {
            name: name.ok_or(missing("root.name"))?,
            version,
            previous,
            threshold,
            custodians,
            made_at: made_at.ok_or(missing("root.time"))?,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).text(self.name);
        map.entry(3).uint(u64::from(self.version));
        if let Some(previous) = &self.previous {
            map.entry(4).bytes(previous);
        }
        map.entry(5).uint(self.threshold as u64);
        map.entry(6).raw(self.custodians.0);
        map.entry(7).uint(self.made_at);
        map.finish()
    }

    /// Returns the id of the authority whose version 1 has this payload.
    #[must_use]
    pub fn authority_id(payload: &[u8]) -> AuthorityId {
        AuthorityId(Sha256::digest(payload).into())
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
        let mut writer = crate::cbor::Writer::new();
        writer.array(encoded.len());
        for key in &encoded {
            writer.raw(key);
        }
        writer.finish()
    }

    /// Decodes an array of 1 to 16 keys.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range`, `key-invalid`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "root.custodians")?)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
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
            PublicKey::read(&mut key)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn root(custodians: &[u8]) -> Root<'_> {
        Root {
            name: "Example Pumps",
            version: 1,
            previous: None,
            threshold: 2,
            custodians: Custodians::decode(custodians).unwrap(),
            made_at: 1_700_000_000,
        }
    }

    #[test]
    fn roots_survive_encoding() {
        let keys = [PublicKey::Ed25519([9; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }];
        let encoded = Custodians::encode(&keys);
        let one = root(&encoded);
        let two = Root { version: 2, previous: Some([7; 32]), ..one };
        for root in [one, two] {
            assert_eq!(Root::decode(&root.encode()), Ok(root));
        }
        assert_eq!(one.custodians.len(), 2);
    }

    #[test]
    fn other_roots_are_refused() {
        let encoded = Custodians::encode(&[PublicKey::Ed25519([9; 32]), PublicKey::Ed25519([8; 32])]);
        let good = root(&encoded);
        for bad in [
            Root { threshold: 0, ..good },
            Root { threshold: 3, ..good },
            Root { version: 0, ..good },
            Root { version: 2, ..good },
            Root { previous: Some([0; 32]), ..good },
        ] {
            assert_eq!(Root::decode(&bad.encode()).unwrap_err().code(), "out-of-range", "{bad:?}");
        }
        let named = |name| Root::decode(&Root { name, ..good }.encode()).unwrap_err().code();
        assert_eq!(named("a\u{202e}b"), "text-forbidden");
        let key = PublicKey::Ed25519([9; 32]).encode();
        let twice = [&[0x82], &key[..], &key].concat();
        assert_eq!(Custodians::decode(&twice).unwrap_err().code(), "unsorted-keys");
        assert_eq!(Custodians::decode(&[0x80]).unwrap_err().code(), "out-of-range");
    }
}
