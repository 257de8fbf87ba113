//! Reading a device's audit log, and telling it what may be overwritten.
//!
//! Entries go to the ledger before the device drops them: a power cut between the two leaves them in both
//! places. The newest stays in the device, so that each reading begins with an entry that is kept already. Not
//! here: the entries themselves (`crate::audit`).

use super::administer::{FIXED, OPTION_COMMAND_AUDIT, OPTION_FORCE_AUDIT};
use super::session::Session;
use super::wire::{DeviceError, Fields, WireError, command};
use crate::audit::{AuditEntry, AuditLedger, AuditRead, AuditView, Broken, ENTRY_BYTES, continued};
use crate::error::Source;

/// Why a log could not be read.
pub(super) enum AuditError {
    Broken(Broken),
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
    let fresh = match continued(newest.as_slice(), &entries) {
        Ok(fresh) => fresh,
        Err(broken) => {
            ledger.broken(serial, broken).map_err(AuditError::Ledger)?;
            return Err(AuditError::Broken(broken));
        }
    };
    if !fresh.is_empty() {
        ledger.keep(serial, fresh).map_err(AuditError::Ledger)?;
    }
    if let [.., last_but_one, _newest] = entries.as_slice() {
        session.send(command::SET_LOG_INDEX, &last_but_one.number.to_be_bytes())?;
    }
    Ok(AuditRead { entries: fresh.len(), ..read })
}

/// Reads the device's entries and leaves them as they are.
pub(super) fn look(session: &mut Session, serial: &str) -> Result<AuditView, WireError> {
    let (unlogged, entries) = read_entries(&session.send(command::GET_LOG_ENTRIES, &[])?)?;
    let is_forced = is_forced(session)?;
    Ok(AuditView { serial: serial.to_owned(), entries, unlogged, is_forced, keys: Vec::new() })
}

/// Asks whether nothing signs without an entry, for good; nothing where the login may not ask.
fn is_forced(session: &mut Session) -> Result<Option<bool>, WireError> {
    let mut option = |number| match session.send(command::GET_OPTION, &[number]) {
        Err(WireError::Device(DeviceError::InsufficientPermissions)) => Ok(None),
        other => other.map(Some),
    };
    let Some(force) = option(OPTION_FORCE_AUDIT)? else { return Ok(None) };
    let Some(commands) = option(OPTION_COMMAND_AUDIT)? else { return Ok(None) };
    let is_recorded = |command| commands.chunks_exact(2).any(|pair| *pair == [command, FIXED]);
    let signing = [command::SIGN_ATTESTATION_CERTIFICATE, command::SIGN_ECDSA, command::SIGN_EDDSA];
    let are_recorded = signing.into_iter().all(is_recorded);
    Ok(Some(force.as_slice() == [FIXED] && are_recorded))
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
