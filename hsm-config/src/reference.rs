//! Key references: the text that says which key on which token, and how to reach it.
//!
//! `file:PATH`, `pkcs11:…` (RFC 7512), `piv:…` and `yubihsm:…`, each with an optional pin of the public key. The
//! parser is strict: unknown, repeated and badly encoded attributes are refused, and so is every way
//! to write a PIN into a reference. Not here: whether the key exists.

mod parse;
mod partial;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chancery_formats::id::Thumbprint;

pub use self::partial::{Partial, Scheme};

/// The longest reference, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 4_096;

/// Which key: where it lives and, where known, which public key it must have.
///
/// # Examples
///
/// ```
/// use chancery_hsm_config::KeyRef;
///
/// let text = "pkcs11:token=vendor;object=issuing?module-path=/usr/lib/softhsm/libsofthsm2.so";
/// let key: KeyRef = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// assert!("pkcs11:token=vendor;object=issuing?pin-value=1234".parse::<KeyRef>().is_err());
/// # Ok::<(), chancery_hsm_config::ReferenceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef {
    location: Location,
    public_key: Option<Thumbprint>,
}

/// Where a key lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Location {
    /// An encrypted PKCS#8 file.
    File(PathBuf),
    /// A slot of a YubiKey's PIV application.
    Piv(PivToken, PivSlot),
    /// An object behind a PKCS#11 module.
    Pkcs11(Pkcs11Token, Pkcs11Object),
    /// An asymmetric key of a YubiHSM 2, by its object id.
    YubiHsm(YubiHsmToken, u16),
}

/// Which token a reference names: references with equal tokens share one PIN.
///
/// Read from the same text as a [`KeyRef`], without the attributes that name the key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TokenRef {
    /// A key file is a token of its own: each has its passphrase.
    File(PathBuf),
    /// The PIV application of a YubiKey.
    Piv(PivToken),
    /// A token behind a PKCS#11 module.
    Pkcs11(Pkcs11Token),
    /// A YubiHSM 2 and the authentication key that opens it.
    YubiHsm(YubiHsmToken),
}

/// A PKCS#11 token. At least one of `token` and `serial` is given; every one given must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pkcs11Token {
    /// The shared library that speaks PKCS#11.
    pub module_path: PathBuf,
    /// The token's label.
    pub token: Option<String>,
    /// The manufacturer, as the token states it.
    pub manufacturer: Option<String>,
    /// The serial number, as the token states it.
    pub serial: Option<String>,
    /// The model, as the token states it.
    pub model: Option<String>,
    /// Where its PIN comes from, where the reference says so.
    pub pin_source: Option<PinOrigin>,
}

/// The PIV application of a YubiKey.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PivToken {
    /// The decimal number printed on the device.
    pub serial: u32,
    /// Where its PIN comes from, where the reference says so.
    pub pin_source: Option<PinOrigin>,
}

/// A key slot of the PIV application: 9a, 9c, 9d, 9e, or 82 to 95 (NIST SP 800-73-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PivSlot(u8);

impl PivSlot {
    /// Returns the slot of this number, where there is one.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        matches!(number, 0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95).then_some(Self(number))
    }

    /// Returns the slot's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Where a reference says that the PIN comes from (`pin-source`), instead of where the command says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PinOrigin {
    /// The first line of a descriptor.
    Fd(u32),
    /// The first line of a file that its owner alone can read.
    File(PathBuf),
    /// The terminal.
    Prompt,
}

/// A private key on a PKCS#11 token. At least one is given; every one given must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pkcs11Object {
    /// CKA_LABEL.
    pub object: Option<String>,
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
}

/// A YubiHSM 2 and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct YubiHsmToken {
    /// The ten decimal digits printed on the device.
    pub serial: String,
    /// The authentication key whose password is asked for; 1 is the factory's.
    pub auth_id: u16,
    /// The authentication key that may read the audit log, where it is to be kept while keys sign.
    pub audit_id: Option<u16>,
    /// How to reach the device.
    pub connector: Connector,
    /// Where its password comes from, where the reference says so.
    pub pin_source: Option<PinOrigin>,
}

/// How to reach a YubiHSM 2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Connector {
    /// A `yubihsm-connector` over plain HTTP. Traffic is encrypted between the program and the device.
    Http {
        /// Host name or address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Directly over USB.
    Usb,
}

impl KeyRef {
    /// Names a key file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { location: Location::File(path.into()), public_key: None }
    }

    /// Names a key by its place alone.
    #[must_use]
    pub fn new(location: Location) -> Self {
        Self { location, public_key: None }
    }

    /// Returns where the key lives.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the thumbprint that the key must have, where the reference pins one.
    #[must_use]
    pub fn public_key(&self) -> Option<Thumbprint> {
        self.public_key
    }

    /// Returns the reference with the public key pinned, for keeping.
    #[must_use]
    pub fn with_public_key(mut self, thumbprint: Thumbprint) -> Self {
        self.public_key = Some(thumbprint);
        self
    }

    /// Returns the token that holds the key.
    #[must_use]
    pub fn token(&self) -> TokenRef {
        match &self.location {
            Location::File(path) => TokenRef::File(path.clone()),
            Location::Piv(token, _) => TokenRef::Piv(token.clone()),
            Location::Pkcs11(token, _) => TokenRef::Pkcs11(token.clone()),
            Location::YubiHsm(token, _) => TokenRef::YubiHsm(token.clone()),
        }
    }

    /// Returns the path, where the key is a file.
    #[must_use]
    pub fn file_path(&self) -> Option<&Path> {
        match &self.location {
            Location::File(path) => Some(path),
            _ => None,
        }
    }
}

impl TokenRef {
    /// Returns what people call the secret that opens it.
    #[must_use]
    pub fn secret_name(&self) -> &'static str {
        match self {
            Self::File(_) => "passphrase",
            Self::Pkcs11(_) | Self::Piv(_) => "PIN",
            Self::YubiHsm(_) => "password",
        }
    }

    /// Returns the reference as text that reads as the same token.
    #[must_use]
    pub fn reference(&self) -> String {
        write::token(self)
    }

    /// Returns where the reference says that the PIN comes from.
    #[must_use]
    pub fn pin_source(&self) -> Option<&PinOrigin> {
        match self {
            Self::File(_) => None,
            Self::Pkcs11(token) => token.pin_source.as_ref(),
            Self::Piv(token) => token.pin_source.as_ref(),
            Self::YubiHsm(token) => token.pin_source.as_ref(),
        }
    }

    /// Returns the login of the same device that may read its audit log, where the reference names one.
    #[must_use]
    pub fn audit_login(&self) -> Option<Self> {
        match self {
            Self::YubiHsm(token) => {
                let auth_id = token.audit_id?;
                Some(Self::YubiHsm(YubiHsmToken {
                    auth_id,
                    audit_id: None,
                    pin_source: None,
                    ..token.clone()
                }))
            }
            _ => None,
        }
    }
}

impl FromStr for KeyRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (location, public_key) = parse::key(text)?;
        Ok(Self { location, public_key })
    }
}

impl FromStr for TokenRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse::token(text)
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::key(self, f)
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows the token as people know it: `token "vendor"`, `YubiHSM 2 0001234567`, `key file PATH`.
impl fmt::Display for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "key file {}", path.display()),
            // A device that did not answer yet is known by its place alone.
            Self::Piv(PivToken { serial: 0, .. }) => f.write_str("a YubiKey"),
            Self::Piv(token) => write!(f, "YubiKey {}", token.serial),
            Self::Pkcs11(Pkcs11Token { token: Some(label), serial: None, .. }) => {
                write!(f, "token {label:?}")
            }
            Self::Pkcs11(Pkcs11Token { token: Some(label), serial: Some(serial), .. }) => {
                write!(f, "token {label:?} with serial {serial}")
            }
            Self::Pkcs11(Pkcs11Token { serial, .. }) => {
                write!(f, "token with serial {}", serial.as_deref().unwrap_or("?"))
            }
            Self::YubiHsm(token) if token.serial.is_empty() => write!(f, "YubiHSM 2 at {}", token.connector),
            Self::YubiHsm(token) => {
                write!(f, "YubiHSM 2 {} (authentication key {})", token.serial, token.auth_id)
            }
        }
    }
}

/// Shows the way to a device as references write it: `http://127.0.0.1:12345`, `usb`.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { host, port } => write!(f, "http://{host}:{port}"),
            Self::Usb => f.write_str("usb"),
        }
    }
}

impl fmt::Debug for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why text is not a reference.
///
/// Messages name the attribute and never repeat its value, which may be a PIN put in the wrong place.
#[allow(missing_docs)] // the messages document the variants
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    #[error("`{name}` occurs twice in the key reference")]
    AttributeRepeated { name: &'static str },
    #[error("the key reference has an attribute that {scheme} references do not have, at byte {offset}")]
    AttributeUnknown { scheme: &'static str, offset: usize },
    #[error("`{name}` in the key reference is not {expected}")]
    AttributeInvalid { name: &'static str, expected: &'static str },
    #[error("`{name}` is not supported in a key reference")]
    AttributeUnsupported { name: &'static str, hint: &'static str },
    #[error(
        "the key reference has a character that must be percent-encoded, or a bad escape, at byte {offset}"
    )]
    EncodingInvalid { offset: usize },
    #[error("the key reference lacks `{name}`")]
    Missing { name: &'static str, hint: &'static str },
    #[error("the key reference carries a PIN (`{name}`)")]
    PinInReference { name: &'static str },
    #[error("not a key reference: it starts with none of file:, pkcs11:, piv: and yubihsm:")]
    SchemeUnknown,
    #[error("the key reference is longer than {MAX_REFERENCE_BYTES} bytes")]
    TooLong,
}

impl ReferenceError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AttributeRepeated { .. } => "reference-attribute-repeated",
            Self::AttributeUnknown { .. } => "reference-attribute-unknown",
            Self::AttributeInvalid { .. } => "reference-attribute-invalid",
            Self::AttributeUnsupported { .. } => "reference-attribute-unsupported",
            Self::EncodingInvalid { .. } => "reference-encoding-invalid",
            Self::Missing { .. } => "reference-incomplete",
            Self::PinInReference { .. } => "reference-pin-refused",
            Self::SchemeUnknown => "reference-scheme-unknown",
            Self::TooLong => "reference-too-long",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::AttributeRepeated { .. } => "give each attribute once",
            Self::AttributeUnknown { .. } => {
                "write `;` between attributes, `?` before the first of the query, `&` between those"
            }
            Self::AttributeInvalid { .. } => "correct the value, or leave the attribute out",
            Self::AttributeUnsupported { hint, .. } | Self::Missing { hint, .. } => hint,
            Self::EncodingInvalid { .. } => "write a space as %20, other bytes as % and two hex digits",
            Self::PinInReference { .. } => {
                "take the PIN out, change it, and give it at the prompt or with --pin-fd"
            }
            Self::SchemeUnknown => {
                "write file:PATH, pkcs11:token=…;object=…?module-path=…, piv:serial=…;slot=9c or \
                 yubihsm:serial=…;id=0x0100?connector=usb"
            }
            Self::TooLong => "shorten it",
        }
    }
}
