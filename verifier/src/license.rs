//! Is this license genuine? Header against key record, signature over the received bytes, then the
//! claims against the bounds of the key. Whether a feature may run is [`crate::decide`]'s to say.

use chancery_formats::cose::{Envelope, MAX_DIRECT, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::key::Protection;
use chancery_formats::license::{EnforcementMode, License};
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;

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

/// Verifies a license: genuine, unchanged, and within what its key may issue. Allocates nothing.
///
/// # Errors
///
/// [`Refusal`], with the first reason met; anything wrong with the envelope or the header is told
/// before any cryptography, and the claims are read only after it.
pub fn verify_license<'a>(bytes: &'a [u8], trust: &Trust) -> Result<VerifiedLicense<'a>, Refusal> {
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
    let license = License::decode(envelope.payload)?;
    require_term(&license, key)?;
    signers
        .iter()
        .flat_map(|signers| trust.behind(signers))
        .try_for_each(|key| require_term(&license, key))?;
    require_scope(&license, key)?;
    let log_index = signers.and_then(|signers| signers.log_index());
    Ok(VerifiedLicense { license, log_index, issuer: key.thumbprint, protection: key.protection })
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
    let has_signed = |role: &Role| signers.as_slice().iter().any(|signer| signer.role == *role);
    if key.co_signers.iter().all(has_signed) { Ok(Some(signers)) } else { Err(Refusal::CoSignerMissing) }
}

fn require_term(license: &License<'_>, key: &TrustedKey) -> Result<(), Refusal> {
    let too_late = key.not_after.is_some_and(|end| license.issued_at > end);
    if license.issued_at < key.not_before || too_late {
        return Err(Refusal::KeyOutOfTerm { kid: key.kid });
    }
    Ok(())
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
