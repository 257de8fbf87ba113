//! Errors that name the token they happened on.
//!
//! What the errors of each library mean stands with its backend, in `impl Faults` for its kind of token. Not
//! here: the words (`crate::error`).
#![allow(dead_code)] // which backends are built decides which of these are used

use chancery_formats::key::Algorithm;

use crate::error::{HsmError, Source};
use crate::reference::{PivToken, Pkcs11Token, TokenRef, YubiHsmToken};

/// Turns the errors of one token into ours.
pub(crate) struct Faults<'a, T>(pub(crate) &'a T);

impl<T> Clone for Faults<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Faults<'_, T> {}

impl<T: Clone + Into<TokenRef>> Faults<'_, T> {
    pub(crate) fn token(&self) -> Box<TokenRef> {
        Box::new(self.0.clone().into())
    }

    pub(crate) fn absent(&self, source: Option<Source>) -> HsmError {
        HsmError::TokenAbsent { token: self.token(), source }
    }

    pub(crate) fn ambiguous(&self, count: usize) -> HsmError {
        HsmError::TokenAmbiguous { token: self.token(), count }
    }

    pub(crate) fn device(&self, source: Source) -> HsmError {
        HsmError::Device { token: self.token(), source }
    }

    pub(crate) fn lost(&self, source: Source) -> HsmError {
        HsmError::SessionLost { token: self.token(), source }
    }

    pub(crate) fn not_permitted(&self, action: &'static str) -> HsmError {
        HsmError::NotPermitted { token: self.token(), action }
    }

    pub(crate) fn pin_last_try(&self) -> HsmError {
        HsmError::PinLastTry { token: self.token() }
    }

    pub(crate) fn pin_locked(&self) -> HsmError {
        HsmError::PinLocked { token: self.token() }
    }

    pub(crate) fn sessions_exhausted(&self) -> HsmError {
        HsmError::SessionsExhausted { token: self.token() }
    }

    pub(crate) fn unsupported(&self, algorithm: Algorithm) -> HsmError {
        HsmError::Unsupported { token: self.token(), algorithm }
    }

    pub(crate) fn wrong_pin(&self, left: Option<u8>) -> HsmError {
        HsmError::WrongPin { token: self.token(), left }
    }
}

impl From<PivToken> for TokenRef {
    fn from(token: PivToken) -> Self {
        Self::Piv(token)
    }
}

impl From<Pkcs11Token> for TokenRef {
    fn from(token: Pkcs11Token) -> Self {
        Self::Pkcs11(token)
    }
}

impl From<YubiHsmToken> for TokenRef {
    fn from(token: YubiHsmToken) -> Self {
        Self::YubiHsm(token)
    }
}
