//! Deterministic CBOR (RFC 8949 §4.2.1): one strict scan, a reader for scanned bytes, a writer.
//!
//! [`scan`] walks the input once, allocates nothing, and is the only way to get a [`Reader`], so a
//! decoder never meets a non-minimal head, an indefinite length, an unsorted or duplicate key, bad
//! UTF-8, a float, a tag or trailing bytes. Not here: what the fields mean (one module a document).
//!
//! Spec: `docs/spec/cbor.md`.

use crate::error::{DecodeError, Fault};

mod reader;
mod scan;
mod writer;

pub use reader::{Key, Reader};
pub use scan::scan;
pub(crate) use writer::Head;
pub use writer::{FixedSink, MapWriter, Sink, Writer};

/// Greatest nesting of arrays and maps in any document.
pub const MAX_DEPTH: usize = 8;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
