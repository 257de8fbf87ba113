//! Named users and groups.

use alloc::vec::Vec;

use super::{DecodeError, Fault, MapWriter, Names, Reader, entries};

/// Who may use it: at least one user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users<'a> {
    /// Key 1: named users.
    pub users: Option<Names<'a>>,
    /// Key 2: named groups.
    pub groups: Option<Names<'a>>,
}

impl<'a> Users<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
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

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        for (key, names) in [(1, &self.users), (2, &self.groups)] {
            if let Some(names) = names {
                map.entry(key).raw(names.as_bytes());
            }
        }
        map.finish()
    }
}
