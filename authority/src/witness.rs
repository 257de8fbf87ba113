//! The witness: what a machine keeps that signs beside an authority, and never twice over one range of the log.
//!
//! A witness is no authority and has no database of one: its home holds who it is ([`Identity`]), its key file where
//! the key is in software, and its [`Memory`]. Not here: what is refused and signed (`workflow::witness`).

pub mod entry;
pub mod identity;
pub mod memory;

pub use entry::{Entry, Signed};
pub use identity::Identity;
pub use memory::Memory;
