//! What is revoked, as a verified list says: sorted, so that looking a license up allocates nothing.

use alloc::string::String;
use alloc::vec::Vec;

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::License;
use chancery_formats::merkle::{Hash, Head};
use chancery_formats::seal::Role;
use chancery_formats::trust::RevocationList;

use super::Trust;
use crate::error::{Refusal, Revoked};

/// A verified revocation list. Ids and names ascend, as the format demands of the document.
#[derive(Clone, Debug)]
pub(crate) struct Revocations {
    number: u64,
    previous: Option<Hash>,
    hash: Hash,
    licenses: Vec<LicenseId>,
    devices: Vec<Thumbprint>,
    entitlements: Vec<EntitlementId>,
    customers: Vec<String>,
    keys: Vec<(Thumbprint, Head)>,
}

impl Revocations {
    /// Verifies a list: sealed by a revoker key that is not compromised, within its validity, and by its
    /// co-signers. A list of a key that was retired stands, as other documents of such keys do.
    pub(super) fn verify(trust: &Trust, envelope: &Envelope<'_>) -> Result<Self, Refusal> {
        let key = trust.verify_sealed_by(Role::Revoker, Kind::RevocationList, envelope)?;
        let list = RevocationList::decode(envelope.payload)?;
        trust.require_of(list.authority, list.time, key)?;
        let customers = list.customers.iter().flat_map(|customers| customers.iter());
        Ok(Self {
            number: list.number,
            previous: list.previous,
            hash: RevocationList::hash(envelope.payload),
            licenses: list.licenses.iter().copied().map(LicenseId).collect(),
            devices: list.devices.iter().copied().map(Thumbprint).collect(),
            entitlements: list.entitlements.iter().copied().map(EntitlementId).collect(),
            customers: customers.map(String::from).collect(),
            keys: list.keys.iter().collect(),
        })
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn previous(&self) -> Option<Hash> {
        self.previous
    }

    pub(super) const fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn keys(&self) -> &[(Thumbprint, Head)] {
        &self.keys
    }

    /// Refuses a license that the list names in any way.
    pub(crate) fn refuse(&self, license: &License<'_>) -> Result<(), Refusal> {
        match self.names(license) {
            Some(what) => Err(Refusal::Revoked { what, list: self.number }),
            None => Ok(()),
        }
    }

    fn names(&self, license: &License<'_>) -> Option<Revoked> {
        let customer = license.subject.split('/').next().unwrap_or_default();
        let device = license.device_key.filter(|device| self.devices.binary_search(device).is_ok());
        if self.licenses.binary_search(&license.id).is_ok() {
            Some(Revoked::License)
        } else if device.is_some() {
            Some(Revoked::Device)
        } else if self.entitlements.binary_search(&license.terms.entitlement).is_ok() {
            Some(Revoked::Entitlement)
        } else {
            let place = self.customers.binary_search_by(|revoked| revoked.as_str().cmp(customer));
            place.ok().map(|_| Revoked::Customer)
        }
    }
}
