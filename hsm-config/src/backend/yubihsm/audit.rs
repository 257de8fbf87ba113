//! Reading a device's audit log, and telling it what may be overwritten.
//!
//! Entries go to the ledger before the device drops them: a power cut between the two leaves them in both
//! places. Not here: the entries themselves (`crate::audit`).

use super::session::Session;
use super::wire::{Fields, WireError, command};
use crate::audit::{AuditEntry, AuditLedger, AuditRead, ENTRY_BYTES, continued};
use crate::error::Source;

/// Why a log could not be read.
pub(super) enum AuditError {
    Broken(&'static str),
    Ledger(Source),
    Wire(WireError),
}

impl From<WireError> for AuditError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Moves the device's entries to the ledger. `session` needs the capability get-log-entries.
pub(super) fn drain(
    session: &mut Session,
    serial: &str,
    ledger: &mut dyn AuditLedger,
) -> Result<AuditRead, AuditError> {
    let (read, entries) = read_entries(&session.send(command::GET_LOG_ENTRIES, &[])?)?;
    let newest = ledger.newest(serial).map_err(AuditError::Ledger)?;
    let fresh = continued(newest.as_ref(), &entries).map_err(AuditError::Broken)?;
    if !fresh.is_empty() {
        ledger.keep(serial, fresh).map_err(AuditError::Ledger)?;
    }
    if let Some(last) = entries.last() {
        session.send(command::SET_LOG_INDEX, &last.number.to_be_bytes())?;
    }
    Ok(AuditRead { entries: fresh.len(), ..read })
}

fn read_entries(data: &[u8]) -> Result<(AuditRead, Vec<AuditEntry>), WireError> {
    let mut fields = Fields(data);
    let read = AuditRead { entries: 0, unlogged_boots: fields.u16()?, unlogged_logins: fields.u16()? };
    let count = fields.u8()?;
    let mut entries = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        entries.push(AuditEntry::from_bytes(&fields.take::<ENTRY_BYTES>()?));
    }
    fields.end()?;
    Ok((read, entries))
}
