//! What is certified of a key, for those who sign beside others and must know whom they believe.
//!
//! Verifying a license asks nothing here. Not here: what a witness refuses (the authority).

use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;

use super::{Trust, TrustedKey};
use crate::error::Refusal;
use crate::signature::VerifyingKey;

/// A key that the newest root certifies, or the partner of one.
#[derive(Clone, Copy, Debug)]
pub struct Certified<'t> {
    key: &'t TrustedKey,
    verifying: &'t VerifyingKey,
}

impl<'t> Certified<'t> {
    /// Returns the key to check signatures with.
    #[must_use]
    pub const fn verifying(&self) -> &'t VerifyingKey {
        self.verifying
    }

    /// Returns the identity of the key that the record is about; for a partner, of the key whose partner it is.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint
    }

    /// Returns what the key is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.key.role
    }

    /// Returns the roles that must sign beside it.
    #[must_use]
    pub fn co_signers(&self) -> &'t [Role] {
        &self.key.co_signers
    }

    /// Returns the key that must sign beside it; for a partner, the key whose partner it is.
    #[must_use]
    pub fn paired(&self) -> Option<Thumbprint> {
        let partner = self.key.partner.as_ref()?.thumbprint;
        Some(if self.verifying.public().thumbprint() == partner { self.key.thumbprint } else { partner })
    }

    /// Returns whether nothing has closed the key: neither retired nor compromised.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.key.closed.is_none()
    }

    /// Checks that the key may sign statements over batches of a kind, made at `time` in Unix seconds.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlgMismatch`] for a key of direct mode, [`Refusal::TypNotCertified`], [`Refusal::KeyOutOfTerm`].
    pub fn may_seal(&self, kind: Kind, time: u64) -> Result<(), Refusal> {
        if self.key.mode != KeyMode::Seal {
            return Err(Refusal::AlgMismatch { kid: self.key.kid });
        }
        if !self.key.kinds.contains(&kind) {
            return Err(Refusal::TypNotCertified { kid: self.key.kid });
        }
        self.key.require_valid_at(time)
    }
}

impl Trust {
    /// Returns what is certified of a key, or of the partner of one; none for a key that is not.
    #[must_use]
    pub fn certified(&self, thumbprint: Thumbprint) -> Option<Certified<'_>> {
        self.keys.iter().find_map(|key| {
            let partner = key.partner.as_ref().filter(|partner| partner.thumbprint == thumbprint);
            let verifying = match partner {
                Some(partner) => &partner.key,
                None if key.thumbprint == thumbprint => &key.key,
                None => return None,
            };
            Some(Certified { key, verifying })
        })
    }

    /// Iterates over the keys that were closed, whether retired or compromised.
    pub fn closed_keys(&self) -> impl Iterator<Item = Thumbprint> {
        self.keys.iter().filter(|key| key.closed.is_some()).map(|key| key.thumbprint)
    }
}
