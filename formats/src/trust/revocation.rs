//! The revocation list: licenses, devices, entitlements, customers and keys that count no more.
//!
//! ```text
//! 1 schema · 2 authority id · 3 number · 4 hash of the list before · 5 time
//! 6 licenses · 7 devices · 8 entitlements · 9 customers · 10 keys
//! ```
//!
//! Each list is whole: it holds all that was ever revoked. Ids of one length stand in one byte string,
//! sorted, so that a look-up allocates nothing. Not here: what a revocation refuses (`chancery-verifier`).
//!
//! Spec: `docs/spec/revocation.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{MapWriter, Reader, Writer, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, EntitlementId, LicenseId, Thumbprint};
use crate::license::terms::Names;
use crate::license::time;
use crate::merkle::{Hash, Head};

const SCHEMA: u64 = 1;

/// The payload of a revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationList<'a> {
    /// Key 2: the authority.
    pub authority: AuthorityId,
    /// Key 3: from 1, one more than the list before.
    pub number: u64,
    /// Key 4: SHA-256 of the payload of the list before; none in list 1.
    pub previous: Option<Hash>,
    /// Key 5: when it was made, in Unix seconds.
    pub time: u64,
    /// Key 6: licenses, by id.
    pub licenses: Ids<'a, 16>,
    /// Key 7: devices, by the thumbprint of their key.
    pub devices: Ids<'a, 32>,
    /// Key 8: entitlements, by id.
    pub entitlements: Ids<'a, 8>,
    /// Key 9: customers, by the name that stands in licenses.
    pub customers: Option<Names<'a>>,
    /// Key 10: keys that somebody else may have.
    pub keys: RevokedKeys<'a>,
}

impl<'a> RevocationList<'a> {
    /// Decodes the payload of a revocation list.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range`, `text-forbidden`, `unsorted-keys`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "list")?;
        let entries = reader.map("list")?;
        let (mut schema, mut authority, mut number, mut previous, mut made) = (None, None, None, None, None);
        let (mut licenses, mut devices, mut entitlements) = (Ids(&[]), Ids(&[]), Ids(&[]));
        let (mut customers, mut keys) = (None, RevokedKeys::NONE);
        for _ in 0..entries {
            let at = reader;
            match reader.int("list")? {
                1 if reader.uint("list.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "list.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("list.authority")?)),
                3 => number = Some(reader.uint("list.number")?),
                4 => previous = Some(reader.array_of("list.previous")?),
                5 => made = Some(time(&mut reader, "list.time")?),
                6 => licenses = Ids::read(&mut reader, "list.licenses")?,
                7 => devices = Ids::read(&mut reader, "list.devices")?,
                8 => entitlements = Ids::read(&mut reader, "list.entitlements")?,
                9 => customers = Some(Names::read_names(&mut reader, "list.customers")?),
                10 => keys = RevokedKeys::read(&mut reader)?,
                _ => return Err(at.fault(Fault::UnknownField, "list")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("list.schema"))?;
        let number = number.ok_or(missing("list.number"))?;
        if number == 0 || previous.is_some() != (number > 1) {
            return Err(reader.fault(Fault::OutOfRange, "list.number"));
        }
        Ok(Self {
            authority: authority.ok_or(missing("list.authority"))?,
            number,
            previous,
            time: made.ok_or(missing("list.time"))?,
            licenses,
            devices,
            entitlements,
            customers,
            keys,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).uint(self.number);
        if let Some(previous) = &self.previous {
            map.entry(4).bytes(previous);
        }
        map.entry(5).uint(self.time);
        for (key, ids) in [(6, self.licenses.0), (7, self.devices.0), (8, self.entitlements.0)] {
            if !ids.is_empty() {
                map.entry(key).bytes(ids);
            }
        }
        if let Some(customers) = &self.customers {
            map.entry(9).raw(customers.as_bytes());
        }
        if self.keys.count > 0 {
            let writer = map.entry(10).array(self.keys.count);
            self.keys.iter().fold(writer, |writer, (key, head)| {
                writer.array(3).bytes(&key.0).uint(head.size).bytes(&head.root)
            });
        }
        map.finish()
    }

    /// Returns what the next list names as the one before: SHA-256 of the payload.
    #[must_use]
    pub fn hash(payload: &[u8]) -> Hash {
        Sha256::digest(payload).into()
    }

    /// Returns whether a license is revoked by its id.
    #[must_use]
    pub fn has_license(&self, id: LicenseId) -> bool {
        self.licenses.contains(&id.0)
    }

    /// Returns whether a device is revoked.
    #[must_use]
    pub fn has_device(&self, device: Thumbprint) -> bool {
        self.devices.contains(&device.0)
    }

    /// Returns whether an entitlement is revoked.
    #[must_use]
    pub fn has_entitlement(&self, id: EntitlementId) -> bool {
        self.entitlements.contains(&id.0)
    }

    /// Returns whether a customer is revoked.
    #[must_use]
    pub fn has_customer(&self, customer: &str) -> bool {
        self.customers.is_some_and(|customers| customers.iter().any(|name| name == customer))
    }
}

/// Ids of `N` bytes, sorted and each once, in one byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids<'a, const N: usize>(&'a [u8]);

impl<'a, const N: usize> Ids<'a, N> {
    /// Joins ids, sorted and each once.
    #[must_use]
    pub fn encode(ids: &[[u8; N]]) -> Vec<u8> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.concat()
    }

    /// Views what [`Ids::encode`] joined; `None` where it is something else.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (ids, rest) = bytes.as_chunks::<N>();
        (rest.is_empty() && ids.is_sorted_by(|a, b| a < b)).then_some(Self(bytes))
    }

    fn read(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let bytes = reader.bytes(field)?;
        if bytes.is_empty() || bytes.len() % N != 0 {
            return Err(start.fault(Fault::WrongLength, field));
        }
        Self::decode(bytes).ok_or(start.fault(Fault::UnsortedKeys, field))
    }

    fn contains(&self, id: &[u8; N]) -> bool {
        self.0.as_chunks::<N>().0.binary_search(id).is_ok()
    }

    /// Iterates over the ids.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8; N]> + use<'a, N> {
        self.0.as_chunks::<N>().0.iter()
    }
}

/// Revoked keys, each with the size of the log below which its documents stand; sorted by thumbprint.
#[derive(Clone, Copy, Debug)]
pub struct RevokedKeys<'a> {
    entries: Reader<'a>,
    count: usize,
}

impl<'a> RevokedKeys<'a> {
    /// No keys.
    pub const NONE: RevokedKeys<'static> = RevokedKeys { entries: Reader::over(&[]), count: 0 };

    /// Encodes keys, sorted and each once, as the array that [`RevokedKeys::decode`] reads.
    #[must_use]
    pub fn encode(keys: &[(Thumbprint, Head)]) -> Vec<u8> {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted.dedup_by_key(|(key, _)| *key);
        let mut writer = Writer::new();
        writer.array(sorted.len());
        for (key, head) in sorted {
            writer.array(3).bytes(&key.0).uint(head.size).bytes(&head.root);
        }
        writer.finish()
    }

    /// Decodes an array of at least one key.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range`, `wrong-length`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "list.keys")?)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let count = reader.array("list.keys")?;
        let count = usize::try_from(count).ok().filter(|count| *count > 0);
        let count = count.ok_or(start.fault(Fault::OutOfRange, "list.keys"))?;
        let entries = *reader;
        let mut previous = None;
        for _ in 0..count {
            let at = *reader;
            let (key, _) = read_revoked_key(reader)?;
            if previous.is_some_and(|previous| previous >= key) {
                return Err(at.fault(Fault::UnsortedKeys, "list.keys"));
            }
            previous = Some(key);
        }
        Ok(Self { entries, count })
    }

    /// Iterates over the keys.
    pub fn iter(&self) -> impl Iterator<Item = (Thumbprint, Head)> + use<'a> {
        let mut reader = self.entries;
        (0..self.count).map_while(move |_| read_revoked_key(&mut reader).ok())
    }
}

impl PartialEq for RevokedKeys<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for RevokedKeys<'_> {}

fn read_revoked_key(reader: &mut Reader<'_>) -> Result<(Thumbprint, Head), DecodeError> {
    let start = *reader;
    if reader.array("list.keys")? != 3 {
        return Err(start.fault(Fault::WrongLength, "list.keys"));
    }
    let key = Thumbprint(reader.array_of("list.keys.key")?);
    let size = reader.uint("list.keys.size")?;
    let root = reader.array_of("list.keys.root")?;
    Ok((key, Head { size, root }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEAD: Head = Head { size: 7, root: [5; 32] };

    fn empty() -> RevocationList<'static> {
        RevocationList {
            authority: AuthorityId([1; 32]),
            number: 1,
            previous: None,
            time: 1_700_000_000,
            licenses: Ids(&[]),
            devices: Ids(&[]),
            entitlements: Ids(&[]),
            customers: None,
            keys: RevokedKeys::NONE,
        }
    }

    #[test]
    fn lists_survive_encoding_and_find_what_they_hold() {
        let licenses = Ids::encode(&[[9; 16], [3; 16], [9; 16]]);
        let devices = Ids::encode(&[[4; 32]]);
        let entitlements = Ids::encode(&[[6; 8], [5; 8]]);
        let customers = Names::encode(&["zeta", "acme"]);
        let keys = RevokedKeys::encode(&[(Thumbprint([8; 32]), HEAD), (Thumbprint([2; 32]), HEAD)]);
        let list = RevocationList {
            number: 2,
            previous: Some([7; 32]),
            licenses: Ids::decode(&licenses).unwrap(),
            devices: Ids::decode(&devices).unwrap(),
            entitlements: Ids::decode(&entitlements).unwrap(),
            customers: Some(Names::decode(&customers, false).unwrap()),
            keys: RevokedKeys::decode(&keys).unwrap(),
            ..empty()
        };
        for list in [list, empty()] {
            assert_eq!(RevocationList::decode(&list.encode()), Ok(list));
        }
        assert!(list.has_license(LicenseId([3; 16])) && !list.has_license(LicenseId([4; 16])));
        assert!(list.has_device(Thumbprint([4; 32])) && !list.has_device(Thumbprint([3; 32])));
        assert!(list.has_entitlement(EntitlementId([5; 8])) && !list.has_entitlement(EntitlementId([7; 8])));
        assert!(list.has_customer("acme") && !list.has_customer("acm"));
        assert!(list.keys.iter().map(|(key, _)| key.0[0]).eq([2, 8]));
    }

    #[test]
    fn other_lists_are_refused() {
        let code = |list: RevocationList<'_>| RevocationList::decode(&list.encode()).unwrap_err().code();
        assert_eq!(code(RevocationList { number: 0, ..empty() }), "out-of-range");
        assert_eq!(code(RevocationList { number: 2, ..empty() }), "out-of-range");
        assert_eq!(code(RevocationList { previous: Some([0; 32]), ..empty() }), "out-of-range");
        assert_eq!(code(RevocationList { licenses: Ids(&[1; 32]), ..empty() }), "unsorted-keys");
        assert_eq!(code(RevocationList { licenses: Ids(&[1; 17]), ..empty() }), "wrong-length");
        let key = [&[0x83, 0x58, 32][..], &[2; 32], &[7, 0x58, 32], &[5; 32]].concat();
        let refused = |bytes: &[u8]| RevokedKeys::decode(bytes).unwrap_err().code();
        assert_eq!(refused(&[&[0x82], &key[..], &key].concat()), "unsorted-keys");
        assert_eq!(refused(&[0x80]), "out-of-range");
        assert_eq!(refused(&[0x81, 0x80]), "wrong-length");
        assert_eq!(refused(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]), "truncated");
    }
}
