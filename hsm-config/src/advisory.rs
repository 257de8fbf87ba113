//! Published weaknesses of devices, by firmware version.
//!
//! Sources: Yubico security advisories YSA-2024-02 and YSA-2024-03. Not here: weaknesses that depend on use.

/// A device that advisories speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// YubiHSM 2 and YubiHSM 2 FIPS.
    YubiHsm2,
    /// YubiKey 5 series, through any of its applications.
    YubiKey5,
}

struct Advisory {
    model: Model,
    /// The first version without it.
    mended_in: [u8; 3],
    text: &'static str,
}

const ADVISORIES: [Advisory; 3] = [
    Advisory {
        model: Model::YubiHsm2,
        mended_in: [2, 4, 0],
        text: "YSA-2024-03, ECDSA keys can be recovered by who holds the device",
    },
    Advisory {
        model: Model::YubiKey5,
        mended_in: [5, 7, 0],
        text: "YSA-2024-03, ECDSA keys can be recovered by who holds the device",
    },
    Advisory {
        model: Model::YubiKey5,
        mended_in: [5, 7, 0],
        text: "YSA-2024-02, credentials on the device can be found out without its PIN",
    },
];

/// Reads `major.minor.patch`.
#[must_use]
pub fn version(text: &str) -> Option<[u8; 3]> {
    let mut parts = text.split('.').map(|part| {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 3;
        if is_plain { part.parse().ok() } else { None }
    });
    let version = [parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?];
    parts.next().is_none().then_some(version)
}

/// Returns the weaknesses published for a device with this firmware.
#[must_use]
pub fn published(model: Model, firmware: [u8; 3]) -> Vec<&'static str> {
    let affects = |advisory: &&Advisory| advisory.model == model && firmware < advisory.mended_in;
    ADVISORIES.iter().filter(affects).map(|advisory| advisory.text).collect()
}
