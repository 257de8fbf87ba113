//! Who signs a statement of a role: its newest open key, the keys that its record wants beside it, and the partner of
//! each where trust is hybrid.
//!
//! Not here: opening the keys, and what they sign (`issuer`, `publishing`).

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::key::{Algorithm, PublicKey};
use chancery_formats::seal::{Role, Signer};
use chancery_formats::trust;

use super::signing::key_of_role;
use crate::error::CommandError;
use crate::repository::{KeyRecord, Repository};

/// The keys of a statement.
#[derive(Clone, Debug)]
pub struct Signatories {
    /// The role's own key.
    pub key: KeyRecord,
    /// The record of that key, as the custodians sealed it.
    pub record: Vec<u8>,
    /// The other keys, as far as the authority knows of them: partners, and keys of co-signing roles.
    pub beside: Vec<KeyRecord>,
    /// Everybody who signs: sorted, each once.
    pub signers: Vec<Signer>,
}

impl Signatories {
    /// Reads who signs for a role; `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// `key-none` where a role that must sign has no open key; `key-out-of-term` where one may not sign at `now`; an
    /// integrity alarm where a record is not in the log.
    pub fn of(repository: &Repository, role: Role, now: u64) -> Result<Self, CommandError> {
        let known = repository.keys()?;
        let key = key_of_role(repository, role)?;
        let record = record_of(repository, &key)?;
        let mut found =
            Self { key: key.clone(), record: record.clone(), beside: Vec::new(), signers: Vec::new() };
        let certified = decode(&record)?;
        found.add(&key, &certified, &known, now)?;
        for role in &certified.co_signers {
            let other = key_of_role(repository, *role)?;
            let record = record_of(repository, &other)?;
            found.add(&other, &decode(&record)?, &known, now)?;
            found.beside.push(other);
        }
        found.signers.sort_unstable();
        Ok(found)
    }

    /// Adds a key and its partner.
    fn add(
        &mut self,
        key: &KeyRecord,
        record: &trust::KeyRecord<'_>,
        known: &[KeyRecord],
        now: u64,
    ) -> Result<(), CommandError> {
        require_valid(key, record, now)?;
        let signer = |public_key: &PublicKey| Signer {
            role: key.role,
            thumbprint: public_key.thumbprint(),
            algorithm: public_key.algorithm(),
        };
        self.signers.extend(std::iter::once(&key.public_key).chain(&record.partner).map(signer));
        let is_partner = |known: &&KeyRecord| Some(&known.public_key) == record.partner.as_ref();
        self.beside.extend(known.iter().find(is_partner).cloned());
        Ok(())
    }
}

/// Returns whether keys of these algorithms sign as one or as a pair: a partner is an ML-DSA-87 key, and no other is.
#[must_use]
pub fn is_pair(key: Algorithm, partner: Option<Algorithm>) -> bool {
    key != Algorithm::MlDsa87 && partner.is_none_or(|partner| partner == Algorithm::MlDsa87)
}

/// Refuses halves that are none of a pair; `hint` says how they are named.
///
/// # Errors
///
/// `key-invalid`.
pub fn require_pair(
    key: &PublicKey,
    partner: Option<&PublicKey>,
    hint: &'static str,
) -> Result<(), CommandError> {
    if is_pair(key.algorithm(), partner.map(PublicKey::algorithm)) {
        return Ok(());
    }
    let message = "ML-DSA-87 keys are partners, and partners are ML-DSA-87 keys";
    Err(CommandError::refused("key-invalid", message).hint(hint))
}

/// Returns whether a record certifies a key: its own, or that of the key whose partner it is.
///
/// # Errors
///
/// Those of the repository; an integrity alarm where a record is not in the log.
pub fn is_certified(
    repository: &Repository,
    known: &[KeyRecord],
    key: &KeyRecord,
) -> Result<bool, CommandError> {
    Ok(key.record_index.is_some() || main_key(repository, known, key)?.is_some())
}

/// Returns whether a key may sign: it is open, or the partner of a key that is.
///
/// # Errors
///
/// As [`is_certified`].
pub fn may_sign(repository: &Repository, known: &[KeyRecord], key: &KeyRecord) -> Result<bool, CommandError> {
    Ok(key.is_open() || main_key(repository, known, key)?.is_some_and(KeyRecord::is_open))
}

/// Returns the key whose record names this one as its partner.
fn main_key<'k>(
    repository: &Repository,
    known: &'k [KeyRecord],
    partner: &KeyRecord,
) -> Result<Option<&'k KeyRecord>, CommandError> {
    if partner.public_key.algorithm() != Algorithm::MlDsa87 {
        return Ok(None);
    }
    for key in known.iter().filter(|key| key.role == partner.role && key.record_index.is_some()) {
        if decode(&record_of(repository, key)?)?.partner.as_ref() == Some(&partner.public_key) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Returns the signed record of a key.
fn record_of(repository: &Repository, key: &KeyRecord) -> Result<Vec<u8>, CommandError> {
    let found = key.record_index.map(|index| repository.signed_document(index)).transpose()?.flatten();
    found.ok_or_else(|| {
        let kid = key.public_key.key_id();
        CommandError::alarm("document-unknown", format!("the record of key {kid} is not in the log"))
            .hint("stop issuing, keep the home as it is, and call the auditor")
    })
}

/// Decodes the signed record of a key.
///
/// # Errors
///
/// Those of decoding; none for a record of the log.
pub fn decode(document: &[u8]) -> Result<trust::KeyRecord<'_>, CommandError> {
    Ok(trust::KeyRecord::decode(Envelope::decode_kind(document, Kind::KeyRecord)?.payload)?)
}

fn require_valid(key: &KeyRecord, record: &trust::KeyRecord<'_>, now: u64) -> Result<(), CommandError> {
    let kid = key.public_key.key_id();
    if record.not_before <= now && record.not_after.is_none_or(|end| now <= end) {
        return Ok(());
    }
    let message = format!("{} key {kid} is not valid at this time", key.role.name());
    Err(CommandError::refused("key-out-of-term", message).hint(format!(
        "check the clock of this machine, or certify another key with `chancery role add {}`",
        key.role.name()
    )))
}
