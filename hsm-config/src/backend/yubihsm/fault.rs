//! What the failures of a YubiHSM 2 mean to an operator.

use chancery_formats::key::Algorithm;

use super::audit::AuditError;
use super::wire::{DeviceError, WireError};
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

    pub(super) fn not_permitted(&self, action: &'static str) -> HsmError {
        HsmError::NotPermitted { token: self.token(), action }
    }

    pub(super) fn unsupported(&self, algorithm: Algorithm) -> HsmError {
        HsmError::Unsupported { token: self.token(), algorithm }
    }

    /// Reads the error of opening a session.
    pub(super) fn opening(&self, error: WireError) -> HsmError {
        match error {
            WireError::WrongPassword | WireError::Device(DeviceError::AuthenticationFailed) => {
                HsmError::WrongPin { token: self.token(), left: None }
            }
            WireError::Device(DeviceError::ObjectNotFound) => HsmError::LoginMissing { token: self.token() },
            WireError::Device(DeviceError::SessionsFull) => {
                HsmError::SessionsExhausted { token: self.token() }
            }
            WireError::NotSent(source) | WireError::NoAnswer(source) => self.absent(Some(source)),
            error => self.from(error),
        }
    }

    /// Reads the error of using a key.
    pub(super) fn of_key(&self, error: WireError, key: &KeyRef) -> HsmError {
        match error {
            WireError::Device(DeviceError::ObjectNotFound) => {
                HsmError::KeyMissing { key: key.clone().into() }
            }
            WireError::Device(DeviceError::InsufficientPermissions) => self.not_permitted("use this key"),
            error => self.from(error),
        }
    }

    /// Reads the error of signing: where the answer did not come, the device may have signed.
    pub(super) fn signing(&self, error: WireError, key: &KeyRef) -> HsmError {
        match error {
            WireError::NoAnswer(source) => HsmError::OutcomeUnknown { key: key.clone().into(), source },
            WireError::Malformed(reason) => {
                HsmError::OutcomeUnknown { key: key.clone().into(), source: reason.into() }
            }
            error => self.of_key(error, key),
        }
    }

    /// Reads the error of generating a key.
    pub(super) fn generating(&self, error: WireError, key: &KeyRef, algorithm: Algorithm) -> HsmError {
        match error {
            WireError::Device(DeviceError::ObjectExists) => HsmError::KeyExists { key: key.clone().into() },
            WireError::Device(DeviceError::InsufficientPermissions) => self.not_permitted("make keys"),
            WireError::Device(DeviceError::AlgorithmDisabled | DeviceError::InvalidCommand) => {
                self.unsupported(algorithm)
            }
            error => self.from(error),
        }
    }

    /// Reads the error of reading the audit log.
    pub(super) fn auditing(&self, error: AuditError) -> HsmError {
        match error {
            AuditError::Broken(reason) => HsmError::AuditBroken { token: self.token(), reason },
            AuditError::Ledger(source) => HsmError::AuditLedger { token: self.token(), source },
            AuditError::Wire(WireError::Device(DeviceError::InsufficientPermissions)) => {
                self.not_permitted("read the audit log")
            }
            AuditError::Wire(error) => self.from(error),
        }
    }

    /// Reads any other error. What is not the device's own answer means that the way to it, or the
    /// session, is gone.
    pub(super) fn from(&self, error: WireError) -> HsmError {
        match error {
            WireError::Device(DeviceError::LogFull) | WireError::SessionEnded(DeviceError::LogFull) => {
                HsmError::AuditLogFull { token: self.token() }
            }
            WireError::Device(DeviceError::SessionsFull) => {
                HsmError::SessionsExhausted { token: self.token() }
            }
            WireError::Device(error) => self.device(error.to_string().into()),
            error => HsmError::SessionLost { token: self.token(), source: error.to_string().into() },
        }
    }
}
