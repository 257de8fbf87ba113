//! The maintenance window: which versions of a product a license covers.
//!
//! Not here: comparing a version with the window (`chancery-verifier`).

use core::fmt;

use super::{DecodeError, Fault, MapWriter, Reader, Writer, entries, optional_uint, time};
use alloc::vec::Vec;

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

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
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

    pub(super) fn write(&self, writer: &mut Writer) {
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
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
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

    pub(super) fn encode(&self) -> Vec<u8> {
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
