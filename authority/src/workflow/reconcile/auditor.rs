//! The auditor's own reading of a device against an exported log, without the authority's home.
//!
//! The authority keeps a device's entries, and could keep others that agree with its log. It cannot make them end in
//! what the device shows: the auditor reads the device in a session of their own, and each entry's digest vouches
//! for all before it, back to the device's reset. Not here: the files of the authority as such, and whether the
//! exported documents are genuine (`chancery-site audit`).

use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use chancery_carriers::files::open_document;
use chancery_carriers::text::shown_path;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::Algorithm;
use chancery_formats::log::Record;
use chancery_formats::log::export::{MAX_RECORD, Outcome};
use chancery_hsm_config::audit::{AuditEntry, ENTRY_BYTES, continued};
use serde::{Deserialize, Serialize};

use super::home::BAD_SIGNATURE;
use super::{Acceptable, Comparison, Device, DeviceKey, Finding, Operation, compare};
use crate::error::CommandError;

/// The name of the format, and its version.
const FORMAT: &str = "chancery-device-log/1";

/// Largest file, in bytes: about 900,000 entries.
const MAX_FILE: u64 = 64 << 20;

/// A device's entries in a file: as an auditor read them, or as the authority kept them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceLogFile {
    /// Name of the format, and its version.
    pub format: String,
    /// Serial number of the device.
    pub serial: String,
    /// When it was written, in Unix seconds.
    pub made_at: u64,
    /// Whether the device records each signature until it is reset; nothing where that was not asked.
    pub forced_audit: Option<bool>,
    /// Boots without an entry.
    pub unlogged_boots: u16,
    /// Logins without an entry.
    pub unlogged_logins: u16,
    /// Signing keys, as the device or the authority names them.
    pub keys: Vec<FileKey>,
    /// Where the log begins anew after a reset, by place among the entries.
    pub begins_anew: Vec<FileChain>,
    /// Entries as the device gave them, oldest first, in hexadecimal.
    pub entries: Vec<String>,
}

/// A signing key in a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileKey {
    /// Object id.
    pub object: u16,
    /// Thumbprint, in hexadecimal.
    pub thumbprint: String,
    /// Name of the algorithm.
    pub algorithm: String,
}

/// Where a log begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChain {
    /// Place of the first entry after the reset.
    pub entry: u64,
    /// Why.
    pub reason: String,
    /// Unix seconds.
    pub begun_at: u64,
}

impl DeviceLogFile {
    /// Writes a device's entries down; `made_at` is Unix seconds.
    #[must_use]
    pub fn new(serial: &str, entries: &[AuditEntry], keys: &[DeviceKey], made_at: u64) -> Self {
        let key = |key: &DeviceKey| FileKey {
            object: key.object,
            thumbprint: key.thumbprint.to_string(),
            algorithm: key.algorithm.name().to_owned(),
        };
        Self {
            format: FORMAT.to_owned(),
            serial: serial.to_owned(),
            made_at,
            forced_audit: None,
            unlogged_boots: 0,
            unlogged_logins: 0,
            keys: keys.iter().map(key).collect(),
            begins_anew: Vec::new(),
            entries: entries.iter().map(|entry| hex(&entry.to_bytes())).collect(),
        }
    }

    /// Reads a file; strict.
    ///
    /// # Errors
    ///
    /// A refusal (`device-log-malformed`) for what is none; what the file system refuses.
    pub fn read(path: &Path) -> Result<Self, CommandError> {
        let bytes = chancery_carriers::files::read_document(path, MAX_FILE)?;
        let refuse = |cause: String| {
            CommandError::refused("device-log-malformed", format!("{} is no device log", shown_path(path)))
                .cause(cause)
                .hint("write one with `chancery key audit REF --raw --out FILE`")
        };
        let file: Self = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if file.format != FORMAT {
            return Err(refuse(format!("its format is not {FORMAT}")));
        }
        file.audit_entries().and_then(|_| file.device_keys()).map_err(|cause| refuse(cause.to_owned()))?;
        Ok(file)
    }

    /// Returns the entries, oldest first.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is none.
    pub fn audit_entries(&self) -> Result<Vec<AuditEntry>, &'static str> {
        let entry = |text: &String| {
            let bytes = unhex(text).and_then(|bytes| <[u8; ENTRY_BYTES]>::try_from(bytes).ok());
            bytes.map(|bytes| AuditEntry::from_bytes(&bytes)).ok_or("an entry is not 64 hexadecimal digits")
        };
        self.entries.iter().map(entry).collect()
    }

    /// Returns the signing keys.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is none.
    pub fn device_keys(&self) -> Result<Vec<DeviceKey>, &'static str> {
        let key = |key: &FileKey| {
            let thumbprint = unhex(&key.thumbprint).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let algorithm = [Algorithm::Ed25519, Algorithm::Esp256]
                .into_iter()
                .find(|algorithm| algorithm.name() == key.algorithm);
            let (thumbprint, algorithm) = thumbprint.zip(algorithm).ok_or("a key is none of a YubiHSM 2")?;
            Ok(DeviceKey { thumbprint: Thumbprint(thumbprint), object: key.object, algorithm })
        };
        self.keys.iter().map(key).collect()
    }
}

/// What an exported log says of uses of keys.
#[derive(Clone, Debug)]
pub struct Export {
    /// Whose log it is.
    pub authority: AuthorityId,
    /// When it was made, in Unix seconds.
    pub made_at: u64,
    /// Uses of keys, in order.
    pub operations: Vec<Operation>,
}

/// Reads the operations of an exported log.
///
/// # Errors
///
/// A refusal (`log-malformed`) for a file that is none, or not whole.
pub fn read_export(path: &Path) -> Result<Export, CommandError> {
    let refuse = |cause: &str| {
        CommandError::refused("log-malformed", format!("{} is no exported log", shown_path(path)))
            .cause(cause)
            .hint("check that it is the right file, and that it was copied whole")
    };
    let mut file = BufReader::new(open_document(path)?);
    let mut record = Vec::new();
    let mut export: Option<Export> = None;
    let mut counts = (0, 0, 0);
    loop {
        if !next_record(&mut file, &mut record).map_err(|error| refuse(&error.to_string()))? {
            return Err(refuse("it ends before its last record"));
        }
        let decoded = Record::decode(&record).map_err(|error| refuse(&error.to_string()))?;
        match (&mut export, decoded) {
            (None, Record::Start { authority, made_at }) => {
                export = Some(Export { authority, made_at, operations: Vec::new() });
            }
            (Some(_), Record::Checkpoint { .. }) if counts.0 == 0 => counts.2 += 1,
            (Some(_), Record::Leaf { index, .. }) if index == counts.0 && counts.1 == 0 => counts.0 += 1,
            (Some(export), Record::Operation(one)) if one.id == counts.1 => {
                counts.1 += 1;
                export.operations.push(Operation {
                    id: one.id,
                    key: one.key,
                    message_bytes: one.message_bytes,
                    started_at: one.started_at,
                    signed: one.outcome.as_ref().map(has_signed),
                });
            }
            (Some(_), Record::End { leaves, operations, checkpoints })
                if (leaves, operations, checkpoints) == counts =>
            {
                break;
            }
            _ => return Err(refuse("a record is out of order")),
        }
    }
    if next_record(&mut file, &mut record).map_err(|error| refuse(&error.to_string()))? {
        return Err(refuse("something follows its last record"));
    }
    export.ok_or_else(|| refuse("it is empty"))
}

fn has_signed(outcome: &Outcome<'_>) -> bool {
    outcome.failure.is_none_or(|failure| failure == BAD_SIGNATURE)
}

/// Reads the next record; false at the end of the file.
fn next_record(file: &mut impl Read, record: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match file.read(length.get_mut(filled..).unwrap_or_default()) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_RECORD {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "a record is too large"));
    }
    record.resize(length, 0);
    file.read_exact(record)?;
    Ok(true)
}

/// Compares an exported log with a device: `kept` is what the authority kept of it, `own` are readings of the
/// auditor's own, oldest first, at least one. The keys are those that the device itself showed the auditor last.
///
/// # Errors
///
/// An integrity alarm (`audit-broken`) where what the authority kept does not lead to what the auditor read; a
/// refusal for files of different devices.
pub fn reconcile_export(
    export: &Export,
    kept: Option<&DeviceLogFile>,
    own: &[DeviceLogFile],
    accepted: &[Acceptable],
    now: u64,
) -> Result<(Device, Comparison), CommandError> {
    let newest = own.last().ok_or_else(|| CommandError::usage("no reading of the device is named"))?;
    if own.iter().chain(kept).any(|file| file.serial != newest.serial) {
        return Err(CommandError::refused("device-log-other", "the files are of different devices")
            .hint("name the files of one device, and run the command once for each"));
    }
    let malformed = |cause: &'static str| CommandError::refused("device-log-malformed", cause);
    let mut device = Device { serial: newest.serial.clone(), ..Device::default() };
    device.keys = newest.device_keys().map_err(malformed)?;
    device.operations = export.operations.clone();
    device.operations.retain(|one| device.keys.iter().any(|key| key.thumbprint == one.key));
    device.accepted.extend(accepted);
    if let Some(kept) = kept {
        device.entries = kept.audit_entries().map_err(malformed)?;
        device.chains =
            kept.begins_anew.iter().filter_map(|chain| usize::try_from(chain.entry).ok()).collect();
    }
    for reading in own {
        join(&mut device, &reading.audit_entries().map_err(malformed)?)?;
    }
    let mut comparison = compare(&device, now);
    comparison.findings.extend(unvouched(&device));
    Ok((device, comparison))
}

/// Adds a reading of the auditor's own to the entries, all of which it must contain or continue.
fn join(device: &mut Device, reading: &[AuditEntry]) -> Result<(), CommandError> {
    let broken = |cause: String| {
        CommandError::alarm("audit-broken", "what the authority kept is not what the device recorded")
            .cause(cause)
            .hint("keep the files: the authority's log or what it kept of the device was made up")
    };
    let Some(first) = reading.first() else { return Ok(()) };
    let place = device.entries.iter().rposition(|entry| entry == first);
    let since = match place {
        // An entry that the authority kept as well: from there on both must say the same.
        Some(place) => place,
        None => device.chains.last().copied().unwrap_or(0).min(device.entries.len()),
    };
    let tail = device.entries.get(since..).unwrap_or_default();
    if place.is_some() {
        if let Some((at, _)) = tail.iter().zip(reading).enumerate().find(|(_, (kept, read))| kept != read) {
            return Err(broken(format!("entry {} differs from the one that the device shows", since + at)));
        }
        continued(&[], reading).map_err(|error| broken(error.to_string()))?;
        let fresh = reading.get(tail.len()..).unwrap_or_default().to_vec();
        device.entries.extend(fresh);
        return Ok(());
    }
    let fresh = continued(tail, reading).map_err(|error| broken(error.to_string()))?.to_vec();
    device.entries.extend(fresh);
    Ok(())
}

/// Finds what no reading vouches for: a log that does not begin with a reset, and one that begins anew.
fn unvouched(device: &Device) -> Vec<Finding> {
    let mut findings = Vec::new();
    let begins = std::iter::once(0).chain(device.chains.iter().copied().filter(|at| *at > 0));
    for begin in begins {
        let accept = Acceptable::Beginning(begin as u64);
        let starts = device.entries.get(begin).is_some_and(AuditEntry::is_reset);
        let (code, message) = match (begin, starts) {
            (0, true) => continue,
            (0, false) => ("device-log-partial", "does not begin with the reset of the device".to_owned()),
            _ => (
                "device-log-begun-anew",
                format!("begins anew at entry {begin}: no reading of today vouches for what came before"),
            ),
        };
        if !device.accepted.contains(&accept) {
            let message = format!("the log of device {} {message}", device.serial);
            findings.push(Finding { code, message, accept: vec![accept] });
        }
    }
    findings
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads lower-case hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
