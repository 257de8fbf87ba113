//! What a device states of a key, and its comparison with what is expected.
//!
//! Not here: whether the statement is to be believed (`path`), and its encoding (`yubico`).

use std::fmt;

use chancery_formats::key::PublicKey;

use crate::attestation::error::AttestationError;

/// What a device states of one of its keys; [`validate`](super::validate) alone makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// The key's public half.
    pub public_key: PublicKey,
    /// The device's serial number; a YubiHSM 2 shows it with ten digits.
    pub serial: u32,
    /// The firmware at the time of the attestation.
    pub firmware: Firmware,
    /// How the device came by the key.
    pub origin: Origin,
    /// Whether the device lets the private key leave it, wrapped.
    pub exportable: bool,
    /// Where on the device the key is, with what the device's kind adds.
    pub place: Place,
}

impl Statement {
    /// Compares the statement with what is expected of the key.
    ///
    /// # Errors
    ///
    /// [`AttestationError::KeyMismatch`], [`AttestationError::SerialMismatch`],
    /// [`AttestationError::KeyImported`] and [`AttestationError::KeyExportable`], in this order.
    pub fn check(&self, expected: &Expected) -> Result<(), AttestationError> {
        if self.public_key != expected.public_key {
            return Err(AttestationError::KeyMismatch { found: self.public_key.thumbprint() });
        }
        if self.serial != expected.serial {
            return Err(AttestationError::SerialMismatch { expected: expected.serial, found: self.serial });
        }
        match self.origin {
            Origin::Generated => {}
            Origin::GeneratedWrapped if expected.wrapped_backup => {}
            origin => return Err(AttestationError::KeyImported { origin }),
        }
        if self.exportable && !expected.wrapped_backup {
            return Err(AttestationError::KeyExportable);
        }
        Ok(())
    }
}

/// What is expected of an attested key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The public key, from its pin or from the device's own object.
    pub public_key: PublicKey,
    /// The serial number of the device.
    pub serial: u32,
    /// Whether the key's profile provides for a wrapped backup: the key may then be exportable under a
    /// wrap key, and may have been restored from such a backup. Made inside a device it was in any case.
    pub wrapped_backup: bool,
}

/// A firmware version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firmware {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
    /// The third number.
    pub patch: u8,
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// How a device came by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made inside this device, where it has been since.
    Generated,
    /// Made inside a device, and brought into this one under a wrap key.
    GeneratedWrapped,
    /// Made elsewhere and imported.
    Imported,
    /// Made elsewhere, imported into a device, and brought into this one under a wrap key.
    ImportedWrapped,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated => "generated",
            Self::GeneratedWrapped => "generated on a device, then imported under wrap",
            Self::Imported => "imported",
            Self::ImportedWrapped => "imported, then imported again under wrap",
        })
    }
}

/// Where on a device a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A slot of a YubiKey's PIV application.
    Piv {
        /// The slot, such as `0x9c`.
        slot: u8,
        /// When the PIN is asked for.
        pin: PinPolicy,
        /// When a touch is asked for.
        touch: TouchPolicy,
    },
    /// An object of a YubiHSM 2.
    YubiHsm2 {
        /// The object's id.
        id: u16,
        /// The label, which whoever made the key chose; empty when it holds control characters.
        label: String,
        /// The domains that the key is in: bit 0 is domain 1.
        domains: u16,
        /// What the key may do, as the device numbers it.
        capabilities: u64,
    },
}

/// When a YubiKey asks for the PIN of a PIV key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// At each signature.
    Always,
    /// At each signature, a fingerprint instead where it matches.
    MatchAlways,
    /// Once a session, a fingerprint instead where it matches.
    MatchOnce,
    /// Never.
    Never,
    /// Once a session.
    Once,
}

/// When a YubiKey asks for a touch before a PIV key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchPolicy {
    /// At each signature.
    Always,
    /// Unless the last touch was less than 15 seconds ago.
    Cached,
    /// Never.
    Never,
}
