//! Command codes, which firmware has them, and which it audits as it leaves the factory.
//!
//! The order is that of the option dump Yubico publishes for `command-audit`, so a client that counts on it,
//! or chokes on the newer codes, meets the same bytes. Not here: what the commands do (`device`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) const ECHO: u8 = 0x01;
pub(crate) const CREATE_SESSION: u8 = 0x03;
pub(crate) const AUTHENTICATE_SESSION: u8 = 0x04;
pub(crate) const SESSION_MESSAGE: u8 = 0x05;
pub(crate) const DEVICE_INFO: u8 = 0x06;
pub(crate) const RESET_DEVICE: u8 = 0x08;
pub(crate) const CLOSE_SESSION: u8 = 0x40;
pub(crate) const GET_STORAGE_INFO: u8 = 0x41;
pub(crate) const PUT_OPAQUE: u8 = 0x42;
pub(crate) const GET_OPAQUE: u8 = 0x43;
pub(crate) const PUT_AUTHENTICATION_KEY: u8 = 0x44;
pub(crate) const PUT_ASYMMETRIC_KEY: u8 = 0x45;
pub(crate) const GENERATE_ASYMMETRIC_KEY: u8 = 0x46;
pub(crate) const LIST_OBJECTS: u8 = 0x48;
pub(crate) const EXPORT_WRAPPED: u8 = 0x4a;
pub(crate) const IMPORT_WRAPPED: u8 = 0x4b;
pub(crate) const PUT_WRAP_KEY: u8 = 0x4c;
pub(crate) const GET_LOG_ENTRIES: u8 = 0x4d;
pub(crate) const GET_OBJECT_INFO: u8 = 0x4e;
pub(crate) const SET_OPTION: u8 = 0x4f;
pub(crate) const GET_OPTION: u8 = 0x50;
pub(crate) const GET_PSEUDO_RANDOM: u8 = 0x51;
pub(crate) const PUT_HMAC_KEY: u8 = 0x52;
pub(crate) const SIGN_HMAC: u8 = 0x53;
pub(crate) const GET_PUBLIC_KEY: u8 = 0x54;
pub(crate) const SIGN_ECDSA: u8 = 0x56;
pub(crate) const DELETE_OBJECT: u8 = 0x58;
pub(crate) const GENERATE_HMAC_KEY: u8 = 0x5a;
pub(crate) const GENERATE_WRAP_KEY: u8 = 0x5b;
pub(crate) const VERIFY_HMAC: u8 = 0x5c;
pub(crate) const SIGN_ATTESTATION_CERTIFICATE: u8 = 0x64;
pub(crate) const SET_LOG_INDEX: u8 = 0x67;
pub(crate) const WRAP_DATA: u8 = 0x68;
pub(crate) const UNWRAP_DATA: u8 = 0x69;
pub(crate) const SIGN_EDDSA: u8 = 0x6a;
pub(crate) const BLINK_DEVICE: u8 = 0x6b;
pub(crate) const CHANGE_AUTHENTICATION_KEY: u8 = 0x6c;

/// Every firmware's commands, in the order of the dump.
const FIRST: &[u8] = &[
    0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x08, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x55,
    0x56, 0x48, 0x49, 0x57, 0x4a, 0x4b, 0x4c, 0x4d, 0x67, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x58,
    0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x68, 0x69, 0x6a,
    0x6b,
];

/// What later firmware adds, each with the first that has it.
const LATER: &[(Firmware, &[u8])] = &[
    (Firmware(2, 1, 0), &[0x6c]),
    (Firmware(2, 3, 0), &[0x0a]),
    (Firmware(2, 3, 1), &[0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72]),
    (Firmware(2, 4, 0), &[0x73, 0x74, 0x75, 0x76, 0x77]),
];

/// What firmware before 2.3.1 leaves out of its log; the others are logged from the start. Later firmware
/// logs nothing until it is told to.
const SILENT: &[u8] = &[ECHO, SESSION_MESSAGE, DEVICE_INFO, 0x07, 0x09, GET_LOG_ENTRIES];

/// A firmware version: major, minor, build.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Firmware(pub u8, pub u8, pub u8);

impl Firmware {
    /// Returns its commands, in the order in which `command-audit` is reported.
    pub(crate) fn commands(self) -> impl Iterator<Item = u8> {
        let later = LATER.iter().filter(move |(since, _)| *since <= self).flat_map(|(_, codes)| *codes);
        FIRST.iter().chain(later).copied()
    }

    /// Returns whether it logs `command` as it leaves the factory.
    pub(crate) fn audits(self, command: u8) -> bool {
        self < Self(2, 3, 1) && !SILENT.contains(&command)
    }

    /// Returns the longest frame it takes, in bytes: what Yubico's client allows itself, one less than the
    /// buffer.
    pub(crate) fn max_frame(self) -> usize {
        if self < Self(2, 4, 0) { 2_047 } else { 3_135 }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<u8> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match (parts.as_slice(), text.split('.').count()) {
            (&[major, minor, build], 3) => Ok(Self(major, minor, build)),
            _ => Err(format!("firmware {text:?} is not of the form 2.4.0")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn newer_codes_belong_to_newer_firmware() {
        let old: Vec<u8> = Firmware(2, 2, 0).commands().collect();
        let new: Vec<u8> = Firmware(2, 4, 0).commands().collect();
        assert!(!old.iter().any(|code| *code > 0x6c));
        assert_eq!(new[new.len() - 11..], (0x6d..=0x77).collect::<Vec<u8>>());
        assert_eq!((old.len(), new.len()), (53, 65));
        assert_eq!(Firmware(2, 3, 1).commands().max(), Some(0x72));
    }

    #[test]
    fn firmware_logs_from_the_start_until_2_3_1() {
        assert!(Firmware(2, 3, 0).audits(SIGN_EDDSA) && !Firmware(2, 3, 0).audits(GET_LOG_ENTRIES));
        assert!(!Firmware(2, 3, 1).audits(SIGN_EDDSA));
    }

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!("2.4.0".parse(), Ok(Firmware(2, 4, 0)));
        for text in ["", "2", "2.4", "2.4.0.1", "2.4.x", "2.4.256", "-2.4.0"] {
            assert!(text.parse::<Firmware>().is_err(), "{text}");
        }
    }
}
