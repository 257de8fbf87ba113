//! The chain of roots: each sealed by its own quorum and by that of the one before, or by the recovery set.

use alloc::vec::Vec;

use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{self, Root};

use super::Pin;
use super::keys::{Partner, refuse_shared_ids};
use crate::error::Refusal;
use crate::seal::{Signers, verify_seal};
use crate::signature::VerifyingKey;

/// The newest verified root and where it came from.
pub(super) struct Chain<'a> {
    authority: AuthorityId,
    /// SHA-256 of the payload of every version, from 1.
    hashes: Vec<Hash>,
    root: Root<'a>,
    quorum: Quorum,
    /// The recovery commitment in force: that of the newest version that has one.
    recovery: Option<Hash>,
}

impl<'a> Chain<'a> {
    /// Verifies the next root.
    pub(super) fn extend(before: Option<Self>, envelope: &Envelope<'a>, pin: Pin) -> Result<Self, Refusal> {
        let root = Root::decode(envelope.payload)?;
        let version = root.version;
        let hash = Root::authority_id(envelope.payload).0;
        let expected = before.as_ref().map_or(Some(1), |chain| chain.root.version.checked_add(1));
        let previous = before.as_ref().and_then(|chain| chain.hashes.last().copied());
        if Some(version) != expected || root.previous != previous {
            return Err(Refusal::RootChain { version });
        }
        let authority = before.as_ref().map_or(AuthorityId(hash), |chain| chain.authority);
        if let Pin::Authority(pinned) = pin
            && pinned != authority
        {
            return Err(Refusal::AuthorityOther { found: authority, pinned });
        }
        if envelope.header.mode != Mode::Seal {
            return Err(Refusal::AlgMismatch { kid: envelope.header.kid });
        }
        let quorum = Quorum::load(&root.quorum)?;
        let Some(before) = before else {
            let signers = verify_seal(envelope, authority, 1..=1, |kid| quorum.signer(kid))?;
            quorum.require_threshold(&signers, version)?;
            let recovery = root.recovery;
            return Ok(Self { authority, hashes: Vec::from([hash]), root, quorum, recovery });
        };
        if before.quorum.hybrid && !quorum.hybrid {
            return Err(Refusal::HybridFloor);
        }
        let rescue = before.rescue(&root)?;
        let signers = verify_seal(envelope, authority, version..=version, |kid| {
            let rescue = rescue.as_ref();
            quorum.signer(kid).or_else(|| before.quorum.signer(kid)).or_else(|| rescue?.signer(kid))
        })?;
        quorum.require_threshold(&signers, version)?;
        // Where the recovery set is told, it stands in for the quorum before; otherwise it cannot.
        rescue.as_ref().unwrap_or(&before.quorum).require_threshold(&signers, version - 1)?;
        let Self { mut hashes, recovery, .. } = before;
        hashes.push(hash);
        Ok(Self { authority, hashes, root, quorum, recovery: root.recovery.or(recovery) })
    }

    /// Returns the recovery set that the next root tells, which must be the one committed to; the commitment
    /// may be replaced by that set alone.
    fn rescue(&self, next: &Root<'_>) -> Result<Option<Quorum>, Refusal> {
        let wrong = Refusal::RecoveryWrong { version: next.version };
        let Some(revealed) = &next.revealed else {
            let kept = next.recovery.is_none() || next.recovery == self.recovery;
            return if kept { Ok(None) } else { Err(wrong) };
        };
        if self.recovery != Some(revealed.commitment()) {
            return Err(wrong);
        }
        let rescue = Quorum::load(revealed)?;
        if self.quorum.hybrid && !rescue.hybrid { Err(Refusal::HybridFloor) } else { Ok(Some(rescue)) }
    }

    /// Verifies that the quorum of the newest root has sealed a document under it.
    pub(super) fn verify(&self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        if envelope.header.mode != Mode::Seal {
            return Err(Refusal::AlgMismatch { kid: envelope.header.kid });
        }
        let version = self.root.version;
        let signers =
            verify_seal(envelope, self.authority, version..=version, |kid| self.quorum.signer(kid))?;
        self.quorum.require_threshold(&signers, version)
    }

    pub(super) const fn authority(&self) -> AuthorityId {
        self.authority
    }

    pub(super) const fn name(&self) -> &'a str {
        self.root.name
    }

    pub(super) const fn version(&self) -> u32 {
        self.root.version
    }

    pub(super) const fn is_hybrid(&self) -> bool {
        self.quorum.hybrid
    }

    pub(super) const fn demands_manifest(&self) -> bool {
        self.root.manifests
    }

    /// Iterates over the ids of custodians and their partners.
    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.quorum.ids()
    }

    pub(super) fn hashes(self) -> Vec<Hash> {
        self.hashes
    }
}

/// Keys of which a number must sign.
struct Quorum {
    members: Vec<Custodian>,
    threshold: usize,
    hybrid: bool,
}

struct Custodian {
    thumbprint: Thumbprint,
    key: VerifyingKey,
    partner: Option<Partner>,
}

impl Quorum {
    fn load(quorum: &trust::Quorum<'_>) -> Result<Self, Refusal> {
        let members = quorum.members().map(|(key, partner)| {
            Ok(Custodian {
                thumbprint: key.thumbprint(),
                key: VerifyingKey::load(&key)?,
                partner: partner.as_ref().map(Partner::load).transpose()?,
            })
        });
        let members = members.collect::<Result<Vec<_>, Refusal>>()?;
        let loaded = Self { members, threshold: quorum.threshold, hybrid: quorum.partners.is_some() };
        refuse_shared_ids(loaded.ids())?;
        Ok(loaded)
    }

    fn ids(&self) -> impl Iterator<Item = KeyId> {
        let ids = |custodian: &Custodian| {
            [Some(custodian.thumbprint.key_id()), custodian.partner.as_ref().map(|partner| partner.kid)]
        };
        self.members.iter().flat_map(ids).flatten()
    }

    fn signer(&self, kid: KeyId) -> Option<(Role, &VerifyingKey, Thumbprint)> {
        self.members.iter().find_map(|custodian| match &custodian.partner {
            _ if custodian.thumbprint.key_id() == kid => {
                Some((Role::Custodian, &custodian.key, custodian.thumbprint))
            }
            Some(partner) if partner.kid == kid => Some((Role::Custodian, &partner.key, partner.thumbprint)),
            _ => None,
        })
    }

    /// Counts distinct custodians among the signers, by thumbprint; one with a partner counts where both signed.
    fn require_threshold(&self, signers: &Signers, version: u32) -> Result<(), Refusal> {
        let counts = |custodian: &&Custodian| {
            let partner = custodian.partner.as_ref();
            signers.has_signed(custodian.thumbprint)
                && partner.is_none_or(|partner| signers.has_signed(partner.thumbprint))
        };
        let signed = self.members.iter().filter(counts).count();
        let needed = self.threshold;
        if signed >= needed { Ok(()) } else { Err(Refusal::RootThreshold { version, signed, needed }) }
    }
}
