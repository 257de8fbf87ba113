//! The device binding: k of n salted digests of components.
//!
//! Not here: how a digest is computed and compared (`chancery-verifier`).

use alloc::vec::Vec;

use super::{DecodeError, Fault, MAX_COMPONENTS, Reader, Writer, positive};
use crate::cbor::scan;

/// The components of a device, of which `k` must match at check time (k-of-n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// Item 1: how many components must match, 1 to the number of components.
    pub k: u64,
    /// Item 2: the salt of the digests.
    pub salt: [u8; 8],
    /// Item 3: digests by kind of component.
    pub components: Components<'a>,
}

impl<'a> Device<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("terms.device")? != 3 {
            return Err(start.fault(Fault::WrongLength, "terms.device"));
        }
        let k = positive(reader, "terms.device.k")?;
        let salt = reader.array_of("terms.device.salt")?;
        let components = Components::read(reader, "terms.device.components")?;
        if k > components.len() {
            return Err(start.fault(Fault::OutOfRange, "terms.device.k"));
        }
        Ok(Self { k, salt, components })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.array(3).uint(self.k).bytes(&self.salt).raw(self.components.as_bytes());
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
        Self::read(&mut scan(bytes, "components")?, "components")
    }

    pub(crate) fn read(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let count = reader.map(field)?;
        if !(1..=MAX_COMPONENTS).contains(&count) {
            return Err(start.fault(Fault::OutOfRange, field));
        }
        for _ in 0..count {
            reader.uint(field)?;
            reader.array_of::<4>(field)?;
        }
        Ok(Self(reader.since(&start)))
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
