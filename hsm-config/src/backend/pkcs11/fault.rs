//! What PKCS#11 return values mean to an operator.

use chancery_formats::key::Algorithm;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState};

use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::reference::{KeyRef, Pkcs11Token};

impl Faults<'_, Pkcs11Token> {
    /// Reads the result of a login. One that another session of this process made counts.
    pub(super) fn login(&self, result: Result<(), Error>) -> Result<(), HsmError> {
        use RvError::{PinIncorrect, PinInvalid, PinLenRange, PinLocked, UserAlreadyLoggedIn};

        match result {
            Ok(()) | Err(Error::Pkcs11(UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(PinIncorrect | PinInvalid | PinLenRange, _)) => Err(self.wrong_pin(None)),
            Err(Error::Pkcs11(PinLocked, _)) => Err(self.pin_locked()),
            Err(error) => Err(self.from(error)),
        }
    }

    /// Reads the error of opening a session.
    pub(super) fn opening(&self, error: Error) -> HsmError {
        match error {
            Error::Pkcs11(RvError::SessionCount, _) => self.sessions_exhausted(),
            error => self.absent(Some(error.into())),
        }
    }

    /// Asks the module whether the session is still there, and as it was opened; the device need not be asked.
    pub(super) fn check(&self, session: &Session, is_logged_in: bool) -> Result<(), HsmError> {
        let state = session.get_session_info().map_err(|error| self.from(error))?.session_state();
        if is_logged_in && !matches!(state, SessionState::RoUser | SessionState::RwUser) {
            return Err(self.lost("the login is gone".into()));
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
            Error::Pkcs11(SessionReadOnly | TokenWriteProtected, _) => self.not_permitted("make keys"),
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
            ) => self.lost(error.into()),
            error => self.device(error.into()),
        }
    }
}
