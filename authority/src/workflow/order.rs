//! Orders: what the system that takes them exports becomes entitlements, and what became of them goes back.
//!
//! A file is read three times: once for its encoding, once for its form, and once to take its lines. So nothing of a
//! file is taken that is not whole text of one form, and of one that is, every line stands or falls by itself, or all
//! together. Memory is bounded by a line and by what is told of faults, whatever comes. Not here: what a sale comes to
//! (`sale`), changes of entitlements by hand (`entitlement`).
//!
//! Spec: `docs/spec/orders.md`.

pub mod cells;
pub mod export;
pub mod fault;
pub mod field;
pub mod fill;
pub mod import;
pub mod json;
pub mod likeness;
pub mod mapping;
pub mod rejects;
pub mod rows;
pub mod source;
pub mod table;
pub mod wish;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use fault::{Column, Fault};
pub use field::Field;
pub use import::{Counts, Imported, Options, import};
pub use mapping::Mapping;
pub use source::{Form, Source};
pub use wish::{Action, Wish};
