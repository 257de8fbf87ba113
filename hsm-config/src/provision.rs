//! Setting a device up from a reviewed profile, and comparing it with the profile later.
//!
//! A profile ([`Profile`]) states every object that a YubiHSM 2 is to hold: logins by role, keys, what its log
//! records. [`provision`] makes them on a fresh device and takes the factory's login away; [`verify_device`]
//! names whatever differs. Firmware with a published weakness is refused ([`crate::advisory`]). Not here: devices
//! that their vendor's tools set up, such as YubiKeys (`docs/guide/devices`).

mod apply;
mod compare;
mod profile;
#[cfg(test)]
mod tests;

use crate::error::HsmError;

pub use self::apply::{Provisioned, Step, provision};
pub use self::compare::{Difference, verify_device};
pub use self::profile::{
    AuditProfile, KeyProfile, LoginProfile, Profile, ProfileError, Role, WrapKeyProfile,
};

/// The authentication key of a device as it leaves the factory.
pub const FACTORY_LOGIN: u16 = 1;

/// Why a device was not set up, or not compared.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    #[error("firmware {firmware} of the device has a published weakness: {advisory}")]
    FirmwareAffected { firmware: String, advisory: &'static str },
    #[error("firmware {firmware} of the device is older than the profile's {minimum}")]
    FirmwareTooOld { firmware: String, minimum: String },
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error("the login sees only a part of the device")]
    LoginTooNarrow,
    #[error("the reference names no YubiHSM 2")]
    NotYubiHsm,
    #[error("the device is not fresh: it holds {object}")]
    NotFresh { object: String },
    #[error("the device is not as the profile has it after it was set up: {first}")]
    NotAsProvisioned { first: Difference },
}

impl ProvisionError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FirmwareAffected { .. } => "firmware-affected",
            Self::FirmwareTooOld { .. } => "firmware-too-old",
            Self::Hsm(error) => error.code(),
            Self::LoginTooNarrow => "login-too-narrow",
            Self::NotYubiHsm => "device-unsupported",
            Self::NotFresh { .. } => "device-not-fresh",
            Self::NotAsProvisioned { .. } => "device-differs",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FirmwareAffected { .. } | Self::FirmwareTooOld { .. } => {
                "use a device with newer firmware; that of a YubiHSM 2 cannot be updated"
            }
            Self::Hsm(error) => error.hint(),
            Self::LoginTooNarrow => "use a login that is in all sixteen domains, such as the one for audit",
            Self::NotYubiHsm => {
                "write yubihsm:serial=…?connector=…; other devices are set up as docs/guide/devices says"
            }
            Self::NotFresh { .. } => "reset the device if nothing on it is needed, then provision it",
            Self::NotAsProvisioned { .. } => "reset the device and provision it again",
        }
    }
}
