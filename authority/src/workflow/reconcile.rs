//! A device's own log against our operations, one to one and in order.
//!
//! A device signs only for an operation of ours, so that each signature of one of our keys goes with one operation:
//! the same key, the same command, the same length, in the same order. What differs is an alarm that locks issuing.
//! An operation whose end is unknown may have its signature or not, and is settled by what the device shows. Other
//! entries are told by kind, and judged: what nobody does to a device that signs is an alarm as well. Entries do
//! not say what was signed: two operations of one key and one length cannot be told apart. Not here: reading
//! devices ([`super::device_log`]), releasing locks (`release`).

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::id::Thumbprint;
use chancery_formats::key::Algorithm;
use chancery_hsm_config::KeyInfo;
use chancery_hsm_config::audit::{AuditEntry, command, continued};
use chancery_hsm_config::reference::Location;

use self::align::{Alignment, Difference, Signature, Use, align};
use self::judge::judge;
pub use self::judge::{Judgement, Kind};
use crate::repository::NewAcceptance;

pub mod align;
mod auditor;
mod home;
mod judge;
mod known;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use self::auditor::{DeviceLogFile, read_export, reconcile_export};
pub use self::home::{DeviceKeys, OtherKey, Reconciled, devices, file_of, reconcile, release};
pub use self::known::what_can_be_known;

/// How long a session of a device lives: what was asked before that is done or never will be.
const SESSION_SECS: u64 = 60;

/// Bytes of an object id before the data of a command that signs.
const ID_BYTES: u64 = 2;

/// Bytes that a P-256 key signs: an object id and a SHA-256.
const ECDSA_BYTES: u16 = 34;

/// A key of ours on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// Who it is.
    pub thumbprint: Thumbprint,
    /// Its object id.
    pub object: u16,
    /// What it signs with.
    pub algorithm: Algorithm,
}

impl DeviceKey {
    /// Reads what a device tells of one of its keys.
    #[must_use]
    pub fn of(info: &KeyInfo) -> Option<Self> {
        let Location::YubiHsm(_, object) = info.reference.location() else { return None };
        let (thumbprint, algorithm) = (info.public_key.thumbprint(), info.public_key.algorithm());
        Some(Self { thumbprint, object: *object, algorithm })
    }
}

/// A use of one of those keys, as the log of operations has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: u64,
    /// The key.
    pub key: Thumbprint,
    /// Bytes that were signed, where that was recorded.
    pub message_bytes: Option<u64>,
    /// Unix seconds.
    pub started_at: u64,
    /// Whether the key signed; nothing where nobody knows.
    pub signed: Option<bool>,
}

/// Both sides of one device.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// Serial number.
    pub serial: String,
    /// Every entry of its log, oldest first.
    pub entries: Vec<AuditEntry>,
    /// Where its log begins anew, by place among the entries.
    pub chains: Vec<usize>,
    /// Our keys on it.
    pub keys: Vec<DeviceKey>,
    /// Every use of these keys, oldest first.
    pub operations: Vec<Operation>,
    /// What an auditor accepted.
    pub accepted: BTreeSet<Acceptable>,
}

/// What an auditor can accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acceptable {
    /// An entry of the device that no operation explains, by its place.
    Entry(u64),
    /// An operation that no entry shows, by its number.
    Operation(u64),
    /// A log that begins at this place without anybody having read what came before. The auditor's alone: no home
    /// keeps it.
    Beginning(u64),
}

impl Acceptable {
    /// Returns what a home keeps of it.
    #[must_use]
    pub const fn kept(self) -> Option<NewAcceptance> {
        match self {
            Self::Entry(place) => Some(NewAcceptance::Entry(place)),
            Self::Operation(id) => Some(NewAcceptance::Operation(id)),
            Self::Beginning(_) => None,
        }
    }
}

impl From<NewAcceptance> for Acceptable {
    fn from(kept: NewAcceptance) -> Self {
        match kept {
            NewAcceptance::Entry(place) => Self::Entry(place),
            NewAcceptance::Operation(id) => Self::Operation(id),
        }
    }
}

/// A difference that nobody accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What was found, for people.
    pub message: String,
    /// What is to be accepted so that it is one no more; empty where nothing can be.
    pub accept: Vec<Acceptable>,
}

/// How a key's two sides compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// The key.
    pub thumbprint: Thumbprint,
    /// Signatures in the device's log.
    pub on_device: u64,
    /// Operations in ours that signed.
    pub signed: u64,
    /// Operations in ours of which that is unknown.
    pub unknown: u64,
}

/// What the comparison of a device shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Differences that nobody accepted; none means that the two logs match.
    pub findings: Vec<Finding>,
    /// Entries by kind, those of our keys' signatures among them.
    pub kinds: Vec<Kind>,
    /// Our keys, counted on both sides.
    pub keys: Vec<KeyCount>,
    /// Operations of unknown outcome that the device settles: their number, and the place of the entry of those that
    /// signed.
    pub settled: Vec<(u64, Option<usize>)>,
    /// Signatures of keys that are not ours.
    pub of_other_keys: u64,
    /// Whether the first entry is that of a reset, so that nothing came before what is kept.
    pub is_whole: bool,
}

/// An entry that one of our keys signed, with its place.
struct Signed {
    at: usize,
    signature: Signature,
}

/// Compares the two sides of a device. `now` is Unix seconds.
#[must_use]
pub fn compare(device: &Device, now: u64) -> Comparison {
    let mut comparison = Comparison {
        is_whole: device.entries.first().is_some_and(AuditEntry::is_reset),
        findings: broken_chains(device),
        ..Comparison::default()
    };
    let signed = signed(device, &mut comparison);
    let operations: Vec<_> = device
        .operations
        .iter()
        .filter(|one| one.signed != Some(false) && !device.accepted.contains(&Acceptable::Operation(one.id)))
        .filter_map(|one| used(device, one).map(|used| (one, used)))
        .collect();
    count(device, &signed, &mut comparison);
    let uses: Vec<Use> = operations.iter().map(|(_, used)| *used).collect();
    let open: Vec<_> =
        signed.iter().filter(|one| !device.accepted.contains(&Acceptable::Entry(one.at as u64))).collect();
    let signatures: Vec<_> = open.iter().map(|one| one.signature).collect();
    match align(&uses, &signatures) {
        Some(alignment) => {
            let places: Vec<usize> = open.iter().map(|one| one.at).collect();
            let ids: Vec<u64> = operations.iter().map(|(one, _)| one.id).collect();
            comparison.findings.extend(differences(&alignment, &ids, &places, &uses, &signatures, device));
            let is_over = |used: usize| {
                let started = operations.get(used).map_or(now, |(one, _)| one.started_at);
                now.saturating_sub(started) >= SESSION_SECS
                    || alignment.pairs.last().is_some_and(|pair| pair.0 > used)
            };
            let settled = alignment.settled.iter().filter(|(used, read)| read.is_some() || is_over(*used));
            comparison.settled = settled
                .filter_map(|(used, read)| {
                    Some((*ids.get(*used)?, read.and_then(|read| places.get(read).copied())))
                })
                .collect();
        }
        None => comparison.findings.extend(too_many(&uses, &signatures)),
    }
    let (kinds, judged) = judge(device);
    comparison.kinds = kinds;
    comparison.findings.extend(judged);
    comparison
}

/// Returns the signatures of our keys, and counts those of others.
fn signed(device: &Device, comparison: &mut Comparison) -> Vec<Signed> {
    let mut found = Vec::new();
    for (at, entry) in device.entries.iter().enumerate() {
        let Some(object) = entry.signer() else { continue };
        if device.keys.iter().any(|key| key.object == object) {
            let signature = Signature { object, command: entry.command, length: Some(entry.length) };
            found.push(Signed { at, signature });
        } else {
            comparison.of_other_keys += 1;
        }
    }
    found
}

/// Returns what the device is to show of an operation.
fn used(device: &Device, operation: &Operation) -> Option<Use> {
    let key = device.keys.iter().find(|key| key.thumbprint == operation.key)?;
    let (command, length) = match key.algorithm {
        Algorithm::Ed25519 => (
            command::SIGN_EDDSA,
            operation.message_bytes.map(|bytes| u16::try_from(bytes + ID_BYTES).unwrap_or(u16::MAX)),
        ),
        _ => (command::SIGN_ECDSA, Some(ECDSA_BYTES)),
    };
    let signature = Signature { object: key.object, command, length };
    Some(Use { signature, is_certain: operation.signed == Some(true) })
}

fn count(device: &Device, signed: &[Signed], comparison: &mut Comparison) {
    for key in &device.keys {
        let operations = device.operations.iter().filter(|one| one.key == key.thumbprint);
        let of = |signed| operations.clone().filter(|one| one.signed == signed).count() as u64;
        comparison.keys.push(KeyCount {
            thumbprint: key.thumbprint,
            on_device: signed.iter().filter(|one| one.signature.object == key.object).count() as u64,
            signed: of(Some(true)),
            unknown: of(None),
        });
    }
}

/// Finds where the entries kept are no chain although the log does not begin anew there.
fn broken_chains(device: &Device) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut begin = 0;
    let ends = device.chains.iter().copied().filter(|at| *at > 0).chain([device.entries.len()]);
    for end in ends {
        let chain = device.entries.get(begin..end).unwrap_or_default();
        if let Err(broken) = continued(&[], chain) {
            findings.push(Finding {
                code: "audit-broken",
                message: format!("entry {} of device {}: {broken}", begin + broken.at, device.serial),
                accept: Vec::new(),
            });
        }
        begin = end;
    }
    findings
}

/// Names each difference; an operation and an entry alike are one that came in another order.
fn differences(
    alignment: &Alignment,
    operations: &[u64],
    places: &[usize],
    uses: &[Use],
    signatures: &[Signature],
    device: &Device,
) -> Vec<Finding> {
    let mut extra: Vec<usize> = Vec::new();
    let mut missing: Vec<usize> = Vec::new();
    for difference in &alignment.differences {
        match difference {
            Difference::Extra(read) => extra.push(*read),
            Difference::Missing(used) => missing.push(*used),
        }
    }
    let id = |used: usize| operations.get(used).copied().unwrap_or_default();
    let place = |read: usize| places.get(read).copied().unwrap_or_default();
    let key = |signature: Option<&Signature>| signature.map_or(0, |one| one.object);
    let mut findings = Vec::new();
    missing.retain(|used| {
        let same = extra.iter().position(|read| {
            signatures.get(*read).zip(uses.get(*used)).is_some_and(|(one, used)| *one == used.signature)
        });
        let Some(same) = same else { return true };
        let read = extra.remove(same);
        findings.push(Finding {
            code: "hsm-operation-order",
            message: format!(
                "operation {} and entry {} of device {} are in another order",
                id(*used),
                place(read),
                device.serial
            ),
            accept: vec![Acceptable::Entry(place(read) as u64), Acceptable::Operation(id(*used))],
        });
        false
    });
    findings.extend(extra.into_iter().map(|read| Finding {
        code: "hsm-operation-extra",
        message: format!(
            "key 0x{:04x} of device {} made a signature that no operation asked for: entry {}",
            key(signatures.get(read)),
            device.serial,
            place(read)
        ),
        accept: vec![Acceptable::Entry(place(read) as u64)],
    }));
    findings.extend(missing.into_iter().map(|used| Finding {
        code: "hsm-operation-missing",
        message: format!(
            "device {} does not show the signature of operation {} by key 0x{:04x}",
            device.serial,
            id(used),
            key(uses.get(used).map(|one| &one.signature))
        ),
        accept: vec![Acceptable::Operation(id(used))],
    }));
    findings
}

/// Counts where the two sides differ too much to be read together.
fn too_many(uses: &[Use], signatures: &[Signature]) -> Vec<Finding> {
    let mut counts: BTreeMap<(u16, u8), (usize, usize, usize)> = BTreeMap::new();
    for one in signatures {
        counts.entry((one.object, one.command)).or_default().0 += 1;
    }
    for one in uses {
        let entry = counts.entry((one.signature.object, one.signature.command)).or_default();
        if one.is_certain {
            entry.1 += 1;
        } else {
            entry.2 += 1;
        }
    }
    let finding = |((object, command), (shown, signed, unknown)): ((u16, u8), _)| {
        let code = match () {
            () if shown > signed + unknown => "hsm-operation-extra",
            () if shown < signed => "hsm-operation-missing",
            () => return None,
        };
        let message = format!(
            "key 0x{object:04x} made {shown} signatures with {}; {signed} were asked for, and {unknown} of unknown end",
            command::name(command)
        );
        Some(Finding { code, message, accept: Vec::new() })
    };
    let mut findings: Vec<_> = counts.into_iter().filter_map(finding).collect();
    if findings.is_empty() {
        findings.push(Finding {
            code: "hsm-operation-order",
            message: "more than 16 operations and entries are in another order".to_owned(),
            accept: Vec::new(),
        });
    }
    findings
}
