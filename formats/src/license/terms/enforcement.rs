//! How the end of the term is enforced: mode, grace and notice.
//!
//! Not here: what follows from them at an instant (`chancery-verifier`).

use alloc::vec::Vec;

use super::{DecodeError, Fault, MapWriter, Reader, entries, optional_uint, positive};
use crate::license::MAX_TIME;

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
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
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

    pub(super) fn encode(&self) -> Vec<u8> {
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
    if span <= MAX_TIME { Ok(span) } else { Err(start.fault(Fault::OutOfRange, field)) }
}
