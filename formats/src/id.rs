//! Identifiers, as newtypes: what each names, how long it is, and how people see it.
//!
//! Shown with a prefix that tells the kind (`lic_`, `ent_`, `dev_`) and Crockford base32, which has
//! no letters that look alike. Hashes are shown in hexadecimal.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::text::crockford;

/// Text that is not an identifier of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the form {form}")]
pub struct IdError {
    form: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $prefix:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&crockford::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { form: $form };
                let digits = text.strip_prefix($prefix).ok_or(error)?;
                let bytes = crockford::decode(digits).ok_or(error)?;
                bytes.try_into().map($name).map_err(|_| error)
            }
        }
    };
}

prefixed_id!(
    /// A license: 16 random bytes, the CWT claim `cti` (RFC 8392 §3.1.7).
    LicenseId, 16, "lic_", "lic_ and 26 letters or digits"
);
prefixed_id!(
    /// An entitlement: 8 random bytes, unique within one authority.
    EntitlementId, 8, "ent_", "ent_ and 13 letters or digits"
);
prefixed_id!(
    /// A device as people see it: the first 10 bytes of its key's thumbprint.
    DeviceId, 10, "dev_", "dev_ and 16 letters or digits"
);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { form: $form };
                let mut bytes = [0; $bytes];
                if text.len() != 2 * bytes.len() || !text.is_ascii() {
                    return Err(error);
                }
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let digits = text.get(2 * index..2 * index + 2).ok_or(error)?;
                    if digits.starts_with('+') {
                        return Err(error);
                    }
                    *byte = u8::from_str_radix(digits, 16).map_err(|_| error)?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

hex_id!(
    /// An authority: SHA-256 of the payload of its root version 1. A product pins it.
    AuthorityId, 32, "64 hexadecimal digits"
);
hex_id!(
    /// A key's identity: the SHA-256 COSE_Key thumbprint (RFC 9679).
    Thumbprint, 32, "64 hexadecimal digits"
);
hex_id!(
    /// A look-up hint for a key, not its identity: the first 8 bytes of its thumbprint.
    KeyId, 8, "16 hexadecimal digits"
);

impl Thumbprint {
    /// Returns the look-up hint that stands in the `kid` header.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(prefix(&self.0))
    }

    /// Returns the short identifier under which people know the device that holds this key.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        DeviceId(prefix(&self.0))
    }
}

fn prefix<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    core::array::from_fn(|index| bytes[index])
}

/// Returns whether `text` is a name: 1 to 64 of `a-z 0-9 . _ -`, starting with a letter or digit.
///
/// Products, features, editions, customers and sites are named so, in documents and on command lines.
#[must_use]
pub fn is_name(text: &str) -> bool {
    is_name_in_bytes(text.as_bytes())
}

/// Returns whether bytes are a name, which is ASCII: for those who need no text of it.
pub(crate) fn is_name_in_bytes(text: &[u8]) -> bool {
    // Every license has dozens of these bytes: a table answers faster than ranges.
    const ALLOWED: [bool; 256] = {
        let mut allowed = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let plain = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9');
            allowed[byte] = plain || matches!(byte as u8, b'.' | b'_' | b'-');
            byte += 1;
        }
        allowed
    };
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    text.len() <= 64 && text.iter().all(|byte| ALLOWED[usize::from(*byte)]) && text.first().is_some_and(plain)
}

/// Returns whether `text` can be shown to people: 1 to 128 bytes without control characters, line
/// separators, or marks that reorder or hide text (Unicode UAX #9, UTS #39).
#[must_use]
pub fn is_label(text: &str) -> bool {
    // Printable ASCII, which most labels are, needs no look at single characters.
    let printable = text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    (1..=128).contains(&text.len()) && text.trim() == text && (printable || !text.chars().any(is_hidden))
}

/// Returns whether a character controls, reorders or hides text instead of showing as itself.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `text` where it is a name.
#[must_use]
pub fn name(text: &str) -> Option<String> {
    is_name(text).then(|| text.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn identifiers_survive_being_shown_and_typed() {
        let id = LicenseId(core::array::from_fn(|index| index as u8 * 16 + 3));
        assert_eq!(id.to_string().len(), 30);
        assert_eq!(id.to_string().parse(), Ok(id));
        let id = EntitlementId([255; 8]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        let id = KeyId([0xab; 8]);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_kinds_and_lengths_are_refused() {
        let license = LicenseId([1; 16]).to_string();
        assert!(license.parse::<EntitlementId>().is_err());
        assert!(license[..29].parse::<LicenseId>().is_err());
        assert!("lic_".parse::<LicenseId>().is_err());
        assert!("+1+1+1+1+1+1+1+1".parse::<KeyId>().is_err());
    }

    #[test]
    fn names_and_labels_hold_nothing_hidden() {
        assert!(is_name("pump-2.x_beta"));
        for bad in ["", "-a", "A", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_label("Müller & Søn, 東京"));
        for bad in ["", " a", "a\u{1b}[31m", "a\u{202e}b", "a\u{200b}b", "a\u{1d173}b", "a\nb"] {
            assert!(!is_label(bad), "{bad:?}");
        }
    }
}
