//! The frames that a YubiHSM 2 takes and gives, and the numbers in them.
//!
//! A frame is a command byte, a big-endian length of two bytes, and that many bytes; an answer carries the
//! command with its highest bit set, or 0x7f and one error byte. Source: the command reference of the YubiHSM 2
//! User Guide. Not here: encryption (`channel`), and how frames travel (`transport`).

use std::fmt;

/// Commands, as far as Chancery sends them or finds them in the audit log.
pub(super) mod command {
    pub(crate) const CREATE_SESSION: u8 = 0x03;
    pub(crate) const AUTHENTICATE_SESSION: u8 = 0x04;
    pub(crate) const SESSION_MESSAGE: u8 = 0x05;
    pub(crate) const DEVICE_INFO: u8 = 0x06;
    pub(crate) const CLOSE_SESSION: u8 = 0x40;
    pub(crate) const GET_OPAQUE: u8 = 0x43;
    pub(crate) const PUT_AUTHENTICATION_KEY: u8 = 0x44;
    pub(crate) const GENERATE_ASYMMETRIC_KEY: u8 = 0x46;
    pub(crate) const LIST_OBJECTS: u8 = 0x48;
    pub(crate) const GET_LOG_ENTRIES: u8 = 0x4d;
    pub(crate) const GET_OBJECT_INFO: u8 = 0x4e;
    pub(crate) const SET_OPTION: u8 = 0x4f;
    pub(crate) const GET_OPTION: u8 = 0x50;
    pub(crate) const GET_PUBLIC_KEY: u8 = 0x54;
    pub(crate) const SIGN_ECDSA: u8 = 0x56;
    pub(crate) const DELETE_OBJECT: u8 = 0x58;
    pub(crate) const GENERATE_WRAP_KEY: u8 = 0x5b;
    pub(crate) const SIGN_ATTESTATION_CERTIFICATE: u8 = 0x64;
    pub(crate) const SET_LOG_INDEX: u8 = 0x67;
    pub(crate) const SIGN_EDDSA: u8 = 0x6a;
    const ERROR: u8 = 0x7f;

    /// Whether a byte is the command of an error answer.
    pub(super) fn is_error(byte: u8) -> bool {
        byte == ERROR
    }
}

/// The longest frame that every firmware takes, in bytes.
pub(super) const MAX_FRAME_BYTES: usize = 2_048;
/// The longest frame that any firmware answers with (2.4 and later), in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 3_136;

/// What a device answers instead of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceError {
    AlgorithmDisabled,
    AuthenticationFailed,
    CommandUnexecuted,
    InsufficientPermissions,
    InvalidCommand,
    InvalidData,
    InvalidId,
    InvalidSession,
    LogFull,
    ObjectExists,
    ObjectNotFound,
    SessionFailed,
    SessionsFull,
    StorageFailed,
    WrongLength,
    Other(u8),
}

impl DeviceError {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0x01 => Self::InvalidCommand,
            0x02 => Self::InvalidData,
            0x03 => Self::InvalidSession,
            0x04 => Self::AuthenticationFailed,
            0x05 => Self::SessionsFull,
            0x06 => Self::SessionFailed,
            0x07 => Self::StorageFailed,
            0x08 => Self::WrongLength,
            0x09 => Self::InsufficientPermissions,
            0x0a => Self::LogFull,
            0x0b => Self::ObjectNotFound,
            0x0c => Self::InvalidId,
            0x11 => Self::ObjectExists,
            0x12 => Self::AlgorithmDisabled,
            0xff => Self::CommandUnexecuted,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device answers: ")?;
        match self {
            Self::AlgorithmDisabled => f.write_str("algorithm disabled"),
            Self::AuthenticationFailed => f.write_str("authentication failed"),
            Self::CommandUnexecuted => f.write_str("command not executed"),
            Self::InsufficientPermissions => f.write_str("insufficient permissions"),
            Self::InvalidCommand => f.write_str("invalid command"),
            Self::InvalidData => f.write_str("invalid data"),
            Self::InvalidId => f.write_str("invalid object id"),
            Self::InvalidSession => f.write_str("invalid session"),
            Self::LogFull => f.write_str("audit log full"),
            Self::ObjectExists => f.write_str("object exists"),
            Self::ObjectNotFound => f.write_str("object not found"),
            Self::SessionFailed => f.write_str("session failed"),
            Self::SessionsFull => f.write_str("all sessions in use"),
            Self::StorageFailed => f.write_str("storage full or failed"),
            Self::WrongLength => f.write_str("wrong length"),
            Self::Other(byte) => write!(f, "error 0x{byte:02x}"),
        }
    }
}

/// Why an exchange with the device came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The device answered with an error: it did not do what was asked.
    #[error("{0}")]
    Device(DeviceError),
    /// What came back is no answer to what was sent: whether the device did it is unknown.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request did not reach the device.
    #[error("the device cannot be reached")]
    NotSent(#[source] crate::error::Source),
    /// The request was sent, and its answer did not come: whether the device did it is unknown.
    #[error("the device did not answer")]
    NoAnswer(#[source] crate::error::Source),
    /// The device, or something in its place, ended the session: it did not do what was asked.
    #[error("{0}, and the session is over")]
    SessionEnded(DeviceError),
    /// The secret that both sides must know differs.
    #[error("the device does not know this password")]
    WrongPassword,
}

/// Returns `command` with its data as a frame.
pub(super) fn frame(command: u8, data: &[u8]) -> Result<Vec<u8>, WireError> {
    let length = u16::try_from(data.len()).map_err(|_| WireError::Malformed("a command that is too long"))?;
    if data.len() + 3 > MAX_FRAME_BYTES {
        return Err(WireError::Malformed("a command that is too long"));
    }
    Ok([&[command][..], &length.to_be_bytes(), data].concat())
}

/// Returns the data of the answer to `command`.
pub(super) fn answer(command: u8, frame: &[u8]) -> Result<&[u8], WireError> {
    let [kind, high, low, data @ ..] = frame else {
        return Err(WireError::Malformed("an answer without a head"));
    };
    if usize::from(u16::from_be_bytes([*high, *low])) != data.len() {
        return Err(WireError::Malformed("an answer of another length than it states"));
    }
    match (*kind, data) {
        (kind, [error]) if command::is_error(kind) => Err(WireError::Device(DeviceError::from_byte(*error))),
        (kind, data) if kind == command | 0x80 => Ok(data),
        _ => Err(WireError::Malformed("an answer to another command")),
    }
}

/// Takes numbers and bytes off the front of an answer's data.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (first, rest) =
            self.0.split_first_chunk::<N>().ok_or(WireError::Malformed("an answer that is too short"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.take()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Malformed("an answer that is too long")) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_bounded() {
        assert_eq!(frame(0x01, &[7]).unwrap(), [0x01, 0, 1, 7]);
        assert_eq!(frame(0x01, &[0; MAX_FRAME_BYTES - 3]).unwrap().len(), MAX_FRAME_BYTES);
        assert!(frame(0x01, &[0; MAX_FRAME_BYTES - 2]).is_err());
    }

    #[test]
    fn answers_to_something_else_are_refused() {
        assert_eq!(answer(0x01, &[0x81, 0, 1, 7]).unwrap(), [7]);
        let refused: [&[u8]; 7] = [
            &[],
            &[0x81, 0],
            &[0x81, 0, 2, 7],
            &[0x81, 0, 1, 7, 7],
            &[0x82, 0, 1, 7],
            &[0x01, 0, 1, 7],
            &[0x7f, 0, 2, 7, 7],
        ];
        for bytes in refused {
            assert!(matches!(answer(0x01, bytes), Err(WireError::Malformed(_))), "{bytes:02x?}");
        }
        let full = answer(0x01, &[0x7f, 0, 1, 0x0a]);
        assert!(matches!(full, Err(WireError::Device(DeviceError::LogFull))));
    }
}
