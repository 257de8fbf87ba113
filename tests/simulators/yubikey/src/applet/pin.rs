//! PIN and PUK: VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER, each with its counter.
//!
//! The counter goes down, on paper, before anything is compared: pulling the card gives no free try.

use super::{Answer, Applet};
use crate::apdu::{Command, Status};
use crate::state::{Reference, State};

/// The number under which commands name the PIN.
pub(super) const PIN: u8 = 0x80;
/// The number under which commands name the PUK.
pub(super) const PUK: u8 = 0x81;

fn reference(state: &mut State, number: u8) -> Result<&mut Reference, Status> {
    match number {
        PIN => Ok(&mut state.pin),
        PUK => Ok(&mut state.puk),
        _ => Err(Status::REFERENCE_NOT_FOUND),
    }
}

impl Applet {
    pub(super) fn verify(&mut self, command: &Command<'_>) -> Answer {
        match (command.p1, command.p2) {
            (0x00, PIN) => {}
            (0xff, PIN) if command.data.is_empty() => {
                self.session.pin = false;
                return Ok(Vec::new());
            }
            (0x00 | 0xff, _) => return Err(Status::REFERENCE_NOT_FOUND),
            _ => return Err(Status::WRONG_P1_P2),
        }
        if command.data.is_empty() {
            return match self.store.state.pin.tries_left {
                _ if self.session.pin => Ok(Vec::new()),
                0 => Err(Status::BLOCKED),
                left => Err(Status::tries_left(left)),
            };
        }
        self.session.pin = false;
        self.compare(PIN, command.data)?;
        self.session.pin = true;
        self.session.pin_just_now = true;
        Ok(Vec::new())
    }

    pub(super) fn change_reference(&mut self, command: &Command<'_>) -> Answer {
        if command.p1 != 0 {
            return Err(Status::WRONG_P1_P2);
        }
        reference(&mut self.store.state, command.p2)?;
        let (old, new) = old_and_new(command.data)?;
        self.compare(command.p2, old)?;
        self.replace(command.p2, new)
    }

    /// Sets a new PIN for somebody who knows the PUK.
    pub(super) fn reset_retry_counter(&mut self, command: &Command<'_>) -> Answer {
        if (command.p1, command.p2) != (0, PIN) {
            return Err(Status::WRONG_P1_P2);
        }
        let (puk, new) = old_and_new(command.data)?;
        self.compare(PUK, puk)?;
        self.replace(PIN, new)
    }

    fn replace(&mut self, number: u8, value: &[u8]) -> Answer {
        let reference = reference(&mut self.store.state, number)?;
        *reference = Reference::new(value, reference.tries);
        self.store.save()?;
        Ok(Vec::new())
    }

    /// Compares a PIN or PUK with what was given, counting first.
    fn compare(&mut self, number: u8, given: &[u8]) -> Result<(), Status> {
        if given.len() != 8 {
            return Err(Status::WRONG_DATA);
        }
        let reference_now = reference(&mut self.store.state, number)?;
        reference_now.tries_left = reference_now.tries_left.checked_sub(1).ok_or(Status::BLOCKED)?;
        self.store.save()?;
        let reference = reference(&mut self.store.state, number)?;
        if reference.value != given {
            // The last try is told as none left; only then the card says that it is blocked.
            return Err(Status::tries_left(reference.tries_left));
        }
        reference.tries_left = reference.tries;
        self.store.save()
    }
}

/// Splits sixteen bytes; the new value is six to eight bytes, padded with FF.
fn old_and_new(data: &[u8]) -> Result<(&[u8], &[u8]), Status> {
    let (old, new) = data.split_at_checked(8).ok_or(Status::WRONG_LENGTH)?;
    let bare = new.iter().position(|byte| *byte == 0xff).unwrap_or(new.len());
    match new.split_at_checked(bare) {
        _ if new.len() != 8 => Err(Status::WRONG_LENGTH),
        Some((value, padding)) if value.len() >= 6 && padding.iter().all(|byte| *byte == 0xff) => {
            Ok((old, new))
        }
        _ => Err(Status::WRONG_DATA),
    }
}
