//! The seal: signatures of several signers over one statement about a batch of documents.
//!
//! The signature field of a sealed document holds
//! `[size, leaf index, path, root version, first log index / null, time, [[kid, alg, signature], …]]`.
//! Each signer signs a COSE Sig_structure of its own headers over the same [`Statement`]. The batch
//! root, the typ and the signers' roles and thumbprints do not travel: the verifier recomputes them.
//! Not here: which signers are demanded (`chancery-verifier`).
//!
//! Spec: `docs/spec/seal.md`.

use alloc::vec::Vec;

use crate::cbor::{FixedSink, Reader, Sink, Writer, scan};
use crate::cose::{Header, MAX_DIRECT, Mode, STATEMENT_TYP, Unsigned};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, KeyId, Thumbprint};
use crate::key::Algorithm;
use crate::license::time;
use crate::merkle::{Hash, MAX_PATH};

mod statement;

pub use statement::OwnedStatement;

/// Most signers of one statement.
pub const MAX_SIGNERS: usize = 16;

/// What a key is for. One key never fills two roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Holds a share of the root.
    Custodian = 0,
    /// Signs licenses.
    Issuer = 1,
    /// Binds licenses to devices by typed code.
    Binder = 2,
    /// Signs revocation lists.
    Revoker = 3,
    /// Signs checkpoints of the log and bundle manifests.
    Log = 4,
    /// Cosigns what it has seen to be in the log.
    Witness = 5,
}

impl Role {
    /// Every role, by number.
    pub const ALL: [Self; 6] =
        [Self::Custodian, Self::Issuer, Self::Binder, Self::Revoker, Self::Log, Self::Witness];

    /// Returns the role with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number)).copied()
    }

    /// Returns the role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Custodian => "custodian",
            Self::Issuer => "issuer",
            Self::Binder => "binder",
            Self::Revoker => "revoker",
            Self::Log => "log",
            Self::Witness => "witness",
        }
    }
}

/// One signer of a statement, in the order in which signers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// The role of its key.
    pub role: Role,
    /// The identity of its key.
    pub thumbprint: Thumbprint,
    /// The algorithm of its key.
    pub algorithm: Algorithm,
}

/// What the signers of a seal agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The authority.
    pub authority: AuthorityId,
    /// The root version under which the signers' keys are delegated.
    pub root_version: u32,
    /// Media type of every document in the batch.
    pub leaf_typ: &'a str,
    /// Number of documents in the batch.
    pub size: u64,
    /// Root of the tree over their leaf hashes.
    pub root: Hash,
    /// Log index of the first document; none for documents that the log does not number.
    pub first_index: Option<u64>,
    /// When the statement was made, in Unix seconds.
    pub time: u64,
    /// The signers, sorted, each once; at most [`MAX_SIGNERS`].
    pub signers: &'a [Signer],
}

impl Statement<'_> {
    fn write<S: Sink>(&self, writer: &mut Writer<S>) {
        writer
            .array(9)
            .uint(1)
            .bytes(&self.authority.0)
            .uint(u64::from(self.root_version))
            .text(self.leaf_typ);
        writer.uint(self.size).bytes(&self.root).optional_uint(self.first_index).uint(self.time);
        writer.array(self.signers.len());
        for signer in self.signers {
            writer.array(3).uint(signer.role as u64).bytes(&signer.thumbprint.0);
            writer.int(signer.algorithm.cose_number());
        }
    }

    /// Encodes the statement.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Encodes the statement without allocating.
    #[must_use]
    pub fn encode_fixed(&self) -> FixedSink<MAX_DIRECT> {
        let mut writer = Writer::<FixedSink<MAX_DIRECT>>::default();
        self.write(&mut writer);
        writer.finish()
    }

    /// Returns what `signer` signs: the statement under its own headers.
    #[must_use]
    pub fn to_sign(&self, signer: &Signer) -> Unsigned {
        Unsigned::new(&statement_header(signer), self.encode())
    }
}

/// Returns the headers under which a signer signs a statement.
#[must_use]
pub fn statement_header(signer: &Signer) -> Header<'static> {
    Header { mode: Mode::Direct(signer.algorithm), kid: signer.thumbprint.key_id(), typ: STATEMENT_TYP }
}

/// One signature of a seal, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealSignature<'a> {
    /// Look-up hint for the key.
    pub kid: KeyId,
    /// The key's algorithm.
    pub algorithm: Algorithm,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> SealSignature<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("seal.signatures")? != 3 {
            return Err(start.fault(Fault::WrongLength, "seal.signatures"));
        }
        let kid = KeyId(reader.array_of("seal.signatures.kid")?);
        let at = *reader;
        let algorithm = Algorithm::from_cose_number(reader.int("seal.signatures.alg")?);
        let algorithm = algorithm.ok_or(at.fault(Fault::AlgUnknown, "seal.signatures.alg"))?;
        let at = *reader;
        let signature = reader.bytes("seal.signatures.signature")?;
        if signature.len() != algorithm.signature_len() {
            return Err(at.fault(Fault::WrongLength, "seal.signatures.signature"));
        }
        Ok(Self { kid, algorithm, signature })
    }
}

/// A seal, borrowed from the signature field that it was decoded from.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// Number of documents in the batch.
    pub size: u64,
    /// Index of this document in the batch.
    pub leaf_index: u64,
    /// Inclusion path: hashes of 32 bytes, lowest first.
    pub path: &'a [u8],
    /// As in the statement.
    pub root_version: u32,
    /// As in the statement.
    pub first_index: Option<u64>,
    /// As in the statement.
    pub time: u64,
    signatures: Reader<'a>,
    signature_count: usize,
}

impl<'a> Seal<'a> {
    /// Decodes a signature field.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `wrong-length`, `wrong-type`, `out-of-range`, `alg-unknown`, `path-length`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(bytes, "seal")?;
        if reader.array("seal")? != 7 {
            return Err(reader.fault(Fault::WrongLength, "seal"));
        }
        let size = reader.uint("seal.size")?;
        let leaf_index = reader.uint("seal.index")?;
        if leaf_index >= size {
            return Err(reader.fault(Fault::OutOfRange, "seal.index"));
        }
        let at = reader;
        let path = reader.bytes("seal.path")?;
        if path.len() % 32 != 0 || path.len() > 32 * MAX_PATH {
            return Err(at.fault(Fault::PathLength, "seal.path"));
        }
        let root_version = reader.u32("seal.root")?;
        let first_index = if reader.null() { None } else { Some(reader.uint("seal.first")?) };
        let time = time(&mut reader, "seal.time")?;
        let at = reader;
        let count = reader.array("seal.signatures")?;
        let signature_count = usize::try_from(count).ok().filter(|count| (1..=MAX_SIGNERS).contains(count));
        let signature_count = signature_count.ok_or(at.fault(Fault::OutOfRange, "seal.signatures"))?;
        let signatures = reader;
        for _ in 0..signature_count {
            SealSignature::read(&mut reader)?;
        }
        Ok(Self { size, leaf_index, path, root_version, first_index, time, signatures, signature_count })
    }

    /// Iterates over the signatures, in the order of the statement's signers.
    pub fn signatures(&self) -> impl Iterator<Item = SealSignature<'a>> + use<'a> {
        let mut reader = self.signatures;
        (0..self.signature_count).map_while(move |_| SealSignature::read(&mut reader).ok())
    }

    /// Returns the log index of this document, where the log numbers it and the number exists.
    #[must_use]
    pub fn log_index(&self) -> Option<u64> {
        self.first_index.and_then(|first| first.checked_add(self.leaf_index))
    }

    /// Encodes the seal of the document at `leaf_index`; `signatures` in the order of the statement's signers.
    #[must_use]
    pub fn encode(
        statement: &Statement<'_>,
        leaf_index: u64,
        path: &[u8],
        signatures: &[Vec<u8>],
    ) -> Vec<u8> {
        let count = statement.signers.len().min(signatures.len());
        let mut writer = Writer::new();
        writer
            .array(7)
            .uint(statement.size)
            .uint(leaf_index)
            .bytes(path)
            .uint(u64::from(statement.root_version));
        writer.optional_uint(statement.first_index).uint(statement.time).array(count);
        for (signer, signature) in statement.signers.iter().zip(signatures) {
            writer.array(3).bytes(&signer.thumbprint.key_id().0).int(signer.algorithm.cose_number());
            writer.bytes(signature);
        }
        writer.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn signers() -> [Signer; 2] {
        [Role::Issuer, Role::Witness].map(|role| Signer {
            role,
            thumbprint: Thumbprint([role as u8; 32]),
            algorithm: Algorithm::Ed25519,
        })
    }

    fn statement(signers: &[Signer]) -> Statement<'_> {
        Statement {
            authority: AuthorityId([1; 32]),
            root_version: 1,
            leaf_typ: "application/vnd.chancery.license+cwt",
            size: 50_000,
            root: [2; 32],
            first_index: Some(7),
            time: 1_700_000_000,
            signers,
        }
    }

    #[test]
    fn seals_survive_encoding() {
        let signers = signers();
        let signatures = [alloc::vec![3; 64], alloc::vec![4; 64]];
        let bytes = Seal::encode(&statement(&signers), 41_999, &[5; 512], &signatures);
        let seal = Seal::decode(&bytes).unwrap();
        assert_eq!((seal.size, seal.leaf_index, seal.log_index()), (50_000, 41_999, Some(42_006)));
        assert_eq!(seal.path, [5; 512]);
        let read: Vec<_> =
            seal.signatures().map(|signature| (signature.kid, signature.signature.to_vec())).collect();
        assert_eq!(read, [(KeyId([1; 8]), alloc::vec![3; 64]), (KeyId([5; 8]), alloc::vec![4; 64])]);
    }

    #[test]
    fn both_encodings_of_a_statement_agree_and_fit_any_signer() {
        let most = [signers()[0]; MAX_SIGNERS];
        let longest_typ = "t".repeat(128);
        let statement = Statement {
            root_version: u32::MAX,
            leaf_typ: &longest_typ,
            size: u64::MAX,
            first_index: Some(u64::MAX),
            time: u64::MAX,
            ..statement(&most)
        };
        assert_eq!(statement.encode(), statement.encode_fixed().written().unwrap());
        assert!(statement.to_sign(&most[0]).sig_structure().len() <= MAX_DIRECT);
    }

    #[test]
    fn other_seals_are_refused() {
        let signers = signers();
        let signatures = [alloc::vec![3; 64], alloc::vec![4; 64]];
        let good = |statement: &Statement<'_>, index, path: &[u8], signatures: &[Vec<u8>]| {
            Seal::decode(&Seal::encode(statement, index, path, signatures))
                .map_or_else(|error| error.code(), |_| "ok")
        };
        let statement = statement(&signers);
        assert_eq!(good(&statement, 0, &[0; 32], &signatures), "ok");
        assert_eq!(good(&statement, 50_000, &[0; 32], &signatures), "out-of-range");
        assert_eq!(good(&statement, 0, &[0; 31], &signatures), "path-length");
        assert_eq!(good(&statement, 0, &[0; 64 * 32], &signatures), "path-length");
        assert_eq!(good(&statement, 0, &[0; 32], &[]), "out-of-range");
        assert_eq!(good(&statement, 0, &[0; 32], &[alloc::vec![1; 63]]), "wrong-length");
        let surplus = [alloc::vec![3; 64], alloc::vec![4; 64], alloc::vec![5; 64]];
        assert_eq!(good(&statement, 0, &[0; 32], &surplus), "ok", "one signature a signer");
        assert_eq!(
            good(&Statement { time: u64::MAX, ..statement }, 0, &[0; 32], &signatures),
            "out-of-range"
        );
        assert_eq!(Seal::decode(&[0x80]).unwrap_err().code(), "wrong-length");
        assert_eq!(Seal::decode(&[0; 64]).unwrap_err().code(), "trailing-bytes");
    }
}
