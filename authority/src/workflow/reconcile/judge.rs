//! Entries that are no signatures of ours: counted by kind, and judged by what they do to a key that signs.
//!
//! Before a key's first signature a device is being set up, and whatever is done to it is expected. Afterwards an
//! object of ours that leaves the device, comes into it or goes is an alarm, and so is another setting: nobody
//! needs to do that to a device that signs. A log that begins anew begins with setting up again. Not here:
//! signatures of our keys ([`super::compare`]).

use std::collections::BTreeMap;

use chancery_hsm_config::audit::{AuditEntry, command};

use super::{Acceptable, Device, Finding};

/// How entries of one kind are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// As it should be.
    Expected,
    /// Not an alarm, and worth a look: a login or another key was made, or something was refused.
    Notice,
    /// What nobody does to a device that signs.
    Alarm,
}

impl Judgement {
    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Notice => "notice",
            Self::Alarm => "alarm",
        }
    }
}

/// Entries of one command that are judged alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The command, as `yubihsm-shell` names it.
    pub command: String,
    /// How they are judged.
    pub judgement: Judgement,
    /// How many there are.
    pub count: u64,
}

/// Where the log at hand stands: which of our keys have signed in it.
struct Progress<'d> {
    device: &'d Device,
    signed: Vec<u16>,
}

impl Progress<'_> {
    fn is_ours(&self, object: u16) -> bool {
        self.device.keys.iter().any(|key| key.object == object)
    }

    fn has_signed(&self, object: u16) -> bool {
        self.signed.contains(&object)
    }

    /// Judges an entry; an alarm comes with its code and what it is about.
    fn judge(&self, entry: &AuditEntry) -> (Judgement, Option<(&'static str, u16)>) {
        use command::{
            CHANGE_AUTHENTICATION_KEY, DELETE_OBJECT, EXPORT_WRAPPED, GENERATE_ASYMMETRIC_KEY,
            GENERATE_WRAP_KEY, IMPORT_WRAPPED, PUT_ASYMMETRIC_KEY, PUT_AUTHENTICATION_KEY, PUT_WRAP_KEY,
            SET_OPTION, SIGN_ATTESTATION_CERTIFICATE,
        };

        if entry.is_reset() || entry.is_boot() {
            return (Judgement::Expected, None);
        }
        if !entry.is_done() {
            return (Judgement::Notice, None);
        }
        let is_setting_up = self.signed.is_empty();
        match entry.command {
            EXPORT_WRAPPED if self.has_signed(entry.second_key) => {
                (Judgement::Alarm, Some(("hsm-key-exported", entry.second_key)))
            }
            IMPORT_WRAPPED if self.has_signed(entry.second_key) => {
                (Judgement::Alarm, Some(("hsm-key-replaced", entry.second_key)))
            }
            PUT_ASYMMETRIC_KEY | GENERATE_ASYMMETRIC_KEY | DELETE_OBJECT
                if self.has_signed(entry.target_key) =>
            {
                (Judgement::Alarm, Some(("hsm-key-replaced", entry.target_key)))
            }
            SET_OPTION if !is_setting_up => (Judgement::Alarm, Some(("hsm-settings-changed", u16::MAX))),
            EXPORT_WRAPPED if self.is_ours(entry.second_key) => (Judgement::Notice, None),
            _ if is_setting_up => (Judgement::Expected, None),
            CHANGE_AUTHENTICATION_KEY
            | DELETE_OBJECT
            | EXPORT_WRAPPED
            | GENERATE_ASYMMETRIC_KEY
            | GENERATE_WRAP_KEY
            | IMPORT_WRAPPED
            | PUT_ASYMMETRIC_KEY
            | PUT_AUTHENTICATION_KEY
            | PUT_WRAP_KEY => (Judgement::Notice, None),
            // Attests another key, with the key that the device's maker gave it.
            SIGN_ATTESTATION_CERTIFICATE => (Judgement::Expected, None),
            _ => match entry.signer() {
                Some(object) if !self.is_ours(object) => (Judgement::Notice, None),
                _ => (Judgement::Expected, None),
            },
        }
    }
}

/// Returns the entries of a device by kind, and what among them is an alarm that nobody accepted.
pub(super) fn judge(device: &Device) -> (Vec<Kind>, Vec<Finding>) {
    let mut kinds: BTreeMap<(Judgement, String), u64> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut progress = Progress { device, signed: Vec::new() };
    for (at, entry) in device.entries.iter().enumerate() {
        if device.chains.contains(&at) {
            progress.signed.clear();
        }
        let (judged, about) = progress.judge(entry);
        let place = Acceptable::Entry(at as u64);
        let judged = if device.accepted.contains(&place) { judged.min(Judgement::Notice) } else { judged };
        *kinds.entry((judged, command::name(entry.command).into_owned())).or_default() += 1;
        if let (Judgement::Alarm, Some((code, object))) = (judged, about) {
            findings.push(Finding { code, message: message(device, at, entry, object), accept: vec![place] });
        }
        if let Some(object) = entry.signer()
            && progress.is_ours(object)
            && !progress.has_signed(object)
        {
            progress.signed.push(object);
        }
    }
    let kinds = kinds.into_iter().rev();
    (kinds.map(|((judgement, command), count)| Kind { command, judgement, count }).collect(), findings)
}

fn message(device: &Device, at: usize, entry: &AuditEntry, object: u16) -> String {
    let name = command::name(entry.command);
    let of = if object == u16::MAX { String::new() } else { format!(" of key 0x{object:04x}") };
    format!("{name}{of} on device {} after it began to sign: entry {at}", device.serial)
}
