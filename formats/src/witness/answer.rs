//! What a witness answers: its signature over the statement, its cosignature of the checkpoint, or both.

use alloc::vec::Vec;

use super::{MAX_SIGNATURE, bounded};
use crate::cbor::{MapWriter, Reader, Writer};
use crate::document::Kind;
use crate::error::{DecodeError, Fault};
use crate::id::Thumbprint;
use crate::merkle::Hash;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Key 6: SHA-256 of the request.
    pub request: Hash,
    /// Key 7: the key of the witness.
    pub witness: Thumbprint,
    /// Key 8: its signature over the statement of a batch.
    pub batch: Option<BatchSignature<'a>>,
    /// Key 9: its cosignature of a checkpoint, by keys of Ed25519 alone.
    pub cosigned: Option<Cosigned>,
}

/// A signature over the statement of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSignature<'a> {
    /// Log index of the first document of the batch.
    pub first_index: u64,
    /// The signature.
    pub signature: &'a [u8],
}

/// A cosignature of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Size of the log that the checkpoint is of.
    pub size: u64,
    /// Eight bytes of time and the signature, as a signature line carries them
    /// ([`timestamped`](crate::log::checkpoint::timestamped)).
    pub signature: [u8; 72],
}

impl<'a> Answer<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, entries: u64) -> Result<Self, DecodeError> {
        let (mut request, mut witness, mut batch, mut cosigned) = (None, None, None, None);
        for _ in 0..entries {
            let at = *reader;
            match reader.int("answer")? {
                6 => request = Some(reader.array_of("answer.request")?),
                7 => witness = Some(Thumbprint(reader.array_of("answer.witness")?)),
                8 => {
                    pair(reader, "answer.batch")?;
                    let first_index = reader.uint("answer.batch.first")?;
                    let signature = bounded(reader, MAX_SIGNATURE, "answer.batch.signature")?;
                    batch = Some(BatchSignature { first_index, signature });
                }
                9 => {
                    pair(reader, "answer.checkpoint")?;
                    let size = reader.uint("answer.checkpoint.size")?;
                    let signature = reader.array_of("answer.checkpoint.signature")?;
                    cosigned = Some(Cosigned { size, signature });
                }
                _ => return Err(at.fault(Fault::UnknownField, "answer")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        if batch.is_none() && cosigned.is_none() {
            return Err(missing("answer.batch"));
        }
        Ok(Self {
            request: request.ok_or(missing("answer.request"))?,
            witness: witness.ok_or(missing("answer.witness"))?,
            batch,
            cosigned,
        })
    }

    /// Encodes the answer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(0).text(Kind::WitnessExchange.typ());
        map.entry(6).bytes(&self.request);
        map.entry(7).bytes(&self.witness.0);
        let write = |writer: &mut Writer, number: u64, signature: &[u8]| {
            writer.array(2).uint(number).bytes(signature);
        };
        if let Some(batch) = &self.batch {
            write(map.entry(8), batch.first_index, batch.signature);
        }
        if let Some(cosigned) = &self.cosigned {
            write(map.entry(9), cosigned.size, &cosigned.signature);
        }
        map.finish()
    }
}

fn pair(reader: &mut Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    let at = *reader;
    if reader.array(field)? == 2 { Ok(()) } else { Err(at.fault(Fault::WrongLength, field)) }
}
