//! The fixture of all tests: an authority in memory, raw editing of documents, the vectors, and what programs are
//! made of.
//!
//! Everything comes from fixed seeds, so that every run makes the same bytes. Not here: the tests, which
//! stand beside this folder, one file for what each holds.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A fixture that cannot be made must stop the test that asks for it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod authority;
pub mod folder;
pub mod hex;
pub mod key;
pub mod license;
pub mod raw;
pub mod supply;
pub mod vectors;
