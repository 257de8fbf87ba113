//! A key record: the root delegates a role to a key, within bounds that never change.
//!
//! ```text
//! 1 schema · 2 authority id · 3 role · 4 COSE_Key · 5 mode · 6 [roles that must co-sign] · 7 [typ, …]
//! 8 scope {1 [product, …], 2 [country, …], 3 longest term} · 9 valid from · 10 valid until
//! 11 protection · 12 attestation · 13 partner COSE_Key
//! ```
//!
//! Not here: who sealed it and whether a license is within its bounds (`chancery-verifier`).
//!
//! Spec: `docs/spec/key-record.md`.

use alloc::vec::Vec;

use super::quorum;
use crate::cbor::{MapWriter, Reader, Writer, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label};
use crate::key::{Protection, PublicKey};
use crate::license::terms::Names;
use crate::license::{text, time};
use crate::seal::Role;

const SCHEMA: u64 = 1;

/// How documents of a key are signed: the one way or the other, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyMode {
    /// One signature over each document.
    Direct,
    /// A seal over a batch.
    Seal,
}

/// The bounds of a key; an absent bound is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Key 1: products that it may sign for.
    pub products: Option<Names<'a>>,
    /// Key 2: countries that its licenses may name.
    pub territories: Option<Names<'a>>,
    /// Key 3: longest term of a license, in seconds; a perpetual license exceeds every bound.
    pub longest_term_secs: Option<u64>,
}

/// The payload of a key record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord<'a> {
    /// Key 2: the authority whose root seals the record.
    pub authority: AuthorityId,
    /// Key 3: what the key is for; never a custodian.
    pub role: Role,
    /// Key 4: the key.
    pub key: PublicKey,
    /// Key 5: how its documents are signed.
    pub mode: KeyMode,
    /// Key 6: roles whose signatures must stand beside its own, ascending.
    pub co_signers: Vec<Role>,
    /// Key 7: media types of the documents that it may sign, ascending, at least one.
    pub typs: Vec<&'a str>,
    /// Key 8: its bounds.
    pub scope: Scope<'a>,
    /// Key 9: first second of its validity, in Unix seconds.
    pub not_before: u64,
    /// Key 10: last second in which it may sign, in Unix seconds; none is unbounded.
    pub not_after: Option<u64>,
    /// Key 11: where the private key lives.
    pub protection: Protection,
    /// Key 12: the device's attestation certificate (X.509, DER), where the device gives one.
    pub attestation: Option<&'a [u8]>,
    /// Key 13: the ML-DSA-87 key that must sign beside it, where trust is hybrid.
    pub partner: Option<PublicKey>,
}

impl<'a> KeyRecord<'a> {
    /// Decodes the payload of a key record.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range`, `text-forbidden`, `key-invalid`, `unsorted-keys`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "key")?;
        let entries = reader.map("key")?;
        let (mut schema, mut authority, mut role, mut key, mut mode) = (None, None, None, None, None);
        let (mut co_signers, mut typs, mut scope) = (Vec::new(), None, Scope::default());
        let (mut not_before, mut not_after, mut protection) = (None, None, None);
        let (mut attestation, mut partner_key) = (None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("key")? {
                1 if reader.uint("key.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "key.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("key.authority")?)),
                3 => role = Some(read_role(&mut reader, "key.role")?),
                4 => key = Some(quorum::primary(&mut reader)?),
                5 => mode = Some(choice(&mut reader, "key.mode", [KeyMode::Direct, KeyMode::Seal])?),
                6 => co_signers = ascending(&mut reader, "key.co-signers", read_role)?,
                7 => {
                    typs = Some(ascending(&mut reader, "key.typs", |reader, field| {
                        text(reader, field, is_label)
                    })?)
                }
                8 => scope = Scope::read(&mut reader)?,
                9 => not_before = Some(time(&mut reader, "key.from")?),
                10 => not_after = Some(time(&mut reader, "key.until")?),
                11 => {
                    let choices = [Protection::Software, Protection::Hardware];
                    protection = Some(choice(&mut reader, "key.protection", choices)?);
                }
                12 => attestation = Some(certificate(&mut reader)?),
                13 => partner_key = Some(quorum::partner(&mut reader)?),
                _ => return Err(at.fault(Fault::UnknownField, "key")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("key.schema"))?;
        let not_before = not_before.ok_or(missing("key.from"))?;
        if not_after.is_some_and(|end| end < not_before) {
            return Err(reader.fault(Fault::OutOfRange, "key.until"));
        }
        Ok(Self {
            authority: authority.ok_or(missing("key.authority"))?,
            role: role.ok_or(missing("key.role"))?,
            key: key.ok_or(missing("key.key"))?,
            mode: mode.ok_or(missing("key.mode"))?,
            co_signers,
            typs: typs.ok_or(missing("key.typs"))?,
            scope,
            not_before,
            not_after,
            protection: protection.ok_or(missing("key.protection"))?,
            attestation,
            partner: partner_key,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).uint(self.role as u64);
        map.entry(4).raw(&self.key.encode());
        map.entry(5).uint(self.mode as u64);
        if !self.co_signers.is_empty() {
            let writer = map.entry(6).array(self.co_signers.len());
            self.co_signers.iter().fold(writer, |writer, role| writer.uint(*role as u64));
        }
        let writer = map.entry(7).array(self.typs.len());
        self.typs.iter().fold(writer, |writer, typ| writer.text(typ));
        if self.scope != Scope::default() {
            self.scope.write(map.entry(8));
        }
        map.entry(9).uint(self.not_before);
        if let Some(not_after) = self.not_after {
            map.entry(10).uint(not_after);
        }
        map.entry(11).uint(self.protection as u64);
        if let Some(attestation) = self.attestation {
            map.entry(12).bytes(attestation);
        }
        if let Some(partner) = &self.partner {
            map.entry(13).raw(&partner.encode());
        }
        map.finish()
    }
}

impl<'a> Scope<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let entries = reader.map("key.scope")?;
        let mut scope = Self::default();
        for _ in 0..entries {
            let at = *reader;
            match reader.int("key.scope")? {
                1 => scope.products = Some(Names::read_names(reader, "key.scope.products")?),
                2 => scope.territories = Some(Names::read_countries(reader, "key.scope.territories")?),
                3 => scope.longest_term_secs = Some(time(reader, "key.scope.term")?),
                _ => return Err(at.fault(Fault::UnknownField, "key.scope")),
            }
        }
        if scope == Self::default() { Err(start.fault(Fault::OutOfRange, "key.scope")) } else { Ok(scope) }
    }

    fn write(&self, writer: &mut Writer) {
        let mut map = MapWriter::new();
        for (key, names) in [(1, &self.products), (2, &self.territories)] {
            if let Some(names) = names {
                map.entry(key).raw(names.as_bytes());
            }
        }
        if let Some(term) = self.longest_term_secs {
            map.entry(3).uint(term);
        }
        writer.raw(&map.finish());
    }
}

fn read_role(reader: &mut Reader<'_>, field: &'static str) -> Result<Role, DecodeError> {
    let start = *reader;
    let role = Role::from_number(reader.uint(field)?).filter(|role| *role != Role::Custodian);
    role.ok_or(start.fault(Fault::OutOfRange, field))
}

/// Reads a certificate; a device that gives none leaves the field out.
fn certificate<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let start = *reader;
    let bytes = reader.bytes("key.attestation")?;
    if bytes.is_empty() { Err(start.fault(Fault::OutOfRange, "key.attestation")) } else { Ok(bytes) }
}

fn choice<T: Copy>(reader: &mut Reader<'_>, field: &'static str, choices: [T; 2]) -> Result<T, DecodeError> {
    let start = *reader;
    match reader.uint(field)? {
        0 => Ok(choices[0]),
        1 => Ok(choices[1]),
        _ => Err(start.fault(Fault::OutOfRange, field)),
    }
}

/// Reads an array of 1 to 16 items that ascend.
fn ascending<'a, T: Ord + Copy>(
    reader: &mut Reader<'a>,
    field: &'static str,
    read: fn(&mut Reader<'a>, &'static str) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let start = *reader;
    let count = reader.array(field)?;
    if !(1..=16).contains(&count) {
        return Err(start.fault(Fault::OutOfRange, field));
    }
    let mut items = Vec::new();
    for _ in 0..count {
        let item = read(reader, field)?;
        if items.last().is_some_and(|previous| *previous >= item) {
            return Err(start.fault(Fault::UnsortedKeys, field));
        }
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::document::Kind;

    fn record<'a>(scope: Scope<'a>) -> KeyRecord<'a> {
        KeyRecord {
            authority: AuthorityId([1; 32]),
            role: Role::Issuer,
            key: PublicKey::Ed25519([2; 32]),
            mode: KeyMode::Seal,
            co_signers: alloc::vec![Role::Log, Role::Witness],
            typs: alloc::vec![Kind::License.typ()],
            scope,
            not_before: 1_700_000_000,
            not_after: Some(1_800_000_000),
            protection: Protection::Hardware,
            attestation: Some(&[0x30]),
            partner: Some(PublicKey::MlDsa87(alloc::boxed::Box::new([3; 2_592]))),
        }
    }

    #[test]
    fn records_survive_encoding() {
        let products = Names::encode(&["pump", "valve"]);
        let scope = Scope {
            products: Some(Names::decode(&products, false).unwrap()),
            territories: None,
            longest_term_secs: Some(31_536_000),
        };
        let bounded = record(scope);
        let mut bare = record(Scope::default());
        bare.co_signers.clear();
        bare.not_after = None;
        bare.attestation = None;
        bare.partner = None;
        for record in [bounded, bare] {
            assert_eq!(KeyRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn other_records_are_refused() {
        let good = record(Scope::default());
        let code = |record: &KeyRecord<'_>| KeyRecord::decode(&record.encode()).unwrap_err().code();
        assert_eq!(code(&KeyRecord { role: Role::Custodian, ..good.clone() }), "out-of-range");
        assert_eq!(code(&KeyRecord { not_after: Some(1), ..good.clone() }), "out-of-range");
        assert_eq!(code(&KeyRecord { typs: alloc::vec![], ..good.clone() }), "out-of-range");
        assert_eq!(code(&KeyRecord { typs: alloc::vec!["b", "a"], ..good.clone() }), "unsorted-keys");
        assert_eq!(code(&KeyRecord { typs: alloc::vec!["a", "a"], ..good.clone() }), "unsorted-keys");
        assert_eq!(code(&KeyRecord { typs: alloc::vec!["a\u{1b}[2J"], ..good.clone() }), "text-forbidden");
        assert_eq!(code(&KeyRecord { attestation: Some(&[]), ..good.clone() }), "out-of-range");
        let scope = Scope { longest_term_secs: Some(u64::MAX), ..Scope::default() };
        assert_eq!(code(&KeyRecord { scope, ..good.clone() }), "out-of-range");
        assert_eq!(KeyRecord::decode(&[0xa0]).unwrap_err().code(), "missing-field");
        assert_eq!(KeyRecord::decode(&[0xa1, 14, 0]).unwrap_err().code(), "unknown-field");
        assert_eq!(KeyRecord::decode(&[0xa1, 8, 0xa0]).unwrap_err().code(), "out-of-range");
        assert_eq!(KeyRecord::decode(&[0xa1, 5, 2]).unwrap_err().code(), "out-of-range");
    }
}
