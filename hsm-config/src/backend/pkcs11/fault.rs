//! What PKCS#11 return values mean to an operator.

use chancery_formats::key::Algorithm;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState};

use crate::error::{HsmError, Source};
use crate::reference::{KeyRef, Pkcs11Token, TokenRef};

/// Turns the errors of one token into ours.
#[derive(Clone, Copy)]
pub(super) struct Faults<'a>(pub(super) &'a Pkcs11Token);

impl Faults<'_> {
    fn token(&self) -> Box<TokenRef> {
        Box::new(TokenRef::Pkcs11(self.0.clone()))
    }

    pub(super) fn absent(&self, source: Option<Source>) -> HsmError {
        HsmError::TokenAbsent { token: self.token(), source }
    }

    pub(super) fn ambiguous(&self, count: usize) -> HsmError {
        HsmError::TokenAmbiguous { token: self.token(), count }
    }

    pub(super) fn device(&self, source: Source) -> HsmError {
        HsmError::Device { token: self.token(), source }
    }

    pub(super) fn lost(&self, reason: &'static str) -> HsmError {
        HsmError::SessionLost { token: self.token(), source: reason.into() }
    }

    pub(super) fn pin_locked(&self) -> HsmError {
        HsmError::PinLocked { token: self.token() }
    }

    pub(super) fn pin_last_try(&self) -> HsmError {
        HsmError::PinLastTry { token: self.token() }
    }

    pub(super) fn unsupported(&self, algorithm: Algorithm) -> HsmError {
        HsmError::Unsupported { token: self.token(), algorithm }
    }

    /// Reads the result of a login. One that another session of this process made counts.
    pub(super) fn login(&self, result: Result<(), Error>) -> Result<(), HsmError> {
        use RvError::{PinIncorrect, PinInvalid, PinLenRange, PinLocked, UserAlreadyLoggedIn};

        match result {
            Ok(()) | Err(Error::Pkcs11(UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(PinIncorrect | PinInvalid | PinLenRange, _)) => {
                Err(HsmError::WrongPin { token: self.token(), left: None })
            }
            Err(Error::Pkcs11(PinLocked, _)) => Err(self.pin_locked()),
            Err(error) => Err(self.from(error)),
        }
    }

    /// Reads the error of opening a session.
    pub(super) fn opening(&self, error: Error) -> HsmError {
        match error {
            Error::Pkcs11(RvError::SessionCount, _) => HsmError::SessionsExhausted { token: self.token() },
            error => self.absent(Some(error.into())),
        }
    }

    /// Asks the module whether the session is still there, and as it was opened; the device need not be asked.
    pub(super) fn check(&self, session: &Session, is_logged_in: bool) -> Result<(), HsmError> {
        let state = session.get_session_info().map_err(|error| self.from(error))?.session_state();
        if is_logged_in && !matches!(state, SessionState::RoUser | SessionState::RwUser) {
            return Err(self.lost("the login is gone"));
        }
        Ok(())
    }

    /// Reads the error of signing: where the device failed while it was asked, it may have signed.
    pub(super) fn signing(&self, error: Error, key: &KeyRef) -> HsmError {
        use RvError::{
            DeviceError, DeviceMemory, DeviceRemoved, FunctionCanceled, GeneralError, TokenNotPresent,
        };

        match error {
            Error::Pkcs11(
                DeviceError | DeviceMemory | DeviceRemoved | FunctionCanceled | GeneralError
                | TokenNotPresent,
                _,
            ) => HsmError::OutcomeUnknown { key: key.clone().into(), source: error.into() },
            error => self.from(error),
        }
    }

    /// Reads the error of generating a key.
    pub(super) fn generating(&self, error: Error, algorithm: Algorithm) -> HsmError {
        use RvError::{
            AttributeValueInvalid, CurveNotSupported, DomainParamsInvalid, FunctionNotSupported,
            MechanismInvalid, SessionReadOnly, TokenWriteProtected,
        };

        match error {
            Error::Pkcs11(
                AttributeValueInvalid
                | CurveNotSupported
                | DomainParamsInvalid
                | FunctionNotSupported
                | MechanismInvalid,
                _,
            ) => self.unsupported(algorithm),
            Error::Pkcs11(SessionReadOnly | TokenWriteProtected, _) => {
                HsmError::NotPermitted { token: self.token(), action: "make keys" }
            }
            error => self.from(error),
        }
    }

    /// Reads any other error. What a new session may heal is a lost session: a card that was pulled, a
    /// token whose objects went away, an operation that another failure left open.
    pub(super) fn from(&self, error: Error) -> HsmError {
        use RvError::{
            CryptokiNotInitialized, DeviceError, DeviceRemoved, KeyHandleInvalid, ObjectHandleInvalid,
            OperationActive, SessionClosed, SessionHandleInvalid, SlotIdInvalid, TokenNotPresent,
            TokenNotRecognized, UserNotLoggedIn,
        };

        match error {
            Error::Pkcs11(
                CryptokiNotInitialized
                | DeviceError
                | DeviceRemoved
                | KeyHandleInvalid
                | ObjectHandleInvalid
                | OperationActive
                | SessionClosed
                | SessionHandleInvalid
                | SlotIdInvalid
                | TokenNotPresent
                | TokenNotRecognized
                | UserNotLoggedIn,
                _,
            ) => HsmError::SessionLost { token: self.token(), source: error.into() },
            error => self.device(error.into()),
        }
    }
}
