//! Checking a seal: from a document over its path to the batch root, and the signatures over that.
//!
//! Whose signatures are needed is for the caller to say; here every signature that the seal carries
//! must be good. Allocates nothing.

use core::ops::RangeInclusive;

use chancery_formats::cose::{Envelope, MAX_DIRECT, write_sig_structure};
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::key::Algorithm;
use chancery_formats::merkle;
use chancery_formats::seal::{MAX_SIGNERS, Role, Seal, Signer, Statement, statement_header};

use crate::error::Refusal;
use crate::signature::VerifyingKey;

/// The signers of a seal, each of whose signatures was found good.
#[derive(Clone, Copy, Debug)]
pub struct Signers {
    signers: [Signer; MAX_SIGNERS],
    count: usize,
    log_index: Option<u64>,
}

impl Signers {
    /// Returns the signers: distinct, sorted by role and thumbprint.
    #[must_use]
    pub fn as_slice(&self) -> &[Signer] {
        self.signers.get(..self.count).unwrap_or_default()
    }

    /// Returns whether a key is among them.
    #[must_use]
    pub fn has_signed(&self, thumbprint: Thumbprint) -> bool {
        self.as_slice().iter().any(|signer| signer.thumbprint == thumbprint)
    }

    /// Refuses a seal that lacks a signature of any of these roles.
    pub(crate) fn require_roles(&self, roles: &[Role]) -> Result<(), Refusal> {
        let has_signed = |role: &Role| self.as_slice().iter().any(|signer| signer.role == *role);
        if roles.iter().all(has_signed) { Ok(()) } else { Err(Refusal::CoSignerMissing) }
    }

    /// Returns the index of the document in the log, where the log numbers its kind.
    #[must_use]
    pub const fn log_index(&self) -> Option<u64> {
        self.log_index
    }
}

/// Checks the seal of a document made under one of `root_versions`; `find` gives the role and key
/// behind a key id.
///
/// # Errors
///
/// [`Refusal::Malformed`], [`Refusal::RootVersion`] where the seal names another root version,
/// [`Refusal::PathWrong`], [`Refusal::KeyUnknown`], [`Refusal::AlgMismatch`],
/// [`Refusal::SignersWrong`] unless signers ascend strictly and the outer kid is one of them,
/// [`Refusal::SignatureWrong`].
pub fn verify_seal<'k>(
    envelope: &Envelope<'_>,
    authority: AuthorityId,
    root_versions: RangeInclusive<u32>,
    find: impl Fn(KeyId) -> Option<(Role, &'k VerifyingKey, Thumbprint)>,
) -> Result<Signers, Refusal> {
    let seal = Seal::decode(envelope.signature)?;
    if !root_versions.contains(&seal.root_version) {
        return Err(Refusal::RootVersion { version: seal.root_version });
    }
    let root = merkle::root_from_path(envelope.leaf_hash(), seal.leaf_index, seal.size, seal.path);
    let root = root.ok_or(Refusal::PathWrong)?;

    let nobody =
        Signer { role: Role::Custodian, thumbprint: Thumbprint([0; 32]), algorithm: Algorithm::Ed25519 };
    let mut signers = [nobody; MAX_SIGNERS];
    let mut count = 0;
    for (place, signature) in signers.iter_mut().zip(seal.signatures()) {
        let kid = signature.kid;
        let (role, key, thumbprint) = find(kid).ok_or(Refusal::KeyUnknown { kid })?;
        if key.algorithm() != signature.algorithm {
            return Err(Refusal::AlgMismatch { kid });
        }
        *place = Signer { role, thumbprint, algorithm: signature.algorithm };
        count += 1;
    }
    let named = signers.get(..count).unwrap_or_default();
    let outer_is_named = named.iter().any(|signer| signer.thumbprint.key_id() == envelope.header.kid);
    if !named.is_sorted_by(|a, b| a < b) || !outer_is_named {
        return Err(Refusal::SignersWrong);
    }

    let statement = Statement {
        authority,
        root_version: seal.root_version,
        leaf_typ: envelope.header.typ,
        size: seal.size,
        root,
        first_index: seal.first_index,
        time: seal.time,
        signers: named,
    };
    let statement = statement.encode_fixed();
    let statement = statement.written().ok_or(Refusal::TooLongDirect)?;
    for (signer, signature) in named.iter().zip(seal.signatures()) {
        let (_, key, _) = find(signature.kid).ok_or(Refusal::KeyUnknown { kid: signature.kid })?;
        let header = statement_header(signer).encode_fixed();
        let mut buffer = [0; MAX_DIRECT];
        let message = header.written().and_then(|header| write_sig_structure(header, statement, &mut buffer));
        key.verify(message.ok_or(Refusal::TooLongDirect)?, signature.signature)?;
    }
    Ok(Signers { signers, count, log_index: seal.log_index() })
}
