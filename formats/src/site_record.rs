//! The site record: somebody attests in which country a site of a customer stands.
//!
//! ```text
//! {1: schema, 2: authority, 3: customer, 4: site, 5: territory, 6: attested at, 7: last second, 8: evidence}
//! ```
//!
//! What an entitlement grants for some countries alone is granted for a site that a record places in one of them.
//! Signed directly by the key of whoever attests. Not here: whose key it is, and whether they may attest.
//!
//! Spec: `docs/spec/site-record.md`.

use alloc::vec::Vec;

use crate::cbor::{MapWriter, scan};
use crate::cose::{Header, Mode, Unsigned};
use crate::country::is_assigned;
use crate::document::{Kind, MAX_DOCUMENT};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label, is_name};
use crate::key::PublicKey;
use crate::license::{text, time};

const SCHEMA: u64 = 1;

/// A site record, borrowed from the payload it was decoded from. Nothing in it is trusted until its signature was
/// checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRecord<'a> {
    /// Key 2: the authority that it is made for.
    pub authority: AuthorityId,
    /// Key 3: the customer.
    pub customer: &'a str,
    /// Key 4: the site of that customer.
    pub site: &'a str,
    /// Key 5: where it stands: an assigned ISO 3166-1 alpha-2 code.
    pub territory: &'a str,
    /// Key 6: when that was seen, in Unix seconds.
    pub attested_at: u64,
    /// Key 7: the last second in which it is believed, in Unix seconds.
    pub not_after: u64,
    /// Key 8: by what it was seen, for people.
    pub evidence: &'a str,
}

impl<'a> SiteRecord<'a> {
    /// Decodes the payload of a site record.
    ///
    /// # Errors
    ///
    /// `too-large` beyond 64 KiB, before anything else; any fault of the scan; `schema-unknown`, `missing-field`,
    /// `unknown-field`, `wrong-type`, `wrong-length`, `out-of-range`; `text-forbidden`, also for a country whose code
    /// is assigned to none.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        if payload.len() > MAX_DOCUMENT {
            return Err(DecodeError { fault: Fault::TooLarge, field: "site-record", offset: 0 });
        }
        let mut reader = scan(payload, "site-record")?;
        let start = reader;
        let (mut schema, mut authority, mut customer, mut site) = (None, None, None, None);
        let (mut territory, mut attested_at, mut not_after, mut evidence) = (None, None, None, None);
        for _ in 0..reader.map("site-record")? {
            let at = reader;
            let r = &mut reader;
            match r.int("site-record")? {
                1 if r.uint("site-record.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "site-record.schema")),
                2 => authority = Some(AuthorityId(r.array_of("site-record.authority")?)),
                3 => customer = Some(text(r, "site-record.customer", is_name)?),
                4 => site = Some(text(r, "site-record.site", is_name)?),
                5 => territory = Some(text(r, "site-record.territory", is_assigned)?),
                6 => attested_at = Some(time(r, "site-record.attested-at")?),
                7 => not_after = Some(time(r, "site-record.not-after")?),
                8 => evidence = Some(text(r, "site-record.evidence", is_label)?),
                _ => return Err(at.fault(Fault::UnknownField, "site-record")),
            }
        }
        let missing = |field| start.fault(Fault::Missing, field);
        schema.ok_or(missing("site-record.schema"))?;
        let record = Self {
            authority: authority.ok_or(missing("site-record.authority"))?,
            customer: customer.ok_or(missing("site-record.customer"))?,
            site: site.ok_or(missing("site-record.site"))?,
            territory: territory.ok_or(missing("site-record.territory"))?,
            attested_at: attested_at.ok_or(missing("site-record.attested-at"))?,
            not_after: not_after.ok_or(missing("site-record.not-after"))?,
            evidence: evidence.ok_or(missing("site-record.evidence"))?,
        };
        if record.not_after < record.attested_at {
            return Err(start.fault(Fault::OutOfRange, "site-record.not-after"));
        }
        Ok(record)
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).text(self.customer);
        map.entry(4).text(self.site);
        map.entry(5).text(self.territory);
        map.entry(6).uint(self.attested_at);
        map.entry(7).uint(self.not_after);
        map.entry(8).text(self.evidence);
        map.finish()
    }

    /// Returns what the key of whoever attests signs directly: at most 1,024 bytes.
    #[must_use]
    pub fn to_sign(&self, key: &PublicKey) -> Unsigned {
        let mode = Mode::Direct(key.algorithm());
        let header = Header { mode, kid: key.key_id(), typ: Kind::SiteRecord.typ() };
        Unsigned::new(&header, self.encode())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cose::MAX_DIRECT;

    const RECORD: SiteRecord<'static> = SiteRecord {
        authority: AuthorityId([1; 32]),
        customer: "acme",
        site: "north",
        territory: "DE",
        attested_at: 1_795_392_000,
        not_after: 1_826_928_000,
        evidence: "seen on 2026-11-20, protocol 17",
    };

    fn code(record: &SiteRecord<'_>) -> &'static str {
        SiteRecord::decode(&record.encode()).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn records_survive_encoding() {
        let bytes = RECORD.encode();
        assert_eq!(SiteRecord::decode(&bytes), Ok(RECORD));
    }

    #[test]
    fn a_device_signs_the_longest_record_directly() {
        let (name, label) = ("n".repeat(64), "l".repeat(128));
        let longest = SiteRecord { customer: &name, site: &name, evidence: &label, ..RECORD };
        assert_eq!(code(&longest), "ok");
        for key in [PublicKey::Ed25519([2; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }] {
            assert!(longest.to_sign(&key).sig_structure().len() <= MAX_DIRECT);
        }
    }

    #[test]
    fn other_records_are_refused() {
        for territory in ["", "D", "de", "UK", "EU", "XX", "DEU"] {
            assert_eq!(code(&SiteRecord { territory, ..RECORD }), "text-forbidden", "{territory}");
        }
        assert_eq!(code(&SiteRecord { site: "North", ..RECORD }), "text-forbidden");
        assert_eq!(code(&SiteRecord { customer: "", ..RECORD }), "text-forbidden");
        assert_eq!(code(&SiteRecord { evidence: " ", ..RECORD }), "text-forbidden");
        assert_eq!(code(&SiteRecord { not_after: RECORD.attested_at - 1, ..RECORD }), "out-of-range");
        assert_eq!(code(&SiteRecord { not_after: u64::MAX, ..RECORD }), "out-of-range");
        let mut other_schema = RECORD.encode();
        other_schema[2] = 2;
        assert_eq!(SiteRecord::decode(&other_schema).unwrap_err().code(), "schema-unknown");
        assert_eq!(SiteRecord::decode(&[0xa0]).unwrap_err().code(), "missing-field");
        assert_eq!(SiteRecord::decode(&[0xa1, 9, 1]).unwrap_err().code(), "unknown-field");
        assert_eq!(SiteRecord::decode(&alloc::vec![0; 65_537]).unwrap_err().code(), "too-large");
    }

    #[test]
    fn every_field_is_needed() {
        for left_out in 1..=8 {
            let mut map = MapWriter::new();
            for key in (1..=8).filter(|key| *key != left_out) {
                let entry = map.entry(key);
                match key {
                    1 => entry.uint(1),
                    2 => entry.bytes(&[1; 32]),
                    3 => entry.text("acme"),
                    4 => entry.text("north"),
                    5 => entry.text("DE"),
                    6 | 7 => entry.uint(7),
                    _ => entry.text("seen"),
                };
            }
            assert_eq!(SiteRecord::decode(&map.finish()).unwrap_err().code(), "missing-field", "{left_out}");
        }
    }
}
