//! The reader: items in order, each of the type that the caller expects, borrowed from the input.
//!
//! Knows no rule of encoding: [`super::scan`] has checked them all before a reader exists.

use super::{ARRAY, BYTES, DecodeError, FALSE, Fault, MAP, NEGATIVE, NULL, SIMPLE, TEXT, TRUE, UINT};

/// The key of a map entry: our maps use integers; text keys occur only in advisory claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// An integer key.
    Int(i64),
    /// A text key.
    Text(&'a str),
}

/// Reads items in order from bytes that [`scan`](super::scan()) has accepted.
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
    #[cold]
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
    #[inline]
    fn head(&mut self) -> (u8, u64) {
        let Some(first) = self.bytes.get(self.at) else { return (SIMPLE, 0) };
        let (major, info) = (first >> 5, first & 0x1f);
        self.at += 1;
        if info < 24 || major == SIMPLE { (major, u64::from(info)) } else { (major, self.argument(info)) }
    }

    #[inline(never)]
    // The number in the bytes after a head that announces 1, 2, 4 or 8 of them.
    fn argument(&mut self, info: u8) -> u64 {
        let length = 1 << (info - 24).min(3);
        let bytes = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    #[inline]
    fn expect(&mut self, major: u8, field: &'static str) -> Result<u64, DecodeError> {
        let start = *self;
        let (found, value) = self.head();
        if found == major { Ok(value) } else { Err(start.fault(Fault::WrongType, field)) }
    }

    #[inline]
    fn string(&mut self, major: u8, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.expect(major, field)?;
        let string = usize::try_from(length).ok().and_then(|length| self.rest().get(..length));
        let Some(string) = string else { return Err(self.fault(Fault::Truncated, field)) };
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

    /// Reads text as its bytes, for those who check or compare it without showing it.
    ///
    /// # Errors
    ///
    /// `wrong-type`.
    pub(crate) fn text_in_bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.string(TEXT, field)
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

    /// Returns the bytes read since `start`, an earlier copy of this reader.
    #[must_use]
    pub fn since(&self, start: &Self) -> &'a [u8] {
        self.bytes.get(start.at..self.at).unwrap_or_default()
    }

    /// Returns the bytes from the position to the end of what this reader covers.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}
