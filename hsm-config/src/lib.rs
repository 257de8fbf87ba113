//! Keys that sign: one trait, four backends, and the rules that hold for all of them.
//!
//! A [`KeyRef`] says where a key lives, [`open`] and [`generate`] give a [`Key`], and a [`Key`] signs.
//! The public key always comes from the device; every signature is verified with it before it leaves
//! this crate; PINs come from a [`PinSource`] and are never shown. Not here: what is signed, which key
//! may sign what, and setting up devices other than YubiHSM 2 (`docs/guide/devices`).
//!
//! # Examples
//!
//! ```
//! use chancery_formats::key::Algorithm;
//! use chancery_hsm_config::{Key, SoftwareKey};
//!
//! let key = Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519)?)?;
//! assert_eq!(key.sign(b"statement")?.len(), 64);
//! # Ok::<(), chancery_hsm_config::HsmError>(())
//! ```
#![warn(missing_docs)]

#[cfg(any(feature = "piv", feature = "pkcs11", feature = "yubihsm"))]
pub mod advisory;
#[cfg(feature = "attestation")]
pub mod attestation;
pub mod audit;
pub mod backend;
pub mod error;
pub mod key;
#[cfg(any(feature = "attestation", feature = "piv", feature = "pkcs11", feature = "yubihsm", test))]
mod point;
#[cfg(any(feature = "piv", feature = "pkcs11", feature = "yubihsm"))]
pub mod probe;
#[cfg(feature = "yubihsm")]
pub mod provision;
pub mod reference;
pub mod secret;
mod signature;

pub use backend::software::SoftwareKey;
pub use backend::{
    Device, Health, KeyBackend, KeyInfo, Opened, generate, health, list, look_at_audit, open,
    open_or_generate, read_audit,
};
pub use error::HsmError;
pub use key::{Key, MAX_MESSAGE_BYTES};
pub use reference::{KeyRef, ReferenceError, TokenRef};
pub use secret::{Pin, PinSource, protect_process_memory};
