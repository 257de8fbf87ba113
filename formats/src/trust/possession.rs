//! A proof of possession: somebody has the private half of a key, for one named place in one ceremony.
//!
//! `{0: typ, 1: schema, 2: challenge, 3: name, 4: COSE_Key, 5: signature, 6: partner COSE_Key, 7: its signature}`.
//! Each key signs, under its own headers and this typ, the statement `[1, challenge, name, thumbprint, partner
//! thumbprint / null]`, which does not travel. The challenge is the hash of a ceremony's plan, or of the root that
//! came of it. Not here: checking the signatures, and what a challenge must be.
//!
//! Spec: `docs/spec/possession.md`.

use alloc::vec::Vec;

use super::quorum;
use crate::cbor::{MapWriter, Writer, scan};
use crate::cose::{Header, Mode, Unsigned};
use crate::document::Kind;
use crate::error::{DecodeError, Fault};
use crate::id::{Thumbprint, is_label};
use crate::key::PublicKey;
use crate::license::text;
use crate::merkle::Hash;

const SCHEMA: u64 = 1;

/// A proof of possession. Nothing in it is trusted until its signatures were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possession<'a> {
    /// Key 2: what the proof is for: SHA-256 of a plan, or of the payload of a root.
    pub challenge: Hash,
    /// Key 3: the place that the key is to take, as the plan names it.
    pub name: &'a str,
    /// Keys 4 and 5: the key, and its signature over the statement.
    pub key: PublicKey,
    /// Key 5.
    pub signature: &'a [u8],
    /// Keys 6 and 7: the ML-DSA-87 key beside it, and its signature, where trust is hybrid.
    pub partner: Option<(PublicKey, &'a [u8])>,
}

/// What the keys of a proof sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// As in the proof.
    pub challenge: Hash,
    /// As in the proof.
    pub name: &'a str,
    /// Identity of the key.
    pub key: Thumbprint,
    /// Identity of its partner.
    pub partner: Option<Thumbprint>,
}

impl Claim<'_> {
    /// Returns what `key`, one of the two, signs: the statement under its own headers.
    #[must_use]
    pub fn to_sign(&self, key: &PublicKey) -> Unsigned {
        let mut writer = Writer::new();
        writer.array(5).uint(SCHEMA).bytes(&self.challenge).text(self.name).bytes(&self.key.0);
        match &self.partner {
            Some(partner) => writer.bytes(&partner.0),
            None => writer.null(),
        };
        let mode = Mode::Direct(key.algorithm());
        let header = Header { mode, kid: key.key_id(), typ: Kind::Possession.typ() };
        Unsigned::new(&header, writer.finish())
    }
}

impl<'a> Possession<'a> {
    /// Decodes a proof.
    ///
    /// # Errors
    ///
    /// `too-large` before anything else; any fault of the scan; `typ-wrong`, `schema-unknown`, `missing-field`,
    /// `unknown-field`, `wrong-type`, `wrong-length`, `text-forbidden`, `key-invalid`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > Kind::Possession.max_bytes() {
            return Err(DecodeError { fault: Fault::TooLarge, field: "possession", offset: 0 });
        }
        let mut reader = scan(bytes, "possession")?;
        let start = reader;
        let entries = reader.map("possession")?;
        if entries == 0 || reader.int("possession")? != 0 {
            return Err(start.fault(Fault::Missing, "possession.typ"));
        }
        let at = reader;
        if reader.text("possession.typ")? != Kind::Possession.typ() {
            return Err(at.fault(Fault::TypWrong, "possession.typ"));
        }
        let (mut schema, mut challenge, mut name, mut key) = (None, None, None, None);
        let (mut signature, mut partner, mut other) = (None, None, None);
        for _ in 1..entries {
            let at = reader;
            match reader.int("possession")? {
                1 if reader.uint("possession.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "possession.schema")),
                2 => challenge = Some(reader.array_of("possession.challenge")?),
                3 => name = Some(text(&mut reader, "possession.name", is_label)?),
                4 => key = Some(quorum::primary(&mut reader)?),
                5 => signature = Some(reader.bytes("possession.signature")?),
                6 => partner = Some(quorum::partner(&mut reader)?),
                7 => other = Some(reader.bytes("possession.partner-signature")?),
                _ => return Err(at.fault(Fault::UnknownField, "possession")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("possession.schema"))?;
        let partner = match (partner, other) {
            (Some(key), Some(signature)) => Some((key, signature)),
            (None, None) => None,
            _ => return Err(missing("possession.partner")),
        };
        let key: PublicKey = key.ok_or(missing("possession.key"))?;
        let signature = signature.ok_or(missing("possession.signature"))?;
        let pairs = [(&key, signature)];
        let pairs = pairs.into_iter().chain(partner.as_ref().map(|(key, signature)| (key, *signature)));
        for (key, signature) in pairs {
            if signature.len() != key.algorithm().signature_len() {
                return Err(reader.fault(Fault::WrongLength, "possession.signature"));
            }
        }
        Ok(Self {
            challenge: challenge.ok_or(missing("possession.challenge"))?,
            name: name.ok_or(missing("possession.name"))?,
            key,
            signature,
            partner,
        })
    }

    /// Encodes the proof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(0).text(Kind::Possession.typ());
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.challenge);
        map.entry(3).text(self.name);
        map.entry(4).raw(&self.key.encode());
        map.entry(5).bytes(self.signature);
        if let Some((key, signature)) = &self.partner {
            map.entry(6).raw(&key.encode());
            map.entry(7).bytes(signature);
        }
        map.finish()
    }

    /// Returns what its keys have signed, if they have.
    #[must_use]
    pub fn claim(&self) -> Claim<'a> {
        Claim {
            challenge: self.challenge,
            name: self.name,
            key: self.key.thumbprint(),
            partner: self.partner.as_ref().map(|(key, _)| key.thumbprint()),
        }
    }

    /// Returns whether bytes start as a proof does; they may still be refused.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let (Some(first), Some(rest)) = (bytes.first(), bytes.get(1..)) else { return false };
        (0xa6..=0xa8).contains(first)
            && rest.starts_with(b"\x00\x78\x28application/vnd.chancery.possession+cbor")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    const PROOF: Possession<'static> = Possession {
        challenge: [1; 32],
        name: "Alice Arnold",
        key: PublicKey::Ed25519([2; 32]),
        signature: &[3; 64],
        partner: None,
    };

    fn partner() -> PublicKey {
        PublicKey::MlDsa87(Box::new([4; 2_592]))
    }

    fn code(proof: &Possession<'_>) -> &'static str {
        Possession::decode(&proof.encode()).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn proofs_survive_encoding() {
        for partner in [None, Some((partner(), &[5; 4_627][..]))] {
            let proof = Possession { partner, ..PROOF };
            let bytes = proof.encode();
            assert!(Possession::looks_like(&bytes));
            assert_eq!(Possession::decode(&bytes), Ok(proof));
        }
    }

    #[test]
    fn both_keys_sign_who_they_are_and_what_for() {
        let alone = PROOF.claim();
        let hybrid = Possession { partner: Some((partner(), &[5; 4_627])), ..PROOF }.claim();
        let signed = |claim: &Claim<'_>| claim.to_sign(&PROOF.key).sig_structure();
        assert_ne!(signed(&alone), signed(&hybrid), "a partner cannot be stripped");
        for other in [
            Claim { challenge: [9; 32], ..alone },
            Claim { name: "Bob Brandt", ..alone },
            Claim { key: Thumbprint([9; 32]), ..alone },
        ] {
            assert_ne!(signed(&alone), signed(&other));
        }
        let longest = "n".repeat(128);
        let claim = Claim { name: &longest, ..hybrid };
        assert!(claim.to_sign(&partner()).sig_structure().len() <= crate::cose::MAX_DIRECT);
    }

    #[test]
    fn other_proofs_are_refused() {
        assert_eq!(code(&Possession { name: "", ..PROOF }), "text-forbidden");
        assert_eq!(code(&Possession { signature: &[3; 63], ..PROOF }), "wrong-length");
        assert_eq!(code(&Possession { partner: Some((partner(), &[5; 64])), ..PROOF }), "wrong-length");
        assert_eq!(code(&Possession { key: partner(), ..PROOF }), "key-invalid");
        let with = |tail: &[u8]| {
            let mut bytes = [&PROOF.encode()[..], tail].concat();
            bytes[0] += 1;
            Possession::decode(&bytes).unwrap_err().code()
        };
        assert_eq!(with(&[7, 0x41, 1]), "missing-field");
        assert_eq!(with(&[8, 1]), "unknown-field");
        assert_eq!(Possession::decode(&[0xa0]).unwrap_err().code(), "missing-field");
        let mut other = PROOF.encode();
        other[20] ^= 1;
        assert_eq!(Possession::decode(&other).unwrap_err().code(), "typ-wrong");
        assert_eq!(Possession::decode(&alloc::vec![0; 65_537]).unwrap_err().code(), "too-large");
    }
}
