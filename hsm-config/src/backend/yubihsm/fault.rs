//! What the failures of a YubiHSM 2 mean to an operator.

use chancery_formats::key::Algorithm;

use super::audit::AuditError;
use super::wire::{DeviceError, WireError};
use crate::backend::fault::Faults;
use crate::error::{HsmError, Source};
use crate::reference::{Connector, KeyRef, YubiHsmToken};

/// That nobody answers where the device is to be.
#[derive(Debug, thiserror::Error)]
#[error("nobody answers {}", place(connector))]
struct Unanswered {
    connector: Connector,
    source: Source,
}

fn place(connector: &Connector) -> String {
    match connector {
        Connector::Http { .. } => format!("at {connector}"),
        Connector::Usb => "on USB".into(),
    }
}

impl Faults<'_, YubiHsmToken> {
    /// Reads the error of opening a session.
    pub(super) fn opening(&self, error: WireError) -> HsmError {
        match error {
            WireError::WrongPassword | WireError::Device(DeviceError::AuthenticationFailed) => {
                self.wrong_pin(None)
            }
            WireError::Device(DeviceError::ObjectNotFound) => HsmError::LoginMissing { token: self.token() },
            WireError::Device(DeviceError::SessionsFull) => self.sessions_exhausted(),
            WireError::NotSent(source) | WireError::NoAnswer(source) => {
                self.absent(Some(Unanswered { connector: self.0.connector.clone(), source }.into()))
            }
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
            AuditError::Broken(broken) => HsmError::AuditBroken { token: self.token(), broken },
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
            WireError::Device(DeviceError::SessionsFull) => self.sessions_exhausted(),
            WireError::Device(error) => self.device(error.to_string().into()),
            error => self.lost(error.to_string().into()),
        }
    }
}
