//! The strict scan: every rule that makes an encoding the only one of its value, in one walk.
//!
//! Allocates nothing and recurses at most [`MAX_DEPTH`] deep. An array or map that announces more
//! items than bytes follow ends at the end of the input, so the work is bounded by the input's size.

use super::{
    ARRAY, BYTES, DecodeError, FALSE, Fault, MAP, MAX_DEPTH, NEGATIVE, NULL, Reader, SIMPLE, TEXT, TRUE, UINT,
};

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
    Ok(Reader::over(bytes))
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Scanner<'a> {
    #[cold]
    fn fault(&self, fault: Fault, offset: usize) -> DecodeError {
        DecodeError { fault, field: self.what, offset }
    }

    #[inline]
    fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = usize::try_from(count).ok().and_then(|count| rest.get(..count)) else {
            return Err(self.fault(Fault::Truncated, self.at));
        };
        self.at += taken.len();
        Ok(taken)
    }

    // Most heads are one byte: these are read in place.
    #[inline(always)]
    fn head(&mut self) -> Result<(u8, u64), DecodeError> {
        let Some(first) = self.bytes.get(self.at) else { return Err(self.fault(Fault::Truncated, self.at)) };
        let (major, info) = (first >> 5, first & 0x1f);
        self.at += 1;
        if info < 24 && major != SIMPLE { Ok((major, u64::from(info))) } else { self.rare_head(major, info) }
    }

    #[inline(never)]
    fn rare_head(&mut self, major: u8, info: u8) -> Result<(u8, u64), DecodeError> {
        let start = self.at - 1;
        if major == SIMPLE {
            return match u64::from(info) {
                value @ (FALSE | TRUE | NULL) => Ok((major, value)),
                _ => Err(self.fault(Fault::ForbiddenSimple, start)),
            };
        }
        let value = match info {
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

    // Inlined, so that only arrays and maps cost a call.
    #[inline(always)]
    fn item(&mut self, depth: usize) -> Result<(), DecodeError> {
        let start = self.at;
        let (major, value) = self.head()?;
        match major {
            UINT | NEGATIVE | SIMPLE => Ok(()),
            BYTES => self.take(value).map(drop),
            TEXT => {
                let text = self.take(value)?;
                if !text.is_ascii() && core::str::from_utf8(text).is_err() {
                    return Err(self.fault(Fault::InvalidUtf8, start));
                }
                Ok(())
            }
            _ => self.container(start, major, value, depth),
        }
    }

    fn container(&mut self, start: usize, major: u8, value: u64, depth: usize) -> Result<(), DecodeError> {
        match major {
            _ if depth == MAX_DEPTH => Err(self.fault(Fault::TooDeep, start)),
            ARRAY => (0..value).try_for_each(|_| self.item(depth + 1)),
            MAP => self.pairs(value, depth + 1),
            _ => Err(self.fault(Fault::ForbiddenTag, start)),
        }
    }

    fn pairs(&mut self, count: u64, depth: usize) -> Result<(), DecodeError> {
        let mut previous: &[u8] = &[]; // sorts below every encoded key
        for _ in 0..count {
            let start = self.at;
            self.item(depth)?;
            let key = self.bytes.get(start..self.at).unwrap_or_default();
            // Keys mostly differ in their first byte, which spares the comparison of the rest.
            match key.first().cmp(&previous.first()).then_with(|| key.cmp(previous)) {
                core::cmp::Ordering::Less => return Err(self.fault(Fault::UnsortedKeys, start)),
                core::cmp::Ordering::Equal => return Err(self.fault(Fault::DuplicateKey, start)),
                core::cmp::Ordering::Greater => previous = key,
            }
            self.item(depth)?;
        }
        Ok(())
    }
}
