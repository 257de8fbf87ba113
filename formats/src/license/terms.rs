//! The terms of a license, schema 1: what was sold, for which versions, devices, people and places.
//!
//! Negative keys are advisory and ignored. Non-negative keys that schema 1 does not define are
//! refused, because a right that is not understood cannot be granted. A value that is the default is
//! left out, and refused where it is written: each meaning has one encoding.
//!
//! Spec: `docs/spec/license.md` §2.

use alloc::vec::Vec;

use super::{DecodeError, Fault, Features, Key, MapWriter, Reader, Writer, is_name, text, time};
use crate::id::EntitlementId;

mod device;
mod distribution;
mod enforcement;
mod names;
mod users;
mod versions;

pub use device::{Components, Device};
pub use distribution::Distribution;
pub use enforcement::{Enforcement, EnforcementMode};
pub use names::Names;
pub use users::Users;
pub use versions::{Version, VersionError, Versions};

/// Most components of a device binding.
pub const MAX_COMPONENTS: u64 = 16;

const SCHEMA: u64 = 1;

/// What a license grants and on which conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<'a> {
    /// Key 2: the entitlement that it draws on.
    pub entitlement: EntitlementId,
    /// Key 3: the edition sold.
    pub edition: &'a str,
    /// Key 4: rises with each license of the same entitlement and device, from 1.
    pub revision: u64,
    /// Key 5: the features granted.
    pub features: Features<'a>,
    /// Key 6: the versions of the product that it covers; none is all.
    pub versions: Option<Versions>,
    /// Key 7: concurrent seats.
    pub seats: Option<u64>,
    /// Key 8: components of the device, of which k must match.
    pub device: Option<Device<'a>>,
    /// Key 9: where it may be used: ISO 3166-1 alpha-2 codes.
    pub territory: Option<Names<'a>>,
    /// Key 10: the support level sold; it never decides.
    pub support: Option<&'a str>,
    /// Key 11: what happens when the term ends.
    pub enforcement: Enforcement,
    /// Key 12: limits of distribution.
    pub distribution: Option<Distribution<'a>>,
    /// Key 13: the least number of the revocation list that must be known.
    pub least_revocation_list: Option<u64>,
    /// Key 14: how many devices may be bound by typed code.
    pub bindings: Option<u64>,
    /// Key 15: named users and groups.
    pub users: Option<Users<'a>>,
}

impl<'a> Terms<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let entries = reader.map("terms")?;
        let (mut schema, mut entitlement, mut edition, mut revision, mut features) =
            (None, None, None, None, None);
        let (mut versions, mut seats, mut device, mut territory, mut support) =
            (None, None, None, None, None);
        let (mut enforcement, mut distribution, mut users) = (Enforcement::default(), None, None);
        let (mut least_revocation_list, mut bindings) = (None, None);
        for _ in 0..entries {
            let at = *reader;
            match reader.key("terms")? {
                Key::Int(1) if reader.uint("terms.schema")? == SCHEMA => schema = Some(()),
                Key::Int(1) => return Err(at.fault(Fault::SchemaUnknown, "terms.schema")),
                Key::Int(2) => entitlement = Some(EntitlementId(reader.array_of("terms.entitlement")?)),
                Key::Int(3) => edition = Some(text(reader, "terms.edition", is_name)?),
                Key::Int(4) => revision = Some(positive(reader, "terms.revision")?),
                Key::Int(5) => features = Some(Features::read(reader)?),
                Key::Int(6) => versions = Some(Versions::read(reader)?),
                Key::Int(7) => seats = Some(positive(reader, "terms.seats")?),
                Key::Int(8) => device = Some(Device::read(reader)?),
                Key::Int(9) => territory = Some(Names::read_countries(reader, "terms.territory")?),
                Key::Int(10) => support = Some(text(reader, "terms.support", is_name)?),
                Key::Int(11) => enforcement = Enforcement::read(reader)?,
                Key::Int(12) => distribution = Some(Distribution::read(reader)?),
                Key::Int(13) => least_revocation_list = Some(positive(reader, "terms.list")?),
                Key::Int(14) => bindings = Some(positive(reader, "terms.bindings")?),
                Key::Int(15) => users = Some(Users::read(reader)?),
                Key::Int(key) if key < 0 => drop(reader.item()),
                _ => return Err(at.fault(Fault::UnknownField, "terms")),
            }
        }
        let missing = |field| start.fault(Fault::Missing, field);
        schema.ok_or_else(|| missing("terms.schema"))?;
        Ok(Self {
            entitlement: entitlement.ok_or_else(|| missing("terms.entitlement"))?,
            edition: edition.ok_or_else(|| missing("terms.edition"))?,
            revision: revision.ok_or_else(|| missing("terms.revision"))?,
            features: features.ok_or_else(|| missing("terms.features"))?,
            versions,
            seats,
            device,
            territory,
            support,
            enforcement,
            distribution,
            least_revocation_list,
            bindings,
            users,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.entitlement.0);
        map.entry(3).text(self.edition);
        map.entry(4).uint(self.revision);
        map.entry(5).raw(self.features.as_bytes());
        if let Some(versions) = &self.versions {
            map.entry(6).raw(&versions.encode());
        }
        optional_uint(&mut map, 7, self.seats);
        if let Some(device) = &self.device {
            device.write(map.entry(8));
        }
        if let Some(territory) = &self.territory {
            map.entry(9).raw(territory.as_bytes());
        }
        if let Some(support) = self.support {
            map.entry(10).text(support);
        }
        if self.enforcement != Enforcement::default() {
            map.entry(11).raw(&self.enforcement.encode());
        }
        if let Some(distribution) = &self.distribution {
            map.entry(12).raw(&distribution.encode());
        }
        optional_uint(&mut map, 13, self.least_revocation_list);
        optional_uint(&mut map, 14, self.bindings);
        if let Some(users) = &self.users {
            map.entry(15).raw(&users.encode());
        }
        map.finish()
    }
}

/// Reads a number that is at least 1: zero is written by leaving the field out.
fn positive(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    match reader.uint(field)? {
        0 => Err(start.fault(Fault::OutOfRange, field)),
        number => Ok(number),
    }
}

fn optional_uint(map: &mut MapWriter, key: i64, value: Option<u64>) {
    if let Some(value) = value {
        map.entry(key).uint(value);
    }
}

/// Reads the head of a map that has at least one entry.
fn entries(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    match reader.map(field)? {
        0 => Err(start.fault(Fault::OutOfRange, field)),
        entries => Ok(entries),
    }
}
