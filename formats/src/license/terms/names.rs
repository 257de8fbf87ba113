//! Lists of names: countries, users, groups, channels, products.
//!
//! Sorted bytewise and each once, so that one list has one encoding.

use alloc::vec::Vec;

use super::{DecodeError, Fault, Reader, Writer, is_name, text};
use crate::cbor::scan;

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
        Self::read(&mut scan(bytes, "names")?, "names", if country { is_country } else { is_name })
    }

    fn read(
        reader: &mut Reader<'a>,
        field: &'static str,
        allowed: fn(&str) -> bool,
    ) -> Result<Self, DecodeError> {
        let start = *reader;
        let count = reader.array(field)?;
        if count == 0 {
            return Err(start.fault(Fault::OutOfRange, field));
        }
        let mut previous = "";
        for _ in 0..count {
            let name = text(reader, field, allowed)?;
            if name <= previous {
                return Err(start.fault(Fault::UnsortedKeys, field));
            }
            previous = name;
        }
        Ok(Self(reader.since(&start)))
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

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}
