//! What a site remembers of the newest trust that it has seen, so that nobody can take it back.
//!
//! The caller keeps it durably and passes it in; missing is not the same as fresh, and the caller tells which.

use alloc::vec::Vec;

use chancery_formats::cbor::{MapWriter, scan};
use chancery_formats::error::{DecodeError, Fault};
use chancery_formats::id::AuthorityId;
use chancery_formats::merkle::Hash;

use super::Trust;
use super::manifest::Manifested;
use super::revocation::Revocations;
use crate::error::Refusal;

const SCHEMA: u64 = 1;

/// Newest root, revocation list and bundle by number and hash, and the time below which none is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minima {
    /// The authority.
    pub authority: AuthorityId,
    /// Root version, from 1, and SHA-256 of its payload.
    pub root: (u32, Hash),
    /// Number of the revocation list, from 1, and SHA-256 of its payload.
    pub list: Option<(u64, Hash)>,
    /// Number of the bundle, from 1, and its link.
    pub bundle: Option<(u64, Hash)>,
    /// Newest time that the authority has signed, in Unix seconds.
    pub floor: u64,
}

impl Minima {
    /// Decodes what [`Minima::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(bytes, "minima")?;
        let entries = reader.map("minima")?;
        let (mut schema, mut authority, mut floor) = (None, None, None);
        let mut numbered = [None; 3];
        for _ in 0..entries {
            let at = reader;
            match reader.int("minima")? {
                1 if reader.uint("minima.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "minima.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("minima.authority")?)),
                key @ 3..=5 => {
                    if reader.array("minima")? != 2 {
                        return Err(at.fault(Fault::WrongLength, "minima"));
                    }
                    let number = reader.uint("minima.number")?;
                    if number == 0 {
                        return Err(at.fault(Fault::OutOfRange, "minima.number"));
                    }
                    let place = usize::try_from(key - 3).ok().and_then(|index| numbered.get_mut(index));
                    if let Some(place) = place {
                        *place = Some((number, reader.array_of("minima.hash")?));
                    }
                }
                6 => floor = Some(reader.uint("minima.floor")?),
                _ => return Err(at.fault(Fault::UnknownField, "minima")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("minima.schema"))?;
        let [root, list, bundle] = numbered;
        let (version, hash) = root.ok_or(missing("minima.root"))?;
        let version = u32::try_from(version).map_err(|_| reader.fault(Fault::OutOfRange, "minima.root"))?;
        Ok(Self {
            authority: authority.ok_or(missing("minima.authority"))?,
            root: (version, hash),
            list,
            bundle,
            floor: floor.ok_or(missing("minima.floor"))?,
        })
    }

    /// Encodes the minima: deterministic CBOR, less than 200 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        let root = Some((u64::from(self.root.0), self.root.1));
        for (key, numbered) in [(3, root), (4, self.list), (5, self.bundle)] {
            if let Some((number, hash)) = numbered {
                map.entry(key).array(2).uint(number).bytes(&hash);
            }
        }
        map.entry(6).uint(self.floor);
        map.finish()
    }
}

impl Trust {
    /// Refuses this trust where it is older than what is remembered, or does not follow from it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AuthorityOther`]; [`Refusal::RootOlder`], [`Refusal::ListOlder`], [`Refusal::BundleOlder`],
    /// [`Refusal::BundleGap`]; and [`Refusal::RootForked`], [`Refusal::ListForked`],
    /// [`Refusal::BundleForked`], which are integrity alarms: two documents of one number.
    pub fn check_minima(&self, known: &Minima) -> Result<(), Refusal> {
        if self.authority != known.authority {
            return Err(Refusal::AuthorityOther { found: self.authority, pinned: known.authority });
        }
        let (version, hash) = known.root;
        let found = self.root_version();
        let index = usize::try_from(version).unwrap_or(usize::MAX).saturating_sub(1);
        match self.roots.get(index) {
            None => return Err(Refusal::RootOlder { found, known: version }),
            Some(root) if *root != hash => return Err(Refusal::RootForked { version }),
            Some(_) => {}
        }
        if let Some((number, link)) = known.bundle {
            let manifest = self.manifest.as_ref().ok_or(Refusal::ManifestMissing)?;
            manifest.require_after(number, link)?;
        }
        if let Some((number, hash)) = known.list {
            let found = self.revocation_list();
            let list = self.revocations.as_ref().filter(|list| list.number() >= number);
            let list = list.ok_or(Refusal::ListOlder { found, known: number })?;
            let same = list.number() == number && list.hash() != hash;
            let next = list.number() == number.saturating_add(1) && list.previous() != Some(hash);
            if same || next {
                return Err(Refusal::ListForked { number: list.number() });
            }
        }
        Ok(())
    }

    /// Returns what is to be remembered once this trust is kept, with what was known before.
    #[must_use]
    pub fn minima(&self, known: Option<&Minima>) -> Minima {
        let root = (self.root_version(), self.roots.last().copied().unwrap_or_default());
        let list = self.revocations.as_ref().map(|list| (Revocations::number(list), list.hash()));
        let bundle = self.manifest.as_ref().map(|found| (Manifested::number(found), found.link()));
        let floor = self.anchor().unwrap_or(0);
        Minima {
            authority: self.authority,
            root,
            list: list.or(known.and_then(|known| known.list)),
            bundle: bundle.or(known.and_then(|known| known.bundle)),
            floor: floor.max(known.map_or(0, |known| known.floor)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MINIMA: Minima = Minima {
        authority: AuthorityId([1; 32]),
        root: (3, [2; 32]),
        list: Some((7, [3; 32])),
        bundle: Some((12, [4; 32])),
        floor: 1_800_000_000,
    };

    #[test]
    fn minima_survive_encoding() {
        for minima in [MINIMA, Minima { list: None, bundle: None, ..MINIMA }] {
            assert_eq!(Minima::decode(&minima.encode()), Ok(minima));
        }
    }

    #[test]
    fn damaged_minima_are_refused() {
        let good = MINIMA.encode();
        assert_eq!(Minima::decode(&good[..good.len() - 1]).unwrap_err().code(), "truncated");
        assert_eq!(Minima::decode(&[0xa0]).unwrap_err().code(), "missing-field");
        let zero = Minima { root: (0, [2; 32]), ..MINIMA };
        assert_eq!(Minima::decode(&zero.encode()).unwrap_err().code(), "out-of-range");
    }
}
