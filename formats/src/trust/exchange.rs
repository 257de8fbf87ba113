//! The ceremony exchange: what custodians on other machines are asked to sign, and what they answer.
//!
//! ```text
//! {0: typ, 1: schema, 2: authority id, 3: [[statement, [[protected, payload], …]], …], 4: bundle}   a request
//! {0: typ, 1: schema, 2: authority id, 5: [[statement hash, thumbprint, signature], …]}             an answer
//! ```
//!
//! A request carries every document below its statements, so that a custodian sees what the signature is for; the
//! root of each statement is recomputed from them. Nobody signs an exchange: what it holds counts by the
//! signatures in it. Not here: who may sign what (`chancery-verifier`), and checking a signature.
//!
//! Spec: `docs/spec/exchange.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::Bundle;
use crate::cbor::{MapWriter, Reader, Writer, scan};
use crate::cose::{self, Envelope, Mode, Unsigned};
use crate::document::{Kind, MAX_CEREMONY};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, Thumbprint};
use crate::key::Algorithm;
use crate::merkle::{Frontier, Hash};
use crate::seal::{MAX_SIGNERS, OwnedStatement, Statement};

const SCHEMA: u64 = 1;

/// Most batches of a request.
pub const MAX_BATCHES: usize = 16;

/// Most documents of a batch in a request.
pub const MAX_DOCUMENTS: usize = 1_024;

/// Most signatures of an answer: each signer of each batch.
pub const MAX_ANSWERS: usize = MAX_BATCHES * MAX_SIGNERS;

/// What travels between the authority and a custodian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange<'a> {
    /// What custodians are asked to sign.
    Request(Request<'a>),
    /// What a custodian has signed.
    Answer(Answer<'a>),
}

/// What custodians are asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Key 2: the authority that asks.
    pub authority: AuthorityId,
    /// Key 3: the statements with what stands below them, 1 to [`MAX_BATCHES`].
    pub batches: Vec<Batch<'a>>,
    /// Key 4: the trust bundle in force, where there is one: what the documents are a change of.
    pub bundle: Option<&'a [u8]>,
}

/// What a custodian has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Key 2: the authority that asked.
    pub authority: AuthorityId,
    /// Key 5: signatures, ascending by statement and signer, 1 to [`MAX_ANSWERS`].
    pub signatures: Vec<Signed<'a>>,
}

/// One signature of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signed<'a> {
    /// SHA-256 of the encoded statement.
    pub statement: Hash,
    /// The signer's key.
    pub signer: Thumbprint,
    /// The signature over the statement under the signer's own headers.
    pub signature: &'a [u8],
}

/// A statement, and every document below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The statement.
    pub statement: OwnedStatement,
    /// The documents, 1 to [`MAX_DOCUMENTS`].
    pub documents: Vec<Document<'a>>,
}

/// A document that is not signed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its protected headers, as encoded.
    pub protected: &'a [u8],
    /// Its payload, as encoded.
    pub payload: &'a [u8],
}

impl<'a> Exchange<'a> {
    /// Decodes an exchange.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `typ-wrong`, `schema-unknown`, `missing-field`,
    /// `unknown-field`, `wrong-type`, `wrong-length`, `out-of-range`, `unsorted-keys`, `alg-unknown`,
    /// `text-forbidden`; `hash-wrong` where a statement is not over the documents below it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_CEREMONY {
            return Err(DecodeError { fault: Fault::TooLarge, field: "exchange", offset: 0 });
        }
        let mut reader = scan(bytes, "exchange")?;
        let start = reader;
        let entries = reader.map("exchange")?;
        if entries == 0 || reader.int("exchange")? != 0 {
            return Err(start.fault(Fault::Missing, "exchange.typ"));
        }
        let at = reader;
        if reader.text("exchange.typ")? != Kind::CeremonyExchange.typ() {
            return Err(at.fault(Fault::TypWrong, "exchange.typ"));
        }
        let (mut schema, mut authority, mut batches, mut bundle, mut signatures) =
            (None, None, None, None, None);
        for _ in 1..entries {
            let at = reader;
            match reader.int("exchange")? {
                1 if reader.uint("exchange.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "exchange.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("exchange.authority")?)),
                3 => batches = Some(list(&mut reader, "exchange.batches", MAX_BATCHES, Batch::read)?),
                4 if batches.is_some() => {
                    let bytes = reader.bytes("exchange.bundle")?;
                    Bundle::decode(bytes)?;
                    bundle = Some(bytes);
                }
                5 if batches.is_none() => {
                    signatures = Some(list(&mut reader, "exchange.answers", MAX_ANSWERS, Signed::read)?);
                }
                _ => return Err(at.fault(Fault::UnknownField, "exchange")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("exchange.schema"))?;
        let authority = authority.ok_or(missing("exchange.authority"))?;
        match (batches, signatures) {
            (Some(batches), None) => {
                if batches.iter().any(|batch: &Batch<'_>| batch.statement.authority != authority) {
                    return Err(reader.fault(Fault::OutOfRange, "exchange.authority"));
                }
                Ok(Self::Request(Request { authority, batches, bundle }))
            }
            (None, Some(signatures)) => {
                if !signatures
                    .is_sorted_by(|a: &Signed<'_>, b| (a.statement, a.signer) < (b.statement, b.signer))
                {
                    return Err(reader.fault(Fault::UnsortedKeys, "exchange.answers"));
                }
                Ok(Self::Answer(Answer { authority, signatures }))
            }
            _ => Err(missing("exchange.batches")),
        }
    }

    /// Encodes the exchange.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.encode(),
            Self::Answer(answer) => answer.encode(),
        }
    }

    /// Returns whether bytes start as an exchange does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return false };
        (0xa4..=0xa5).contains(first)
            && rest.starts_with(b"\x00\x78\x26application/vnd.chancery.ceremony+cbor")
    }
}

impl Request<'_> {
    /// Encodes the request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = begin(self.authority);
        let writer = map.entry(3).array(self.batches.len());
        self.batches.iter().for_each(|batch| batch.write(writer));
        if let Some(bundle) = self.bundle {
            map.entry(4).bytes(bundle);
        }
        map.finish()
    }
}

impl Answer<'_> {
    /// Encodes the answer; signatures must ascend by statement and signer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = begin(self.authority);
        let writer = map.entry(5).array(self.signatures.len());
        for signed in &self.signatures {
            writer.array(3).bytes(&signed.statement).bytes(&signed.signer.0).bytes(signed.signature);
        }
        map.finish()
    }
}

impl<'a> Signed<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("exchange.answers")? != 3 {
            return Err(start.fault(Fault::WrongLength, "exchange.answers"));
        }
        let statement = reader.array_of("exchange.answers.statement")?;
        let signer = Thumbprint(reader.array_of("exchange.answers.signer")?);
        let at = *reader;
        let signature = reader.bytes("exchange.answers.signature")?;
        if Algorithm::ALL.iter().all(|algorithm| algorithm.signature_len() != signature.len()) {
            return Err(at.fault(Fault::WrongLength, "exchange.answers.signature"));
        }
        Ok(Self { statement, signer, signature })
    }
}

impl<'a> Batch<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("exchange.batch")? != 2 {
            return Err(start.fault(Fault::WrongLength, "exchange.batch"));
        }
        let statement = OwnedStatement::decode(reader.item().rest())?;
        let documents = list(reader, "exchange.documents", MAX_DOCUMENTS, Document::read)?;
        let mut frontier = Frontier::new();
        for document in &documents {
            frontier.push(document.leaf_hash());
        }
        if statement.size != documents.len() as u64 || frontier.root() != statement.root {
            return Err(start.fault(Fault::HashWrong, "exchange.documents"));
        }
        Ok(Self { statement, documents })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(2).raw(&self.statement().encode()).array(self.documents.len());
        for document in &self.documents {
            writer.array(2).bytes(document.protected).bytes(document.payload);
        }
    }

    /// Returns the statement.
    #[must_use]
    pub fn statement(&self) -> Statement<'_> {
        self.statement.as_statement()
    }

    /// Returns what stands for the statement in an answer: SHA-256 of its encoding.
    #[must_use]
    pub fn hash(&self) -> Hash {
        statement_hash(&self.statement())
    }
}

/// Returns what stands for a statement in an answer: SHA-256 of its encoding.
#[must_use]
pub fn statement_hash(statement: &Statement<'_>) -> Hash {
    Sha256::digest(statement.encode()).into()
}

impl<'a> Document<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("exchange.document")? != 2 {
            return Err(start.fault(Fault::WrongLength, "exchange.document"));
        }
        let protected = reader.bytes("exchange.document")?;
        Ok(Self { protected, payload: reader.bytes("exchange.document")? })
    }

    /// Returns the hash of the document as a leaf of batch and log.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        cose::leaf_hash(self.protected, self.payload)
    }

    /// Returns the kind that its headers name; none where they are not those of a sealed document that is known.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        // Headers are read in the envelope that the document will have.
        let bytes = Unsigned::from_parts(self.protected.to_vec(), self.payload.to_vec()).sign(&[]);
        let header = Envelope::decode(&bytes).ok()?.header;
        Kind::from_typ(header.typ).filter(|_| header.mode == Mode::Seal)
    }
}

fn begin(authority: AuthorityId) -> MapWriter {
    let mut map = MapWriter::new();
    map.entry(0).text(Kind::CeremonyExchange.typ());
    map.entry(1).uint(SCHEMA);
    map.entry(2).bytes(&authority.0);
    map
}

/// Reads an array of 1 to `most` items.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    field: &'static str,
    most: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let start = *reader;
    let count = usize::try_from(reader.array(field)?).ok().filter(|count| (1..=most).contains(count));
    let count = count.ok_or(start.fault(Fault::OutOfRange, field))?;
    (0..count).map(|_| read(reader)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
