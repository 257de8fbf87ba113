//! The manifest of a trust bundle: its number, its members' hashes and its place in the chain of bundles.
//!
//! `1 schema · 2 authority id · 3 number · 4 link before · 5 hashes of members · 6 time · 7 checkpoint`. Sealed by
//! the log key. Link 0 is the authority id; link n is SHA-256(link n-1 ‖ SHA-256(payload of manifest n)). A
//! site that knows link m follows the chain to any later manifest by the hashes of the payloads between.
//! Its time is the newest that a site can believe. Not here: verifying it (`chancery-verifier`).
//!
//! Spec: `docs/spec/bundle.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{MapWriter, scan};
use crate::error::{DecodeError, Fault};
use crate::id::AuthorityId;
use crate::license::time;
use crate::merkle::Hash;

const SCHEMA: u64 = 1;

/// Longest checkpoint of a manifest, in bytes.
pub const MAX_CHECKPOINT: usize = 8 * 1024;

/// The payload of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// Key 2: the authority.
    pub authority: AuthorityId,
    /// Key 3: from 1, one more than the bundle before.
    pub number: u64,
    /// Key 4: the link of the manifest before.
    pub previous: Hash,
    /// Key 5: SHA-256 of every member of the bundle, in its order.
    pub members: &'a [Hash],
    /// Key 6: when it was made, in Unix seconds: no time before it is believed any more.
    pub time: u64,
    /// Key 7: a checkpoint of the log (C2SP tlog-checkpoint), where there is one.
    pub checkpoint: Option<&'a str>,
}

impl<'a> Manifest<'a> {
    /// Decodes the payload of a manifest.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length` where hashes are none or not whole, `out-of-range`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "manifest")?;
        let entries = reader.map("manifest")?;
        let (mut schema, mut authority, mut number, mut previous) = (None, None, None, None);
        let (mut members, mut made, mut checkpoint) = (None, None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("manifest")? {
                1 if reader.uint("manifest.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "manifest.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("manifest.authority")?)),
                3 => number = Some(reader.uint("manifest.number")?),
                4 => previous = Some(reader.array_of("manifest.previous")?),
                5 => {
                    let (hashes, rest) = reader.bytes("manifest.members")?.as_chunks::<32>();
                    if hashes.is_empty() || !rest.is_empty() {
                        return Err(at.fault(Fault::WrongLength, "manifest.members"));
                    }
                    members = Some(hashes);
                }
                6 => made = Some(time(&mut reader, "manifest.time")?),
                7 => {
                    let note = reader.text("manifest.checkpoint")?;
                    if note.is_empty() || note.len() > MAX_CHECKPOINT {
                        return Err(at.fault(Fault::OutOfRange, "manifest.checkpoint"));
                    }
                    checkpoint = Some(note);
                }
                _ => return Err(at.fault(Fault::UnknownField, "manifest")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("manifest.schema"))?;
        let number = number.ok_or(missing("manifest.number"))?;
        if number == 0 {
            return Err(reader.fault(Fault::OutOfRange, "manifest.number"));
        }
        Ok(Self {
            authority: authority.ok_or(missing("manifest.authority"))?,
            number,
            previous: previous.ok_or(missing("manifest.previous"))?,
            members: members.ok_or(missing("manifest.members"))?,
            time: made.ok_or(missing("manifest.time"))?,
            checkpoint,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).uint(self.number);
        map.entry(4).bytes(&self.previous);
        map.entry(5).bytes(self.members.as_flattened());
        map.entry(6).uint(self.time);
        if let Some(checkpoint) = self.checkpoint {
            map.entry(7).text(checkpoint);
        }
        map.finish()
    }

    /// Returns what stands for a payload in the trail of a bundle: its SHA-256.
    #[must_use]
    pub fn hash(payload: &[u8]) -> Hash {
        Sha256::digest(payload).into()
    }

    /// Returns the next link of the chain: SHA-256(link ‖ hash of the payload).
    #[must_use]
    pub fn link(before: &Hash, payload_hash: &Hash) -> Hash {
        Sha256::new().chain_update(before).chain_update(payload_hash).finalize().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MANIFEST: Manifest<'static> = Manifest {
        authority: AuthorityId([1; 32]),
        number: 1,
        previous: [1; 32],
        members: &[[2; 32], [3; 32]],
        time: 1_700_000_000,
        checkpoint: None,
    };

    #[test]
    fn manifests_survive_encoding() {
        for manifest in [MANIFEST, Manifest { checkpoint: Some("note\n"), ..MANIFEST }] {
            assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
    }

    #[test]
    fn other_manifests_are_refused() {
        let code = |manifest: Manifest<'_>| Manifest::decode(&manifest.encode()).unwrap_err().code();
        assert_eq!(code(Manifest { number: 0, ..MANIFEST }), "out-of-range");
        assert_eq!(code(Manifest { members: &[], ..MANIFEST }), "wrong-length");
        assert_eq!(code(Manifest { checkpoint: Some(""), ..MANIFEST }), "out-of-range");
        let long = "x".repeat(MAX_CHECKPOINT + 1);
        assert_eq!(code(Manifest { checkpoint: Some(&long), ..MANIFEST }), "out-of-range");
    }
}
