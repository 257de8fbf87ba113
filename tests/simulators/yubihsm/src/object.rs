//! Objects: what the device stores, with the attributes it reports and enforces.
//!
//! Key material is kept in the form the device puts under wrap (see `key`), so that an export carries the
//! stored bytes. Not here: who may touch an object (`device`).

use serde::{Deserialize, Serialize};

use crate::capability;
use crate::command::Firmware;
use crate::frame::Refusal;

/// Bytes of a label.
pub(crate) const LABEL: usize = 40;

/// Origin bits.
pub(crate) const GENERATED: u8 = 0x01;
pub(crate) const IMPORTED: u8 = 0x02;
pub(crate) const WRAPPED: u8 = 0x10;

pub(crate) const EC_P256: u8 = 12;
pub(crate) const HMAC_SHA1: u8 = 19;
pub(crate) const HMAC_SHA256: u8 = 20;
pub(crate) const HMAC_SHA384: u8 = 21;
pub(crate) const HMAC_SHA512: u8 = 22;
pub(crate) const AES128_CCM_WRAP: u8 = 29;
pub(crate) const OPAQUE_DATA: u8 = 30;
pub(crate) const OPAQUE_X509_CERTIFICATE: u8 = 31;
pub(crate) const AES128_AUTHENTICATION: u8 = 38;
pub(crate) const AES192_CCM_WRAP: u8 = 41;
pub(crate) const AES256_CCM_WRAP: u8 = 42;
pub(crate) const ED25519: u8 = 46;

/// Object types; those the simulator cannot hold are left out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub(crate) enum Kind {
    Opaque = 0x01,
    AuthenticationKey = 0x02,
    AsymmetricKey = 0x03,
    WrapKey = 0x04,
    HmacKey = 0x05,
}

impl Kind {
    /// Returns the capability that deleting such an object takes.
    pub(crate) fn delete_capability(self) -> u64 {
        match self {
            Self::Opaque => capability::DELETE_OPAQUE,
            Self::AuthenticationKey => capability::DELETE_AUTHENTICATION_KEY,
            Self::AsymmetricKey => capability::DELETE_ASYMMETRIC_KEY,
            Self::WrapKey => capability::DELETE_WRAP_KEY,
            Self::HmacKey => capability::DELETE_HMAC_KEY,
        }
    }

    /// Returns whether such an object has capabilities to hand on.
    pub(crate) fn delegates(self) -> bool {
        matches!(self, Self::AuthenticationKey | Self::WrapKey)
    }
}

impl TryFrom<u8> for Kind {
    type Error = Refusal;

    fn try_from(byte: u8) -> Result<Self, Self::Error> {
        Ok(match byte {
            0x01 => Self::Opaque,
            0x02 => Self::AuthenticationKey,
            0x03 => Self::AsymmetricKey,
            0x04 => Self::WrapKey,
            0x05 => Self::HmacKey,
            _ => return Err(Refusal::InvalidData),
        })
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        kind as Self
    }
}

/// Returns the algorithms a firmware reports, whether the simulator has them or not.
pub(crate) fn reported_algorithms(firmware: Firmware) -> std::ops::RangeInclusive<u8> {
    match firmware {
        Firmware(major, minor, _) if (major, minor) < (2, 2) => 1..=47,
        Firmware(2, 2, _) => 1..=48,
        Firmware(2, 3, 0) => 1..=49,
        Firmware(2, 3, _) => 1..=54,
        _ => 1..=55,
    }
}

/// Returns which type of object an algorithm is for; the others are reported as disabled.
pub(crate) fn kind_of(algorithm: u8) -> Option<Kind> {
    Some(match algorithm {
        OPAQUE_DATA | OPAQUE_X509_CERTIFICATE => Kind::Opaque,
        AES128_AUTHENTICATION => Kind::AuthenticationKey,
        EC_P256 | ED25519 => Kind::AsymmetricKey,
        AES128_CCM_WRAP | AES192_CCM_WRAP | AES256_CCM_WRAP => Kind::WrapKey,
        HMAC_SHA1 | HMAC_SHA256 | HMAC_SHA384 | HMAC_SHA512 => Kind::HmacKey,
        _ => return None,
    })
}

/// Checks that `algorithm` is one for objects of type `kind`.
///
/// # Errors
///
/// [`Refusal::AlgorithmDisabled`] for one the simulator lacks, [`Refusal::InvalidData`] for another type's.
pub(crate) fn check_algorithm(kind: Kind, algorithm: u8, firmware: Firmware) -> Result<(), Refusal> {
    match kind_of(algorithm) {
        Some(other) if other == kind => Ok(()),
        None if reported_algorithms(firmware).contains(&algorithm) => Err(Refusal::AlgorithmDisabled),
        _ => Err(Refusal::InvalidData),
    }
}

/// One stored object.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) id: u16,
    pub(crate) algorithm: u8,
    #[serde(with = "crate::hex")]
    pub(crate) label: [u8; LABEL],
    pub(crate) domains: u16,
    pub(crate) capabilities: u64,
    pub(crate) delegated: u64,
    pub(crate) sequence: u8,
    pub(crate) origin: u8,
    /// The material, or an opaque object's content.
    #[serde(with = "crate::hex")]
    pub(crate) data: Vec<u8>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Object {
    /// Returns the key with which the device leaves the factory: number 1, `password`, all rights.
    pub(crate) fn factory_key() -> Self {
        let mut label = [0; LABEL];
        label[..32].copy_from_slice(b"DEFAULT AUTHKEY CHANGE THIS ASAP");
        // What follows the text in the label of a real device.
        label[32..].copy_from_slice(&[0x00, 0xc0, 0xff, 0xee, 0xc0, 0xff, 0xee, 0x01]);
        Self {
            kind: Kind::AuthenticationKey,
            id: 1,
            algorithm: AES128_AUTHENTICATION,
            label,
            domains: 0xffff,
            capabilities: u64::MAX,
            delegated: u64::MAX,
            sequence: 0,
            origin: IMPORTED,
            data: crate::scp03::keys_from_password(b"password").to_vec(),
        }
    }

    /// Returns the length the device reports: of the material, with the delegated capabilities if any.
    pub(crate) fn length(&self) -> usize {
        self.data.len() + if self.kind.delegates() { 8 } else { 0 }
    }

    /// Returns what GET OBJECT INFO answers.
    pub(crate) fn info(&self) -> Vec<u8> {
        let mut info = self.header();
        info.extend_from_slice(&self.delegated.to_be_bytes());
        info
    }

    /// Returns the attributes as GET OBJECT INFO and a wrapped object begin.
    pub(crate) fn header(&self) -> Vec<u8> {
        let length = u16::try_from(self.length()).unwrap_or(u16::MAX);
        let mut header = self.capabilities.to_be_bytes().to_vec();
        header.extend_from_slice(&self.id.to_be_bytes());
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&self.domains.to_be_bytes());
        header.extend_from_slice(&[self.kind.into(), self.algorithm, self.sequence, self.origin]);
        header.extend_from_slice(&self.label);
        header
    }

    /// Returns how many pages of storage it takes.
    pub(crate) fn pages(&self) -> usize {
        self.data.len().div_ceil(PAGE).max(1)
    }
}

/// Bytes of a page of storage; there are [`PAGES`] of them, and [`RECORDS`] objects at most.
pub(crate) const PAGE: usize = 126;
pub(crate) const PAGES: usize = 1_024;
pub(crate) const RECORDS: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_factory_key_is_reported_byte_by_byte_as_a_device_reports_it() {
        let mut expected = vec![0xff; 8];
        expected.extend_from_slice(&[0, 1, 0, 40, 0xff, 0xff, 2, 38, 0, 2]);
        expected.extend_from_slice(b"DEFAULT AUTHKEY CHANGE THIS ASAP\0\xc0\xff\xee\xc0\xff\xee\x01");
        expected.extend_from_slice(&[0xff; 8]);
        assert_eq!(Object::factory_key().info(), expected);
    }
}
