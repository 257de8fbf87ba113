//! Objects in a YubiHSM 2, and the names of what they may do.
//!
//! Names of capabilities are those of `yubihsm-shell`. Source: YubiHSM 2 User Guide, "Capability" and
//! "Get Object Info". Not here: which object is meant.

use super::wire::{Fields, WireError};

/// Bytes of a label, padded with zeros.
pub(super) const LABEL_BYTES: usize = 40;

/// Kinds of objects.
pub(super) mod kind {
    pub(crate) const OPAQUE: u8 = 1;
    pub(crate) const AUTHENTICATION_KEY: u8 = 2;
    pub(crate) const ASYMMETRIC_KEY: u8 = 3;
    pub(crate) const WRAP_KEY: u8 = 4;

    /// Returns the name of a kind.
    pub(crate) fn name(kind: u8) -> &'static str {
        match kind {
            OPAQUE => "opaque object",
            AUTHENTICATION_KEY => "authentication key",
            ASYMMETRIC_KEY => "asymmetric key",
            WRAP_KEY => "wrap key",
            5 => "HMAC key",
            6 => "template",
            7 => "OTP AEAD key",
            8 => "symmetric key",
            9 => "public wrap key",
            _ => "object of an unknown kind",
        }
    }
}

/// Algorithms that Chancery makes keys of.
pub(super) mod algorithm {
    pub(crate) const EC_P256: u8 = 12;
    pub(crate) const AES256_CCM_WRAP: u8 = 42;
    pub(crate) const AES128_YUBICO_AUTHENTICATION: u8 = 38;
    pub(crate) const ED25519: u8 = 46;
}

pub(super) const SIGN_ECDSA: u64 = 1 << 7;
pub(super) const SIGN_EDDSA: u64 = 1 << 8;
pub(super) const EXPORTABLE_UNDER_WRAP: u64 = 1 << 16;

/// Where the secret of an object was made.
const ORIGIN_GENERATED: u8 = 0x01;
const ORIGIN_IMPORTED_WRAPPED: u8 = 0x10;

const CAPABILITIES: [&str; 56] = [
    "get-opaque",
    "put-opaque",
    "put-authentication-key",
    "put-asymmetric-key",
    "generate-asymmetric-key",
    "sign-pkcs",
    "sign-pss",
    "sign-ecdsa",
    "sign-eddsa",
    "decrypt-pkcs",
    "decrypt-oaep",
    "derive-ecdh",
    "export-wrapped",
    "import-wrapped",
    "put-wrap-key",
    "generate-wrap-key",
    "exportable-under-wrap",
    "set-option",
    "get-option",
    "get-pseudo-random",
    "put-mac-key",
    "generate-hmac-key",
    "sign-hmac",
    "verify-hmac",
    "get-log-entries",
    "sign-ssh-certificate",
    "get-template",
    "put-template",
    "reset-device",
    "decrypt-otp",
    "create-otp-aead",
    "randomize-otp-aead",
    "rewrap-from-otp-aead-key",
    "rewrap-to-otp-aead-key",
    "sign-attestation-certificate",
    "put-otp-aead-key",
    "generate-otp-aead-key",
    "wrap-data",
    "unwrap-data",
    "delete-opaque",
    "delete-authentication-key",
    "delete-asymmetric-key",
    "delete-wrap-key",
    "delete-hmac-key",
    "delete-template",
    "delete-otp-aead-key",
    "change-authentication-key",
    "put-symmetric-key",
    "generate-symmetric-key",
    "delete-symmetric-key",
    "decrypt-ecb",
    "encrypt-ecb",
    "decrypt-cbc",
    "encrypt-cbc",
    "put-public-wrap-key",
    "delete-public-wrap-key",
];

/// Returns the bit of a capability, by its name.
pub(crate) fn capability(name: &str) -> Option<u64> {
    CAPABILITIES.iter().position(|known| *known == name).map(|bit| 1 << bit)
}

/// Returns the names of the capabilities in a set; a bit without a name is told by its number.
pub(crate) fn capability_names(set: u64) -> Vec<String> {
    let name = |bit: usize| match CAPABILITIES.get(bit) {
        Some(name) => (*name).to_owned(),
        None => format!("capability bit {bit}"),
    };
    (0..64).filter(|bit| set >> bit & 1 == 1).map(name).collect()
}

/// Returns the numbers of the domains in a set, 1 to 16.
pub(crate) fn domain_numbers(set: u16) -> Vec<u8> {
    (1..=16).filter(|number| set >> (number - 1) & 1 == 1).collect()
}

/// What a device tells of one of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) capabilities: u64,
    pub(super) id: u16,
    pub(super) domains: u16,
    pub(super) kind: u8,
    pub(super) algorithm: u8,
    pub(super) label: String,
    pub(super) delegated: u64,
    origin: u8,
}

impl Object {
    /// Reads the answer to GET OBJECT INFO.
    pub(super) fn read(data: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields(data);
        let (capabilities, id, _length) = (fields.u64()?, fields.u16()?, fields.u16()?);
        let (domains, kind, algorithm) = (fields.u16()?, fields.u8()?, fields.u8()?);
        let (_sequence, origin) = (fields.u8()?, fields.u8()?);
        let label: [u8; LABEL_BYTES] = fields.take()?;
        let delegated = fields.u64()?;
        fields.end()?;
        let label = String::from_utf8_lossy(label.split(|byte| *byte == 0).next().unwrap_or_default());
        Ok(Self { capabilities, id, domains, kind, algorithm, label: label.into_owned(), delegated, origin })
    }

    /// Whether the secret was made in a device of this kind and came here under a wrap key.
    pub(super) fn is_restored(&self) -> bool {
        self.origin == ORIGIN_GENERATED | ORIGIN_IMPORTED_WRAPPED
    }

    /// Whether the secret was made in this device and never was elsewhere.
    pub(super) fn is_generated_inside(&self) -> bool {
        self.origin == ORIGIN_GENERATED
    }

    pub(super) fn is_exportable(&self) -> bool {
        self.capabilities & EXPORTABLE_UNDER_WRAP != 0
    }
}

/// Returns a label as the device keeps it; `None` where it is too long.
pub(super) fn label_bytes(label: &str) -> Option<[u8; LABEL_BYTES]> {
    let mut bytes = [0; LABEL_BYTES];
    bytes.get_mut(..label.len())?.copy_from_slice(label.as_bytes());
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_numbers_of_the_device() {
        assert_eq!(capability("sign-ecdsa"), Some(SIGN_ECDSA));
        assert_eq!(capability("sign-eddsa"), Some(SIGN_EDDSA));
        assert_eq!(capability("exportable-under-wrap"), Some(EXPORTABLE_UNDER_WRAP));
        assert_eq!(capability("sign-attestation-certificate"), Some(1 << 0x22));
        assert_eq!(capability("change-authentication-key"), Some(1 << 0x2e));
        assert_eq!(capability("fly"), None);
        assert_eq!(capability_names(SIGN_EDDSA | 1 << 63), ["sign-eddsa", "capability bit 63"]);
        assert_eq!(domain_numbers(0x8001), [1, 16]);
    }
}
