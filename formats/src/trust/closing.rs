//! How a key was closed: it signs no more, and which of its documents stand.
//!
//! `1 schema · 2 authority id · 3 thumbprint · 4 how · 5 tree size · 6 tree root · 7 time · 8 reason`. Sealed by
//! the root quorum, as key records are. Not here: which documents stand (`chancery-verifier`).
//!
//! Spec: `docs/spec/closing.md`.

use alloc::vec::Vec;

use crate::cbor::{MapWriter, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, Thumbprint, is_label};
use crate::license::{text, time};
use crate::merkle::Head;

const SCHEMA: u64 = 1;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was destroyed; its documents stand.
    Retired,
    /// Somebody else may have it; documents stand that are shown to be in the log at this size.
    Compromised(Head),
}

/// The payload of a closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    /// Key 2: the authority whose root seals it.
    pub authority: AuthorityId,
    /// Key 3: the key.
    pub thumbprint: Thumbprint,
    /// Keys 4, 5 and 6: what became of it.
    pub closed: Closed,
    /// Key 7: when that was decided, in Unix seconds.
    pub time: u64,
    /// Key 8: why, for people.
    pub reason: &'a str,
}

impl<'a> Closing<'a> {
    /// Decodes the payload of a closing.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range` where tree size and root stand beside a retired key or are missing
    /// beside a compromised one, `text-forbidden`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "closing")?;
        let entries = reader.map("closing")?;
        let (mut schema, mut authority, mut thumbprint, mut how) = (None, None, None, None);
        let (mut size, mut root, mut made, mut reason) = (None, None, None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("closing")? {
                1 if reader.uint("closing.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "closing.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("closing.authority")?)),
                3 => thumbprint = Some(Thumbprint(reader.array_of("closing.key")?)),
                4 => how = Some(reader.uint("closing.how")?),
                5 => size = Some(reader.uint("closing.size")?),
                6 => root = Some(reader.array_of("closing.root")?),
                7 => made = Some(time(&mut reader, "closing.time")?),
                8 => reason = Some(text(&mut reader, "closing.reason", is_label)?),
                _ => return Err(at.fault(Fault::UnknownField, "closing")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("closing.schema"))?;
        let closed = match (how.ok_or(missing("closing.how"))?, size, root) {
            (0, None, None) => Closed::Retired,
            (1, Some(size), Some(root)) => Closed::Compromised(Head { size, root }),
            _ => return Err(reader.fault(Fault::OutOfRange, "closing.how")),
        };
        Ok(Self {
            authority: authority.ok_or(missing("closing.authority"))?,
            thumbprint: thumbprint.ok_or(missing("closing.key"))?,
            closed,
            time: made.ok_or(missing("closing.time"))?,
            reason: reason.ok_or(missing("closing.reason"))?,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).bytes(&self.thumbprint.0);
        match &self.closed {
            Closed::Retired => {
                map.entry(4).uint(0);
            }
            Closed::Compromised(head) => {
                map.entry(4).uint(1);
                map.entry(5).uint(head.size);
                map.entry(6).bytes(&head.root);
            }
        }
        map.entry(7).uint(self.time);
        map.entry(8).text(self.reason);
        map.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RETIRED: Closing<'static> = Closing {
        authority: AuthorityId([1; 32]),
        thumbprint: Thumbprint([2; 32]),
        closed: Closed::Retired,
        time: 1_700_000_000,
        reason: "destroyed in ceremony 4",
    };

    #[test]
    fn closings_survive_encoding() {
        let head = Head { size: 0, root: [3; 32] };
        for closing in [RETIRED, Closing { closed: Closed::Compromised(head), ..RETIRED }] {
            assert_eq!(Closing::decode(&closing.encode()), Ok(closing));
        }
    }

    #[test]
    fn other_closings_are_refused() {
        let with = |how: u64, size: Option<u64>, root: bool| {
            let mut map = MapWriter::new();
            map.entry(1).uint(1);
            map.entry(2).bytes(&[1; 32]);
            map.entry(3).bytes(&[2; 32]);
            map.entry(4).uint(how);
            size.iter().for_each(|size| {
                map.entry(5).uint(*size);
            });
            if root {
                map.entry(6).bytes(&[3; 32]);
            }
            map.entry(7).uint(1);
            map.entry(8).text("reason");
            Closing::decode(&map.finish()).unwrap_err().code()
        };
        for (how, size, root) in
            [(0, Some(1), true), (0, None, true), (1, None, true), (1, Some(1), false), (2, None, false)]
        {
            assert_eq!(with(how, size, root), "out-of-range");
        }
        assert_eq!(
            Closing::decode(&Closing { reason: "", ..RETIRED }.encode()).unwrap_err().code(),
            "text-forbidden"
        );
    }
}
