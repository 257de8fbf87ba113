//! Statements: those of batches that are kept, and those that seals of documents lead to.

use chancery_formats::cose::{Envelope, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::merkle::{Frontier, Hash, root_from_path};
use chancery_formats::seal::{OwnedStatement, Seal, Signer, Statement, statement_header};

use super::{Findings, Keys};
use crate::repository::history::BatchRow;

/// What each signer of a statement signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    statement: Vec<u8>,
    signers: Vec<Signer>,
}

impl Signed {
    /// Returns the bytes that the device of a signer signs; none for a key that is no signer.
    pub(super) fn message(&self, key: Thumbprint) -> Option<Vec<u8>> {
        let signer = self.signers.iter().find(|signer| signer.thumbprint == key)?;
        Some(Unsigned::new(&statement_header(signer), self.statement.clone()).sig_structure())
    }

    pub(super) fn signers(&self) -> impl Iterator<Item = Thumbprint> {
        self.signers.iter().map(|signer| signer.thumbprint)
    }

    /// Recomputes the statement of a sealed document; `None` where the seal leads to none.
    pub(super) fn of_document(
        envelope: &Envelope<'_>,
        seal: &Seal<'_>,
        authority: AuthorityId,
        keys: &Keys,
    ) -> Option<Self> {
        let root = root_from_path(envelope.leaf_hash(), seal.leaf_index, seal.size, seal.path)?;
        let signers = seal.signatures().map(|signature| {
            let key = keys.by_id(signature.kid)?;
            let algorithm = signature.algorithm;
            (key.key.algorithm() == algorithm).then_some(Signer {
                role: key.role,
                thumbprint: key.thumbprint,
                algorithm,
            })
        });
        let signers: Vec<Signer> = signers.collect::<Option<_>>()?;
        let statement = Statement {
            authority,
            root_version: seal.root_version,
            leaf_typ: envelope.header.typ,
            size: seal.size,
            root,
            first_index: seal.first_index,
            time: seal.time,
            signers: &signers,
        };
        Some(Self { statement: statement.encode(), signers })
    }

    /// Returns whether each signature of a seal is good over this statement.
    pub(super) fn verifies(&self, seal: &Seal<'_>, keys: &Keys) -> bool {
        let mut signatures = seal.signatures();
        self.signers.iter().all(|signer| {
            let message = self.message(signer.thumbprint);
            let key = keys.by_thumbprint(signer.thumbprint);
            let good = |signature: chancery_formats::seal::SealSignature<'_>| {
                key.zip(message)
                    .is_some_and(|(key, message)| key.key.verify(&message, signature.signature).is_ok())
            };
            signatures.next().is_some_and(good)
        }) && signatures.next().is_none()
    }
}

/// A batch whose documents are being read.
#[derive(Debug)]
pub(super) struct Batch {
    first_index: u64,
    leaf_count: u64,
    leaf_typ: String,
    root: Hash,
    frontier: Frontier,
    signed: Signed,
}

impl Batch {
    pub(super) const fn first_index(&self) -> u64 {
        self.first_index
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.frontier.size() >= self.leaf_count
    }

    pub(super) const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Checks what a batch says of itself, and its signatures; its documents follow with [`Batch::push`].
    pub(super) fn begin(
        first_index: u64,
        row: &BatchRow,
        signatures: Vec<(Thumbprint, Vec<u8>)>,
        keys: &Keys,
        authority: AuthorityId,
        findings: &mut Findings,
    ) -> Option<Self> {
        let name = format!("the batch at {first_index}");
        let Ok(said) = OwnedStatement::decode(&row.statement) else {
            findings.add("batch-statement", format!("{name} has a statement that is malformed"));
            return None;
        };
        let (size, first) = (row.leaf_count, Some(first_index));
        if (said.authority, said.size, said.first_index, said.time) != (authority, size, first, row.made_at) {
            findings.add("batch-statement", format!("{name} has the statement of another"));
        }
        let signed = Signed { statement: row.statement.clone(), signers: said.signers };
        for (signer, signature) in &signatures {
            let message = signed.message(*signer);
            let key = keys.by_thumbprint(*signer);
            let good =
                key.zip(message).is_some_and(|(key, message)| key.key.verify(&message, signature).is_ok());
            if !good {
                findings.add("batch-signature", format!("{name}: signature of {} is wrong", signer.key_id()));
            }
        }
        let lacks = |signer: &Thumbprint| signatures.iter().all(|signature| signature.0 != *signer);
        if row.sealed_at.is_some() && signed.signers().any(|signer| lacks(&signer)) {
            findings.add("batch-signature", format!("{name} is sealed and lacks a signature"));
        }
        Some(Self {
            first_index,
            leaf_count: row.leaf_count,
            leaf_typ: said.leaf_typ,
            root: said.root,
            frontier: Frontier::new(),
            signed,
        })
    }

    /// Takes the next document, and compares the root after the last.
    pub(super) fn push(&mut self, kind: Option<Kind>, leaf: Hash, findings: &mut Findings) {
        if kind.map(Kind::typ) != Some(&self.leaf_typ) {
            let message = format!("the batch at {} is of another kind than its documents", self.first_index);
            findings.add("batch-statement", message);
        }
        self.frontier.push(leaf);
        if self.frontier.size() == self.leaf_count && self.frontier.root() != self.root {
            let message = format!("the batch at {} is of other documents than those here", self.first_index);
            findings.add("batch-root", message);
        }
    }
}
