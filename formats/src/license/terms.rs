//! The terms of a license, schema 1: what was sold, for which versions, devices, people and places.
//!
//! Negative keys are advisory and ignored. Non-negative keys that schema 1 does not define are
//! refused, because a right that is not understood cannot be granted. A value that is the default is
//! left out, and refused where it is written: each meaning has one encoding.

use alloc::vec::Vec;
use core::fmt;

use super::{DecodeError, Fault, Features, Key, MapWriter, Reader, Writer, is_name, text, time};
use crate::id::EntitlementId;

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
                Key::Int(1) => schema = Some((at, reader.uint("terms.schema")?)),
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
        match schema {
            Some((_, SCHEMA)) => {}
            Some((at, _)) => return Err(at.fault(Fault::SchemaUnknown, "terms.schema")),
            None => return Err(missing("terms.schema")),
        }
        Ok(Self {
            entitlement: entitlement.ok_or(missing("terms.entitlement"))?,
            edition: edition.ok_or(missing("terms.edition"))?,
            revision: revision.ok_or(missing("terms.revision"))?,
            features: features.ok_or(missing("terms.features"))?,
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

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A version of a product: one to four numbers, compared from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    parts: [u32; 4],
    length: usize,
}

impl Version {
    /// Makes a version of one to four numbers; `None` for none or more.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Option<Self> {
        let mut parts = [0; 4];
        parts.get_mut(..numbers.len())?.copy_from_slice(numbers);
        (!numbers.is_empty()).then_some(Self { parts, length: numbers.len() })
    }

    /// Returns the numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.parts[..self.length]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut parts = [0; 4];
        let length = reader.array("terms.versions")?;
        let length = usize::try_from(length).ok().filter(|length| (1..=4).contains(length));
        let length = length.ok_or(start.fault(Fault::WrongLength, "terms.versions"))?;
        for part in &mut parts[..length] {
            *part = reader.u32("terms.versions")?;
        }
        Ok(Self { parts, length })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(self.length);
        for number in self.numbers() {
            writer.uint(u64::from(*number));
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.numbers().iter().enumerate() {
            write!(f, "{}{number}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// The maintenance window: which versions of the product are covered; at least one bound is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Key 1: lowest version covered.
    pub lowest: Option<Version>,
    /// Key 2: highest version covered; `3` covers every 3.x.
    pub highest: Option<Version>,
    /// Key 3: versions released up to this instant are covered, in Unix seconds.
    pub released_until: Option<u64>,
}

impl Versions {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut versions = Self { lowest: None, highest: None, released_until: None };
        for _ in 0..entries(reader, "terms.versions")? {
            let at = *reader;
            match reader.int("terms.versions")? {
                1 => versions.lowest = Some(Version::read(reader)?),
                2 => versions.highest = Some(Version::read(reader)?),
                3 => versions.released_until = Some(time(reader, "terms.versions")?),
                _ => return Err(at.fault(Fault::UnknownField, "terms.versions")),
            }
        }
        Ok(versions)
    }

    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        for (key, version) in [(1, &self.lowest), (2, &self.highest)] {
            if let Some(version) = version {
                version.write(map.entry(key));
            }
        }
        optional_uint(&mut map, 3, self.released_until);
        map.finish()
    }
}

/// The components of a device, of which `k` must match at check time (k-of-n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// Key 1: how many components must match, 1 to the number of components.
    pub k: u64,
    /// Key 2: the salt of the digests.
    pub salt: [u8; 8],
    /// Key 3: digests by kind of component.
    pub components: Components<'a>,
}

impl<'a> Device<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.map("terms.device")? != 3 {
            return Err(start.fault(Fault::WrongLength, "terms.device"));
        }
        let expect = |reader: &mut Reader<'a>, key| {
            let at = *reader;
            let found = reader.int("terms.device")?;
            if found == key { Ok(()) } else { Err(at.fault(Fault::UnknownField, "terms.device")) }
        };
        expect(reader, 1)?;
        let k = positive(reader, "terms.device.k")?;
        expect(reader, 2)?;
        let salt = reader.array_of("terms.device.salt")?;
        expect(reader, 3)?;
        let components = Components::read(reader, "terms.device.components")?;
        if k > components.len() {
            return Err(start.fault(Fault::OutOfRange, "terms.device.k"));
        }
        Ok(Self { k, salt, components })
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3).uint(1).uint(self.k).uint(2).bytes(&self.salt).uint(3).raw(self.components.as_bytes());
    }
}

/// Salted digests of device components: a view onto the encoded map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Components<'a>(&'a [u8]);

impl<'a> Components<'a> {
    /// Encodes digests by kind of component, in any order of distinct kinds.
    #[must_use]
    pub fn encode(components: &[(u64, [u8; 4])]) -> Vec<u8> {
        let mut sorted: Vec<_> = components.iter().collect();
        sorted.sort();
        let mut writer = Writer::new();
        writer.map(sorted.len());
        for (kind, digest) in sorted {
            writer.uint(*kind).bytes(digest);
        }
        writer.finish()
    }

    /// Decodes a map of 1 to 16 digests.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range` for another number of digests; `wrong-length`, `wrong-type`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut super::scan(bytes, "components")?, "components")
    }

    pub(crate) fn read(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut item = reader.item();
        let view = Self(item.rest());
        let count = item.map(field)?;
        if !(1..=MAX_COMPONENTS).contains(&count) {
            return Err(start.fault(Fault::OutOfRange, field));
        }
        for _ in 0..count {
            item.uint(field)?;
            item.array_of::<4>(field)?;
        }
        Ok(view)
    }

    /// Returns the encoded map.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Returns the number of components, 1 to 16.
    #[must_use]
    pub fn len(&self) -> u64 {
        Reader::over(self.0).map("components").unwrap_or(0)
    }

    /// Returns whether there is none; a decoded view never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over kinds and digests, by ascending kind.
    pub fn iter(&self) -> impl Iterator<Item = (u64, [u8; 4])> + use<'a> {
        let mut reader = Reader::over(self.0);
        let count = reader.map("components").unwrap_or(0);
        (0..count)
            .map_while(move |_| Some((reader.uint("components").ok()?, reader.array_of("components").ok()?)))
    }
}

/// A list of names: a view onto the encoded array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// Encodes names, sorted and each once.
    #[must_use]
    pub fn encode(names: &[&str]) -> Vec<u8> {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut writer = Writer::new();
        writer.array(sorted.len());
        for name in sorted {
            writer.text(name);
        }
        writer.finish()
    }

    /// Views an array that [`Names::encode`] wrote, of countries (`country`) or names.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `out-of-range` for none; `text-forbidden`; `unsorted-keys`.
    pub fn decode(bytes: &'a [u8], country: bool) -> Result<Self, DecodeError> {
        Self::read(&mut super::scan(bytes, "names")?, "names", if country { is_country } else { is_name })
    }

    fn read(
        reader: &mut Reader<'a>,
        field: &'static str,
        allowed: fn(&str) -> bool,
    ) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut item = reader.item();
        let view = Self(item.rest());
        let count = item.array(field)?;
        if count == 0 {
            return Err(start.fault(Fault::OutOfRange, field));
        }
        let mut previous = "";
        for _ in 0..count {
            let name = text(&mut item, field, allowed)?;
            if name <= previous {
                return Err(start.fault(Fault::UnsortedKeys, field));
            }
            previous = name;
        }
        Ok(view)
    }

    pub(crate) fn read_names(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        Self::read(reader, field, is_name)
    }

    pub(crate) fn read_countries(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        Self::read(reader, field, is_country)
    }

    /// Returns the encoded array.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Iterates over the names, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::over(self.0);
        let count = reader.array("names").unwrap_or(0);
        (0..count).map_while(move |_| reader.text("names").ok())
    }
}

/// What a product does when the term has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EnforcementMode {
    /// Features stop after term and grace.
    #[default]
    Deny,
    /// Features run on, and say so.
    Warn,
    /// Features run on in the reduced way that the product defines.
    Degrade,
}

impl EnforcementMode {
    const ALL: [Self; 3] = [Self::Deny, Self::Warn, Self::Degrade];

    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Degrade => "degrade",
        }
    }
}

/// How the end of the term is enforced. The default denies at once and gives no notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Enforcement {
    /// Key 1: what happens after term and grace.
    pub mode: EnforcementMode,
    /// Key 2: how long features run on after the term, in seconds.
    pub grace_secs: u64,
    /// Key 3: how long before the end of the term the user is told, in seconds.
    pub notice_secs: u64,
}

impl Enforcement {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut enforcement = Self::default();
        for _ in 0..entries(reader, "terms.enforcement")? {
            let at = *reader;
            match reader.int("terms.enforcement")? {
                1 => {
                    let mode = positive(reader, "terms.enforcement.mode")?;
                    let mode = usize::try_from(mode).ok().and_then(|mode| EnforcementMode::ALL.get(mode));
                    enforcement.mode = *mode.ok_or(at.fault(Fault::OutOfRange, "terms.enforcement.mode"))?;
                }
                2 => enforcement.grace_secs = span(reader, "terms.enforcement.grace")?,
                3 => enforcement.notice_secs = span(reader, "terms.enforcement.notice")?,
                _ => return Err(at.fault(Fault::UnknownField, "terms.enforcement")),
            }
        }
        Ok(enforcement)
    }

    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        for (key, value) in [(1, self.mode as u64), (2, self.grace_secs), (3, self.notice_secs)] {
            optional_uint(&mut map, key, (value != 0).then_some(value));
        }
        map.finish()
    }
}

/// Reads a positive number of seconds that can be added to any instant.
fn span(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    let span = positive(reader, field)?;
    if span <= super::MAX_TIME { Ok(span) } else { Err(start.fault(Fault::OutOfRange, field)) }
}

/// Limits of distribution; at least one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution<'a> {
    /// Key 1: on how many devices this document may be installed.
    pub devices: Option<u64>,
    /// Key 2: the channels through which it may be passed on.
    pub channels: Option<Names<'a>>,
}

impl<'a> Distribution<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut distribution = Self { devices: None, channels: None };
        for _ in 0..entries(reader, "terms.distribution")? {
            let at = *reader;
            match reader.int("terms.distribution")? {
                1 => distribution.devices = Some(positive(reader, "terms.distribution.devices")?),
                2 => distribution.channels = Some(Names::read_names(reader, "terms.distribution.channels")?),
                _ => return Err(at.fault(Fault::UnknownField, "terms.distribution")),
            }
        }
        Ok(distribution)
    }

    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        optional_uint(&mut map, 1, self.devices);
        if let Some(channels) = &self.channels {
            map.entry(2).raw(channels.as_bytes());
        }
        map.finish()
    }
}

/// Who may use it: at least one user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users<'a> {
    /// Key 1: named users.
    pub users: Option<Names<'a>>,
    /// Key 2: named groups.
    pub groups: Option<Names<'a>>,
}

impl<'a> Users<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut users = Self { users: None, groups: None };
        for _ in 0..entries(reader, "terms.users")? {
            let at = *reader;
            match reader.int("terms.users")? {
                1 => users.users = Some(Names::read_names(reader, "terms.users.users")?),
                2 => users.groups = Some(Names::read_names(reader, "terms.users.groups")?),
                _ => return Err(at.fault(Fault::UnknownField, "terms.users")),
            }
        }
        Ok(users)
    }

    fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        for (key, names) in [(1, &self.users), (2, &self.groups)] {
            if let Some(names) = names {
                map.entry(key).raw(names.as_bytes());
            }
        }
        map.finish()
    }
}
