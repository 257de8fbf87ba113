//! A device's own log against ours: every signature that it made is one that we asked for.
//!
//! A device signs only for an operation in our log, and one operation is at most one signature. So its log holds,
//! for each of our keys, at least as many signatures as we know of, and at most as many more as we know nothing
//! of. Anything else is an alarm. Not here: reading devices.

use std::time::{SystemTime, UNIX_EPOCH};

use chancery_formats::key::PublicKey;
use chancery_hsm_config::KeyRef;
use chancery_hsm_config::audit::{AuditEntry, AuditLedger, continued};
use chancery_hsm_config::reference::Location;

use crate::error::CommandError;
use crate::home::Home;
use crate::repository::Repository;

/// Keeps devices' entries in the authority's repository.
#[derive(Debug)]
pub struct Ledger {
    home: Home,
}

impl Ledger {
    /// Keeps entries in the repository of this home.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }
}

/// The failure of a store, for the device's side.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl AuditLedger for Ledger {
    fn newest(&mut self, serial: &str) -> Result<Option<AuditEntry>, Failure> {
        let newest = Repository::open(&self.home)?.newest_device_entry(serial)?;
        Ok(newest.map(|entry| AuditEntry::from_bytes(&entry)))
    }

    fn keep(&mut self, serial: &str, entries: &[AuditEntry]) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let entries: Vec<_> = entries.iter().map(AuditEntry::to_bytes).collect();
        Ok(Repository::open(&self.home)?.keep_device_entries(serial, &entries, now)?)
    }
}

/// One of our keys on a device, counted on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Reconciled {
    /// The key.
    pub public_key: PublicKey,
    /// Signatures in the device's log.
    pub on_device: u64,
    /// Operations in ours that signed.
    pub signed: u64,
    /// Operations in ours of which that is unknown.
    pub unknown: u64,
}

impl Reconciled {
    /// Whether both sides can be true.
    #[must_use]
    pub fn agrees(&self) -> bool {
        (self.signed..=self.signed + self.unknown).contains(&self.on_device)
    }
}

/// What a device's log says, next to ours.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    /// Entries kept of the device.
    pub entries: usize,
    /// Our keys on the device.
    pub keys: Vec<Reconciled>,
    /// Signatures of keys that are not ours.
    pub of_other_keys: u64,
}

/// Counts what the entries kept of a device say of our keys, and what our log says.
///
/// # Errors
///
/// An integrity alarm when the entries kept are no chain; those of the repository.
pub fn reconcile(repository: &Repository, serial: &str) -> Result<Reconciliation, CommandError> {
    let entries: Vec<_> = repository.device_entries(serial)?.iter().map(AuditEntry::from_bytes).collect();
    if continued(None, &entries).is_err() {
        return Err(CommandError::alarm("audit-broken", "the entries kept of the device are no chain")
            .hint("stop and call the auditor: the authority's database was changed"));
    }
    let signatures = entries.iter().filter(|entry| entry.is_signature());
    let mut keys = Vec::new();
    let mut ids = Vec::new();
    for key in repository.keys()? {
        let Location::YubiHsm(token, id) = key.reference.parse::<KeyRef>()?.location().clone() else {
            continue;
        };
        if token.serial != serial {
            continue;
        }
        let count = repository.operation_count(key.public_key.thumbprint())?;
        let on_device = signatures.clone().filter(|entry| entry.target_key == id).count();
        keys.push(Reconciled {
            public_key: key.public_key,
            on_device: u64::try_from(on_device).unwrap_or(u64::MAX),
            signed: count.signed,
            unknown: count.unknown,
        });
        ids.push(id);
    }
    let of_other_keys = signatures.filter(|entry| !ids.contains(&entry.target_key)).count();
    let of_other_keys = u64::try_from(of_other_keys).unwrap_or(u64::MAX);
    Ok(Reconciliation { entries: entries.len(), keys, of_other_keys })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
