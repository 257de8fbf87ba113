//! The trust bundle: what a site needs to judge licenses, in one file.
//!
//! `{0: typ, 1: [document, …]}`: the root chain from version 1 and the key records, each a signed
//! document in a byte string that is verified alone. Not here: verifying them (`chancery-verifier`).
//!
//! Spec: `docs/spec/bundle.md`.

use alloc::vec::Vec;

use crate::cbor::{Reader, Writer, scan};
use crate::document::{Kind, MAX_BUNDLE};
use crate::error::{DecodeError, Fault};

/// A bundle, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    members: Reader<'a>,
    count: u64,
}

impl<'a> Bundle<'a> {
    /// Decodes a bundle.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `wrong-type`, `typ-wrong`,
    /// `unknown-field`, `out-of-range` for an empty bundle.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(DecodeError { fault: Fault::TooLarge, field: "bundle", offset: 0 });
        }
        let mut reader = scan(bytes, "bundle")?;
        let start = reader;
        if reader.map("bundle")? != 2 || reader.int("bundle")? != 0 {
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
        Ok(Self { members, count })
    }

    /// Iterates over the signed documents.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = self.members;
        (0..self.count).map_while(move |_| reader.bytes("bundle.members").ok())
    }

    /// Encodes a bundle of signed documents, roots first.
    #[must_use]
    pub fn encode(members: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(2).uint(0).text(Kind::TrustBundle.typ()).uint(1).array(members.len());
        for member in members {
            writer.bytes(member);
        }
        writer.finish()
    }

    /// Returns whether bytes start as a bundle does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\xa2\x00\x78\x23application/vnd.chancery.trust+cbor")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bundles_survive_encoding() {
        let members = [alloc::vec![1, 2, 3], alloc::vec![4; 300]];
        let bytes = Bundle::encode(&members);
        assert!(Bundle::looks_like(&bytes));
        let read: Vec<_> = Bundle::decode(&bytes).unwrap().members().map(<[u8]>::to_vec).collect();
        assert_eq!(read, members);
    }

    #[test]
    fn other_bundles_are_refused() {
        assert_eq!(Bundle::decode(&Bundle::encode(&[])).unwrap_err().code(), "out-of-range");
        assert_eq!(Bundle::decode(&[0xa0]).unwrap_err().code(), "unknown-field");
        let mut other = Bundle::encode(&[alloc::vec![1]]);
        other[20] ^= 1;
        assert_eq!(Bundle::decode(&other).unwrap_err().code(), "typ-wrong");
    }
}
