//! Features of a license: what each grants, looked up in place.

use alloc::vec::Vec;

use super::{DecodeError, Fault, Reader, Writer, scan};
use crate::id::is_name_in_bytes;

/// What a license grants of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// It may run.
    On,
    /// It may run up to this limit; the product says of what.
    Limit(u64),
    /// It is metered.
    Quota {
        /// Units paid for.
        quota: u64,
        /// Units that may be used beyond the quota, to be billed.
        overdraft: u64,
    },
}

impl Feature {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.next_is_uint() {
            return reader.uint("terms.features").map(Self::Limit);
        }
        if reader.next_is_array() {
            if reader.array("terms.features")? != 2 {
                return Err(start.fault(Fault::WrongLength, "terms.features"));
            }
            let (quota, overdraft) = (reader.uint("terms.features")?, reader.uint("terms.features")?);
            return Ok(Self::Quota { quota, overdraft });
        }
        if reader.bool("terms.features")? {
            Ok(Self::On)
        } else {
            Err(start.fault(Fault::OutOfRange, "terms.features"))
        }
    }

    fn write(self, writer: &mut Writer) {
        match self {
            Self::On => writer.bool(true),
            Self::Limit(limit) => writer.uint(limit),
            Self::Quota { quota, overdraft } => writer.array(2).uint(quota).uint(overdraft),
        };
    }
}

/// The features of a license: a view onto the encoded map, checked when it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features<'a>(&'a [u8]);

impl<'a> Features<'a> {
    /// Encodes features, in any order, as the map that [`Features::decode`] reads.
    #[must_use]
    pub fn encode(features: &[(&str, Feature)]) -> Vec<u8> {
        let mut sorted: Vec<_> = features.iter().collect();
        sorted.sort_by_key(|(name, _)| (name.len(), *name)); // bytewise order of encoded text
        let mut writer = Writer::new();
        writer.map(sorted.len());
        for (name, feature) in sorted {
            feature.write(writer.text(name));
        }
        writer.finish()
    }

    /// Decodes a map of features.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `text-forbidden` for a name that is none; `wrong-type`, `wrong-length`,
    /// `out-of-range` for a value.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "terms.features")?)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        for _ in 0..reader.map("terms.features")? {
            let name = *reader;
            if !is_name_in_bytes(reader.text_in_bytes("terms.features")?) {
                return Err(name.fault(Fault::TextForbidden, "terms.features"));
            }
            Feature::read(reader)?;
        }
        Ok(Self(reader.since(&start)))
    }

    /// Returns the encoded map.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Iterates over names and grants, in encoded order: shorter names first.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Feature)> + use<'a> {
        let mut reader = Reader::over(self.0);
        let count = reader.map("terms.features").unwrap_or(0);
        (0..count).map_while(move |_| {
            let name = reader.text("terms.features").ok()?;
            Some((name, Feature::read(&mut reader).ok()?))
        })
    }

    /// Returns what is granted of the feature `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Feature> {
        let mut reader = Reader::over(self.0);
        for _ in 0..reader.map("terms.features").ok()? {
            let found = reader.text_in_bytes("terms.features").ok()? == name.as_bytes();
            let feature = Feature::read(&mut reader).ok()?;
            if found {
                return Some(feature);
            }
        }
        None
    }
}
