//! The key that issues licenses: the newest that is open, what its record demands, and who signs beside it.
//!
//! What the record forbids is refused before anything is drawn or signed; the verifier says it once more of what
//! was signed. Not here: signing (`signing`, `batch`).

use chancery_formats::cose::{Header, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::license::{Enforcement, EnforcementMode};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::{OwnedStatement, Role, Seal, Signer};
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{Key, PinSource};

use super::signatory::{Signatories, decode, may_sign};
use super::signing::open_key;
use crate::error::CommandError;
use crate::repository::{BatchShape, Entitlement, KeyRecord, Repository};

/// The issuing key in force, and those that must sign beside it.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The key.
    pub key: KeyRecord,
    /// How its licenses are signed.
    pub mode: KeyMode,
    authority: AuthorityId,
    root_version: u32,
    /// Its partner, and keys of the roles that its record names.
    beside: Vec<KeyRecord>,
    /// Everybody who signs a statement: sorted, each once.
    signers: Vec<Signer>,
    bounds: Bounds,
}

/// What the record of the issuing key and those of its co-signers allow.
#[derive(Clone, Debug, Default)]
struct Bounds {
    products: Option<Vec<String>>,
    territories: Option<Vec<String>>,
    longest_term_secs: Option<u64>,
}

impl Issuer {
    /// Reads the issuing key in force; `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of [`Signatories::of`].
    pub fn in_force(repository: &Repository, now: u64) -> Result<Self, CommandError> {
        let Signatories { key, record, beside, signers } = Signatories::of(repository, Role::Issuer, now)?;
        let record = decode(&record)?;
        let authority = repository.authority()?;
        let root_version = u32::try_from(authority.root_version)
            .map_err(|_| CommandError::alarm("root-missing", "the root version in force is out of range"))?;
        let products = record.scope.products.as_ref();
        let bounds = Bounds {
            products: products.map(|names| names.iter().map(ToOwned::to_owned).collect()),
            territories: record
                .scope
                .territories
                .as_ref()
                .map(|names| names.iter().map(ToOwned::to_owned).collect()),
            longest_term_secs: record.scope.longest_term_secs,
        };
        let mode = record.mode;
        Ok(Self { key, mode, authority: authority.id, root_version, beside, signers, bounds })
    }

    /// Returns the issuing key as a signer of statements.
    #[must_use]
    pub fn signer(&self) -> Signer {
        let public_key = &self.key.public_key;
        let (thumbprint, algorithm) = (public_key.thumbprint(), public_key.algorithm());
        Signer { role: self.key.role, thumbprint, algorithm }
    }

    /// Returns the headers of a license.
    #[must_use]
    pub fn header(&self) -> Header<'static> {
        let mode = match self.mode {
            KeyMode::Direct => Mode::Direct(self.key.public_key.algorithm()),
            KeyMode::Seal => Mode::Seal,
        };
        Header { mode, kid: self.key.public_key.key_id(), typ: Kind::License.typ() }
    }

    /// Returns the statement over licenses, made at `now`, in Unix seconds.
    #[must_use]
    pub fn statement(&self, shape: &BatchShape, now: u64) -> OwnedStatement {
        OwnedStatement {
            authority: self.authority,
            root_version: self.root_version,
            leaf_typ: Kind::License.typ().to_owned(),
            size: shape.size,
            root: shape.root,
            first_index: Some(shape.first_index),
            time: now,
            signers: self.signers.clone(),
        }
    }

    /// Returns a seal as long as that of one license alone, to know its size before it is signed.
    #[must_use]
    pub fn longest_seal_of_one(&self, now: u64) -> Vec<u8> {
        let shape = BatchShape { first_index: u64::MAX, size: 1, root: Hash::default() };
        let empty = |signer: &Signer| vec![0; signer.algorithm.signature_len()];
        let signatures: Vec<_> = self.signers.iter().map(empty).collect();
        Seal::encode(&self.statement(&shape, now).as_statement(), 0, &[], &signatures)
    }

    /// Refuses an entitlement whose licenses this key may not sign.
    ///
    /// # Errors
    ///
    /// `out-of-scope`, as the verifier would say of the license.
    pub fn require_scope(&self, entitlement: &Entitlement) -> Result<(), CommandError> {
        let Bounds { products, territories, longest_term_secs } = &self.bounds;
        let what = if products.as_ref().is_some_and(|known| !known.contains(&entitlement.product)) {
            format!("product {}", entitlement.product)
        } else if territories.is_some() && entitlement.territory.is_empty() {
            "licenses without a territory".to_owned()
        } else if territories
            .as_ref()
            .is_some_and(|known| !entitlement.territory.iter().all(|country| known.contains(country)))
        {
            "such a territory".to_owned()
        } else if longest_term_secs.is_some_and(|longest| {
            let Enforcement { mode, grace_secs, .. } = entitlement.enforcement;
            // What runs on after its end, in grace or for ever, is no shorter for having one.
            let runs = entitlement
                .not_after
                .map(|end| end.saturating_add(grace_secs).saturating_sub(entitlement.not_before));
            mode != EnforcementMode::Deny || runs.is_none_or(|runs| runs > longest)
        }) {
            "so long a term".to_owned()
        } else {
            return Ok(());
        };
        let kid = self.key.public_key.key_id();
        Err(CommandError::refused("out-of-scope", format!("issuing key {kid} may not sign for {what}"))
            .hint("certify an issuing key for it with `chancery role add issuer`"))
    }

    /// Opens the issuing key, and those of its co-signers that are on this machine; the issuing key is the first.
    ///
    /// # Errors
    ///
    /// `key-elsewhere` where the issuing key is on another machine; those of the key backend.
    pub fn open_keys(&self, repository: &Repository, pins: &mut PinSource) -> Result<Vec<Key>, CommandError> {
        let here = self.beside.iter().filter(|key| key.reference.is_some());
        std::iter::once(&self.key).chain(here).map(|key| open_key(repository.home(), key, pins)).collect()
    }
}

/// Returns the key that a header or a statement names, which may sign no more where it is closed.
///
/// # Errors
///
/// `key-closed`; an integrity alarm where the authority has no such key.
pub fn require_open(
    repository: &Repository,
    is_it: impl Fn(Thumbprint) -> bool,
    kid: KeyId,
) -> Result<KeyRecord, CommandError> {
    let keys = repository.keys()?;
    let found = keys.iter().find(|key| is_it(key.public_key.thumbprint()));
    let key = found.ok_or_else(|| {
        CommandError::alarm(
            "key-unknown",
            format!("the log names key {kid}, which the authority does not have"),
        )
        .hint("stop issuing, keep the home as it is, and call the auditor")
    })?;
    if may_sign(repository, &keys, key)? {
        return Ok(key.clone());
    }
    let message = format!("{} key {kid} is closed and signs no more", key.role.name());
    Err(CommandError::refused("key-closed", message)
        .hint("what it was about to sign stays unsigned; ask the customer for a new request"))
}
