//! The trust bundle: what a site needs to judge licenses, in one file.
//!
//! `{0: typ, 1: [document, …], 2: manifest, 3: trail}`: the root chain from version 1, key records, closings and the
//! revocation list, each a signed document in a byte string that is verified alone; the manifest, a signed
//! document that says which members belong together; and the hashes of earlier manifests. Not here:
//! verifying them (`chancery-verifier`).
//!
//! Spec: `docs/spec/bundle.md`.

use alloc::vec::Vec;

use crate::cbor::{Reader, Writer, scan};
use crate::document::{Kind, MAX_BUNDLE};
use crate::error::{DecodeError, Fault};
use crate::merkle::Hash;

/// A bundle, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    members: Reader<'a>,
    count: u64,
    manifest: Option<&'a [u8]>,
    trail: &'a [Hash],
}

impl<'a> Bundle<'a> {
    /// Decodes a bundle.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `wrong-type`, `typ-wrong`, `unknown-field`,
    /// `out-of-range` for no members, `wrong-length` for a trail of parts of hashes, of none, or without a
    /// manifest.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(DecodeError { fault: Fault::TooLarge, field: "bundle", offset: 0 });
        }
        let mut reader = scan(bytes, "bundle")?;
        let start = reader;
        let entries = reader.map("bundle")?;
        if !(2..=4).contains(&entries) || reader.int("bundle")? != 0 {
            return Err(start.fault(Fault::UnknownField, "bundle"));
        }
        if reader.text("bundle.typ")? != Kind::TrustBundle.typ() {
            return Err(start.fault(Fault::TypWrong, "bundle.typ"));
        }
        if reader.int("bundle")? != 1 {
            return Err(start.fault(Fault::UnknownField, "bundle"));
        }
        let count = reader.array("bundle.members")?;
        if count == 0 {
            return Err(start.fault(Fault::OutOfRange, "bundle.members"));
        }
        let members = reader;
        for _ in 0..count {
            reader.bytes("bundle.members")?;
        }
        let (mut manifest, mut trail): (_, &[Hash]) = (None, &[]);
        for _ in 2..entries {
            let at = reader;
            match reader.int("bundle")? {
                2 => manifest = Some(reader.bytes("bundle.manifest")?),
                3 if manifest.is_some() => {
                    let (hashes, rest) = reader.bytes("bundle.trail")?.as_chunks::<32>();
                    if hashes.is_empty() || !rest.is_empty() {
                        return Err(at.fault(Fault::WrongLength, "bundle.trail"));
                    }
                    trail = hashes;
                }
                _ => return Err(at.fault(Fault::UnknownField, "bundle")),
            }
        }
        Ok(Self { members, count, manifest, trail })
    }

    /// Iterates over the signed documents.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = self.members;
        (0..self.count).map_while(move |_| reader.bytes("bundle.members").ok())
    }

    /// Returns the manifest, a signed document.
    #[must_use]
    pub const fn manifest(&self) -> Option<&'a [u8]> {
        self.manifest
    }

    /// Returns the SHA-256 of the payloads of earlier manifests, the newest last; the last is that of the
    /// manifest just before this one.
    #[must_use]
    pub const fn trail(&self) -> &'a [Hash] {
        self.trail
    }

    /// Encodes a bundle of signed documents, roots first, without a manifest.
    #[must_use]
    pub fn encode(members: &[Vec<u8>]) -> Vec<u8> {
        Self::encode_with(members, None, &[])
    }

    /// Encodes a bundle with its manifest and the trail of earlier ones.
    #[must_use]
    pub fn encode_with(members: &[Vec<u8>], manifest: Option<&[u8]>, trail: &[Hash]) -> Vec<u8> {
        let trail = manifest.map(|_| trail).filter(|trail| !trail.is_empty());
        let mut writer = Writer::new();
        writer.map(2 + usize::from(manifest.is_some()) + usize::from(trail.is_some()));
        writer.uint(0).text(Kind::TrustBundle.typ()).uint(1).array(members.len());
        for member in members {
            writer.bytes(member);
        }
        if let Some(manifest) = manifest {
            writer.uint(2).bytes(manifest);
        }
        if let Some(trail) = trail {
            writer.uint(3).bytes(trail.as_flattened());
        }
        writer.finish()
    }

    /// Returns whether bytes start as a bundle does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return false };
        (0xa2..=0xa4).contains(first) && rest.starts_with(b"\x00\x78\x23application/vnd.chancery.trust+cbor")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bundles_survive_encoding() {
        let members = [alloc::vec![1, 2, 3], alloc::vec![4; 300]];
        for (manifest, trail) in
            [(None, &[][..]), (Some(&[5; 40][..]), &[]), (Some(&[5; 40]), &[[6; 32], [7; 32]])]
        {
            let bytes = Bundle::encode_with(&members, manifest, trail);
            assert!(Bundle::looks_like(&bytes));
            let bundle = Bundle::decode(&bytes).unwrap();
            let read: Vec<_> = bundle.members().map(<[u8]>::to_vec).collect();
            assert_eq!(read, members);
            assert_eq!((bundle.manifest(), bundle.trail()), (manifest, trail));
        }
    }

    #[test]
    fn other_bundles_are_refused() {
        assert_eq!(Bundle::decode(&Bundle::encode(&[])).unwrap_err().code(), "out-of-range");
        assert_eq!(Bundle::decode(&[0xa0]).unwrap_err().code(), "unknown-field");
        let mut other = Bundle::encode(&[alloc::vec![1]]);
        other[20] ^= 1;
        assert_eq!(Bundle::decode(&other).unwrap_err().code(), "typ-wrong");
        let with = |tail: &[u8], entries: u8| {
            let mut bytes = [&Bundle::encode(&[alloc::vec![1]])[..], tail].concat();
            bytes[0] = 0xa0 | entries;
            Bundle::decode(&bytes).unwrap_err().code()
        };
        assert_eq!(with(&[&[3, 0x58, 32][..], &[0; 32]].concat(), 3), "unknown-field");
        assert_eq!(with(&[2, 0x41, 1, 3, 0x41, 1], 4), "wrong-length");
        assert_eq!(with(&[2, 0x41, 1, 3, 0x40], 4), "wrong-length");
        assert_eq!(with(&[2, 0x41, 1, 4, 0x40], 4), "unknown-field");
        assert_eq!(with(&[2, 0x01], 3), "wrong-type");
    }
}
