//! Keys: making, importing, describing and attesting them.

use super::{Answer, Applet, admin, is_key_slot, pin};
use crate::apdu::{Command, Status};
use crate::attestation;
use crate::key::{Algorithm, Origin, PinPolicy, SlotKey, TouchPolicy};
use crate::state::{ATTESTATION_OBJECT, ATTESTATION_SLOT, Reference};
use crate::tlv;

impl Applet {
    pub(super) fn generate(&mut self, command: &Command<'_>) -> Answer {
        self.may_write_key(command.p1 == 0, command.p2)?;
        let Some((0xac, body, [])) = tlv::first(command.data) else { return Err(Status::WRONG_DATA) };
        let fields = tlv::fields(body).ok_or(Status::WRONG_DATA)?;
        let Some([number]) = tlv::value(&fields, 0x80) else { return Err(Status::WRONG_DATA) };
        let algorithm = self.algorithm(*number)?;
        let (pin, touch) = policies(&fields, command.p2)?;
        let key = SlotKey::generate(algorithm, pin, touch)?;
        let answer = tlv::wide_field(&[0x7f, 0x49], &key.public_field()?);
        self.store.state.keys.insert(command.p2, key);
        self.store.save()?;
        Ok(answer)
    }

    pub(super) fn import(&mut self, command: &Command<'_>) -> Answer {
        self.may_write_key(true, command.p2)?;
        let algorithm = self.algorithm(command.p1)?;
        let fields = tlv::fields(command.data).ok_or(Status::WRONG_DATA)?;
        let tag = if algorithm == Algorithm::P256 { 0x06 } else { 0x07 };
        let secret = tlv::value(&fields, tag).ok_or(Status::WRONG_DATA)?;
        let (pin, touch) = policies(&fields, command.p2)?;
        let key = SlotKey::new(algorithm, secret, pin, touch, Origin::Imported)?;
        self.store.state.keys.insert(command.p2, key);
        self.store.save()?;
        Ok(Vec::new())
    }

    pub(super) fn metadata(&self, command: &Command<'_>) -> Answer {
        if command.p1 != 0 || !command.data.is_empty() {
            return Err(Status::WRONG_P1_P2);
        }
        let state = &self.store.state;
        match command.p2 {
            pin::PIN => Ok(of_reference(&state.pin, &Reference::default_pin(3))),
            pin::PUK => Ok(of_reference(&state.puk, &Reference::default_puk(3))),
            admin::MANAGEMENT_SLOT => {
                let key = &state.management;
                let default = tlv::field(0x05, &[u8::from(key.is_default())]);
                // Policies: no PIN, no touch.
                Ok([tlv::field(0x01, &[key.algorithm as u8]), tlv::field(0x02, &[0, 1]), default].concat())
            }
            slot if is_key_slot(slot) || slot == ATTESTATION_SLOT => {
                let key = state.keys.get(&slot).ok_or(Status::REFERENCE_NOT_FOUND)?;
                let fields = [
                    tlv::field(0x01, &[key.algorithm.number()]),
                    tlv::field(0x02, &[key.pin as u8, key.touch as u8]),
                    tlv::field(0x03, &[key.origin as u8]),
                    tlv::field(0x04, &key.public_field()?),
                ];
                Ok(fields.concat())
            }
            _ => Err(Status::REFERENCE_NOT_FOUND),
        }
    }

    /// Certifies with the attestation key that a key was made in the card.
    pub(super) fn attest(&self, command: &Command<'_>) -> Answer {
        if !is_key_slot(command.p1) || command.p2 != 0 {
            return Err(Status::WRONG_P1_P2);
        }
        let state = &self.store.state;
        let key = state.keys.get(&command.p1).ok_or(Status::WRONG_DATA)?;
        if key.origin == Origin::Imported {
            return Err(Status::WRONG_DATA);
        }
        let signer = state.keys.get(&ATTESTATION_SLOT).ok_or(Status::REFERENCE_NOT_FOUND)?;
        // Somebody may have put another object there; a card without its certificate attests nothing.
        if !state.objects.contains_key(&ATTESTATION_OBJECT) {
            return Err(Status::NOT_FOUND);
        }
        attestation::statement(command.p1, key, signer, self.firmware, state.serial)
    }

    fn may_write_key(&self, are_parameters_right: bool, slot: u8) -> Result<(), Status> {
        if !are_parameters_right {
            return Err(Status::WRONG_P1_P2);
        }
        if !is_key_slot(slot) && slot != ATTESTATION_SLOT {
            return Err(Status::WRONG_SLOT);
        }
        self.require_management()
    }

    fn algorithm(&self, number: u8) -> Result<Algorithm, Status> {
        match Algorithm::from_number(number).ok_or(Status::WRONG_DATA)? {
            Algorithm::Ed25519 if !self.firmware.has_ed25519() => Err(Status::WRONG_DATA),
            algorithm => Ok(algorithm),
        }
    }
}

fn of_reference(reference: &Reference, default: &Reference) -> Vec<u8> {
    let is_default = reference.value == default.value;
    [
        tlv::field(0x01, &[0xff]),
        tlv::field(0x05, &[u8::from(is_default)]),
        tlv::field(0x06, &[reference.tries, reference.tries_left]),
    ]
    .concat()
}

/// Reads tags AA and AB; where they are missing or 0, the slot decides.
fn policies(fields: &[(u8, &[u8])], slot: u8) -> Result<(PinPolicy, TouchPolicy), Status> {
    let number = |tag| match (fields.iter().any(|(found, _)| *found == tag), tlv::value(fields, tag)) {
        (false, _) => Ok(0),
        (true, Some([number])) => Ok(*number),
        _ => Err(Status::WRONG_DATA),
    };
    let pin = match number(0xaa)? {
        0 => default_pin_policy(slot),
        1 => PinPolicy::Never,
        2 => PinPolicy::Once,
        3 => PinPolicy::Always,
        _ => return Err(Status::WRONG_DATA),
    };
    let touch = match number(0xab)? {
        0 | 1 => TouchPolicy::Never,
        2 => TouchPolicy::Always,
        3 => TouchPolicy::Cached,
        _ => return Err(Status::WRONG_DATA),
    };
    Ok((pin, touch))
}

fn default_pin_policy(slot: u8) -> PinPolicy {
    match slot {
        0x9c => PinPolicy::Always,
        0x9e => PinPolicy::Never,
        _ => PinPolicy::Once,
    }
}
