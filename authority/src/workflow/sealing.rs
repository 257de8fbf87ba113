//! Sealing by several: documents begun in the log, one statement over each kind, and signatures that come in
//! from keys of this machine and of others.
//!
//! Each key signs a statement once, whatever the number of documents under it. Nothing is signed that the log
//! does not intend already, and no document stands before its statement has every signature that it names.
//! Not here: who must sign (`custody`), and what stands then (`role`, `rotation`).

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::Algorithm;
use chancery_formats::merkle::Tree;
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_hsm_config::Key;

use super::signing::{attempt, operation};
use crate::error::CommandError;
use crate::repository::{NewBatch, NewKey, NewLeaf, Repository};

mod load;

/// Documents of one kind that are to be sealed together.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What they are.
    pub kind: Kind,
    /// Their payloads, at least one.
    pub payloads: Vec<Vec<u8>>,
    /// Who signs: sorted, each once.
    pub signers: Vec<Signer>,
    /// The root version under which the signers' keys are delegated.
    pub root_version: u32,
}

/// Documents of one kind with the statement over them, as they stand in the log.
#[derive(Clone, Debug)]
pub struct Batch {
    authority: AuthorityId,
    root_version: u32,
    kind: Kind,
    first_index: u64,
    time: u64,
    signers: Vec<Signer>,
    documents: Vec<Unsigned>,
    tree: Tree,
}

impl Batch {
    /// Begins batches in the log, one for each draft, and adds the keys that are to be the authority's with them.
    ///
    /// # Errors
    ///
    /// A failure for a draft without documents or signers; those of [`Repository::begin_batches`].
    pub fn begin(
        repository: &mut Repository,
        authority: AuthorityId,
        drafts: &[Draft],
        candidates: &[NewKey<'_>],
        now: u64,
    ) -> Result<Vec<Self>, CommandError> {
        let mut batches =
            drafts.iter().map(|draft| Self::of(authority, draft, now)).collect::<Result<Vec<_>, _>>()?;
        let encode = |batch: &Self, first_index| batch.statement_at(first_index).encode();
        let encoders: Vec<_> =
            batches.iter().map(|batch| move |first_index| encode(batch, first_index)).collect();
        let new: Vec<_> = batches
            .iter()
            .zip(&encoders)
            .map(|(batch, encoder)| NewBatch { leaves: batch.leaves(), statement: encoder })
            .collect();
        let firsts = repository.begin_batches(&new, candidates, now)?;
        for (batch, first_index) in batches.iter_mut().zip(firsts) {
            batch.first_index = first_index;
        }
        Ok(batches)
    }

    /// Returns the batch of a draft, which has no place in the log yet.
    fn of(authority: AuthorityId, draft: &Draft, time: u64) -> Result<Self, CommandError> {
        let nothing = || CommandError::failed("internal", "nothing to seal, or nobody to seal it");
        // A look-up hint alone: the seal names every signer. It names the key whose record is for this kind.
        let leads =
            |signer: &&Signer| signer.role == leader(draft.kind) && signer.algorithm != Algorithm::MlDsa87;
        let leading = draft.signers.iter().find(leads).or(draft.signers.first());
        let kid = leading.ok_or_else(nothing)?.thumbprint.key_id();
        let header = Header { mode: Mode::Seal, kid, typ: draft.kind.typ() };
        let documents: Vec<_> =
            draft.payloads.iter().map(|payload| Unsigned::new(&header, payload.clone())).collect();
        let tree = Tree::new(documents.iter().map(Unsigned::leaf_hash).collect()).ok_or_else(nothing)?;
        let (root_version, kind, signers) = (draft.root_version, draft.kind, draft.signers.clone());
        Ok(Self { authority, root_version, kind, first_index: 0, time, signers, documents, tree })
    }

    fn leaves(&self) -> Vec<NewLeaf<'_>> {
        self.documents
            .iter()
            .map(|document| NewLeaf {
                kind: self.kind,
                protected: document.protected(),
                payload: document.payload(),
            })
            .collect()
    }

    /// Returns when the statement was made, in Unix seconds.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.time
    }

    /// Returns the documents, without signatures.
    #[must_use]
    pub fn documents(&self) -> &[Unsigned] {
        &self.documents
    }

    /// Returns the log index of the first document.
    #[must_use]
    pub const fn first_index(&self) -> u64 {
        self.first_index
    }

    /// Returns who signs.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Returns what the signers sign.
    #[must_use]
    pub fn statement(&self) -> Statement<'_> {
        self.statement_at(self.first_index)
    }

    fn statement_at(&self, first_index: u64) -> Statement<'_> {
        Statement {
            authority: self.authority,
            root_version: self.root_version,
            leaf_typ: self.kind.typ(),
            size: self.documents.len() as u64,
            root: self.tree.root(),
            first_index: Some(first_index),
            time: self.time,
            signers: &self.signers,
        }
    }

    /// Signs the statement with a key of this machine, where it is one of the signers and has not signed.
    ///
    /// # Errors
    ///
    /// Those of the key and the repository.
    pub fn sign(&self, repository: &mut Repository, key: &Key, now: u64) -> Result<(), CommandError> {
        let thumbprint = key.public_key().thumbprint();
        let Some(signer) = self.signers.iter().find(|signer| signer.thumbprint == thumbprint) else {
            return Ok(());
        };
        if repository.signatures_of_batch(self.first_index)?.iter().any(|(known, _)| *known == thumbprint) {
            return Ok(());
        }
        let message = self.statement().to_sign(signer).sig_structure();
        let _turn = repository.turn()?;
        let id = repository.begin_batch_signature(self.first_index, &operation(key, &message), now)?;
        let signature = attempt(repository, key, id, &message, now)?;
        Ok(repository.keep_batch_signature(self.first_index, thumbprint, &signature, Some(id), now)?)
    }

    /// Returns the signers that have not signed.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn missing(&self, repository: &Repository) -> Result<Vec<Signer>, CommandError> {
        let signed = repository.signatures_of_batch(self.first_index)?;
        let has_signed = |signer: &&Signer| signed.iter().any(|(known, _)| *known == signer.thumbprint);
        Ok(self.signers.iter().filter(|signer| !has_signed(signer)).copied().collect())
    }

    /// Returns the sealed documents by log index, once every signer has signed.
    ///
    /// # Errors
    ///
    /// A failure while a signature is missing.
    pub fn seal(&self, repository: &Repository) -> Result<Vec<(u64, Vec<u8>)>, CommandError> {
        let signed = repository.signatures_of_batch(self.first_index)?;
        let signature_of = |thumbprint: Thumbprint| {
            let found = signed.iter().find(|(known, _)| *known == thumbprint);
            found.map(|(_, signature)| signature.clone()).ok_or_else(|| {
                let message = format!("key {} has not signed", thumbprint.key_id());
                CommandError::failed("signature-missing", message)
                    .hint("have every signer that the statement names sign")
            })
        };
        let signatures: Vec<_> =
            self.signers.iter().map(|signer| signature_of(signer.thumbprint)).collect::<Result<_, _>>()?;
        let statement = self.statement();
        let seal = |(index, document): (usize, &Unsigned)| {
            let seal = Seal::encode(&statement, index as u64, &self.tree.path(index), &signatures);
            (self.first_index + index as u64, document.sign(&seal))
        };
        Ok(self.documents.iter().enumerate().map(seal).collect())
    }
}

/// Returns the role whose key signs documents of a kind, with or without others beside it.
const fn leader(kind: Kind) -> Role {
    match kind {
        Kind::License => Role::Issuer,
        Kind::RevocationList => Role::Revoker,
        Kind::Manifest | Kind::Transcript => Role::Log,
        _ => Role::Custodian,
    }
}
