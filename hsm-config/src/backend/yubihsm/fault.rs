//! What the errors of the YubiHSM client mean to an operator.

use std::error::Error as _;

use chancery_formats::key::Algorithm;
use yubihsm::client::{Error, ErrorKind};
use yubihsm::device;

use crate::error::{HsmError, Source};
use crate::reference::{KeyRef, TokenRef, YubiHsmToken};

/// Turns the errors of one device into ours.
#[derive(Clone, Copy)]
pub(super) struct Faults<'a>(pub(super) &'a YubiHsmToken);

impl Faults<'_> {
    fn token(&self) -> Box<TokenRef> {
        Box::new(TokenRef::YubiHsm(self.0.clone()))
    }

    pub(super) fn absent(&self, source: Option<Source>) -> HsmError {
        HsmError::TokenAbsent { token: self.token(), source }
    }

    pub(super) fn device(&self, source: Source) -> HsmError {
        HsmError::Device { token: self.token(), source }
    }

    pub(super) fn unsupported(&self, algorithm: Algorithm) -> HsmError {
        HsmError::Unsupported { token: self.token(), algorithm }
    }

    /// Reads the error of opening a session.
    pub(super) fn opening(&self, error: Error) -> HsmError {
        match (error.kind(), device_answer(&error)) {
            (ErrorKind::AuthenticationError, _) | (_, Some(device::ErrorKind::AuthenticationFailed)) => {
                HsmError::WrongPin { token: self.token() }
            }
            (_, Some(_)) => self.device(error.into()),
            _ => self.absent(Some(error.into())),
        }
    }

    /// Reads the error of using a key.
    pub(super) fn of_key(&self, error: Error, key: &KeyRef) -> HsmError {
        match device_answer(&error) {
            Some(device::ErrorKind::ObjectNotFound) => HsmError::KeyMissing { key: key.clone().into() },
            Some(device::ErrorKind::InsufficientPermissions) => {
                HsmError::NotPermitted { token: self.token(), action: "use this key" }
            }
            _ => self.from(error),
        }
    }

    /// Reads the error of generating a key.
    pub(super) fn generating(&self, error: Error, key: &KeyRef, algorithm: Algorithm) -> HsmError {
        match device_answer(&error) {
            Some(device::ErrorKind::ObjectExists) => HsmError::KeyExists { key: key.clone().into() },
            Some(device::ErrorKind::InsufficientPermissions) => {
                HsmError::NotPermitted { token: self.token(), action: "make keys" }
            }
            Some(device::ErrorKind::InvalidCommand) => self.unsupported(algorithm),
            _ => self.from(error),
        }
    }

    /// Reads any other error. Whatever did not come from the device as an answer to a command means that
    /// the way to it, or the session, is gone.
    pub(super) fn from(&self, error: Error) -> HsmError {
        use device::ErrorKind::{AuthenticationFailed, InvalidSession, SessionFailed};

        match device_answer(&error) {
            Some(AuthenticationFailed | InvalidSession | SessionFailed) | None => {
                HsmError::SessionLost { token: self.token(), source: error.into() }
            }
            Some(_) => self.device(error.into()),
        }
    }
}

/// Returns the device's own answer, where the error is one.
fn device_answer(error: &Error) -> Option<device::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(kind) = cause.downcast_ref::<device::ErrorKind>() {
            return Some(*kind);
        }
        source = cause.source();
    }
    None
}
