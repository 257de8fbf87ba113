//! Finding tokens and keys: every module, device and key that this machine shows, each with its reference.
//!
//! Without a PIN a token shows what is public: its name, what it can do, and public keys where it keeps any. With
//! one it shows its keys. Nothing is changed, and no PIN is tried unless asked for. Not here: key files, which
//! have paths.

use chancery_formats::key::Algorithm;

use crate::backend::{Device, KeyInfo};
use crate::error::HsmError;
use crate::reference::{KeyRef, Partial, TokenRef};
use crate::secret::PinSource;

/// A token found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundToken {
    /// A reference that names the token; a key's name is still to be added.
    pub reference: String,
    /// What people call the token.
    pub name: String,
    /// The device.
    pub device: Device,
    /// The algorithms that it lists as its own.
    pub algorithms: Vec<Algorithm>,
    /// What an operator should know, such as a locked PIN.
    pub notes: Vec<String>,
    /// The keys that it shows.
    pub keys: Vec<FoundKey>,
}

/// A key found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The whole reference, to paste.
    pub reference: KeyRef,
    /// Its label; empty where it has none.
    pub label: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Whether it can leave the device; nothing where that is not told.
    pub exportable: Option<bool>,
    /// Whether it was made inside; nothing where that is not told.
    pub generated_inside: Option<bool>,
}

impl From<KeyInfo> for FoundKey {
    fn from(info: KeyInfo) -> Self {
        Self {
            algorithm: info.public_key.algorithm(),
            reference: info.reference,
            label: info.label,
            exportable: info.exportable,
            generated_inside: info.generated_inside,
        }
    }
}

/// Something that is there and does not answer.
#[derive(Debug)]
pub struct Unreachable {
    /// The module, connector or token.
    pub what: String,
    /// Why not.
    pub error: HsmError,
}

/// What a machine shows.
#[derive(Debug, Default)]
pub struct Probed {
    /// Modules that were looked at, by path.
    pub modules: Vec<String>,
    /// Tokens found.
    pub tokens: Vec<FoundToken>,
    /// What is there and does not answer.
    pub unreachable: Vec<Unreachable>,
}

/// Looks for tokens and keys that match a partial reference; the empty one matches everything.
///
/// With `pins`, logs in to each token found and lists the keys that it shows then.
pub fn probe(wanted: &Partial, pins: Option<&mut PinSource>) -> Probed {
    let mut probed = Probed::default();
    #[cfg(feature = "pkcs11")]
    crate::backend::pkcs11::probe::look(wanted, &mut probed);
    #[cfg(feature = "piv")]
    crate::backend::piv::look(wanted, &mut probed);
    #[cfg(feature = "yubihsm")]
    crate::backend::yubihsm::look(wanted, &mut probed);
    if let Some(pins) = pins {
        log_in(&mut probed, pins);
    }
    probed.tokens.iter_mut().for_each(|token| token.keys.retain(|key| wanted.matches_key(&key.reference)));
    probed
}

fn log_in(probed: &mut Probed, pins: &mut PinSource) {
    for token in &mut probed.tokens {
        let Ok(reference) = token.reference.parse::<TokenRef>() else { continue };
        match crate::backend::list(&reference, pins) {
            Ok(keys) => token.keys = keys.into_iter().map(FoundKey::from).collect(),
            Err(error) => probed.unreachable.push(Unreachable { what: token.name.clone(), error }),
        }
    }
}
