//! What is revoked, for those who issue: drafts count as well, since nothing is decided twice.
//!
//! Read once, so that a batch asks memory and not the database. Not here: revoking (`revocation`).

use std::collections::HashSet;

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_verifier::VerifiedRequest;

use crate::error::CommandError;
use crate::repository::{Repository, RevocationTarget};

/// What is revoked, and which list a license that is issued now may demand.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    licenses: HashSet<LicenseId>,
    devices: HashSet<Thumbprint>,
    entitlements: HashSet<EntitlementId>,
    customers: HashSet<String>,
    /// Number of the newest list; 0 for none.
    newest: u64,
    /// Number of the list in the newest bundle; 0 for none.
    travelling: u64,
}

impl Revoked {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn load(repository: &Repository) -> Result<Self, CommandError> {
        let mut revoked = Self {
            newest: repository.newest_revocation_list()?.map_or(0, |list| list.number),
            travelling: repository.travelling_revocation_list()?,
            ..Self::default()
        };
        for entry in repository.revocations()? {
            match entry.target {
                RevocationTarget::License(id) => drop(revoked.licenses.insert(id)),
                RevocationTarget::Device(thumbprint) => drop(revoked.devices.insert(thumbprint)),
                RevocationTarget::Entitlement(id) => drop(revoked.entitlements.insert(id)),
                RevocationTarget::Customer(name) => drop(revoked.customers.insert(name)),
                // A revoked key is not one that issues: see `KeyRecord::is_open`.
                RevocationTarget::Key { .. } => {}
            }
        }
        Ok(revoked)
    }

    /// Refuses to issue to what is revoked.
    ///
    /// # Errors
    ///
    /// `revoked`.
    pub fn refuse(
        &self,
        license: Option<LicenseId>,
        device: Option<Thumbprint>,
        entitlement: EntitlementId,
        customer: &str,
    ) -> Result<(), CommandError> {
        let found = if let Some(id) = license.filter(|id| self.licenses.contains(id)) {
            format!("license {id}")
        } else if let Some(device) = device.filter(|device| self.devices.contains(device)) {
            format!("device {}", device.device_id())
        } else if self.entitlements.contains(&entitlement) {
            format!("entitlement {entitlement}")
        } else if self.customers.contains(customer) {
            format!("customer {customer}")
        } else {
            return Ok(());
        };
        Err(CommandError::refused("revoked", format!("{found} is revoked"))
            .hint("see why with `chancery revocation list`; what is revoked stays so: grant something new"))
    }

    /// Returns the least revocation list that a license accepts which follows another on the same device: the device
    /// can have what the one before demanded.
    #[must_use]
    pub fn least_list_after(&self, before: Option<u64>) -> Option<u64> {
        let least = self.travelling.max(before.unwrap_or(0).min(self.newest));
        (least > 0).then_some(least)
    }

    /// Returns the least revocation list that a license accepts which is issued now: never one that its device
    /// cannot have. A list travels with the newest bundle, and the request shows which one the device holds.
    #[must_use]
    pub fn least_list(&self, request: Option<&VerifiedRequest<'_>>) -> Option<u64> {
        let shown = request.map_or(0, |verified| verified.request().minima.revocation_list);
        let least = self.travelling.max(shown.min(self.newest));
        (least > 0).then_some(least)
    }
}
