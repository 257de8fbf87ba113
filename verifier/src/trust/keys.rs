//! The keys that a root has certified: their bounds, their partners, and how they were closed.

use alloc::string::String;
use alloc::vec::Vec;

use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::key::Protection;
use chancery_formats::license::Names;
use chancery_formats::merkle::Head;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Closed, Closing, KeyMode, KeyRecord};

use super::chain::Chain;
use crate::error::Refusal;
use crate::seal::Signers;
use crate::signature::VerifyingKey;

/// A key that the root has certified, with the bounds of its record.
#[derive(Clone, Debug)]
pub(crate) struct TrustedKey {
    pub(crate) kid: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) key: VerifyingKey,
    /// The key that must sign beside it.
    pub(crate) partner: Option<Partner>,
    pub(crate) role: Role,
    pub(crate) mode: KeyMode,
    pub(crate) co_signers: Vec<Role>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) products: Option<Vec<String>>,
    pub(crate) territories: Option<Vec<String>>,
    pub(crate) longest_term_secs: Option<u64>,
    pub(crate) not_before: u64,
    pub(crate) not_after: Option<u64>,
    pub(crate) protection: Protection,
    /// What its closing, or the revocation list, says of it.
    pub(crate) closed: Option<Closed>,
}

/// A key of another kind that must sign beside one.
#[derive(Clone, Debug)]
pub(crate) struct Partner {
    pub(crate) kid: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) key: VerifyingKey,
}

impl Partner {
    pub(super) fn load(public: &chancery_formats::key::PublicKey) -> Result<Self, Refusal> {
        let thumbprint = public.thumbprint();
        Ok(Self { kid: thumbprint.key_id(), thumbprint, key: VerifyingKey::load(public)? })
    }
}

impl TrustedKey {
    /// Returns whether somebody else may have the key.
    pub(crate) const fn is_compromised(&self) -> bool {
        matches!(self.closed, Some(Closed::Compromised(_)))
    }

    /// Refuses a document that this key may not seal: of another mode, of another role's or of another kind.
    pub(super) fn require_sealing(&self, role: Role, kind: Kind, mode: Mode) -> Result<(), Refusal> {
        let kid = self.kid;
        if mode != Mode::Seal || self.mode != KeyMode::Seal {
            return Err(Refusal::AlgMismatch { kid });
        }
        let certified = self.role == role && self.kinds.contains(&kind);
        if certified { Ok(()) } else { Err(Refusal::TypNotCertified { kid }) }
    }

    /// Refuses a document of this key that was made outside its validity.
    pub(crate) fn require_valid_at(&self, time: u64) -> Result<(), Refusal> {
        let too_late = self.not_after.is_some_and(|end| time > end);
        if time < self.not_before || too_late { Err(Refusal::KeyOutOfTerm { kid: self.kid }) } else { Ok(()) }
    }
}

/// Every certified key.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<TrustedKey>);

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TrustedKey> {
        self.0.iter()
    }

    pub(super) fn find(&self, kid: KeyId) -> Option<&TrustedKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// Iterates over the ids of keys and partners.
    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0
            .iter()
            .flat_map(|key| [Some(key.kid), key.partner.as_ref().map(|partner| partner.kid)])
            .flatten()
    }

    /// Returns role and key behind the id of a key or of a partner.
    pub(super) fn signer(&self, kid: KeyId) -> Option<(Role, &VerifyingKey, Thumbprint)> {
        self.0.iter().find_map(|key| match &key.partner {
            _ if key.kid == kid => Some((key.role, &key.key, key.thumbprint)),
            Some(partner) if partner.kid == kid => Some((key.role, &partner.key, partner.thumbprint)),
            _ => None,
        })
    }

    /// Refuses a seal in which one of a pair has signed and the other has not.
    pub(super) fn require_pairs(&self, signers: &Signers) -> Result<(), Refusal> {
        let has_signed = |thumbprint| signers.has_signed(thumbprint);
        for key in &self.0 {
            if let Some(partner) = &key.partner
                && has_signed(key.thumbprint) != has_signed(partner.thumbprint)
            {
                return Err(Refusal::PartnerMissing { kid: key.kid });
            }
        }
        Ok(())
    }

    /// Verifies a key record under the newest root.
    pub(super) fn certify(&mut self, chain: &Chain<'_>, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        chain.verify(envelope)?;
        let record = KeyRecord::decode(envelope.payload)?;
        require_authority(record.authority, chain.authority())?;
        let thumbprint = record.key.thumbprint();
        let kid = thumbprint.key_id();
        if chain.is_hybrid() != record.partner.is_some() {
            // Hybrid trust covers every signature that trust rests on, or it covers nothing.
            return Err(Refusal::HybridFloor);
        }
        if record.partner.is_some() && record.mode == KeyMode::Direct {
            return Err(Refusal::AlgMismatch { kid });
        }
        let names = |names: Option<Names<'_>>| names.map(|names| names.iter().map(String::from).collect());
        self.0.push(TrustedKey {
            kid,
            thumbprint,
            key: VerifyingKey::load(&record.key)?,
            partner: record.partner.as_ref().map(Partner::load).transpose()?,
            role: record.role,
            mode: record.mode,
            kinds: record.typs.iter().filter_map(|typ| Kind::from_typ(typ)).collect(),
            products: names(record.scope.products),
            territories: names(record.scope.territories),
            longest_term_secs: record.scope.longest_term_secs,
            not_before: record.not_before,
            not_after: record.not_after,
            protection: record.protection,
            co_signers: record.co_signers,
            closed: None,
        });
        Ok(())
    }

    /// Verifies a closing under the newest root; it must close a key whose record stands before it.
    pub(super) fn close(&mut self, chain: &Chain<'_>, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        chain.verify(envelope)?;
        let closing = Closing::decode(envelope.payload)?;
        require_authority(closing.authority, chain.authority())?;
        let kid = closing.thumbprint.key_id();
        let closed = self.0.iter_mut().find(|key| key.thumbprint == closing.thumbprint);
        let closed = closed.ok_or(Refusal::KeyUnknown { kid })?;
        if closed.closed.is_some() {
            return Err(Refusal::MemberTwice { kid });
        }
        closed.closed = Some(closing.closed);
        Ok(())
    }

    /// Closes the keys that a revocation list names; of two sizes the smaller counts.
    pub(super) fn revoke(&mut self, revoked: &[(Thumbprint, Head)]) {
        for (thumbprint, head) in revoked {
            let Some(key) = self.0.iter_mut().find(|key| key.thumbprint == *thumbprint) else { continue };
            match key.closed {
                Some(Closed::Compromised(before)) if before.size <= head.size => {}
                _ => key.closed = Some(Closed::Compromised(*head)),
            }
        }
    }
}

/// Refuses a document that is for another authority.
pub(super) fn require_authority(found: AuthorityId, pinned: AuthorityId) -> Result<(), Refusal> {
    if found == pinned { Ok(()) } else { Err(Refusal::AuthorityOther { found, pinned }) }
}

/// Two keys with one id would make it a matter of order which one a signature is checked against.
pub(super) fn refuse_shared_ids(ids: impl Iterator<Item = KeyId>) -> Result<(), Refusal> {
    let mut ids: Vec<KeyId> = ids.collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Refusal::KeyIdShared { kid: pair[0] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two keys whose thumbprints agree in 64 bits cannot be made for a vector; their ids can.
    #[test]
    fn ids_that_two_keys_share_are_refused_wherever_they_stand() {
        let [low, mid, high] = [1, 2, 3].map(|byte| KeyId([byte; 8]));
        assert_eq!(refuse_shared_ids([].into_iter()), Ok(()));
        assert_eq!(refuse_shared_ids([high, low, mid].into_iter()), Ok(()));
        for ids in [[mid, mid, low], [mid, low, mid], [high, mid, mid]] {
            assert_eq!(refuse_shared_ids(ids.into_iter()), Err(Refusal::KeyIdShared { kid: mid }));
        }
    }
}
