//! The envelope of every signed document: COSE_Sign1 (RFC 9052 §4.2), tag 18 and nothing else.
//!
//! All headers are protected: 1 alg, 4 kid, 16 typ, no other. The unprotected map is empty and the
//! payload is attached. Not here: checking the signature (`chancery-verifier`), what the seal in a
//! signature field says ([`crate::seal`]).
//!
//! Spec: `docs/spec/envelope.md`.

use alloc::vec::Vec;

use crate::cbor::{FixedSink, Head, Reader, Sink, Writer, scan};
use crate::document::{Kind, MAX_DOCUMENT};
use crate::error::{DecodeError, Fault};
use crate::id::{KeyId, is_label};
use crate::key::Algorithm;
use crate::license::text;
use crate::merkle::{self, Hash};

/// Largest Sig_structure that one signer signs directly, in bytes: HSMs take no more.
pub const MAX_DIRECT: usize = 1_024;

/// COSE algorithm of a sealed document: the first number for private use that is no claim key of ours.
pub const SEAL_ALG: i64 = -65_538;

/// Media type of the statement that the signers of a seal sign.
pub const STATEMENT_TYP: &str = "application/vnd.chancery.batch+cbor";

const TAG_18: u8 = 0xd2;
const ARRAY_4: u8 = 0x84;

/// How the signature field of a document is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One signature over this document alone.
    Direct(Algorithm),
    /// Signatures over a statement about a batch, and this document's path into it.
    Seal,
}

impl Mode {
    /// Returns the number that stands in the alg header.
    #[must_use]
    pub const fn cose_number(self) -> i64 {
        match self {
            Self::Direct(algorithm) => algorithm.cose_number(),
            Self::Seal => SEAL_ALG,
        }
    }

    fn from_cose_number(number: i64) -> Option<Self> {
        if number == SEAL_ALG {
            Some(Self::Seal)
        } else {
            Algorithm::from_cose_number(number).map(Self::Direct)
        }
    }
}

/// The protected headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Header 1, alg: algorithm and mode.
    pub mode: Mode,
    /// Header 4, kid: a look-up hint.
    pub kid: KeyId,
    /// Header 16, typ (RFC 9596).
    pub typ: &'a str,
}

impl<'a> Header<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(bytes, "protected")?;
        let entries = reader.map("protected")?;
        let (mut mode, mut kid, mut typ) = (None, None, None);
        for _ in 0..entries {
            let entry = reader;
            let unknown = || entry.fault(Fault::HeaderUnknown, "protected");
            match reader.int("protected").map_err(|_| unknown())? {
                1 => {
                    let value = reader;
                    let number = reader.int("alg")?;
                    let unknown = || value.fault(Fault::AlgUnknown, "alg");
                    mode = Some(Mode::from_cose_number(number).ok_or_else(unknown)?);
                }
                4 => kid = Some(KeyId(reader.array_of("kid")?)),
                16 => typ = Some(text(&mut reader, "typ", is_label)?),
                _ => return Err(unknown()),
            }
        }
        let missing = |field| DecodeError { fault: Fault::Missing, field, offset: 0 };
        Ok(Self {
            mode: mode.ok_or_else(|| missing("alg"))?,
            kid: kid.ok_or_else(|| missing("kid"))?,
            typ: typ.ok_or_else(|| missing("typ"))?,
        })
    }

    /// Encodes the protected header, without the byte string around it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Encodes the protected header without allocating; a typ that is too long overflows the sink.
    #[must_use]
    pub fn encode_fixed(&self) -> FixedSink<128> {
        let mut writer = Writer::<FixedSink<128>>::default();
        self.write(&mut writer);
        writer.finish()
    }

    fn write<S: Sink>(&self, writer: &mut Writer<S>) {
        writer.map(3).uint(1).int(self.mode.cose_number()).uint(4).bytes(&self.kid.0).uint(16).text(self.typ);
    }
}

/// A decoded envelope; it borrows the received bytes, over which signatures are checked.
///
/// Nothing in it is trusted yet.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The protected headers.
    pub header: Header<'a>,
    /// The protected headers as received.
    pub protected: &'a [u8],
    /// The payload as received.
    pub payload: &'a [u8],
    /// The signature field as received.
    pub signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Decodes an envelope of any kind.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else, `tag-wrong`, any fault of the scan, `unprotected-not-empty`,
    /// `header-unknown`, `alg-unknown`, `missing-field`, `text-forbidden`, `wrong-type`, `wrong-length`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let fault = |fault| DecodeError { fault, field: "document", offset: 0 };
        if bytes.len() > MAX_DOCUMENT {
            return Err(fault(Fault::TooLarge));
        }
        let body = match bytes {
            [] => return Err(fault(Fault::Truncated)),
            [TAG_18, body @ ..] => body,
            _ => return Err(fault(Fault::TagWrong)),
        };
        // A second tag under the first is the wrong tag, not merely one that is forbidden inside.
        if body.first().is_some_and(|byte| byte >> 5 == 6) {
            return Err(fault(Fault::TagWrong));
        }
        // Offsets count from the start of the document, tag included.
        let shifted = |error: DecodeError| DecodeError { offset: error.offset + 1, ..error };
        let mut reader = scan(body, "document").map_err(shifted)?;
        Self::read(&mut reader)
            .map_err(|error| if error.field == "document" { shifted(error) } else { error })
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.rest().first() != Some(&ARRAY_4) {
            return Err(start.fault(Fault::WrongType, "document"));
        }
        reader.array("document")?;
        let protected = reader.bytes("document")?;
        let unprotected = *reader;
        if reader.map("document")? != 0 {
            return Err(unprotected.fault(Fault::UnprotectedNotEmpty, "document"));
        }
        let payload = reader.bytes("document")?;
        let signature = reader.bytes("document")?;
        Ok(Self { header: Header::decode(protected)?, protected, payload, signature })
    }

    /// Decodes an envelope whose typ must be that of `kind`.
    ///
    /// # Errors
    ///
    /// Those of [`Envelope::decode`], and `typ-wrong`.
    pub fn decode_kind(bytes: &'a [u8], kind: Kind) -> Result<Self, DecodeError> {
        let envelope = Self::decode(bytes)?;
        if envelope.header.typ == kind.typ() {
            Ok(envelope)
        } else {
            Err(DecodeError { fault: Fault::TypWrong, field: "typ", offset: 0 })
        }
    }

    /// Writes the Sig_structure (RFC 9052 §4.4) into `buffer` and returns the part written; `None`
    /// where it does not fit, and so is longer than any signer may sign directly.
    #[must_use]
    pub fn sig_structure<'b>(&self, buffer: &'b mut [u8; MAX_DIRECT]) -> Option<&'b [u8]> {
        write_sig_structure(self.protected, self.payload, buffer)
    }

    /// Returns the hash of this document as a leaf of batch and log: SHA-256(0x00 ‖ Sig_structure).
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.protected, self.payload)
    }
}

/// What a signer is asked to sign: the headers and payload of a document without signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    protected: Vec<u8>,
    payload: Vec<u8>,
}

impl Unsigned {
    /// Joins a header and a payload.
    #[must_use]
    pub fn new(header: &Header<'_>, payload: Vec<u8>) -> Self {
        Self { protected: header.encode(), payload }
    }

    /// Joins parts that were kept from an earlier [`Unsigned`].
    #[must_use]
    pub const fn from_parts(protected: Vec<u8>, payload: Vec<u8>) -> Self {
        Self { protected, payload }
    }

    /// Returns the encoded protected header.
    #[must_use]
    pub fn protected(&self) -> &[u8] {
        &self.protected
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the bytes to sign in direct mode: the Sig_structure (RFC 9052 §4.4).
    #[must_use]
    pub fn sig_structure(&self) -> Vec<u8> {
        with_parts(&self.protected, &self.payload, |parts| parts.concat())
    }

    /// Returns the hash of this document as a leaf of batch and log.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.protected, &self.payload)
    }

    /// Completes the document with its signature field.
    #[must_use]
    pub fn sign(&self, signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&[TAG_18]).array(4).bytes(&self.protected).map(0).bytes(&self.payload).bytes(signature);
        writer.finish()
    }
}

/// Writes a Sig_structure (RFC 9052 §4.4) into `buffer` and returns the part written; `None` where it
/// does not fit. Allocates nothing.
#[must_use]
pub fn write_sig_structure<'b>(
    protected: &[u8],
    payload: &[u8],
    buffer: &'b mut [u8; MAX_DIRECT],
) -> Option<&'b [u8]> {
    with_parts(protected, payload, |parts| {
        let mut length = 0;
        for part in parts {
            buffer.get_mut(length..length + part.len())?.copy_from_slice(part);
            length += part.len();
        }
        buffer.get(..length)
    })
}

/// Returns the hash, as a leaf of batch and log, of the document with these encoded headers and payload.
#[must_use]
pub fn leaf_hash(protected: &[u8], payload: &[u8]) -> Hash {
    with_parts(protected, payload, merkle::leaf_hash)
}

/// Hands on ["Signature1", protected, h'', payload] in parts, so that nobody has to join them.
fn with_parts<T>(protected: &[u8], payload: &[u8], then: impl FnOnce(&[&[u8]]) -> T) -> T {
    let (protected_head, payload_head) = (Head::of_bytes(protected), Head::of_bytes(payload));
    then(&[
        b"\x84\x6aSignature1",
        protected_head.as_ref(),
        protected,
        b"\x40",
        payload_head.as_ref(),
        payload,
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cbor::MapWriter;
    use coset::{CoseSign1, TaggedCborSerializable};

    const HEADER: Header<'static> = Header {
        mode: Mode::Direct(Algorithm::Ed25519),
        kid: KeyId([7; 8]),
        typ: "application/vnd.chancery.license+cwt",
    };

    fn document() -> Vec<u8> {
        Unsigned::new(&HEADER, alloc::vec![0xa0; 300]).sign(&[9; 64])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = document();
        let envelope = Envelope::decode_kind(&bytes, Kind::License).unwrap();
        assert_eq!(envelope.header, HEADER);
        assert_eq!(envelope.payload, [0xa0; 300]);
        assert_eq!(envelope.signature, [9; 64]);
        let error = Envelope::decode_kind(&bytes, Kind::Request).unwrap_err();
        assert_eq!(error.code(), "typ-wrong");
    }

    #[test]
    fn another_library_reads_the_envelope_and_signs_the_same_bytes() {
        let bytes = document();
        let theirs = CoseSign1::from_tagged_slice(&bytes).unwrap();
        let envelope = Envelope::decode(&bytes).unwrap();
        let mut buffer = [0; MAX_DIRECT];
        assert_eq!(theirs.tbs_data(&[]), envelope.sig_structure(&mut buffer).unwrap());
        let unsigned = Unsigned::from_parts(envelope.protected.to_vec(), envelope.payload.to_vec());
        assert_eq!(unsigned.sig_structure(), theirs.tbs_data(&[]));
        assert_eq!(unsigned.leaf_hash(), envelope.leaf_hash());
        assert_eq!(envelope.leaf_hash(), merkle::leaf_hash(&[&theirs.tbs_data(&[])]));
    }

    #[test]
    fn what_is_too_long_to_sign_directly_is_told() {
        let long = Unsigned::new(&HEADER, alloc::vec![0; 1_000]);
        let mut buffer = [0; MAX_DIRECT];
        assert_eq!(write_sig_structure(long.protected(), long.payload(), &mut buffer), None);
    }

    #[test]
    fn every_other_envelope_is_refused_by_name() {
        let good = document();
        let protected = HEADER.encode();
        let envelope = |protected: &[u8], unprotected: &[u8], tag: &[u8]| {
            let mut writer = Writer::new();
            writer.raw(tag).array(4).bytes(protected).raw(unprotected).bytes(&[0xa0]).bytes(&[9; 64]);
            writer.finish()
        };
        let header = |entries: &[(i64, &[u8])]| {
            let mut map = MapWriter::new();
            for (key, value) in entries {
                map.entry(*key).raw(value);
            }
            map.finish()
        };
        let kid = [&[0x48][..], &[7; 8]].concat();
        let typ = [&[0x78, 36][..], HEADER.typ.as_bytes()].concat();
        let tag = &[TAG_18][..];
        let cases = [
            (good[1..].to_vec(), "tag-wrong"),
            ([&[0xd8, 0x3d], &good[..]].concat(), "tag-wrong"),
            ([&[0xd9, 0xd9, 0xf7], &good[..]].concat(), "tag-wrong"),
            ([&[0xd2], &good[..]].concat(), "tag-wrong"),
            ([&good[..], &[0]].concat(), "trailing-bytes"),
            (good[..good.len() - 1].to_vec(), "truncated"),
            (envelope(&protected, &[0xa1, 1, 0x32], tag), "unprotected-not-empty"),
            (envelope(&header(&[(4, &kid), (16, &typ)]), &[0xa0], tag), "missing-field"),
            (envelope(&header(&[(1, &[0x27]), (4, &kid), (16, &typ)]), &[0xa0], tag), "alg-unknown"),
            (
                envelope(&header(&[(1, &[0x32]), (2, &[0x80]), (4, &kid), (16, &typ)]), &[0xa0], tag),
                "header-unknown",
            ),
            (envelope(&header(&[(1, &[0x32]), (4, &[0x41, 7]), (16, &typ)]), &[0xa0], tag), "wrong-length"),
            (
                envelope(&header(&[(1, &[0x32]), (4, &kid), (16, &[0x61, 0x1b])]), &[0xa0], tag),
                "text-forbidden",
            ),
            (envelope(&[], &[0xa0], tag), "truncated"),
            (alloc::vec![0xd2; MAX_DOCUMENT + 1], "too-large"),
        ];
        for (bytes, code) in cases {
            assert_eq!(Envelope::decode(&bytes).unwrap_err().code(), code, "{bytes:02x?}");
        }
    }
}
