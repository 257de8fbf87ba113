//! Partial references: what is to be looked for, with any attribute left out.

use std::path::PathBuf;
use std::str::FromStr;

use super::{Connector, KeyRef, Location, PivSlot, Pkcs11Object, ReferenceError, parse};

/// What is looked for. Every attribute given must match; the empty text matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Nothing where every kind of token will do.
    pub(crate) scheme: Option<Scheme>,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) token: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) object_id: Option<u16>,
    pub(crate) auth_id: Option<u16>,
    pub(crate) connector: Option<Connector>,
    pub(crate) slot: Option<PivSlot>,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// The PIV application of a YubiKey.
    Piv,
    /// A token behind a PKCS#11 module.
    Pkcs11,
    /// A YubiHSM 2.
    YubiHsm,
}

impl Partial {
    /// Whether tokens of this kind are looked for.
    #[must_use]
    pub fn wants(&self, scheme: Scheme) -> bool {
        self.scheme.is_none_or(|wanted| wanted == scheme)
    }

    /// Whether a key of a token that matches is one that is looked for.
    #[must_use]
    pub fn matches_key(&self, key: &KeyRef) -> bool {
        match key.location() {
            Location::File(_) => true,
            Location::Piv(_, slot) => self.slot.is_none_or(|wanted| wanted == *slot),
            Location::Pkcs11(_, Pkcs11Object { object, id }) => {
                (self.object.is_none() || self.object == *object) && (self.id.is_none() || self.id == *id)
            }
            Location::YubiHsm(_, id) => self.object_id.is_none_or(|wanted| wanted == *id),
        }
    }
}

impl FromStr for Partial {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() { Ok(Self::default()) } else { parse::partial(text) }
    }
}
