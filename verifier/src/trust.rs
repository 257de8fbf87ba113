//! From the pinned authority to the keys that may sign: root chain, key records, closings, revocations.
//!
//! A bundle is loaded whole or refused. What a site remembers of earlier ones is compared by
//! [`Trust::check_minima`]; what a product demands beyond the authority's own rules is set by
//! [`Trust::demanding`]. Not here: licenses (`license`).

use alloc::string::String;
use alloc::vec::Vec;

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::key::Protection;
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::Bundle;

use crate::error::Refusal;
use crate::seal::{Signers, verify_seal};
use crate::signature::VerifyingKey;

mod certified;
mod chain;
mod keys;
mod manifest;
mod minima;
mod revocation;
mod transcript;

pub use certified::Certified;
pub use minima::Minima;

use chain::Chain;
pub(crate) use keys::TrustedKey;
use keys::{Keys, refuse_shared_ids, require_authority};
use manifest::Manifested;
pub(crate) use revocation::Revocations;

/// Which authority a bundle must be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// This one: what a product has built in, or a site remembers.
    Authority(AuthorityId),
    /// Whichever it is. The caller shows the id to a person or remembers it for the next time.
    FirstUse,
}

/// What a product demands of keys beyond what the authority's own records say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// Every key that signs a license lives in a device.
    pub hardware: bool,
    /// A witness has signed every license.
    pub witness: bool,
}

/// What a verifier trusts: an authority, its newest root and the keys certified under it.
#[derive(Clone, Debug)]
pub struct Trust {
    authority: AuthorityId,
    name: String,
    /// SHA-256 of the payload of every root version, from 1.
    roots: Vec<Hash>,
    keys: Keys,
    revocations: Option<Revocations>,
    manifest: Option<Manifested>,
    demands: Demands,
}

impl Trust {
    /// Loads a trust bundle: verifies the root chain from version 1, then every other member under the newest
    /// root, so that the quorum of an older one delegates nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: one bad member refuses the bundle, and so does a manifest that does not list exactly its
    /// members, or is missing where the newest root demands one.
    pub fn load(bundle: &[u8], pin: Pin) -> Result<Self, Refusal> {
        let (trust, demands_manifest) = Self::load_members(bundle, pin)?;
        if trust.manifest.is_none() && demands_manifest {
            return Err(Refusal::ManifestMissing);
        }
        Ok(trust)
    }

    /// Loads what is to become a bundle once a manifest is made for it: for the authority, which judges its own
    /// documents before it publishes them. A site calls [`Trust::load`].
    ///
    /// # Errors
    ///
    /// As [`Trust::load`], but for a manifest that is missing.
    pub fn load_draft(bundle: &[u8], pin: Pin) -> Result<Self, Refusal> {
        Ok(Self::load_members(bundle, pin)?.0)
    }

    /// Loads a bundle, and tells whether its newest root demands a manifest.
    fn load_members(bundle: &[u8], pin: Pin) -> Result<(Self, bool), Refusal> {
        let bundle = Bundle::decode(bundle)?;
        let mut chain: Option<Chain<'_>> = None;
        let mut keys = Keys::default();
        let mut list = None;
        for member in bundle.members() {
            let envelope = Envelope::decode(member)?;
            let kid = envelope.header.kid;
            let kind = Kind::from_typ(envelope.header.typ);
            if kind == Some(Kind::Root) {
                let next = Chain::extend(chain, &envelope, pin)?;
                if !keys.is_empty() {
                    // Roots come first, so that no record rests on a root that another has replaced.
                    return Err(Refusal::RootChain { version: next.version() });
                }
                chain = Some(next);
                continue;
            }
            let chain = chain.as_ref().ok_or(Refusal::RootMissing)?;
            match kind {
                Some(Kind::KeyRecord) => keys.certify(chain, &envelope)?,
                Some(Kind::Closing) => keys.close(chain, &envelope)?,
                Some(Kind::RevocationList) if list.is_some() => return Err(Refusal::MemberTwice { kid }),
                Some(Kind::RevocationList) => list = Some(envelope),
                _ => return Err(Refusal::TypNotCertified { kid }),
            }
        }
        let chain = chain.ok_or(Refusal::RootMissing)?;
        let demands_manifest = chain.demands_manifest();
        refuse_shared_ids(keys.ids().chain(chain.ids()))?;
        let mut trust = Self {
            authority: chain.authority(),
            name: chain.name().into(),
            keys,
            revocations: None,
            manifest: None,
            demands: Demands::default(),
            roots: chain.hashes(),
        };
        // The list is verified by keys as closings leave them, and closes keys only then: its own revoker may be
        // among them, and this list stands as the last of that key. The manifest is judged by what the list leaves.
        if let Some(envelope) = list {
            let list = Revocations::verify(&trust, &envelope)?;
            trust.keys.revoke(list.keys());
            trust.revocations = Some(list);
        }
        trust.manifest = Manifested::verify(&trust, &bundle)?;
        Ok((trust, demands_manifest))
    }

    /// Returns this trust with what a product demands of keys.
    #[must_use]
    pub fn demanding(self, demands: Demands) -> Self {
        Self { demands, ..self }
    }

    /// Returns what the product demands of keys.
    pub(crate) const fn demands(&self) -> Demands {
        self.demands
    }

    /// Returns the authority's id, which products pin.
    #[must_use]
    pub const fn authority(&self) -> AuthorityId {
        self.authority
    }

    /// Returns the authority's name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the newest root version.
    #[must_use]
    pub fn root_version(&self) -> u32 {
        u32::try_from(self.roots.len()).unwrap_or(u32::MAX)
    }

    /// Returns the number of the revocation list; 0 where the bundle has none.
    #[must_use]
    pub fn revocation_list(&self) -> u64 {
        self.revocations.as_ref().map_or(0, Revocations::number)
    }

    /// Returns the number of the bundle; none where it has no manifest.
    #[must_use]
    pub fn bundle_number(&self) -> Option<u64> {
        self.manifest.as_ref().map(Manifested::number)
    }

    /// Returns when the manifest was made, in Unix seconds: no time before it is to be believed.
    #[must_use]
    pub fn anchor(&self) -> Option<u64> {
        self.manifest.as_ref().map(Manifested::time)
    }

    /// Returns the checkpoint of the log that the manifest carries: a signed note, not yet verified.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.manifest.as_ref().and_then(Manifested::checkpoint)
    }

    /// Iterates over the certified keys: thumbprint, role and protection; closed ones among them.
    pub fn keys(&self) -> impl Iterator<Item = (Thumbprint, Role, Protection)> {
        self.keys.iter().map(|key| (key.thumbprint, key.role, key.protection))
    }

    /// Iterates over the keys of a role that are not compromised, retired ones among them: whose documents stand.
    pub fn keys_of(&self, role: Role) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter().filter(move |key| key.role == role && !key.is_compromised()).map(|key| &key.key)
    }

    pub(crate) fn find(&self, kid: KeyId) -> Option<&TrustedKey> {
        self.keys.find(kid)
    }

    /// Returns what is revoked, where the bundle has a list.
    pub(crate) const fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Iterates over the keys behind the signers of a seal that [`Trust::verify_seal`] found good.
    pub(crate) fn behind<'t>(&'t self, signers: &Signers) -> impl Iterator<Item = &'t TrustedKey> {
        signers.as_slice().iter().filter_map(|signer| self.find(signer.thumbprint.key_id()))
    }

    /// Checks the seal of a document by keys of this trust set. What was sealed under an older root
    /// stands: a new quorum must not end the licenses that are installed.
    pub(crate) fn verify_seal(&self, envelope: &Envelope<'_>) -> Result<Signers, Refusal> {
        let signers =
            verify_seal(envelope, self.authority, 1..=self.root_version(), |kid| self.keys.signer(kid))?;
        self.keys.require_pairs(&signers)?;
        Ok(signers)
    }

    /// Checks the seal of a document that keys of one role make, and returns the key: certified for the kind,
    /// not compromised, its co-signers beside it. What the payload says is for [`Trust::require_of`].
    fn verify_sealed_by(
        &self,
        role: Role,
        kind: Kind,
        envelope: &Envelope<'_>,
    ) -> Result<&TrustedKey, Refusal> {
        let kid = envelope.header.kid;
        let key = self.find(kid).ok_or(Refusal::KeyUnknown { kid })?;
        key.require_sealing(role, kind, envelope.header.mode)?;
        self.verify_seal(envelope)?.require_roles(&key.co_signers)?;
        if key.is_compromised() { Err(Refusal::KeyCompromised { kid }) } else { Ok(key) }
    }

    /// Refuses a payload that is for another authority, or made outside the validity of the key that sealed it.
    fn require_of(&self, authority: AuthorityId, time: u64, key: &TrustedKey) -> Result<(), Refusal> {
        require_authority(authority, self.authority)?;
        key.require_valid_at(time)
    }
}
