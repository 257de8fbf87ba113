//! The authority's own side of reconciling: what it keeps of a device, and what a difference sets in motion.
//!
//! Differences lock issuing before anybody is told. Not here: the comparison ([`super::compare`]).

use std::collections::{BTreeMap, BTreeSet};

use chancery_hsm_config::audit::AuditEntry;
use chancery_hsm_config::reference::Location;
use chancery_hsm_config::{KeyRef, TokenRef};

use super::auditor::{DeviceLogFile, FileChain};
use super::{Acceptable, Comparison, Device, DeviceKey, Operation, compare};
use crate::error::CommandError;
use crate::repository::history::OperationRow;
use crate::repository::{Acceptance, DeviceLogChain, IssuingLock, KeyRecord, Repository};

/// What locks are called that are released by reconciling.
const OWN_LOCKS: [&str; 2] = ["audit-broken", "hsm-"];

/// A YubiHSM 2 that holds keys of the authority.
#[derive(Clone, Debug)]
pub struct DeviceKeys {
    /// Serial number.
    pub serial: String,
    /// The device under the login that may read its log, where a reference names that.
    pub login: Option<TokenRef>,
    /// Whether a key on it is not closed, so that the device must be there to be read.
    pub is_in_use: bool,
    /// The keys on it, with their object ids.
    pub keys: Vec<(KeyRecord, u16)>,
}

/// A key in no YubiHSM 2, and where it is; nothing where another machine has it.
pub type OtherKey = (KeyRecord, Option<KeyRef>);

/// What came of comparing a device, with what was known of it before.
#[derive(Clone, Debug)]
pub struct Reconciled {
    /// Serial number.
    pub serial: String,
    /// Entries kept.
    pub entries: usize,
    /// What the comparison shows.
    pub comparison: Comparison,
    /// What an auditor accepted.
    pub accepted: Vec<Acceptance>,
    /// Where the device's log begins anew.
    pub chains: Vec<DeviceLogChain>,
}

/// Returns the YubiHSM 2 devices that hold keys of the authority, by serial number, and its other keys.
///
/// # Errors
///
/// Those of the repository; a usage error for a stored reference that is none.
pub fn devices(repository: &Repository) -> Result<(Vec<DeviceKeys>, Vec<OtherKey>), CommandError> {
    let mut devices: Vec<DeviceKeys> = Vec::new();
    let mut others = Vec::new();
    for key in repository.keys()? {
        let reference: Option<KeyRef> = key.reference.as_deref().map(str::parse).transpose()?;
        let Some(Location::YubiHsm(token, object)) = reference.as_ref().map(KeyRef::location) else {
            others.push((key, reference));
            continue;
        };
        let login = TokenRef::YubiHsm(token.clone()).audit_login();
        let (is_in_use, object) = (key.closing.is_none(), *object);
        match devices.iter_mut().find(|device| device.serial == token.serial) {
            Some(device) => {
                device.login = device.login.take().or(login);
                device.is_in_use |= is_in_use;
                device.keys.push((key, object));
            }
            None => {
                let (serial, keys) = (token.serial.clone(), vec![(key, object)]);
                devices.push(DeviceKeys { serial, login, is_in_use, keys });
            }
        }
    }
    devices.sort_by(|one, other| one.serial.cmp(&other.serial));
    Ok((devices, others))
}

/// Compares what is kept of a device with the operations, records what that settles, and locks issuing where they
/// differ. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn reconcile(repository: &mut Repository, serial: &str, now: u64) -> Result<Reconciled, CommandError> {
    let device = load(repository, serial)?;
    let comparison = compare(&device, now);
    let settled: Vec<_> =
        comparison.settled.iter().map(|(id, place)| (*id, place.map(|place| place as u64))).collect();
    if !settled.is_empty() && comparison.findings.is_empty() {
        repository.settle_operations(serial, &settled, now)?;
    }
    if let Some(first) = comparison.findings.first() {
        repository.lock_issuing(first.code, &first.message, now)?;
    }
    Ok(Reconciled {
        serial: serial.to_owned(),
        entries: device.entries.len(),
        comparison,
        accepted: repository.device_log_acceptances(serial)?,
        chains: repository.device_log_chains(serial)?,
    })
}

/// Releases every lock that reconciling set, once nothing differs. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn release(
    repository: &mut Repository,
    reason: &str,
    by: &str,
    now: u64,
) -> Result<Vec<IssuingLock>, CommandError> {
    let own = |lock: &IssuingLock| OWN_LOCKS.iter().any(|prefix| lock.reason.starts_with(prefix));
    let locks: Vec<_> = repository.issuing_locks()?.into_iter().filter(own).collect();
    for lock in &locks {
        repository.release_issuing(lock.id, &format!("{by}: {reason}"), now)?;
    }
    Ok(locks)
}

/// Returns what is kept of a device, for a file. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn file_of(repository: &Repository, serial: &str, now: u64) -> Result<DeviceLogFile, CommandError> {
    let device = load(repository, serial)?;
    let chain = |chain: DeviceLogChain| FileChain {
        entry: chain.position,
        reason: chain.reason,
        begun_at: chain.begun_at,
    };
    Ok(DeviceLogFile {
        begins_anew: repository.device_log_chains(serial)?.into_iter().map(chain).collect(),
        ..DeviceLogFile::new(serial, &device.entries, &device.keys, now)
    })
}

/// Loads both sides of a device.
fn load(repository: &Repository, serial: &str) -> Result<Device, CommandError> {
    let (devices, _) = devices(repository)?;
    let known = devices.into_iter().find(|device| device.serial == serial);
    let keys: Vec<DeviceKey> = known.map_or_else(Vec::new, |device| {
        let key = |(key, object): (KeyRecord, u16)| DeviceKey {
            thumbprint: key.public_key.thumbprint(),
            object,
            algorithm: key.public_key.algorithm(),
        };
        device.keys.into_iter().map(key).collect()
    });
    // What a key signed in another device, before it came here, is not in this one's log.
    let mut since = BTreeMap::new();
    for key in &keys {
        since.insert(key.thumbprint, repository.first_operation_here(key.thumbprint)?);
    }
    let settled = repository.operation_settlements()?;
    let mut operations = Vec::new();
    repository.each_operation(|row| {
        let row = row.map_err(|row| {
            CommandError::alarm("log-damaged", format!("a row of {} is malformed", row.table))
                .cause(row.detail)
                .hint("run `chancery log verify`")
        })?;
        if since.get(&row.key).is_some_and(|first| row.id >= *first) {
            let signed = outcome(&row).or_else(|| settled.get(&row.id).map(Option::is_some));
            let OperationRow { id, key, message_bytes, started_at, .. } = row;
            operations.push(Operation { id, key, message_bytes, started_at, signed });
        }
        Ok::<(), CommandError>(())
    })?;
    let accepted: BTreeSet<Acceptable> =
        repository.device_log_acceptances(serial)?.into_iter().map(|accepted| accepted.what.into()).collect();
    let chains = repository.device_log_chains(serial)?;
    Ok(Device {
        serial: serial.to_owned(),
        entries: repository.device_entries(serial)?.iter().map(AuditEntry::from_bytes).collect(),
        chains: chains.iter().filter_map(|chain| usize::try_from(chain.position).ok()).collect(),
        keys,
        operations,
        accepted,
    })
}

/// Whether the key signed; nothing where nobody knows. A signature that does not verify is one all the same.
fn outcome(row: &OperationRow) -> Option<bool> {
    let outcome = row.outcome.as_ref()?;
    Some(outcome.signed || outcome.detail.as_deref() == Some(BAD_SIGNATURE))
}

/// How an operation failed whose signature was made and does not verify.
pub(super) const BAD_SIGNATURE: &str = "bad-signature";
