//! Properties of every codec over generated input: what is written is read back, what is read writes
//! the same bytes, and the scan agrees with an independent implementation of deterministic CBOR.
//!
//! Not here: single refusals with their codes (unit tests beside each codec, `tests/vectors`).
#![allow(clippy::unwrap_used)]

#[path = "properties/cbor.rs"]
mod cbor;
#[path = "properties/documents.rs"]
mod documents;
#[path = "properties/text.rs"]
mod text;
#[path = "properties/witness.rs"]
mod witness;
