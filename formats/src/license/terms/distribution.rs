//! Limits of distribution: on how many devices a document may be installed, and how it may travel.

use alloc::vec::Vec;

use super::{DecodeError, Fault, MapWriter, Names, Reader, entries, optional_uint, positive};

/// Limits of distribution; at least one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution<'a> {
    /// Key 1: on how many devices this document may be installed.
    pub devices: Option<u64>,
    /// Key 2: the channels through which it may be passed on.
    pub channels: Option<Names<'a>>,
}

impl<'a> Distribution<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
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

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        optional_uint(&mut map, 1, self.devices);
        if let Some(channels) = &self.channels {
            map.entry(2).raw(channels.as_bytes());
        }
        map.finish()
    }
}
