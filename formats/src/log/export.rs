//! The whole log in one file, for auditors: records one after the other, each behind its length.
//!
//! A record is four bytes of length, big-endian, and a CBOR array whose first item says what it is. An outsider
//! needs nothing else than the authority id: roots and key records are documents of the log. Not here: files, and
//! whether what a record says is true.
//!
//! Spec: `docs/spec/log.md`.

use alloc::vec::Vec;

use crate::cbor::{Reader, Writer, scan};
use crate::document::MAX_DOCUMENT;
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, Thumbprint};
use crate::merkle::Hash;

/// Largest record, in bytes, without its length: a document, and what is around it.
pub const MAX_RECORD: usize = MAX_DOCUMENT + 2048;

/// Version of the format.
const VERSION: u64 = 1;

/// Longest reason of a failed operation, in bytes.
const MAX_DETAIL: usize = 1024;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The first one.
    Start {
        /// Whose log it is.
        authority: AuthorityId,
        /// When the file was made, in Unix seconds.
        made_at: u64,
    },
    /// A checkpoint, in the order of sizes; before all documents, so that whoever reads the file once can compare
    /// each root on the way.
    Checkpoint {
        /// With its signature lines.
        note: &'a str,
    },
    /// A document, in the order of the log from 0 on.
    Leaf {
        /// Its place in the log.
        index: u64,
        /// Protected header, as encoded.
        protected: &'a [u8],
        /// Payload, as encoded.
        payload: &'a [u8],
        /// Signature field; none where it was never signed.
        signature: Option<&'a [u8]>,
        /// When it was intended, in Unix seconds.
        recorded_at: u64,
    },
    /// A use of a key, in order from 0 on; after all documents.
    Operation(Operation<'a>),
    /// The last one: how many there are of each.
    End {
        /// Documents.
        leaves: u64,
        /// Uses of keys.
        operations: u64,
        /// Checkpoints.
        checkpoints: u64,
    },
}

/// A use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// Its number.
    pub id: u64,
    /// The key.
    pub key: Thumbprint,
    /// SHA-256 of what the device signed.
    pub message_hash: Hash,
    /// How many bytes these are, where that is known.
    pub message_bytes: Option<u64>,
    /// First document that it is for; none for a checkpoint.
    pub first_index: Option<u64>,
    /// Number of documents.
    pub leaf_count: u64,
    /// When it began, in Unix seconds.
    pub started_at: u64,
    /// How it ended; none where nobody knows.
    pub outcome: Option<Outcome<'a>>,
}

/// How a use of a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// Why it failed; none where the key signed.
    pub failure: Option<&'a str>,
    /// When that was known, in Unix seconds.
    pub ended_at: u64,
}

impl<'a> Record<'a> {
    /// Encodes the record, without its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match *self {
            Self::Start { authority, made_at } => {
                writer.array(4).uint(0).uint(VERSION).bytes(&authority.0).uint(made_at);
            }
            Self::Leaf { index, protected, payload, signature, recorded_at } => {
                writer.array(6).uint(1).uint(index).bytes(protected).bytes(payload);
                match signature {
                    Some(signature) => writer.bytes(signature),
                    None => writer.null(),
                };
                writer.uint(recorded_at);
            }
            Self::Operation(operation) => operation.write(&mut writer),
            Self::Checkpoint { note } => {
                writer.array(2).uint(3).text(note);
            }
            Self::End { leaves, operations, checkpoints } => {
                writer.array(4).uint(4).uint(leaves).uint(operations).uint(checkpoints);
            }
        }
        writer.finish()
    }

    /// Decodes a record, without its length.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `wrong-length`, `wrong-type`, `out-of-range`,
    /// `schema-unknown` for another version of the format.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_RECORD {
            return Err(DecodeError { fault: Fault::TooLarge, field: "record", offset: 0 });
        }
        let mut reader = scan(bytes, "record")?;
        let start = reader;
        let items = reader.array("record")?;
        let kind = reader.uint("record.kind")?;
        let expected = match kind {
            0 | 4 => 4,
            1 => 6,
            2 => 10,
            3 => 2,
            _ => return Err(start.fault(Fault::OutOfRange, "record.kind")),
        };
        if items != expected {
            return Err(start.fault(Fault::WrongLength, "record"));
        }
        match kind {
            0 => {
                let at = reader;
                if reader.uint("start.version")? != VERSION {
                    return Err(at.fault(Fault::SchemaUnknown, "start.version"));
                }
                let authority = AuthorityId(reader.array_of("start.authority")?);
                Ok(Self::Start { authority, made_at: reader.uint("start.time")? })
            }
            1 => {
                let index = reader.uint("leaf.index")?;
                let protected = reader.bytes("leaf.protected")?;
                let payload = reader.bytes("leaf.payload")?;
                let signature = if reader.null() { None } else { Some(reader.bytes("leaf.signature")?) };
                let recorded_at = reader.uint("leaf.time")?;
                Ok(Self::Leaf { index, protected, payload, signature, recorded_at })
            }
            2 => Ok(Self::Operation(Operation::read(&mut reader)?)),
            3 => Ok(Self::Checkpoint { note: reader.text("checkpoint.note")? }),
            _ => {
                let (leaves, operations) = (reader.uint("end.leaves")?, reader.uint("end.operations")?);
                Ok(Self::End { leaves, operations, checkpoints: reader.uint("end.checkpoints")? })
            }
        }
    }
}

impl<'a> Operation<'a> {
    fn write(&self, writer: &mut Writer) {
        writer.array(10).uint(2).uint(self.id).bytes(&self.key.0).bytes(&self.message_hash);
        writer.optional_uint(self.message_bytes).optional_uint(self.first_index).uint(self.leaf_count);
        writer.uint(self.started_at);
        match self.outcome {
            None => writer.null().null(),
            Some(Outcome { failure: None, ended_at }) => writer.bool(true).uint(ended_at),
            Some(Outcome { failure: Some(detail), ended_at }) => writer.text(detail).uint(ended_at),
        };
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let optional = |reader: &mut Reader<'a>, field| {
            if reader.null() { Ok(None) } else { reader.uint(field).map(Some) }
        };
        let id = reader.uint("operation.id")?;
        let key = Thumbprint(reader.array_of("operation.key")?);
        let message_hash = reader.array_of("operation.message")?;
        let message_bytes = optional(reader, "operation.bytes")?;
        let at = *reader;
        let first_index = optional(reader, "operation.first")?;
        let leaf_count = reader.uint("operation.count")?;
        if first_index.is_none() != (leaf_count == 0) {
            return Err(at.fault(Fault::OutOfRange, "operation.count"));
        }
        let started_at = reader.uint("operation.started")?;
        let outcome = Outcome::read(reader)?;
        Ok(Self { id, key, message_hash, message_bytes, first_index, leaf_count, started_at, outcome })
    }
}

impl<'a> Outcome<'a> {
    /// Reads `true` or the reason of a failure, and a time; or null twice.
    fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        if reader.null() {
            let at = *reader;
            return if reader.null() { Ok(None) } else { Err(at.fault(Fault::WrongType, "operation.ended")) };
        }
        let at = *reader;
        let failure = match reader.bool("operation.outcome") {
            Ok(true) => None,
            Ok(false) => return Err(at.fault(Fault::OutOfRange, "operation.outcome")),
            Err(_) => {
                *reader = at;
                let detail = reader.text("operation.outcome")?;
                if detail.len() > MAX_DETAIL {
                    return Err(at.fault(Fault::OutOfRange, "operation.outcome"));
                }
                Some(detail)
            }
        };
        Ok(Some(Self { failure, ended_at: reader.uint("operation.ended")? }))
    }
}
