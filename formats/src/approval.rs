//! The approval: one person's signed decision over exactly what will be granted.
//!
//! ```text
//! {1: schema, 2: authority, 3: nonce, 4: grants, 5: root, 6: digest, 7: decision, ? 8: reason,
//!  9: [number of the policy, its hash], 10: signed at, 11: last second}
//! ```
//!
//! It names the grants twice: by a Merkle root over their hashes, so that one grant can be shown to be among 50,000
//! without the others, and by a digest over the whole request, which also covers who asked, prices and an override.
//! Signed directly, so that the device that holds the approver's key sees all of it. Not here: whose key it is, and
//! whether the policy is satisfied.
//!
//! Spec: `docs/spec/approval.md`.

use alloc::vec::Vec;

use crate::cbor::{MapWriter, Reader, scan};
use crate::cose::{Header, Mode, Unsigned};
use crate::document::{Kind, MAX_DOCUMENT};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label};
use crate::key::PublicKey;
use crate::license::{text, time};
use crate::merkle::Hash;

mod commitment;
mod request;

pub use commitment::{Commitment, Committing};
pub use request::{ApprovalRequest, Item, Override, Price, RequestHead};

/// Most grants that one approval covers.
pub const MAX_GRANTS: u64 = 50_000;

const SCHEMA: u64 = 1;

/// What an approver decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// The grants shall stand.
    Approve,
    /// None of them shall.
    Reject,
}

impl Decision {
    /// Returns the word that people, JSON and the database see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Approve => 1,
            Self::Reject => 2,
        }
    }

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        match reader.uint(field)? {
            1 => Ok(Self::Approve),
            2 => Ok(Self::Reject),
            _ => Err(start.fault(Fault::OutOfRange, field)),
        }
    }
}

/// The policy that a decision is made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    /// Its number at the authority, from 1.
    pub number: u64,
    /// SHA-256 of its text.
    pub hash: Hash,
}

impl PolicyRef {
    pub(crate) fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array(field)? != 2 {
            return Err(start.fault(Fault::WrongLength, field));
        }
        let number = counted(reader, i64::MAX as u64, field)?;
        Ok(Self { number, hash: reader.array_of(field)? })
    }
}

/// An approval, borrowed from the payload it was decoded from. Nothing in it is trusted until its signature was
/// checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval<'a> {
    /// Key 2: the authority that asks.
    pub authority: AuthorityId,
    /// Key 3: the nonce of the request, which no other request has.
    pub nonce: [u8; 16],
    /// Keys 4 to 6: what it covers.
    pub covers: Commitment,
    /// Key 7: what was decided.
    pub decision: Decision,
    /// Key 8: why, for people; always there for a rejection.
    pub reason: Option<&'a str>,
    /// Key 9: the policy that the authority asks under.
    pub policy: PolicyRef,
    /// Key 10: what the clock of the approver's machine showed, in Unix seconds.
    pub signed_at: u64,
    /// Key 11: the last second in which the authority may take it, in Unix seconds.
    pub not_after: u64,
}

impl<'a> Approval<'a> {
    /// Decodes the payload of an approval.
    ///
    /// # Errors
    ///
    /// `too-large` beyond 64 KiB, before anything else; any fault of the scan; `schema-unknown`, `missing-field`,
    /// `unknown-field`, `wrong-type`, `wrong-length`, `out-of-range`, `text-forbidden`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        if payload.len() > MAX_DOCUMENT {
            return Err(DecodeError { fault: Fault::TooLarge, field: "approval", offset: 0 });
        }
        let mut reader = scan(payload, "approval")?;
        let start = reader;
        let (mut schema, mut authority, mut nonce, mut count) = (None, None, None, None);
        let (mut root, mut digest, mut decision, mut reason) = (None, None, None, None);
        let (mut policy, mut signed_at, mut not_after) = (None, None, None);
        for _ in 0..reader.map("approval")? {
            let at = reader;
            let r = &mut reader;
            match r.int("approval")? {
                1 if r.uint("approval.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "approval.schema")),
                2 => authority = Some(AuthorityId(r.array_of("approval.authority")?)),
                3 => nonce = Some(r.array_of("approval.nonce")?),
                4 => count = Some(counted(r, MAX_GRANTS, "approval.grants")?),
                5 => root = Some(r.array_of("approval.root")?),
                6 => digest = Some(r.array_of("approval.digest")?),
                7 => decision = Some(Decision::read(r, "approval.decision")?),
                8 => reason = Some(text(r, "approval.reason", is_label)?),
                9 => policy = Some(PolicyRef::read(r, "approval.policy")?),
                10 => signed_at = Some(time(r, "approval.signed-at")?),
                11 => not_after = Some(time(r, "approval.not-after")?),
                _ => return Err(at.fault(Fault::UnknownField, "approval")),
            }
        }
        let missing = |field| start.fault(Fault::Missing, field);
        schema.ok_or(missing("approval.schema"))?;
        let covers = Commitment {
            count: count.ok_or(missing("approval.grants"))?,
            root: root.ok_or(missing("approval.root"))?,
            digest: digest.ok_or(missing("approval.digest"))?,
        };
        let approval = Self {
            authority: authority.ok_or(missing("approval.authority"))?,
            nonce: nonce.ok_or(missing("approval.nonce"))?,
            covers,
            decision: decision.ok_or(missing("approval.decision"))?,
            reason,
            policy: policy.ok_or(missing("approval.policy"))?,
            signed_at: signed_at.ok_or(missing("approval.signed-at"))?,
            not_after: not_after.ok_or(missing("approval.not-after"))?,
        };
        if approval.decision == Decision::Reject && approval.reason.is_none() {
            return Err(missing("approval.reason"));
        }
        if approval.not_after < approval.signed_at {
            return Err(start.fault(Fault::OutOfRange, "approval.not-after"));
        }
        Ok(approval)
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).bytes(&self.nonce);
        map.entry(4).uint(self.covers.count);
        map.entry(5).bytes(&self.covers.root);
        map.entry(6).bytes(&self.covers.digest);
        map.entry(7).uint(self.decision.number());
        if let Some(reason) = self.reason {
            map.entry(8).text(reason);
        }
        map.entry(9).array(2).uint(self.policy.number).bytes(&self.policy.hash);
        map.entry(10).uint(self.signed_at);
        map.entry(11).uint(self.not_after);
        map.finish()
    }

    /// Returns what the approver's key signs directly: at most 1,024 bytes.
    #[must_use]
    pub fn to_sign(&self, key: &PublicKey) -> Unsigned {
        let mode = Mode::Direct(key.algorithm());
        let header = Header { mode, kid: key.key_id(), typ: Kind::Approval.typ() };
        Unsigned::new(&header, self.encode())
    }
}

/// Reads a number from 1 to `most`.
fn counted(reader: &mut Reader<'_>, most: u64, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    let number = reader.uint(field)?;
    if (1..=most).contains(&number) { Ok(number) } else { Err(start.fault(Fault::OutOfRange, field)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
