//! The grant: the whole state of an entitlement after one change, chained to the grant before it.
//!
//! Not signed by itself: the authority keeps grants one after the other, and whoever approves one signs its hash. So
//! it holds everything that decides what is issued, the terms of its licenses as these will carry them among it. What
//! belongs to one license and not to the entitlement is refused in it: device, least revocation list, and advisory
//! terms, which decoding forgets.
//!
//! Spec: `docs/spec/grant.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{Key, MapWriter, Reader, scan};
use crate::document::MAX_DOCUMENT;
use crate::error::{DecodeError, Fault};
use crate::id::{EntitlementId, is_label, is_name};
use crate::license::{Names, Terms, text, time};
use crate::merkle::Hash;

mod word;

pub use word::{Binding, Change, Model, State};

const SCHEMA: u64 = 1;

/// The whole state of an entitlement after one change, borrowed from the bytes it was decoded from.
///
/// The entitlement's id and the number of the grant, from 1, stand in the terms alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// Key 2: what was done.
    pub change: Change,
    /// Key 3: when, in Unix seconds.
    pub at: u64,
    /// Key 4: who did it, for people.
    pub by: &'a str,
    /// Key 5: why, for people.
    pub reason: &'a str,
    /// Key 6: the hash of the grant before; none for the first.
    pub previous: Option<Hash>,
    /// Key 7: whether it is in force.
    pub state: State,
    /// Key 8: who bought.
    pub customer: &'a str,
    /// Key 9: the site that its licenses name.
    pub site: Option<&'a str>,
    /// Key 10: the product.
    pub product: &'a str,
    /// Key 11: the package that it was sold in.
    pub package: Option<&'a str>,
    /// Key 12: the add-ons sold with it.
    pub add_ons: Option<Names<'a>>,
    /// Key 13: number of the catalog change that it was sold under, from 1.
    pub catalog: u64,
    /// Key 14: how it runs out.
    pub model: Model,
    /// Key 15: activations, those of its islands among them; 0 only for an island that gave all of them back.
    pub quantity: u64,
    /// Key 16: how many of these its islands hold.
    pub in_islands: u64,
    /// Key 17: the number of the last activation that was taken back: those up to it no longer count.
    pub returned: u64,
    /// Key 18: what its licenses are bound to.
    pub binding: Binding,
    /// Key 19: the first second of the term, in Unix seconds.
    pub not_before: u64,
    /// Key 20: the last second of the term, in Unix seconds; none for a perpetual one, and only for that.
    pub not_after: Option<u64>,
    /// Key 21: the entitlement that this one is an island of.
    pub parent: Option<EntitlementId>,
    /// Key 22: whether it may go to another site or customer.
    pub transferable: bool,
    /// Key 23: how many users may be named; none where users are not named.
    pub named_users: Option<u64>,
    /// Key 24: the terms of its licenses, with its id and the number of this grant.
    pub terms: Terms<'a>,
}

impl<'a> Grant<'a> {
    /// Decodes a grant.
    ///
    /// # Errors
    ///
    /// `too-large` beyond 64 KiB, before anything else; any fault of the scan; `schema-unknown`, `missing-field`,
    /// `unknown-field`, `wrong-type`, `wrong-length`, `out-of-range`, `text-forbidden`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(DecodeError { fault: Fault::TooLarge, field: "grant", offset: 0 });
        }
        let mut reader = scan(bytes, "grant")?;
        let start = reader;
        let (mut schema, mut change, mut at, mut by, mut reason) = (None, None, None, None, None);
        let (mut previous, mut state, mut customer, mut site) = (None, None, None, None);
        let (mut product, mut package, mut add_ons, mut catalog) = (None, None, None, None);
        let (mut model, mut quantity, mut in_islands, mut returned) = (None, None, None, None);
        let (mut binding, mut not_before, mut not_after, mut parent) = (None, None, None, None);
        let (mut transferable, mut named_users, mut terms) = (None, None, None);
        for _ in 0..reader.map("grant")? {
            let entry = reader;
            let r = &mut reader;
            match r.key("grant")? {
                Key::Int(1) if r.uint("grant.schema")? == SCHEMA => schema = Some(()),
                Key::Int(1) => return Err(entry.fault(Fault::SchemaUnknown, "grant.schema")),
                Key::Int(2) => change = Some(Change::read(r, "grant.change")?),
                Key::Int(3) => at = Some(time(r, "grant.at")?),
                Key::Int(4) => by = Some(text(r, "grant.by", is_label)?),
                Key::Int(5) => reason = Some(text(r, "grant.reason", is_label)?),
                Key::Int(6) => previous = Some(r.array_of("grant.previous")?),
                Key::Int(7) => state = Some(State::read(r, "grant.state")?),
                Key::Int(8) => customer = Some(text(r, "grant.customer", is_name)?),
                Key::Int(9) => site = Some(text(r, "grant.site", is_name)?),
                Key::Int(10) => product = Some(text(r, "grant.product", is_name)?),
                Key::Int(11) => package = Some(text(r, "grant.package", is_name)?),
                Key::Int(12) => add_ons = Some(Names::read_names(r, "grant.add-ons")?),
                Key::Int(13) => catalog = Some(positive(r, "grant.catalog")?),
                Key::Int(14) => model = Some(Model::read(r, "grant.model")?),
                Key::Int(15) => quantity = Some(count(r, "grant.quantity")?),
                Key::Int(16) => in_islands = Some(positive(r, "grant.in-islands")?),
                Key::Int(17) => returned = Some(positive(r, "grant.returned")?),
                Key::Int(18) => binding = Some(Binding::read(r, "grant.binding")?),
                Key::Int(19) => not_before = Some(time(r, "grant.not-before")?),
                Key::Int(20) => not_after = Some(time(r, "grant.not-after")?),
                Key::Int(21) => parent = Some(EntitlementId(r.array_of("grant.parent")?)),
                Key::Int(22) => transferable = Some(r.bool("grant.transferable")?),
                Key::Int(23) => named_users = Some(positive(r, "grant.named-users")?),
                Key::Int(24) => terms = Some(own_terms(r)?),
                _ => return Err(entry.fault(Fault::UnknownField, "grant")),
            }
        }
        let missing = |field| start.fault(Fault::Missing, field);
        schema.ok_or_else(|| missing("grant.schema"))?;
        let grant = Self {
            change: change.ok_or_else(|| missing("grant.change"))?,
            at: at.ok_or_else(|| missing("grant.at"))?,
            by: by.ok_or_else(|| missing("grant.by"))?,
            reason: reason.ok_or_else(|| missing("grant.reason"))?,
            previous,
            state: state.ok_or_else(|| missing("grant.state"))?,
            customer: customer.ok_or_else(|| missing("grant.customer"))?,
            site,
            product: product.ok_or_else(|| missing("grant.product"))?,
            package,
            add_ons,
            catalog: catalog.ok_or_else(|| missing("grant.catalog"))?,
            model: model.ok_or_else(|| missing("grant.model"))?,
            quantity: quantity.ok_or_else(|| missing("grant.quantity"))?,
            in_islands: in_islands.unwrap_or(0),
            returned: returned.unwrap_or(0),
            binding: binding.ok_or_else(|| missing("grant.binding"))?,
            not_before: not_before.ok_or_else(|| missing("grant.not-before"))?,
            not_after,
            parent,
            transferable: transferable.ok_or_else(|| missing("grant.transferable"))?,
            named_users,
            terms: terms.ok_or_else(|| missing("grant.terms"))?,
        };
        grant.contradiction().map_or(Ok(grant), |(fault, field)| Err(start.fault(fault, field)))
    }

    /// Returns what in a grant contradicts the rest of it.
    fn contradiction(&self) -> Option<(Fault, &'static str)> {
        let is_first = self.terms.revision == 1;
        let begins = matches!(self.change, Change::Grant | Change::SubGrant);
        if is_first && self.previous.is_some() {
            return Some((Fault::UnknownField, "grant.previous"));
        }
        if !is_first && self.previous.is_none() {
            return Some((Fault::Missing, "grant.previous"));
        }
        let checks = [
            (is_first == begins, "grant.change"),
            (!begins || (self.change == Change::SubGrant) == self.parent.is_some(), "grant.parent"),
            (self.parent != Some(self.terms.entitlement), "grant.parent"),
            (self.parent.is_none() || self.in_islands == 0, "grant.in-islands"),
            (self.in_islands <= self.quantity, "grant.in-islands"),
            (self.quantity > 0 || self.parent.is_some(), "grant.quantity"),
            ((self.model == Model::Perpetual) == self.not_after.is_none(), "grant.not-after"),
            (self.not_after.is_none_or(|end| end >= self.not_before), "grant.not-after"),
            (self.binding != Binding::Site || self.site.is_some(), "grant.site"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, field)| (Fault::OutOfRange, field))
    }

    /// Encodes the grant.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).uint(self.change.number());
        map.entry(3).uint(self.at);
        map.entry(4).text(self.by);
        map.entry(5).text(self.reason);
        if let Some(previous) = &self.previous {
            map.entry(6).bytes(previous);
        }
        map.entry(7).uint(self.state.number());
        map.entry(8).text(self.customer);
        for (key, name) in [(9, self.site), (10, Some(self.product)), (11, self.package)] {
            if let Some(name) = name {
                map.entry(key).text(name);
            }
        }
        if let Some(add_ons) = &self.add_ons {
            map.entry(12).raw(add_ons.as_bytes());
        }
        map.entry(13).uint(self.catalog);
        map.entry(14).uint(self.model.number());
        map.entry(15).uint(self.quantity);
        for (key, count) in [(16, self.in_islands), (17, self.returned)] {
            if count > 0 {
                map.entry(key).uint(count);
            }
        }
        map.entry(18).uint(self.binding.number());
        map.entry(19).uint(self.not_before);
        if let Some(end) = self.not_after {
            map.entry(20).uint(end);
        }
        if let Some(parent) = &self.parent {
            map.entry(21).bytes(&parent.0);
        }
        map.entry(22).bool(self.transferable);
        if let Some(users) = self.named_users {
            map.entry(23).uint(users);
        }
        map.entry(24).raw(&self.terms.encode());
        map.finish()
    }

    /// Returns the hash of an encoded grant: SHA-256 of its bytes, which the next grant states.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> Hash {
        Sha256::digest(bytes).into()
    }
}

/// Reads terms that hold nothing of one license, and nothing that decoding forgets.
fn own_terms<'a>(reader: &mut Reader<'a>) -> Result<Terms<'a>, DecodeError> {
    let start = *reader;
    let terms = Terms::read(reader)?;
    if terms.device.is_some()
        || terms.least_revocation_list.is_some()
        || terms.encode() != reader.since(&start)
    {
        return Err(start.fault(Fault::UnknownField, "grant.terms"));
    }
    Ok(terms)
}

/// Reads a number that a database of 64-bit signed integers can hold.
fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    let number = reader.uint(field)?;
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(start.fault(Fault::OutOfRange, field)) }
}

/// Reads such a number that is at least 1.
fn positive(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    match count(reader, field)? {
        0 => Err(start.fault(Fault::OutOfRange, field)),
        number => Ok(number),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
