//! The maintenance window: which versions of a product a license covers.
//!
//! Not here: comparing a version with the window (`chancery-verifier`).

use core::fmt;
use core::str::FromStr;

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

/// Text that is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version: one to four numbers below 4294967296 with dots between them, such as 3.1")]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    /// Reads a version as it is shown: no sign, no leading zero, nothing behind the numbers.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let (mut parts, mut length) = ([0; 4], 0);
        for digits in text.split('.') {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if !plain || (digits.len() > 1 && digits.starts_with('0')) {
                return Err(VersionError);
            }
            *parts.get_mut(length).ok_or(VersionError)? = digits.parse().map_err(|_| VersionError)?;
            length += 1;
        }
        Ok(Self { parts, length })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn versions_are_read_as_they_are_shown() {
        for text in ["0", "3", "3.1", "3.10.0.4294967295"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for other in [
            "",
            ".",
            "3.",
            ".3",
            "3..1",
            "03",
            "3.01",
            "+3",
            "-3",
            "3.1.0.0.0",
            "3.1-rc1",
            "v3",
            "4294967296",
            " 3",
            "٣",
        ] {
            assert_eq!(other.parse::<Version>(), Err(VersionError), "{other}");
        }
    }
}
