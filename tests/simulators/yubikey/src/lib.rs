//! A YubiKey's PIV application behind pcscd, for tests.
//!
//! It is as strict as the device: counters that survive a pulled card, PIN policies, a management key,
//! attestation under a test root. Tests pull it, spoil its next signature or take its answer away, and
//! read how many signatures it really made. Clients of every kind reach it, since nothing of it is in
//! their process: `ykcs11`, OpenSC, `yubico-piv-tool` and Rust crates. Not here: anything secret; the
//! keys lie open in its state file.

pub mod apdu;
pub mod applet;
pub mod attestation;
mod card;
pub mod control;
pub mod key;
pub mod management;
mod pcscd;
pub mod state;
pub mod tlv;
pub mod vpcd;

pub use applet::{Firmware, NextSignature, Touch};
pub use card::{CardError, Config, YubiKey};
pub use management::ManagementAlgorithm;
pub use pcscd::{Pcscd, PcscdError, SOCKET_VARIABLE};
pub use state::State;
