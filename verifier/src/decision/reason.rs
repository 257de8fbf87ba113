//! Reasons: the rule that decided, in words and as a stable code.
//!
//! Not here: what to do about one (`explain`, and the hints of programs).

use chancery_formats::id::Thumbprint;
use chancery_formats::license::Version;

use super::facts::Fact;

/// Why a decision is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The device has a typed binding that the license does not allow.
    #[error("typed binding {ordinal} is beyond the {allowed} that the license allows")]
    BindingBeyond {
        /// Which one the device has, counted from 1.
        ordinal: u64,
        /// How many there may be.
        allowed: u64,
    },
    /// The license came through a channel that it does not name.
    #[error("license may not be passed on through this channel")]
    ChannelOther,
    /// Components of the device do not match.
    #[error("{matched} of the {needed} device components that must match do")]
    DeviceComponents {
        /// How many match.
        matched: u64,
        /// How many must.
        needed: u64,
    },
    /// The license is for a device key, and this device has none.
    #[error("this device has no device key, and the license is bound to one")]
    DeviceKeyMissing,
    /// The license is for another device key.
    #[error("license is for device {}, not for this one", .bound.device_id())]
    DeviceOther {
        /// The key that it is for.
        bound: Thumbprint,
    },
    /// The term ends soon.
    #[error("license ends soon")]
    EndsSoon,
    /// The term has ended, and grace with it.
    #[error("license has expired")]
    Expired,
    /// The license needs a fact that the caller did not tell.
    #[error("license needs a fact that was not told: {fact}")]
    FactUnknown {
        /// The fact.
        fact: Fact,
    },
    /// The license does not grant the feature.
    #[error("license does not grant this feature")]
    FeatureNotGranted,
    /// The license grants it.
    #[error("granted")]
    Granted,
    /// The term has ended; grace has not.
    #[error("license has expired and runs on in its grace period")]
    InGrace,
    /// The quota is used up; the overdraft is not.
    #[error("quota is used up, and {left} units of the overdraft are left")]
    InOverdraft {
        /// Units that may still be used, at least 1.
        left: u64,
    },
    /// The license is installed on more devices than it may be.
    #[error("license is installed on {installed} devices, and may be on {allowed}")]
    InstallsExceeded {
        /// On how many it is.
        installed: u64,
        /// On how many it may be.
        allowed: u64,
    },
    /// The term has not begun.
    #[error("license is not valid yet")]
    NotYetValid,
    /// The license is for another product.
    #[error("license is for another product")]
    ProductOther,
    /// Quota and overdraft are used up.
    #[error("quota and overdraft are used up: {used} units of {quota} and {overdraft}")]
    QuotaExhausted {
        /// Units used.
        used: u64,
        /// Units of the quota.
        quota: u64,
        /// Units of the overdraft.
        overdraft: u64,
    },
    /// The version was released after maintenance had ended.
    #[error("this version was released after the license's maintenance had ended")]
    ReleaseLater {
        /// Up to when versions are covered, in Unix seconds.
        until: u64,
    },
    /// Every seat is taken by others.
    #[error("every one of the {seats} seats is taken")]
    SeatsExhausted {
        /// Seats of the license.
        seats: u64,
    },
    /// The site is where the license does not hold.
    #[error("license does not hold in the territory of this site")]
    TerritoryOther,
    /// Neither the user nor a group of the user is named.
    #[error("license names neither this user nor a group of theirs")]
    UserOther,
    /// The version is above the window.
    #[error("license covers versions up to {highest}")]
    VersionNewer {
        /// The highest version covered; whatever starts with its numbers is.
        highest: Version,
    },
    /// The version is below the window.
    #[error("license covers versions from {lowest} on")]
    VersionOlder {
        /// The lowest version covered.
        lowest: Version,
    },
}

impl Reason {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BindingBeyond { .. } => "binding-beyond",
            Self::ChannelOther => "channel-other",
            Self::DeviceComponents { .. } => "device-components",
            Self::DeviceKeyMissing => "device-key-missing",
            Self::DeviceOther { .. } => "device-other",
            Self::EndsSoon => "ends-soon",
            Self::Expired => "expired",
            Self::FactUnknown { fact } => fact.code(),
            Self::FeatureNotGranted => "feature-not-granted",
            Self::Granted => "granted",
            Self::InGrace => "in-grace",
            Self::InOverdraft { .. } => "in-overdraft",
            Self::InstallsExceeded { .. } => "installs-exceeded",
            Self::NotYetValid => "not-yet-valid",
            Self::ProductOther => "product-other",
            Self::QuotaExhausted { .. } => "quota-exhausted",
            Self::ReleaseLater { .. } => "release-later",
            Self::SeatsExhausted { .. } => "seats-exhausted",
            Self::TerritoryOther => "territory-other",
            Self::UserOther => "user-other",
            Self::VersionNewer { .. } => "version-newer",
            Self::VersionOlder { .. } => "version-older",
        }
    }
}
