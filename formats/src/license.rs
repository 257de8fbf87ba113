//! The license: CWT claims (RFC 8392) and, under one private claim, the terms.
//!
//! ```text
//! 1 iss authority name · 2 sub customer[/site] · 3 aud product · 4 exp · 5 nbf · 6 iat · 7 cti
//! 8 cnf {5: device-key thumbprint} (RFC 8747, RFC 9679) · -65537 terms
//! ```
//!
//! Unknown claims are ignored, as CWT asks; what terms ignore, [`Terms`] says. Decoding borrows from
//! the input and allocates nothing. Not here: who signed it, and whether a feature may run now.
//!
//! Spec: `docs/spec/license.md`.

use alloc::vec::Vec;

use crate::cbor::{Key, MapWriter, Reader, Writer, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{LicenseId, Thumbprint, is_label, is_name};

pub mod features;
pub mod terms;

pub use features::{Feature, Features};
pub use terms::{
    Device, Distribution, Enforcement, EnforcementMode, Names, Terms, Users, Version, VersionError, Versions,
};

/// The private claim that holds the terms.
pub const TERMS_CLAIM: i64 = -65_537;

/// Latest instant that a document can hold: the end of the year 9999, in Unix seconds.
pub const MAX_TIME: u64 = 253_402_300_799;

/// The claims of a license, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct License<'a> {
    /// Claim 1, iss: the name of the authority, for people.
    pub issuer: &'a str,
    /// Claim 2, sub: `customer` or `customer/site`.
    pub subject: &'a str,
    /// Claim 3, aud: the product.
    pub product: &'a str,
    /// Claim 4, exp: the last second of the term, in Unix seconds; none is perpetual.
    pub not_after: Option<u64>,
    /// Claim 5, nbf: the first second of the term, in Unix seconds.
    pub not_before: Option<u64>,
    /// Claim 6, iat: when it was issued, in Unix seconds.
    pub issued_at: u64,
    /// Claim 7, cti.
    pub id: LicenseId,
    /// Claim 8, cnf: the key that the device must hold; none where no key is demanded.
    pub device_key: Option<Thumbprint>,
    /// The terms.
    pub terms: Terms<'a>,
}

impl<'a> License<'a> {
    /// Decodes the payload of a license.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `wrong-type`, `wrong-length`, `out-of-range`,
    /// `text-forbidden`; for terms also `schema-unknown` and `unknown-field`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "claims")?;
        let entries = reader.map("claims")?;
        let (mut issuer, mut subject, mut product) = (None, None, None);
        let (mut not_after, mut not_before, mut issued_at) = (None, None, None);
        let (mut id, mut device_key, mut terms) = (None, None, None);
        for _ in 0..entries {
            match reader.key("claims")? {
                Key::Int(1) => issuer = Some(text(&mut reader, "iss", is_label)?),
                Key::Int(2) => subject = Some(text(&mut reader, "sub", is_subject)?),
                Key::Int(3) => product = Some(text(&mut reader, "aud", is_name)?),
                Key::Int(4) => not_after = Some(time(&mut reader, "exp")?),
                Key::Int(5) => not_before = Some(time(&mut reader, "nbf")?),
                Key::Int(6) => issued_at = Some(time(&mut reader, "iat")?),
                Key::Int(7) => id = Some(LicenseId(reader.array_of("cti")?)),
                Key::Int(8) => device_key = Some(confirmation(&mut reader)?),
                Key::Int(TERMS_CLAIM) => terms = Some(Terms::read(&mut reader)?),
                _ => drop(reader.item()),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        if let (Some(start), Some(end)) = (not_before, not_after)
            && start > end
        {
            return Err(reader.fault(Fault::OutOfRange, "exp"));
        }
        Ok(Self {
            issuer: issuer.ok_or_else(|| missing("iss"))?,
            subject: subject.ok_or_else(|| missing("sub"))?,
            product: product.ok_or_else(|| missing("aud"))?,
            not_after,
            not_before,
            issued_at: issued_at.ok_or_else(|| missing("iat"))?,
            id: id.ok_or_else(|| missing("cti"))?,
            device_key,
            terms: terms.ok_or_else(|| missing("terms"))?,
        })
    }

    /// Encodes the payload. What [`License::decode`] ignores is not in it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).text(self.issuer);
        map.entry(2).text(self.subject);
        map.entry(3).text(self.product);
        for (key, time) in [(4, self.not_after), (5, self.not_before), (6, Some(self.issued_at))] {
            if let Some(time) = time {
                map.entry(key).uint(time);
            }
        }
        map.entry(7).bytes(&self.id.0);
        if let Some(thumbprint) = &self.device_key {
            map.entry(8).map(1).uint(5).bytes(&thumbprint.0);
        }
        map.entry(TERMS_CLAIM).raw(&self.terms.encode());
        map.finish()
    }

    /// Returns the customer of the subject.
    #[must_use]
    pub fn customer(&self) -> &'a str {
        self.subject.split_once('/').map_or(self.subject, |(customer, _)| customer)
    }

    /// Returns the site of the subject, where it names one.
    #[must_use]
    pub fn site(&self) -> Option<&'a str> {
        self.subject.split_once('/').map(|(_, site)| site)
    }
}

/// Reads `{5: thumbprint}`: the confirmation method `ckt` (RFC 9679 §5.6), and no other.
fn confirmation(reader: &mut Reader<'_>) -> Result<Thumbprint, DecodeError> {
    let start = *reader;
    if reader.map("cnf")? != 1 || reader.key("cnf")? != Key::Int(5) {
        return Err(start.fault(Fault::UnknownField, "cnf"));
    }
    reader.array_of("cnf.ckt").map(Thumbprint)
}

fn is_subject(text: &str) -> bool {
    match text.split_once('/') {
        Some((customer, site)) => is_name(customer) && is_name(site),
        None => is_name(text),
    }
}

pub(crate) fn text<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    allowed: fn(&str) -> bool,
) -> Result<&'a str, DecodeError> {
    let start = *reader;
    let text = reader.text(field)?;
    if allowed(text) { Ok(text) } else { Err(start.fault(Fault::TextForbidden, field)) }
}

pub(crate) fn time(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
    let start = *reader;
    let time = reader.uint(field)?;
    if time <= MAX_TIME { Ok(time) } else { Err(start.fault(Fault::OutOfRange, field)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
