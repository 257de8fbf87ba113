//! A root set: the custodians' keys and how many of them must sign.
//!
//! ```text
//! 1 schema · 2 authority name · 3 version · 4 hash of the version before · 5 threshold · 6 [COSE_Key, …]
//! 7 time · 8 recovery commitment · 9 recovery set · 10 [partner COSE_Key, …] · 11 manifests required
//! ```
//!
//! Root documents are sealed by their custodians; the authority's id is the SHA-256 of the payload of
//! version 1. Not here: counting signatures (`chancery-verifier`).
//!
//! Spec: `docs/spec/root.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::quorum::{Custodians, Partners, Quorum};
use crate::cbor::{MapWriter, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label};
use crate::license::{text, time};
use crate::merkle::Hash;

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
    /// Keys 5, 6 and 10: the custodians and how many of them must sign.
    pub quorum: Quorum<'a>,
    /// Key 7: when it was made, in Unix seconds.
    pub made_at: u64,
    /// Key 8: SHA-256 of the encoded recovery set, which can replace a quorum that is lost.
    pub recovery: Option<Hash>,
    /// Key 9: the recovery set, told where it is used; never in version 1.
    pub revealed: Option<Quorum<'a>>,
    /// Key 11: whether a trust bundle that ends in this root must carry a manifest.
    pub manifests: bool,
}

impl<'a> Root<'a> {
    /// Decodes the payload of a root document.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range`, `text-forbidden`, `key-invalid`, `unsorted-keys`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "root")?;
        let entries = reader.map("root")?;
        let (mut schema, mut name, mut version, mut previous) = (None, None, None, None);
        let (mut threshold, mut custodians, mut partners, mut made_at) = (None, None, None, None);
        let (mut recovery, mut revealed, mut manifests) = (None, None, false);
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
                8 => recovery = Some(reader.array_of("root.recovery")?),
                9 => revealed = Some(Quorum::read(&mut reader)?),
                10 => partners = Some(Partners::read(&mut reader)?),
                11 if reader.uint("root.manifests")? == 1 => manifests = true,
                11 => return Err(at.fault(Fault::OutOfRange, "root.manifests")),
                _ => return Err(at.fault(Fault::UnknownField, "root")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        let out_of_range = |field| reader.fault(Fault::OutOfRange, field);
        schema.ok_or(missing("root.schema"))?;
        let version = version.ok_or(missing("root.version"))?;
        let custodians = custodians.ok_or(missing("root.custodians"))?;
        let threshold = threshold.ok_or(missing("root.threshold"))? as usize;
        let quorum = Quorum { threshold, custodians, partners };
        if !quorum.is_sound() {
            return Err(out_of_range("root.threshold"));
        }
        if version == 0 || previous.is_some() != (version > 1) || (version == 1 && revealed.is_some()) {
            return Err(out_of_range("root.version"));
        }
        Ok(Self {
            name: name.ok_or(missing("root.name"))?,
            version,
            previous,
            quorum,
            made_at: made_at.ok_or(missing("root.time"))?,
            recovery,
            revealed,
            manifests,
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
        map.entry(5).uint(self.quorum.threshold as u64);
        map.entry(6).raw(self.quorum.custodians.as_bytes());
        map.entry(7).uint(self.made_at);
        if let Some(recovery) = &self.recovery {
            map.entry(8).bytes(recovery);
        }
        if let Some(revealed) = &self.revealed {
            map.entry(9).raw(&revealed.encode());
        }
        if let Some(partners) = &self.quorum.partners {
            map.entry(10).raw(partners.as_bytes());
        }
        if self.manifests {
            map.entry(11).uint(1);
        }
        map.finish()
    }

    /// Returns the id of the authority whose version 1 has this payload.
    #[must_use]
    pub fn authority_id(payload: &[u8]) -> AuthorityId {
        AuthorityId(Sha256::digest(payload).into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::PublicKey;

    fn quorum(custodians: &[u8], threshold: usize) -> Quorum<'_> {
        Quorum { threshold, custodians: Custodians::decode(custodians).unwrap(), partners: None }
    }

    fn root(custodians: &[u8]) -> Root<'_> {
        Root {
            name: "Example Pumps",
            version: 1,
            previous: None,
            quorum: quorum(custodians, 2),
            made_at: 1_700_000_000,
            recovery: None,
            revealed: None,
            manifests: false,
        }
    }

    #[test]
    fn roots_survive_encoding() {
        let encoded =
            Custodians::encode(&[PublicKey::Ed25519([9; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }]);
        let recovery = Custodians::encode(&[PublicKey::Ed25519([4; 32])]);
        let recovery = quorum(&recovery, 1);
        let one = Root { recovery: Some(recovery.commitment()), manifests: true, ..root(&encoded) };
        let two = Root { version: 2, previous: Some([7; 32]), revealed: Some(recovery), ..one };
        for root in [one, two] {
            assert_eq!(Root::decode(&root.encode()), Ok(root));
        }
        assert_eq!(one.quorum.custodians.len(), 2);
        assert_eq!(two.revealed.unwrap().commitment(), one.recovery.unwrap());
    }

    #[test]
    fn other_roots_are_refused() {
        let encoded = Custodians::encode(&[PublicKey::Ed25519([9; 32]), PublicKey::Ed25519([8; 32])]);
        let good = root(&encoded);
        for bad in [
            Root { quorum: quorum(&encoded, 0), ..good },
            Root { quorum: quorum(&encoded, 3), ..good },
            Root { version: 0, ..good },
            Root { version: 2, ..good },
            Root { previous: Some([0; 32]), ..good },
            Root { revealed: Some(good.quorum), ..good },
        ] {
            assert_eq!(Root::decode(&bad.encode()).unwrap_err().code(), "out-of-range", "{bad:?}");
        }
        let named = |name| Root::decode(&Root { name, ..good }.encode()).unwrap_err().code();
        assert_eq!(named("a\u{202e}b"), "text-forbidden");
    }
}
