//! A document that keys of roles seal by themselves: begun once in the log, and taken up again where the work on
//! it was interrupted, so that no number is ever given to two documents.
//!
//! Not here: what the document says (`revocation`, `bundle`), custodians (`custody`).

use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::seal::{Role, Signer};
use chancery_hsm_config::{Key, PinSource};

use super::sealing::{Batch, Draft};
use super::signatory::Signatories;
use super::signing::open_key;
use crate::error::CommandError;
use crate::repository::Repository;

/// The open keys that seal a document: that of a role, and those that its record demands beside it.
#[derive(Debug)]
pub struct Sealers {
    authority: AuthorityId,
    root_version: u32,
    keys: Vec<Key>,
    signers: Vec<Signer>,
}

/// A document that has every signature, and does not stand yet.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its place in the log.
    pub log_index: u64,
    /// The document.
    pub bytes: Vec<u8>,
}

impl Sealers {
    /// Opens the newest key of a role, and those that must sign beside it.
    ///
    /// # Errors
    ///
    /// Those of [`Signatories::of`]; `key-elsewhere` for a key of another machine; those of the key backend.
    pub fn open(
        repository: &Repository,
        role: Role,
        pins: &mut PinSource,
        now: u64,
    ) -> Result<Self, CommandError> {
        let authority = repository.authority()?;
        let Signatories { key, beside, signers, .. } = Signatories::of(repository, role, now)?;
        let home = repository.home();
        let keys = std::iter::once(&key).chain(&beside).map(|record| open_key(home, record, pins));
        let keys = keys.collect::<Result<_, _>>()?;
        let root_version = u32::try_from(authority.root_version)
            .map_err(|_| CommandError::failed("internal", "root version is out of range"))?;
        Ok(Self { authority: authority.id, root_version, keys, signers })
    }

    /// Seals the next document of a kind: the one that was begun and not finished, which `is_next` tells by its
    /// payload, or a new one of `payload`.
    ///
    /// # Errors
    ///
    /// Those of `payload`, the keys and the repository. What was begun is taken up by the next call.
    pub fn seal_next(
        &self,
        repository: &mut Repository,
        kind: Kind,
        is_next: impl Fn(&[u8]) -> bool,
        payload: impl FnOnce(&Repository) -> Result<Vec<u8>, CommandError>,
        now: u64,
    ) -> Result<Sealed, CommandError> {
        let batch = match self.begun(repository, kind, &is_next)? {
            Some(batch) => batch,
            None => {
                let draft = Draft {
                    kind,
                    payloads: vec![payload(repository)?],
                    signers: self.signers.clone(),
                    root_version: self.root_version,
                };
                Batch::begin(repository, self.authority, &[draft], &[], now)?;
                // Where another process began one at the same moment, both go on with the first.
                self.begun(repository, kind, &is_next)?.ok_or_else(|| {
                    CommandError::failed("internal", "the document that was begun is not its own next")
                })?
            }
        };
        for key in &self.keys {
            batch.sign(repository, key, now)?;
        }
        let sealed = batch.seal(repository)?.pop();
        let (log_index, bytes) =
            sealed.ok_or_else(|| CommandError::failed("internal", "a batch of one has one document"))?;
        Ok(Sealed { log_index, bytes })
    }

    /// Returns the next document where it was begun with these keys and is not finished.
    fn begun(
        &self,
        repository: &Repository,
        kind: Kind,
        is_next: &impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Batch>, CommandError> {
        for begun in repository.unsealed(kind)?.iter().filter(|begun| is_next(&begun.payload)) {
            let batch = Batch::load(repository, begun.log_index)?;
            if batch.signers() == self.signers {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
