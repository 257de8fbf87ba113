//! Devices' own logs: read, and kept in the authority's repository before a device may overwrite them.
//!
//! What does not follow from what is kept locks issuing at once, whichever command reads it. Not here: comparing
//! entries with our operations ([`super::reconcile`]).

use std::time::{SystemTime, UNIX_EPOCH};

use chancery_hsm_config::audit::{AuditEntry, AuditLedger, AuditView, Broken, continued};
use chancery_hsm_config::{PinSource, TokenRef, look_at_audit};

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
        let entries: Vec<_> = entries.iter().map(AuditEntry::to_bytes).collect();
        Ok(Repository::open(&self.home)?.keep_device_entries(serial, &entries, now())?)
    }

    fn broken(&mut self, serial: &str, broken: Broken) -> Result<(), Failure> {
        let detail = format!("the log of device {serial} is not what it was: {broken}");
        Ok(Repository::open(&self.home)?.lock_issuing("audit-broken", &detail, now())?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Shows a device's log and leaves it as it is: the reading of somebody who keeps nothing here.
///
/// # Errors
///
/// `no-audit-log` for a device without one; those of the key backend.
pub fn look(device: &TokenRef, pins: &mut PinSource) -> Result<AuditView, CommandError> {
    look_at_audit(device, pins)?.ok_or_else(|| no_audit_log(device))
}

/// Says that a device keeps no log.
#[must_use]
pub fn no_audit_log(device: &TokenRef) -> CommandError {
    CommandError::refused("no-audit-log", format!("{device} keeps no log of its own"))
        .hint("name a YubiHSM 2: yubihsm:serial=…;auth-id=…?connector=…")
}

/// Begins a new log of a device that was reset on purpose, and records why. `now` is Unix seconds.
///
/// # Errors
///
/// `device-not-reset` where the device's log goes on from what is kept, or does not show the reset.
pub fn begin_anew(
    repository: &mut Repository,
    view: &AuditView,
    reason: &str,
    now: u64,
) -> Result<(), CommandError> {
    let refuse = |cause: &str| {
        CommandError::refused("device-not-reset", format!("device {} was not reset", view.serial))
            .cause(cause)
            .hint("a new log begins only with a device's reset; read this one with `chancery key audit`")
    };
    let newest = repository.newest_device_entry(&view.serial)?.map(|entry| AuditEntry::from_bytes(&entry));
    let Some(newest) = newest else {
        return Err(refuse("nothing is kept of it yet, so that its log begins with the next reading"));
    };
    if continued(std::slice::from_ref(&newest), &view.entries).is_ok() {
        return Err(refuse("its log goes on from what is kept"));
    }
    if !view.entries.first().is_some_and(AuditEntry::is_reset) {
        return Err(refuse("its log does not begin with the entry of a reset"));
    }
    Ok(repository.begin_device_log_chain(&view.serial, reason, now)?)
}
