//! The witness exchange: what an authority asks of a witness, and what the witness answers.
//!
//! ```text
//! request {0: typ, 1: trust bundle, 2: size known, 3: proof, 4: checkpoint, ? 5: batch}
//! answer  {0: typ, 6: hash of the request, 7: witness, ? 8: signature of the batch, ? 9: cosignature}
//! ```
//!
//! Nobody signs the exchange: all that a witness believes of it carries signatures of its own or is computed from
//! it. What can be recomputed does not travel: leaf hashes, the root of the batch and the headers of its documents.
//! Not here: what a witness refuses (the authority's `witness`), keeping its memory.
//!
//! Spec: `docs/spec/witness.md`.

use crate::cbor::{Reader, scan};
use crate::document::{Kind, MAX_WITNESS};
use crate::error::{DecodeError, Fault};

mod answer;
mod request;

pub use answer::{Answer, BatchSignature, Cosigned};
pub use request::{Batch, NewBatch, Request};

/// Longest signature of any algorithm, in bytes.
const MAX_SIGNATURE: usize = 8 * 1024;

/// An exchange, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug)]
pub enum Exchange<'a> {
    /// What the witness answered.
    Answer(Answer<'a>),
    /// What it is asked.
    Request(Request<'a>),
}

impl<'a> Exchange<'a> {
    /// Decodes an exchange of either direction.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `typ-wrong`, `unknown-field`, `missing-field`,
    /// `wrong-type`, `wrong-length`, `out-of-range`, `unsorted-keys`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_WITNESS {
            return Err(DecodeError { fault: Fault::TooLarge, field: "exchange", offset: 0 });
        }
        let mut reader = scan(bytes, "exchange")?;
        let start = reader;
        let entries = reader.map("exchange")?;
        if entries < 2 || reader.int("exchange")? != 0 {
            return Err(start.fault(Fault::UnknownField, "exchange"));
        }
        let at = reader;
        if reader.text("exchange.typ")? != Kind::WitnessExchange.typ() {
            return Err(at.fault(Fault::TypWrong, "exchange.typ"));
        }
        // Keys ascend, so the next one tells the direction.
        let mut ahead = reader;
        match ahead.int("exchange")? {
            ..=5 => Request::read(&mut reader, entries - 1).map(Self::Request),
            _ => Answer::read(&mut reader, entries - 1).map(Self::Answer),
        }
    }

    /// Returns whether bytes start as an exchange does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return false };
        (0xa2..=0xa6).contains(first)
            && rest.starts_with(b"\x00\x78\x25application/vnd.chancery.witness+cbor")
    }
}

/// Reads a byte string of between one byte and `max`.
fn bounded<'a>(reader: &mut Reader<'a>, max: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let at = *reader;
    let bytes = reader.bytes(field)?;
    if bytes.is_empty() || bytes.len() > max { Err(at.fault(Fault::OutOfRange, field)) } else { Ok(bytes) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
