//! The approval request: everything that an approver must see, on its way to the approver's machine.
//!
//! ```text
//! {0: typ, 1: schema, 2: authority, 3: nonce, 4: requester, 5: requested at, 6: last second,
//!  7: [number of the policy, its hash], ? 8: [name of the override, reason], 9: [[grant, price / null], …]}
//! ```
//!
//! Nobody signs it: what was changed on the way changes what the approver sees, and gives an approval that the
//! authority refuses. The grants travel whole, so that the approver's machine computes their hashes itself.
//!
//! Spec: `docs/spec/approval.md` §2.

use alloc::vec::Vec;

use super::commitment::{Commitment, Committing};
use super::{MAX_GRANTS, PolicyRef, SCHEMA};
use crate::cbor::{Reader, Writer, scan};
use crate::document::{Kind, MAX_APPROVAL_REQUEST, MAX_DOCUMENT};
use crate::error::{DecodeError, Fault};
use crate::grant::Grant;
use crate::id::{AuthorityId, is_label};
use crate::license::{text, time};
use crate::merkle::Hash;

/// What something costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price<'a> {
    /// ISO 4217 code: three capital letters.
    pub currency: &'a str,
    /// In minor units of the currency, such as cents; at most [`i64::MAX`].
    pub minor_units: u64,
}

impl<'a> Price<'a> {
    pub(super) fn write(price: Option<&Self>, writer: &mut Writer) {
        match price {
            Some(price) => writer.array(2).text(price.currency).uint(price.minor_units),
            None => writer.null(),
        };
    }

    fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        const FIELD: &str = "approval-request.price";
        if reader.null() {
            return Ok(None);
        }
        let start = *reader;
        if reader.array(FIELD)? != 2 {
            return Err(start.fault(Fault::WrongLength, FIELD));
        }
        let currency = text(reader, FIELD, is_currency)?;
        let start = *reader;
        let minor_units = reader.uint(FIELD)?;
        if i64::try_from(minor_units).is_err() {
            return Err(start.fault(Fault::OutOfRange, FIELD));
        }
        Ok(Some(Self { currency, minor_units }))
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Who lets something pass that the policy prohibits, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override<'a> {
    /// What it is known by, such as the number of an export license.
    pub name: &'a str,
    /// For people.
    pub reason: &'a str,
}

/// A request without its grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Key 2: the authority that asks.
    pub authority: AuthorityId,
    /// Key 3: random, so that no approval answers two requests.
    pub nonce: [u8; 16],
    /// Key 4: who asks, for people; nobody approves their own.
    pub requester: &'a str,
    /// Key 5: when it was asked, in Unix seconds.
    pub requested_at: u64,
    /// Key 6: the last second in which an approval is taken, in Unix seconds.
    pub not_after: u64,
    /// Key 7: the policy in force at the authority.
    pub policy: PolicyRef,
    /// Key 8: what lets a prohibited destination pass.
    pub overriding: Option<Override<'a>>,
}

impl RequestHead<'_> {
    /// Encodes the head: a request whose grants are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(8 + usize::from(self.overriding.is_some()));
        self.write(&mut writer);
        writer.finish()
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint(0).text(Kind::ApprovalRequest.typ()).uint(1).uint(SCHEMA);
        writer.uint(2).bytes(&self.authority.0).uint(3).bytes(&self.nonce);
        writer.uint(4).text(self.requester).uint(5).uint(self.requested_at).uint(6).uint(self.not_after);
        writer.uint(7).array(2).uint(self.policy.number).bytes(&self.policy.hash);
        if let Some(Override { name, reason }) = &self.overriding {
            writer.uint(8).array(2).text(name).text(reason);
        }
    }
}

/// One grant of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The grant, as encoded: one that [`Grant::decode`] takes.
    pub grant: &'a [u8],
    /// What it costs; none where the catalog has no price.
    pub price: Option<Price<'a>>,
}

/// A request, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalRequest<'a> {
    /// Everything but the grants.
    pub head: RequestHead<'a>,
    items: Reader<'a>,
    count: u64,
}

impl<'a> ApprovalRequest<'a> {
    /// Decodes a request, and every grant in it.
    ///
    /// # Errors
    ///
    /// `too-large` beyond 64 MiB, before anything else; any fault of the scan and of a grant; `typ-wrong`,
    /// `schema-unknown`, `missing-field`, `unknown-field`, `wrong-type`, `wrong-length`, `out-of-range`,
    /// `text-forbidden`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_APPROVAL_REQUEST {
            return Err(DecodeError { fault: Fault::TooLarge, field: "approval-request", offset: 0 });
        }
        let mut reader = scan(bytes, "approval-request")?;
        let start = reader;
        let entries = reader.map("approval-request")?;
        if entries == 0 || reader.int("approval-request")? != 0 {
            return Err(start.fault(Fault::Missing, "approval-request.typ"));
        }
        let at = reader;
        if reader.text("approval-request.typ")? != Kind::ApprovalRequest.typ() {
            return Err(at.fault(Fault::TypWrong, "approval-request.typ"));
        }
        let (mut schema, mut authority, mut nonce, mut requester) = (None, None, None, None);
        let (mut requested_at, mut not_after, mut policy) = (None, None, None);
        let (mut overriding, mut items) = (None, None);
        for _ in 1..entries {
            let at = reader;
            let r = &mut reader;
            match r.int("approval-request")? {
                1 if r.uint("approval-request.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "approval-request.schema")),
                2 => authority = Some(AuthorityId(r.array_of("approval-request.authority")?)),
                3 => nonce = Some(r.array_of("approval-request.nonce")?),
                4 => requester = Some(text(r, "approval-request.requester", is_label)?),
                5 => requested_at = Some(time(r, "approval-request.requested-at")?),
                6 => not_after = Some(time(r, "approval-request.not-after")?),
                7 => policy = Some(PolicyRef::read(r, "approval-request.policy")?),
                8 => overriding = Some(read_override(r)?),
                9 => items = Some(read_items(r)?),
                _ => return Err(at.fault(Fault::UnknownField, "approval-request")),
            }
        }
        let missing = |field| start.fault(Fault::Missing, field);
        schema.ok_or(missing("approval-request.schema"))?;
        let head = RequestHead {
            authority: authority.ok_or(missing("approval-request.authority"))?,
            nonce: nonce.ok_or(missing("approval-request.nonce"))?,
            requester: requester.ok_or(missing("approval-request.requester"))?,
            requested_at: requested_at.ok_or(missing("approval-request.requested-at"))?,
            not_after: not_after.ok_or(missing("approval-request.not-after"))?,
            policy: policy.ok_or(missing("approval-request.policy"))?,
            overriding,
        };
        if head.not_after < head.requested_at {
            return Err(start.fault(Fault::OutOfRange, "approval-request.not-after"));
        }
        let (items, count) = items.ok_or(missing("approval-request.grants"))?;
        Ok(Self { head, items, count })
    }

    /// Encodes a request.
    #[must_use]
    pub fn encode(head: &RequestHead<'_>, items: &[Item<'_>]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(9 + usize::from(head.overriding.is_some()));
        head.write(&mut writer);
        writer.uint(9).array(items.len());
        for Item { grant, price } in items {
            writer.array(2).bytes(grant);
            Price::write(price.as_ref(), &mut writer);
        }
        writer.finish()
    }

    /// Returns the number of grants, from 1 to 50,000.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Iterates over the grants, in their order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut reader = self.items;
        (0..self.count).map_while(move |_| read_item(&mut reader).ok())
    }

    /// Computes what an approval of this request covers, from the grants themselves.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        let mut committing = Committing::new(&self.head);
        for item in self.items() {
            committing.push(&Grant::hash(item.grant), item.price.as_ref());
        }
        committing.finish().unwrap_or(Commitment { count: 0, root: Hash::default(), digest: Hash::default() })
    }

    /// Returns whether bytes start as a request does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return false };
        (0xa9..=0xaa).contains(first)
            && rest.starts_with(b"\x00\x78\x2eapplication/vnd.chancery.approval-request+cbor")
    }
}

fn read_override<'a>(reader: &mut Reader<'a>) -> Result<Override<'a>, DecodeError> {
    const FIELD: &str = "approval-request.override";
    let start = *reader;
    if reader.array(FIELD)? != 2 {
        return Err(start.fault(Fault::WrongLength, FIELD));
    }
    Ok(Override { name: text(reader, FIELD, is_label)?, reason: text(reader, FIELD, is_label)? })
}

/// Passes over the grants, each of which must be one.
fn read_items<'a>(reader: &mut Reader<'a>) -> Result<(Reader<'a>, u64), DecodeError> {
    const FIELD: &str = "approval-request.grants";
    let start = *reader;
    let count = reader.array(FIELD)?;
    if !(1..=MAX_GRANTS).contains(&count) {
        return Err(start.fault(Fault::OutOfRange, FIELD));
    }
    let items = *reader;
    for _ in 0..count {
        let at = *reader;
        let item = read_item(reader)?;
        // The offset within a grant would name another byte of the request.
        Grant::decode(item.grant).map_err(|error| at.fault(error.fault, error.field))?;
    }
    Ok((items, count))
}

fn read_item<'a>(reader: &mut Reader<'a>) -> Result<Item<'a>, DecodeError> {
    const FIELD: &str = "approval-request.grants";
    let start = *reader;
    if reader.array(FIELD)? != 2 {
        return Err(start.fault(Fault::WrongLength, FIELD));
    }
    let grant = reader.bytes(FIELD)?;
    if grant.is_empty() || grant.len() > MAX_DOCUMENT {
        return Err(start.fault(Fault::OutOfRange, FIELD));
    }
    Ok(Item { grant, price: Price::read(reader)? })
}
