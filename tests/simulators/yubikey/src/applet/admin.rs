//! The management key, the number of tries, and RESET.

use super::{Answer, Applet, no_parameters};
use crate::apdu::{Command, Status};
use crate::management::{ManagementAlgorithm, ManagementKey};
use crate::state::Reference;
use crate::tlv;

/// The number under which commands name the management key.
pub(super) const MANAGEMENT_SLOT: u8 = 0x9b;

/// What proves the management key, until the next command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The card sent a block in clear and expects it encrypted.
    Encrypt(Vec<u8>),
    /// The card sent a block encrypted and expects it decrypted, with a challenge of the other side.
    Decrypt(Vec<u8>),
}

impl Applet {
    /// GENERAL AUTHENTICATE with the management key: one-sided or mutual, two commands each.
    pub(super) fn authenticate_management(&mut self, command: &Command<'_>) -> Answer {
        let challenge = self.session.challenge.take();
        let key = &self.store.state.management;
        // 00 stands for triple DES, as SP 800-73-4 has it.
        let number = if command.p1 == 0 { ManagementAlgorithm::TripleDes as u8 } else { command.p1 };
        if number != key.algorithm as u8 {
            return Err(Status::WRONG_P1_P2);
        }
        let Some((0x7c, body, [])) = tlv::first(command.data) else { return Err(Status::WRONG_DATA) };
        let fields = tlv::fields(body).ok_or(Status::WRONG_DATA)?;
        let value = |tag| tlv::value(&fields, tag);
        let length = key.algorithm.block_length();
        match (value(0x80), value(0x81), value(0x82)) {
            (Some([]), None, None) => {
                let secret = random(length)?;
                let witness = key.encrypt(&secret).ok_or(Status::MEMORY)?;
                self.session.challenge = Some(Challenge::Decrypt(secret));
                Ok(tlv::field(0x7c, &tlv::field(0x80, &witness)))
            }
            (None, Some([]), None) => {
                let block = random(length)?;
                let answer = tlv::field(0x7c, &tlv::field(0x81, &block));
                self.session.challenge = Some(Challenge::Encrypt(block));
                Ok(answer)
            }
            (None, None, Some(response)) => {
                let Some(Challenge::Encrypt(block)) = challenge else { return Err(Status::CONDITIONS) };
                if key.encrypt(&block).as_deref() != Some(response) {
                    return Err(Status::SECURITY_STATUS);
                }
                self.session.management = true;
                Ok(Vec::new())
            }
            (Some(witness), Some(theirs), None | Some([])) => {
                let Some(Challenge::Decrypt(secret)) = challenge else { return Err(Status::CONDITIONS) };
                if secret != witness {
                    return Err(Status::SECURITY_STATUS);
                }
                let response = key.encrypt(theirs).ok_or(Status::WRONG_DATA)?;
                self.session.management = true;
                Ok(tlv::field(0x7c, &tlv::field(0x82, &response)))
            }
            _ => Err(Status::WRONG_DATA),
        }
    }

    /// The touch that P2 may ask for is not kept: nobody touches a simulator to manage it.
    pub(super) fn set_management_key(&mut self, command: &Command<'_>) -> Answer {
        if command.p1 != 0xff || !matches!(command.p2, 0xfe | 0xff) {
            return Err(Status::WRONG_P1_P2);
        }
        self.require_management()?;
        let [number, MANAGEMENT_SLOT, length, secret @ ..] = command.data else {
            return Err(Status::WRONG_DATA);
        };
        let algorithm = ManagementAlgorithm::from_number(*number).ok_or(Status::WRONG_DATA)?;
        if usize::from(*length) != secret.len() {
            return Err(Status::WRONG_LENGTH);
        }
        self.store.state.management = ManagementKey::new(algorithm, secret).ok_or(Status::WRONG_DATA)?;
        self.store.save()?;
        Ok(Vec::new())
    }

    /// Sets both numbers of tries, and with them the PIN and the PUK of the factory.
    pub(super) fn set_pin_retries(&mut self, command: &Command<'_>) -> Answer {
        if !command.data.is_empty() {
            return Err(Status::WRONG_LENGTH);
        }
        self.require_management()?;
        if !self.session.pin {
            return Err(Status::SECURITY_STATUS);
        }
        if command.p1 == 0 || command.p2 == 0 {
            return Err(Status::WRONG_P1_P2);
        }
        self.store.state.pin = Reference::default_pin(command.p1);
        self.store.state.puk = Reference::default_puk(command.p2);
        self.store.save()?;
        Ok(Vec::new())
    }

    /// RESET, for a card whose PIN and PUK are both blocked.
    pub(super) fn reset_blocked(&mut self, command: &Command<'_>) -> Answer {
        no_parameters(command)?;
        let state = &self.store.state;
        if state.pin.tries_left > 0 || state.puk.tries_left > 0 {
            return Err(Status::CONDITIONS);
        }
        let selected = self.session.selected;
        self.reset()?;
        self.session.selected = selected;
        Ok(Vec::new())
    }
}

fn random(length: usize) -> Answer {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|_| Status::MEMORY)?;
    Ok(bytes)
}
