//! What a witness is asked: to cosign a checkpoint, and to sign the batch that the checkpoint ends with.

use alloc::vec::Vec;

use super::{MAX_SIGNATURE, bounded};
use crate::cbor::{Reader, Writer};
use crate::cose::MAX_DIRECT;
use crate::document::{Kind, MAX_BUNDLE, MAX_DOCUMENT};
use crate::error::{DecodeError, Fault};
use crate::id::Thumbprint;
use crate::log::note::MAX_NOTE;
use crate::merkle::{Hash, MAX_CONSISTENCY};
use crate::seal::MAX_SIGNERS;

/// Most hashes of a frontier: one for each bit of a size.
const MAX_FRONTIER: usize = 64;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Key 1: the trust bundle, which certifies every key that the witness is to believe.
    pub bundle: &'a [u8],
    /// Key 2: the size of the log that the witness is taken to remember.
    pub known: u64,
    /// Key 3: the proof that the log went on from there, to the first document of the batch, or to the checkpoint
    /// where there is no batch.
    pub proof: &'a [Hash],
    /// Key 4: the checkpoint, a signed note. With a batch it is of the log that the batch ends.
    pub checkpoint: &'a str,
    /// Key 5: the batch.
    pub batch: Option<Batch<'a>>,
}

/// A batch of documents that the witness is to sign.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The statement about it, as its signers sign it.
    pub statement: &'a [u8],
    /// The roots of the whole subtrees of the log before the batch, largest first.
    pub frontier: &'a [Hash],
    signatures: Reader<'a>,
    signature_count: u64,
    payloads: Reader<'a>,
    payload_count: u64,
}

impl<'a> Batch<'a> {
    /// Iterates over the signatures that there are, each with the key that made it.
    pub fn signatures(&self) -> impl Iterator<Item = (Thumbprint, &'a [u8])> + use<'a> {
        let mut reader = self.signatures;
        (0..self.signature_count).map_while(move |_| signature(&mut reader).ok())
    }

    /// Returns the number of documents.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.payload_count
    }

    /// Returns whether there is no document, which no exchange that was decoded says.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.payload_count == 0
    }

    /// Iterates over the payloads of the documents, in their order.
    pub fn payloads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = self.payloads;
        (0..self.payload_count).map_while(move |_| reader.bytes("batch.payloads").ok())
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = *reader;
        if reader.array("batch")? != 4 {
            return Err(at.fault(Fault::WrongLength, "batch"));
        }
        let statement = bounded(reader, MAX_DIRECT, "batch.statement")?;
        let at = *reader;
        let signature_count = reader.array("batch.signatures")?;
        if !(1..=MAX_SIGNERS as u64).contains(&signature_count) {
            return Err(at.fault(Fault::OutOfRange, "batch.signatures"));
        }
        let signatures = *reader;
        let mut last = None;
        for _ in 0..signature_count {
            let at = *reader;
            let (thumbprint, _) = signature(reader)?;
            if last.is_some_and(|last| last >= thumbprint) {
                return Err(at.fault(Fault::UnsortedKeys, "batch.signatures"));
            }
            last = Some(thumbprint);
        }
        let frontier = hashes(reader, MAX_FRONTIER, "batch.frontier")?;
        let at = *reader;
        let payload_count = reader.array("batch.payloads")?;
        if payload_count == 0 {
            return Err(at.fault(Fault::OutOfRange, "batch.payloads"));
        }
        let payloads = *reader;
        for _ in 0..payload_count {
            bounded(reader, MAX_DOCUMENT, "batch.payloads")?;
        }
        Ok(Self { statement, frontier, signatures, signature_count, payloads, payload_count })
    }
}

/// A batch that is to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewBatch<'a> {
    /// The statement about it, as its signers sign it.
    pub statement: &'a [u8],
    /// The signatures that there are, by ascending thumbprint.
    pub signatures: &'a [(Thumbprint, Vec<u8>)],
    /// The roots of the whole subtrees of the log before the batch, largest first.
    pub frontier: &'a [Hash],
    /// The payloads of the documents, in their order.
    pub payloads: &'a [Vec<u8>],
}

impl<'a> Request<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, entries: u64) -> Result<Self, DecodeError> {
        let (mut bundle, mut known, mut proof, mut checkpoint, mut batch) = (None, None, None, None, None);
        for _ in 0..entries {
            let at = *reader;
            match reader.int("request")? {
                1 => bundle = Some(bounded(reader, MAX_BUNDLE, "request.bundle")?),
                2 => known = Some(reader.uint("request.known")?),
                3 => proof = Some(hashes(reader, MAX_CONSISTENCY, "request.proof")?),
                4 => checkpoint = Some(note(reader)?),
                5 => batch = Some(Batch::read(reader)?),
                _ => return Err(at.fault(Fault::UnknownField, "request")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        Ok(Self {
            bundle: bundle.ok_or(missing("request.bundle"))?,
            known: known.ok_or(missing("request.known"))?,
            proof: proof.ok_or(missing("request.proof"))?,
            checkpoint: checkpoint.ok_or(missing("request.checkpoint"))?,
            batch,
        })
    }

    /// Encodes a request.
    #[must_use]
    pub fn encode(
        bundle: &[u8],
        known: u64,
        proof: &[Hash],
        checkpoint: &str,
        batch: Option<&NewBatch<'_>>,
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(5 + usize::from(batch.is_some())).uint(0).text(Kind::WitnessExchange.typ());
        writer.uint(1).bytes(bundle).uint(2).uint(known).uint(3).bytes(proof.as_flattened());
        writer.uint(4).text(checkpoint);
        if let Some(batch) = batch {
            writer.uint(5).array(4).bytes(batch.statement).array(batch.signatures.len());
            for (thumbprint, signature) in batch.signatures {
                writer.array(2).bytes(&thumbprint.0).bytes(signature);
            }
            writer.bytes(batch.frontier.as_flattened()).array(batch.payloads.len());
            for payload in batch.payloads {
                writer.bytes(payload);
            }
        }
        writer.finish()
    }
}

fn note<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let at = *reader;
    let note = reader.text("request.checkpoint")?;
    if note.is_empty() || note.len() > MAX_NOTE {
        return Err(at.fault(Fault::OutOfRange, "request.checkpoint"));
    }
    Ok(note)
}

fn hashes<'a>(reader: &mut Reader<'a>, max: usize, field: &'static str) -> Result<&'a [Hash], DecodeError> {
    let at = *reader;
    let (hashes, rest) = reader.bytes(field)?.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() > max {
        return Err(at.fault(Fault::WrongLength, field));
    }
    Ok(hashes)
}

fn signature<'a>(reader: &mut Reader<'a>) -> Result<(Thumbprint, &'a [u8]), DecodeError> {
    let at = *reader;
    if reader.array("batch.signatures")? != 2 {
        return Err(at.fault(Fault::WrongLength, "batch.signatures"));
    }
    let thumbprint = Thumbprint(reader.array_of("batch.signatures.thumbprint")?);
    Ok((thumbprint, bounded(reader, MAX_SIGNATURE, "batch.signatures.signature")?))
}
