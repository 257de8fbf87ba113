//! One entry of a witness's memory: how far it has seen the log, and what it agreed to sign.
//!
//! ```text
//! {1: schema, 2: number, 3: hash of the entry before, 4: size, 5: root, 6: newest time, 7: noted,
//!  8: minima, 9: closed keys, ? 10: checkpoint, ? 11: statement}
//! ```
//!
//! Each entry is whole, so that the newest alone says what the witness knows. Not here: files (`memory`).

use chancery_formats::cbor::{MapWriter, Reader, scan};
use chancery_formats::cose::MAX_DIRECT;
use chancery_formats::error::{DecodeError, Fault};
use chancery_formats::id::Thumbprint;
use chancery_formats::log::note::MAX_NOTE;
use chancery_formats::merkle::{Hash, Head};
use chancery_verifier::Minima;
use sha2::{Digest, Sha256};

const SCHEMA: u64 = 1;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 0, without gaps.
    pub number: u64,
    /// The hash of the entry before; of the identity in entry 0.
    pub previous: Hash,
    /// How far the witness has seen the log.
    pub head: Head,
    /// The newest time of a statement that it has signed, in Unix seconds.
    pub newest_time: u64,
    /// When the entry was made by the witness's own clock, in Unix seconds.
    pub noted_at: u64,
    /// The newest root, list and bundle that it has seen; none before the first bundle.
    pub minima: Minima,
    /// Keys that it has seen closed, ascending: they stay so.
    pub closed: Vec<Thumbprint>,
    /// What it agreed to sign; none in entry 0.
    pub signed: Option<Signed>,
}

/// What a witness agreed to sign. The entry is durable before its key is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The text of the checkpoint.
    pub checkpoint: String,
    /// The statement of the batch that the checkpoint ends with.
    pub statement: Option<Vec<u8>>,
}

impl Entry {
    /// Decodes what [`Entry::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`, `wrong-length`,
    /// `out-of-range`, `unsorted-keys`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(bytes, "entry")?;
        let entries = reader.map("entry")?;
        let (mut schema, mut number, mut previous, mut size, mut root) = (None, None, None, None, None);
        let (mut newest_time, mut noted_at, mut minima, mut closed) = (None, None, None, None);
        let (mut checkpoint, mut statement) = (None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("entry")? {
                1 if reader.uint("entry.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "entry.schema")),
                2 => number = Some(reader.uint("entry.number")?),
                3 => previous = Some(reader.array_of("entry.previous")?),
                4 => size = Some(reader.uint("entry.size")?),
                5 => root = Some(reader.array_of("entry.root")?),
                6 => newest_time = Some(reader.uint("entry.newest")?),
                7 => noted_at = Some(reader.uint("entry.noted")?),
                8 => minima = Some(Minima::decode(reader.bytes("entry.minima")?)?),
                9 => closed = Some(thumbprints(&mut reader)?),
                10 => checkpoint = Some(bounded(reader.text("entry.checkpoint")?, MAX_NOTE, &at)?.to_owned()),
                11 => statement = Some(bounded(reader.bytes("entry.statement")?, MAX_DIRECT, &at)?.to_vec()),
                _ => return Err(at.fault(Fault::UnknownField, "entry")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("entry.schema"))?;
        let signed = match (checkpoint, statement) {
            (Some(checkpoint), statement) => Some(Signed { checkpoint, statement }),
            (None, None) => None,
            (None, Some(_)) => return Err(missing("entry.checkpoint")),
        };
        Ok(Self {
            number: number.ok_or(missing("entry.number"))?,
            previous: previous.ok_or(missing("entry.previous"))?,
            head: Head { size: size.ok_or(missing("entry.size"))?, root: root.ok_or(missing("entry.root"))? },
            newest_time: newest_time.ok_or(missing("entry.newest"))?,
            noted_at: noted_at.ok_or(missing("entry.noted"))?,
            minima: minima.ok_or(missing("entry.minima"))?,
            closed: closed.ok_or(missing("entry.closed"))?,
            signed,
        })
    }

    /// Encodes the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).uint(self.number);
        map.entry(3).bytes(&self.previous);
        map.entry(4).uint(self.head.size);
        map.entry(5).bytes(&self.head.root);
        map.entry(6).uint(self.newest_time);
        map.entry(7).uint(self.noted_at);
        map.entry(8).bytes(&self.minima.encode());
        let closed: Vec<[u8; 32]> = self.closed.iter().map(|thumbprint| thumbprint.0).collect();
        map.entry(9).bytes(closed.as_flattened());
        if let Some(signed) = &self.signed {
            map.entry(10).text(&signed.checkpoint);
            if let Some(statement) = &signed.statement {
                map.entry(11).bytes(statement);
            }
        }
        map.finish()
    }

    /// Returns what the next entry names as the one before.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.encode()).into()
    }
}

fn thumbprints(reader: &mut Reader<'_>) -> Result<Vec<Thumbprint>, DecodeError> {
    let at = *reader;
    let (hashes, rest) = reader.bytes("entry.closed")?.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(at.fault(Fault::WrongLength, "entry.closed"));
    }
    if !hashes.is_sorted_by(|a, b| a < b) {
        return Err(at.fault(Fault::UnsortedKeys, "entry.closed"));
    }
    Ok(hashes.iter().copied().map(Thumbprint).collect())
}

fn bounded<'a, T: AsRef<[u8]> + ?Sized>(
    value: &'a T,
    max: usize,
    at: &Reader<'_>,
) -> Result<&'a T, DecodeError> {
    let length = value.as_ref().len();
    if (1..=max).contains(&length) { Ok(value) } else { Err(at.fault(Fault::OutOfRange, "entry")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use chancery_formats::id::AuthorityId;

    pub(in crate::witness) fn entry() -> Entry {
        Entry {
            number: 3,
            previous: [1; 32],
            head: Head { size: 150, root: [2; 32] },
            newest_time: 1_800_000_000,
            noted_at: 1_800_000_009,
            minima: Minima {
                authority: AuthorityId([3; 32]),
                root: (1, [4; 32]),
                list: None,
                bundle: None,
                floor: 0,
            },
            closed: vec![Thumbprint([5; 32]), Thumbprint([6; 32])],
            signed: Some(Signed { checkpoint: "a\n".to_owned(), statement: Some(vec![7; 200]) }),
        }
    }

    #[test]
    fn entries_survive_encoding() {
        let good = entry();
        let signed = |statement| Some(Signed { checkpoint: "a\n".to_owned(), statement });
        for entry in [
            good.clone(),
            Entry { signed: signed(None), ..good.clone() },
            Entry { signed: None, closed: Vec::new(), ..good },
        ] {
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }

    #[test]
    fn damaged_entries_are_refused() {
        let good = entry();
        let code = |bytes: &[u8]| Entry::decode(bytes).unwrap_err().code();
        assert_eq!(code(&good.encode()[..100]), "truncated");
        assert_eq!(code(&[0xa0]), "missing-field");
        assert_eq!(code(&[0xa1, 12, 0]), "unknown-field");
        assert_eq!(code(&[0xa1, 9, 0x41, 0]), "wrong-length");
        let twice = vec![Thumbprint([5; 32]), Thumbprint([5; 32])];
        assert_eq!(code(&Entry { closed: twice, ..good.clone() }.encode()), "unsorted-keys");
        let long = Some(Signed { checkpoint: "a".repeat(MAX_NOTE + 1), statement: None });
        assert_eq!(code(&Entry { signed: long, ..good }.encode()), "out-of-range");
    }
}
