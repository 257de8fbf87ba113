//! Deterministic CBOR (RFC 8949 §4.2.1): one strict scan, a reader for scanned bytes, a writer.
//!
//! [`scan`] walks the input once, allocates nothing, and is the only way to get a [`Reader`], so a
//! decoder never meets a non-minimal head, an indefinite length, an unsorted or duplicate key, bad
//! UTF-8, a float, a tag or trailing bytes. Not here: what the fields mean (one module a document).

use alloc::vec::Vec;

use crate::error::{DecodeError, Fault};

/// Greatest nesting of arrays and maps in any document.
pub const MAX_DEPTH: usize = 8;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;

/// Checks that `bytes` is exactly one deterministic CBOR item and returns a reader over it.
///
/// `what` names the byte string in errors.
///
/// # Errors
///
/// The first fault met, with its offset.
pub fn scan<'a>(bytes: &'a [u8], what: &'static str) -> Result<Reader<'a>, DecodeError> {
    let mut scanner = Scanner { bytes, at: 0, what };
    scanner.item(0)?;
    if scanner.at != bytes.len() {
        return Err(scanner.fault(Fault::TrailingBytes, scanner.at));
    }
    Ok(Reader { bytes, at: 0 })
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Scanner<'a> {
    fn fault(&self, fault: Fault, offset: usize) -> DecodeError {
        DecodeError { fault, field: self.what, offset }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let taken = taken.ok_or(self.fault(Fault::Truncated, self.at))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn head(&mut self) -> Result<(u8, u64), DecodeError> {
        let start = self.at;
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        if major == SIMPLE {
            return match u64::from(info) {
                value @ (FALSE | TRUE | NULL) => Ok((major, value)),
                _ => Err(self.fault(Fault::ForbiddenSimple, start)),
            };
        }
        let value = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24..=27 => {
                self.take(1 << (info - 24))?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            31 => return Err(self.fault(Fault::IndefiniteLength, start)),
            _ => return Err(self.fault(Fault::ForbiddenSimple, start)),
        };
        let least = [24, 1 << 8, 1 << 16, 1 << 32][usize::from(info - 24)];
        if value < least {
            return Err(self.fault(Fault::NonMinimalHead, start));
        }
        Ok((major, value))
    }

    fn item(&mut self, depth: usize) -> Result<(), DecodeError> {
        let start = self.at;
        let (major, value) = self.head()?;
        match major {
            UINT | NEGATIVE | SIMPLE => {}
            BYTES => drop(self.take(value)?),
            TEXT => {
                let text = self.take(value)?;
                core::str::from_utf8(text).map_err(|_| self.fault(Fault::InvalidUtf8, start))?;
            }
            _ if depth == MAX_DEPTH => return Err(self.fault(Fault::TooDeep, start)),
            ARRAY => {
                for _ in 0..value {
                    self.item(depth + 1)?;
                }
            }
            MAP => self.pairs(value, depth + 1)?,
            TAG.. => return Err(self.fault(Fault::ForbiddenTag, start)),
        }
        Ok(())
    }

    fn pairs(&mut self, count: u64, depth: usize) -> Result<(), DecodeError> {
        let mut previous: &[u8] = &[]; // sorts below every encoded key
        for _ in 0..count {
            let start = self.at;
            self.item(depth)?;
            let key = self.bytes.get(start..self.at).unwrap_or_default();
            match key.cmp(previous) {
                core::cmp::Ordering::Less => return Err(self.fault(Fault::UnsortedKeys, start)),
                core::cmp::Ordering::Equal => return Err(self.fault(Fault::DuplicateKey, start)),
                core::cmp::Ordering::Greater => previous = key,
            }
            self.item(depth)?;
        }
        Ok(())
    }
}

/// The key of a map entry: our maps use integers; text keys occur only in advisory claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// An integer key.
    Int(i64),
    /// A text key.
    Text(&'a str),
}

/// Reads items in order from bytes that [`scan`] has accepted.
///
/// Every method takes the field's name for its error.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads bytes that were part of a scanned item.
    pub(crate) const fn over(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Builds an error at the reader's position.
    #[must_use]
    pub const fn fault(&self, fault: Fault, field: &'static str) -> DecodeError {
        DecodeError { fault, field, offset: self.at }
    }

    /// Returns whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    // Scanned bytes always hold whole items; the fallbacks below keep the reader free of panics.
    fn head(&mut self) -> (u8, u64) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((first, rest)) = rest.split_first() else { return (SIMPLE, 0) };
        let (major, info) = (first >> 5, first & 0x1f);
        let extra = if info < 24 || major == SIMPLE { 0 } else { 1usize << (info - 24).min(3) };
        let value = match rest.get(..extra) {
            Some(bytes) if extra > 0 => bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            _ => u64::from(info),
        };
        self.at += 1 + extra;
        (major, value)
    }

    fn expect(&mut self, major: u8, field: &'static str) -> Result<u64, DecodeError> {
        let start = *self;
        let (found, value) = self.head();
        if found == major { Ok(value) } else { Err(start.fault(Fault::WrongType, field)) }
    }

    fn string(&mut self, major: u8, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.expect(major, field)?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let string = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let string = string.ok_or(self.fault(Fault::Truncated, field))?;
        self.at += string.len();
        Ok(string)
    }

    /// Reads an unsigned integer.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn uint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.expect(UINT, field)
    }

    /// Reads an unsigned integer that fits 32 bits.
    ///
    /// # Errors
    ///
    /// `wrong-type`, `out-of-range`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let start = *self;
        u32::try_from(self.uint(field)?).map_err(|_| start.fault(Fault::OutOfRange, field))
    }

    /// Reads an integer between -2⁶³ and 2⁶³ - 1.
    ///
    /// # Errors
    ///
    /// `wrong-type`, `out-of-range`.
    pub fn int(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let start = *self;
        let (major, value) = self.head();
        let value = i64::try_from(value).map_err(|_| start.fault(Fault::OutOfRange, field));
        match major {
            UINT => value,
            NEGATIVE => value.map(|value| -1 - value),
            _ => Err(start.fault(Fault::WrongType, field)),
        }
    }

    /// Reads a map key: an integer or text.
    ///
    /// # Errors
    ///
    /// `wrong-type` for any other key.
    pub fn key(&mut self, field: &'static str) -> Result<Key<'a>, DecodeError> {
        if self.peek() == TEXT { self.text(field).map(Key::Text) } else { self.int(field).map(Key::Int) }
    }

    /// Reads a byte string.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.string(BYTES, field)
    }

    /// Reads a byte string of exactly `N` bytes.
    ///
    /// # Errors
    ///
    /// `wrong-type`, `wrong-length`.
    pub fn array_of<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let start = *self;
        self.bytes(field)?.try_into().map_err(|_| start.fault(Fault::WrongLength, field))
    }

    /// Reads text.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let start = *self;
        core::str::from_utf8(self.string(TEXT, field)?).map_err(|_| start.fault(Fault::InvalidUtf8, field))
    }

    /// Reads the head of an array and returns its length.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn array(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.expect(ARRAY, field)
    }

    /// Reads the head of a map and returns its number of entries.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn map(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.expect(MAP, field)
    }

    /// Reads a boolean.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        let start = *self;
        match self.head() {
            (SIMPLE, FALSE) => Ok(false),
            (SIMPLE, TRUE) => Ok(true),
            _ => Err(start.fault(Fault::WrongType, field)),
        }
    }

    /// Consumes `null` where the next item is one, and tells whether it was.
    pub fn null(&mut self) -> bool {
        let is_null = self.bytes.get(self.at) == Some(&(SIMPLE << 5 | NULL as u8));
        self.at += usize::from(is_null);
        is_null
    }

    /// Returns whether the next item is an unsigned integer.
    #[must_use]
    pub fn next_is_uint(&self) -> bool {
        self.peek() == UINT
    }

    /// Returns whether the next item is an array.
    #[must_use]
    pub fn next_is_array(&self) -> bool {
        self.peek() == ARRAY
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).map_or(SIMPLE, |byte| byte >> 5)
    }

    /// Passes over one item and returns a reader over that item alone.
    pub fn item(&mut self) -> Self {
        let start = self.at;
        let mut pending = 1u64;
        while pending > 0 && !self.is_empty() {
            pending -= 1;
            match self.head() {
                (BYTES | TEXT, length) => {
                    self.at = self.at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))
                }
                (ARRAY, length) => pending = pending.saturating_add(length),
                (MAP, length) => pending = pending.saturating_add(length.saturating_mul(2)),
                _ => {}
            }
        }
        let end = self.at.min(self.bytes.len());
        Self { bytes: self.bytes.get(..end).unwrap_or_default(), at: start }
    }

    /// Returns the bytes from the position to the end of what this reader covers.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> &'static str {
        scan(bytes, "test").map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn scan_refuses_each_fault_with_its_own_code() {
        let cases: &[(&[u8], &str)] = &[
            (&[], "truncated"),
            (&[0x18], "truncated"),
            (&[0x00, 0x00], "trailing-bytes"),
            (&[0x18, 0x17], "non-minimal-head"),
            (&[0x19, 0x00, 0xff], "non-minimal-head"),
            (&[0x1a, 0, 0, 0xff, 0xff], "non-minimal-head"),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "non-minimal-head"),
            (&[0x9f, 0xff], "indefinite-length"),
            (&[0x5f, 0xff], "indefinite-length"),
            (&[0xa2, 1, 0, 1, 0], "duplicate-key"),
            (&[0xa2, 2, 0, 1, 0], "unsorted-keys"),
            (&[0x61, 0xff], "invalid-utf8"),
            (&[0xf9, 0, 0], "forbidden-simple"),
            (&[0xf7], "forbidden-simple"),
            (&[0xff], "forbidden-simple"),
            (&[0x1c], "forbidden-simple"),
            (&[0xc1, 0], "forbidden-tag"),
            (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00], "ok"),
            (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80], "too-deep"),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(code(bytes), *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::new();
        let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
        writer.array(numbers.len() + 3);
        for number in numbers {
            writer.uint(number);
        }
        writer.int(-65_537).text("é").map(1).int(1).null();
        let bytes = writer.finish();
        let mut reader = scan(&bytes, "test").unwrap();
        reader.array("a").unwrap();
        for number in numbers {
            assert_eq!(reader.uint("n"), Ok(number));
        }
        assert_eq!(reader.int("n"), Ok(-65_537));
        assert_eq!(reader.text("t"), Ok("é"));
        assert_eq!(reader.item().rest(), [0xa1, 0x01, 0xf6]);
        assert!(reader.is_empty());
    }

    #[test]
    fn another_decoder_reads_what_we_write() {
        let mut writer = Writer::new();
        writer.map(2).uint(1).bytes(&[1, 2, 3]).int(-1).array(2).text("a").bool(true);
        let value: cbor4ii::core::Value =
            cbor4ii::core::dec::Decode::decode(&mut cbor4ii::core::utils::SliceReader::new(&writer.finish()))
                .unwrap();
        use cbor4ii::core::Value::{Array, Bool, Bytes, Integer, Map, Text};
        let expected = Map(alloc::vec![
            (Integer(1), Bytes(alloc::vec![1, 2, 3])),
            (Integer(-1), Array(alloc::vec![Text("a".into()), Bool(true)])),
        ]);
        assert_eq!(value, expected);
    }
}
