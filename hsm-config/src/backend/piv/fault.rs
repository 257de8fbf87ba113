//! What the failures of a YubiKey's PIV application mean to an operator.

use chancery_formats::key::Algorithm;

use super::card::{CardError, Status};
use crate::error::{HsmError, Source};
use crate::reference::{KeyRef, PivToken, TokenRef};

/// Turns the errors of one card into ours.
#[derive(Clone, Copy)]
pub(super) struct Faults<'a>(pub(super) &'a PivToken);

impl Faults<'_> {
    pub(super) fn token(&self) -> Box<TokenRef> {
        Box::new(TokenRef::Piv(self.0.clone()))
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

    pub(super) fn wrong_pin(&self, left: Option<u8>) -> HsmError {
        HsmError::WrongPin { token: self.token(), left }
    }

    fn lost(&self, source: Source) -> HsmError {
        HsmError::SessionLost { token: self.token(), source }
    }

    /// Reads the error of looking for the card.
    pub(super) fn opening(&self, error: CardError) -> HsmError {
        match error {
            CardError::Absent(error) => {
                HsmError::TokenAbsent { token: self.token(), source: error.map(Into::into) }
            }
            error => self.from(error),
        }
    }

    /// Reads the error of signing: where the answer did not come, the card may have signed.
    pub(super) fn signing(&self, error: CardError, key: &KeyRef) -> HsmError {
        let unknown = |source| HsmError::OutcomeUnknown { key: key.clone().into(), source };
        match error {
            CardError::Pcsc(error) => unknown(error.into()),
            CardError::Malformed(reason) => unknown(reason.into()),
            CardError::Status(Status::SECURITY) => self.not_permitted("use this key"),
            error => self.from(error),
        }
    }

    /// Reads any other error. What is not the card's own answer means that the way to it is gone.
    pub(super) fn from(&self, error: CardError) -> HsmError {
        match error {
            CardError::Absent(_) => self.lost("another card is in the reader".into()),
            CardError::Malformed(reason) => self.lost(reason.into()),
            CardError::Pcsc(error) => self.lost(error.into()),
            CardError::Status(Status(status)) => {
                self.device(format!("it answers with status {status:04x}").into())
            }
        }
    }
}
