//! What the failures of a YubiKey's PIV application mean to an operator.

use super::card::{CardError, Status};
use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::reference::{KeyRef, PivToken};

impl Faults<'_, PivToken> {
    /// Reads the error of looking for the card.
    pub(super) fn opening(&self, error: CardError) -> HsmError {
        match error {
            CardError::Absent(error) => self.absent(error.map(Into::into)),
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
