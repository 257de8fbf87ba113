//! From the pinned authority to the keys that may sign: the root chain and the key records it seals.

use alloc::string::String;
use alloc::vec::Vec;

use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::key::Protection;
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, KeyMode, KeyRecord, Root};

use crate::error::Refusal;
use crate::seal::{Signers, verify_seal};
use crate::signature::VerifyingKey;

/// Which authority a bundle must be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// This one: what a product has built in, or a site remembers.
    Authority(AuthorityId),
    /// Whichever it is. The caller shows the id to a person or remembers it for the next time.
    FirstUse,
}

/// A key that the root has certified, with the bounds of its record.
#[derive(Clone, Debug)]
pub(crate) struct TrustedKey {
    pub(crate) kid: KeyId,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) key: VerifyingKey,
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
}

/// What a verifier trusts: an authority, its newest root and the keys certified under it.
#[derive(Clone, Debug)]
pub struct Trust {
    authority: AuthorityId,
    name: String,
    root_version: u32,
    keys: Vec<TrustedKey>,
}

impl Trust {
    /// Loads a trust bundle: verifies the root chain from version 1, then every key record under the
    /// newest root, so that the quorum of an older one delegates nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`], [`Refusal::AuthorityOther`], [`Refusal::RootMissing`],
    /// [`Refusal::RootChain`], [`Refusal::RootThreshold`], [`Refusal::KeyIdShared`],
    /// [`Refusal::KeyWeak`], and those of [`verify_seal`]. One bad member refuses the bundle.
    pub fn load(bundle: &[u8], pin: Pin) -> Result<Self, Refusal> {
        let bundle = Bundle::decode(bundle)?;
        let mut chain: Option<Chain<'_>> = None;
        let mut keys = Vec::new();
        for member in bundle.members() {
            let envelope = Envelope::decode(member)?;
            if envelope.header.typ == Kind::Root.typ() {
                let next = Chain::extend(chain, &envelope, pin)?;
                if !keys.is_empty() {
                    // Roots come first, so that no record rests on a root that another has replaced.
                    return Err(Refusal::RootChain { version: next.root.version });
                }
                chain = Some(next);
            } else if envelope.header.typ == Kind::KeyRecord.typ() {
                let chain = chain.as_ref().ok_or(Refusal::RootMissing)?;
                keys.push(chain.certify(&envelope)?);
            } else {
                return Err(Refusal::TypNotCertified { kid: envelope.header.kid });
            }
        }
        let chain = chain.ok_or(Refusal::RootMissing)?;
        refuse_shared_ids(
            keys.iter().map(|key| key.kid).chain(chain.custodians.iter().map(|custodian| custodian.0)),
        )?;
        Ok(Self {
            authority: chain.authority,
            name: chain.root.name.into(),
            root_version: chain.root.version,
            keys,
        })
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
    pub const fn root_version(&self) -> u32 {
        self.root_version
    }

    /// Iterates over the certified keys: thumbprint, role and protection.
    pub fn keys(&self) -> impl Iterator<Item = (Thumbprint, Role, Protection)> {
        self.keys.iter().map(|key| (key.thumbprint, key.role, key.protection))
    }

    pub(crate) fn find(&self, kid: KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Iterates over the keys behind the signers of a seal that [`Trust::verify_seal`] found good.
    pub(crate) fn behind<'t>(&'t self, signers: &Signers) -> impl Iterator<Item = &'t TrustedKey> {
        signers.as_slice().iter().filter_map(|signer| self.find(signer.thumbprint.key_id()))
    }

    /// Checks the seal of a document by keys of this trust set. What was sealed under an older root
    /// stands: a new quorum must not end the licenses that are installed.
    pub(crate) fn verify_seal(&self, envelope: &Envelope<'_>) -> Result<Signers, Refusal> {
        verify_seal(envelope, self.authority, 1..=self.root_version, |kid| {
            self.find(kid).map(|key| (key.role, &key.key, key.thumbprint))
        })
    }
}

/// The newest verified root and where it came from.
struct Chain<'a> {
    authority: AuthorityId,
    hash: Hash,
    root: Root<'a>,
    custodians: Vec<(KeyId, Thumbprint, VerifyingKey)>,
}

impl<'a> Chain<'a> {
    /// Verifies the next root: version 1 by its own quorum, every other also by that of the one before.
    fn extend(before: Option<Self>, envelope: &Envelope<'a>, pin: Pin) -> Result<Self, Refusal> {
        let root = Root::decode(envelope.payload)?;
        let version = root.version;
        let hash = Root::authority_id(envelope.payload).0;
        let expected = before.as_ref().map_or(Some(1), |chain| chain.root.version.checked_add(1));
        if Some(version) != expected || root.previous != before.as_ref().map(|chain| chain.hash) {
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
        let custodians = root.custodians.iter().map(|key| {
            let thumbprint = key.thumbprint();
            Ok((thumbprint.key_id(), thumbprint, VerifyingKey::load(&key)?))
        });
        let custodians = custodians.collect::<Result<Vec<_>, Refusal>>()?;
        refuse_shared_ids(custodians.iter().map(|custodian| custodian.0))?;
        let chain = Self { authority, hash, root, custodians };
        let signers = verify_seal(envelope, authority, version..=version, |kid| {
            chain.custodian(kid).or_else(|| before.as_ref().and_then(|before| before.custodian(kid)))
        })?;
        for quorum in before.iter().chain([&chain]) {
            quorum.require_threshold(&signers)?;
        }
        Ok(chain)
    }

    fn custodian(&self, kid: KeyId) -> Option<(Role, &VerifyingKey, Thumbprint)> {
        let found = self.custodians.iter().find(|custodian| custodian.0 == kid);
        found.map(|(_, thumbprint, key)| (Role::Custodian, key, *thumbprint))
    }

    /// Counts distinct custodians of this root among the signers, by thumbprint.
    fn require_threshold(&self, signers: &Signers) -> Result<(), Refusal> {
        let is_custodian = |thumbprint| self.custodians.iter().any(|custodian| custodian.1 == thumbprint);
        let signed = signers.as_slice().iter().filter(|signer| is_custodian(signer.thumbprint)).count();
        let needed = self.root.threshold;
        if signed >= needed {
            Ok(())
        } else {
            Err(Refusal::RootThreshold { version: self.root.version, signed, needed })
        }
    }

    /// Verifies a key record under this root.
    fn certify(&self, envelope: &Envelope<'_>) -> Result<TrustedKey, Refusal> {
        if envelope.header.mode != Mode::Seal {
            return Err(Refusal::AlgMismatch { kid: envelope.header.kid });
        }
        let version = self.root.version;
        let signers = verify_seal(envelope, self.authority, version..=version, |kid| self.custodian(kid))?;
        self.require_threshold(&signers)?;
        let record = KeyRecord::decode(envelope.payload)?;
        if record.authority != self.authority {
            return Err(Refusal::AuthorityOther { found: record.authority, pinned: self.authority });
        }
        let thumbprint = record.key.thumbprint();
        let names = |names: Option<chancery_formats::license::Names<'_>>| {
            names.map(|names| names.iter().map(String::from).collect())
        };
        Ok(TrustedKey {
            kid: thumbprint.key_id(),
            thumbprint,
            key: VerifyingKey::load(&record.key)?,
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
        })
    }
}

/// Two keys with one id would make it a matter of order which one a signature is checked against.
fn refuse_shared_ids(ids: impl Iterator<Item = KeyId>) -> Result<(), Refusal> {
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
