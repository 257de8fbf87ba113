//! The writer: shortest heads and definite lengths by construction.
//!
//! The order of map keys is the caller's: every encoder writes its keys in literal order.

use alloc::vec::Vec;

use super::{ARRAY, BYTES, FALSE, MAP, NEGATIVE, NULL, SIMPLE, TEXT, TRUE, UINT};

/// The shortest head of an item, for those who write into places of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; 9],
    length: usize,
}

impl Head {
    fn new(major: u8, value: u64) -> Self {
        let (info, length) = match value {
            0..=23 => (value as u8, 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        let mut bytes = [0; 9];
        bytes[0] = major << 5 | info;
        bytes[1..=length].copy_from_slice(&value.to_be_bytes()[8 - length..]);
        Self { bytes, length: length + 1 }
    }

    /// Returns the head of a byte string.
    pub(crate) fn of_bytes(string: &[u8]) -> Self {
        Self::new(BYTES, string.len() as u64)
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Where a [`Writer`] puts its bytes.
pub trait Sink {
    /// Appends bytes.
    fn append(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A sink of fixed size, for those who must not allocate. What does not fit makes it overflow.
#[derive(Clone, Debug)]
pub struct FixedSink<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for FixedSink<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> FixedSink<N> {
    /// Returns what was written; `None` after an overflow.
    #[must_use]
    pub fn written(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)
    }
}

impl<const N: usize> Sink for FixedSink<N> {
    fn append(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.bytes.get_mut(self.length..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length = end;
            }
            None => self.length = usize::MAX,
        }
    }
}

/// Writes deterministic CBOR.
#[derive(Clone, Debug, Default)]
pub struct Writer<S = Vec<u8>> {
    out: S,
}

impl Writer {
    /// Starts with nothing written.
    #[must_use]
    pub const fn new() -> Self {
        Self { out: Vec::new() }
    }
}

impl<S: Sink> Writer<S> {
    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        self.raw(Head::new(major, value).as_ref())
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        if value < 0 { self.head(NEGATIVE, !value as u64) } else { self.head(UINT, value as u64) }
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(BYTES, value.len() as u64).raw(value)
    }

    /// Writes text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(TEXT, value.len() as u64).raw(value.as_bytes())
    }

    /// Writes the head of an array of `length` items, which follow.
    pub fn array(&mut self, length: usize) -> &mut Self {
        self.head(ARRAY, length as u64)
    }

    /// Writes the head of a map of `length` entries, which follow in ascending order of keys.
    pub fn map(&mut self, length: usize) -> &mut Self {
        self.head(MAP, length as u64)
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.head(SIMPLE, if value { TRUE } else { FALSE })
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.head(SIMPLE, NULL)
    }

    /// Writes an unsigned integer, or `null` for none.
    pub fn optional_uint(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.uint(value),
            None => self.null(),
        }
    }

    /// Appends bytes that are CBOR already.
    pub fn raw(&mut self, item: &[u8]) -> &mut Self {
        self.out.append(item);
        self
    }

    /// Returns what was written.
    #[must_use]
    pub fn finish(self) -> S {
        self.out
    }
}

/// Writes a map whose entries are partly optional, so that its length is known only at the end.
#[derive(Debug, Default)]
pub struct MapWriter {
    entries: Writer,
    length: usize,
}

impl MapWriter {
    /// Starts an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Writer::new(), length: 0 }
    }

    /// Starts the entry `key`; the caller writes its value. Keys must ascend bytewise as encoded:
    /// 0, 1, 2, … and then -1, -2, ….
    pub fn entry(&mut self, key: i64) -> &mut Writer {
        self.length += 1;
        self.entries.int(key)
    }

    /// Returns the whole map.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(self.length).raw(&self.entries.out);
        writer.finish()
    }
}
