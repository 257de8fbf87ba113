//! Is this license genuine? Header against key record, signature over the received bytes, then the
//! claims against the bounds of the key. Whether a feature may run is [`crate::decide`]'s to say.

use chancery_formats::cose::{Envelope, MAX_DIRECT, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::key::Protection;
use chancery_formats::license::{EnforcementMode, License};
use chancery_formats::merkle;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Closed, KeyMode};

use crate::error::Refusal;
use crate::seal::Signers;
use crate::trust::{Trust, TrustedKey};

/// A license that its authority signed within the bounds of the key. Only [`verify_license`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedLicense<'a> {
    license: License<'a>,
    log_index: Option<u64>,
    issuer: Thumbprint,
    protection: Protection,
}

impl<'a> VerifiedLicense<'a> {
    /// Returns the claims.
    #[must_use]
    pub const fn license(&self) -> &License<'a> {
        &self.license
    }

    /// Returns the index in the authority's log, where the seal states one.
    #[must_use]
    pub const fn log_index(&self) -> Option<u64> {
        self.log_index
    }

    /// Returns the key that issued it.
    #[must_use]
    pub const fn issuer(&self) -> Thumbprint {
        self.issuer
    }

    /// Returns where that key lives, as its record certifies.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.protection
    }
}

/// What shows that a document is in the log: its place, and the path to the root (RFC 9162 §2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion<'a> {
    /// Index of the document in the log.
    pub index: u64,
    /// Number of leaves of the tree that the path leads into.
    pub size: u64,
    /// Hashes of 32 bytes, lowest first.
    pub path: &'a [u8],
}

/// Verifies a license: genuine, unchanged, within what its key may issue, and not revoked. Allocates nothing.
///
/// # Errors
///
/// [`Refusal`], with the first reason met; anything wrong with the envelope or the header is told
/// before any cryptography, and the claims are read only after it.
pub fn verify_license<'a>(bytes: &'a [u8], trust: &Trust) -> Result<VerifiedLicense<'a>, Refusal> {
    verify_license_in_log(bytes, trust, None)
}

/// Verifies a license beside what shows that it is in the log. With it stands a license whose key was
/// compromised later, when the tree is the one that the closing of the key names.
///
/// # Errors
///
/// As [`verify_license`].
pub fn verify_license_in_log<'a>(
    bytes: &'a [u8],
    trust: &Trust,
    inclusion: Option<&Inclusion<'_>>,
) -> Result<VerifiedLicense<'a>, Refusal> {
    let envelope = Envelope::decode_kind(bytes, Kind::License)?;
    let kid = envelope.header.kid;
    let key = trust.find(kid).ok_or(Refusal::KeyUnknown { kid })?;
    let mode = match key.mode {
        KeyMode::Direct => Mode::Direct(key.key.algorithm()),
        KeyMode::Seal => Mode::Seal,
    };
    if envelope.header.mode != mode {
        return Err(Refusal::AlgMismatch { kid });
    }
    if key.role != Role::Issuer || !key.kinds.contains(&Kind::License) {
        return Err(Refusal::TypNotCertified { kid });
    }
    let signers = match mode {
        Mode::Direct(_) => verify_direct(&envelope, key)?,
        Mode::Seal => verify_sealed(&envelope, key, trust)?,
    };
    require_standing(&envelope, key, signers.as_ref(), trust, inclusion)?;
    let license = License::decode(envelope.payload)?;
    require_within(&license, key, trust)?;
    let behind = || signers.iter().flat_map(|signers| trust.behind(signers));
    behind().try_for_each(|key| require_within(&license, key, trust))?;
    if trust.demands().witness && !behind().any(|key| key.role == Role::Witness) {
        return Err(Refusal::CoSignerMissing);
    }
    require_scope(&license, key)?;
    require_unrevoked(&license, trust)?;
    let log_index = signers.and_then(|signers| signers.log_index());
    Ok(VerifiedLicense { license, log_index, issuer: key.thumbprint, protection: key.protection })
}

/// Refuses a license of a key that may be in other hands, unless something that is not shows that it stood in
/// the log before: another signer of the same statement, or an inclusion path to the root that the closing names.
fn require_standing(
    envelope: &Envelope<'_>,
    issuer: &TrustedKey,
    signers: Option<&Signers>,
    trust: &Trust,
    inclusion: Option<&Inclusion<'_>>,
) -> Result<(), Refusal> {
    let behind = || signers.into_iter().flat_map(|signers| trust.behind(signers));
    for key in behind().chain([issuer]) {
        let Some(Closed::Compromised(head)) = key.closed else { continue };
        // The issuer and the witness have both signed the index; one of them is to be believed.
        let vouched = behind().any(|other| {
            other.thumbprint != key.thumbprint
                && matches!(other.role, Role::Issuer | Role::Witness)
                && !other.is_compromised()
        });
        let log_index = signers.and_then(Signers::log_index);
        let before = vouched && log_index.is_some_and(|index| index < head.size);
        let included = || {
            let proof = inclusion.filter(|proof| proof.size == head.size)?;
            merkle::root_from_path(envelope.leaf_hash(), proof.index, proof.size, proof.path)
        };
        if !before && included() != Some(head.root) {
            return Err(Refusal::KeyCompromised { kid: key.kid });
        }
    }
    Ok(())
}

/// Refuses what was issued outside the validity of a signer's key, or by one that the product does not take.
fn require_within(license: &License<'_>, key: &TrustedKey, trust: &Trust) -> Result<(), Refusal> {
    if trust.demands().hardware && key.protection == Protection::Software {
        return Err(Refusal::ProtectionSoftware { kid: key.kid });
    }
    key.require_valid_at(license.issued_at)
}

/// Refuses a license that is revoked, or that asks for a newer revocation list than the trust set has.
fn require_unrevoked(license: &License<'_>, trust: &Trust) -> Result<(), Refusal> {
    let (found, demanded) = (trust.revocation_list(), license.terms.least_revocation_list);
    if let Some(known) = demanded.filter(|least| *least > found) {
        return Err(Refusal::ListOlder { found, known });
    }
    trust.revocations().map_or(Ok(()), |list| list.refuse(license))
}

fn verify_direct(envelope: &Envelope<'_>, key: &TrustedKey) -> Result<Option<Signers>, Refusal> {
    if !key.co_signers.is_empty() {
        return Err(Refusal::CoSignerMissing);
    }
    let mut buffer = [0; MAX_DIRECT];
    let message = envelope.sig_structure(&mut buffer).ok_or(Refusal::TooLongDirect)?;
    key.key.verify(message, envelope.signature)?;
    Ok(None)
}

fn verify_sealed(
    envelope: &Envelope<'_>,
    key: &TrustedKey,
    trust: &Trust,
) -> Result<Option<Signers>, Refusal> {
    let signers = trust.verify_seal(envelope)?;
    for signer in trust.behind(&signers) {
        // A co-signer is bound by its own record as the issuer is by its.
        if signer.mode != KeyMode::Seal {
            return Err(Refusal::AlgMismatch { kid: signer.kid });
        }
        if !signer.kinds.contains(&Kind::License) {
            return Err(Refusal::TypNotCertified { kid: signer.kid });
        }
    }
    signers.require_roles(&key.co_signers)?;
    Ok(Some(signers))
}

fn require_scope(license: &License<'_>, key: &TrustedKey) -> Result<(), Refusal> {
    let exceeds = |what| Err(Refusal::OutOfScope { what, kid: key.kid });
    if let Some(products) = &key.products
        && !products.iter().any(|product| product == license.product)
    {
        return exceeds("product");
    }
    if let Some(allowed) = &key.territories {
        // A license without territory may be used anywhere, which is more than any list allows.
        let Some(named) = license.terms.territory else { return exceeds("territory") };
        if !named.iter().all(|country| allowed.iter().any(|known| known == country)) {
            return exceeds("territory");
        }
    }
    if let Some(longest) = key.longest_term_secs {
        let start = license.not_before.unwrap_or(license.issued_at);
        let enforcement = license.terms.enforcement;
        // What runs on after its end, in grace or for ever, is no shorter for having one.
        let runs =
            license.not_after.map(|end| end.saturating_add(enforcement.grace_secs).saturating_sub(start));
        if enforcement.mode != EnforcementMode::Deny || runs.is_none_or(|runs| runs > longest) {
            return exceeds("term");
        }
    }
    Ok(())
}
