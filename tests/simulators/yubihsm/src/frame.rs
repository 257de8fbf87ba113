//! Frames on the wire: one byte of command, two of length (big-endian), then the payload.
//!
//! Also the device's error codes and a reader of payload fields that never reads past the end. What the
//! fields mean is the commands' business (`device`).

use std::fmt;

/// Why the device refuses: the one byte that follows 0x7f on the wire.
///
/// Values are those of Yubico's "YubiHSM Error and Status Codes".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Refusal {
    InvalidCommand = 0x01,
    InvalidData = 0x02,
    InvalidSession = 0x03,
    AuthenticationFailed = 0x04,
    SessionsFull = 0x05,
    SessionFailed = 0x06,
    StorageFailed = 0x07,
    WrongLength = 0x08,
    InsufficientPermissions = 0x09,
    LogFull = 0x0a,
    ObjectNotFound = 0x0b,
    InvalidId = 0x0c,
    ObjectExists = 0x11,
    AlgorithmDisabled = 0x12,
    CommandUnexecuted = 0xff,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device error {:#04x}", *self as u8)
    }
}

/// The command byte of an error response.
pub(crate) const ERROR: u8 = 0x7f;

/// What a response's command byte has beyond its command's.
pub(crate) const RESPONSE: u8 = 0x80;

/// Bytes before the payload.
pub(crate) const HEADER: usize = 3;

/// Returns a frame; a payload is never longer than the device's buffer.
pub(crate) fn encode(command: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.push(command);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Returns the frame that answers `command`.
pub(crate) fn answer(command: u8, result: &Result<Vec<u8>, Refusal>) -> Vec<u8> {
    match result {
        Ok(payload) => encode(command | RESPONSE, payload),
        Err(refusal) => encode(ERROR, &[*refusal as u8]),
    }
}

/// Splits a frame into its command and its payload.
///
/// # Errors
///
/// [`Refusal::WrongLength`] when the length does not say what follows.
pub(crate) fn parse(frame: &[u8]) -> Result<(u8, &[u8]), Refusal> {
    let mut fields = Fields(frame);
    let command = fields.u8()?;
    let length = fields.u16()?;
    let payload = fields.rest();
    if payload.len() == usize::from(length) { Ok((command, payload)) } else { Err(Refusal::WrongLength) }
}

/// The fields of a payload, read from its front.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// Reads `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Refusal::WrongLength)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Refusal::WrongLength)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refusal> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads all that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Refuses a payload that goes on.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::WrongLength) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_lies_is_refused() {
        assert_eq!(parse(&[0x01, 0, 1, 7]), Ok((0x01, &[7][..])));
        for frame in [&[][..], &[0x01], &[0x01, 0], &[0x01, 0, 1], &[0x01, 0, 0, 7], &[0x01, 0xff, 0xff, 7]] {
            assert_eq!(parse(frame), Err(Refusal::WrongLength), "{frame:?}");
        }
    }
}
