//! GET DATA and PUT DATA: certificates, CHUID and whatever else clients keep on a card.

use super::{Answer, Applet};
use crate::apdu::{Command, Status};
use crate::tlv;

/// The discovery object: PIV with an application PIN alone. It is the card's own and wears no 53.
const DISCOVERY: [u8; 20] = [
    0x7e, 0x12, 0x4f, 0x0b, 0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00, 0x5f, 0x2f,
    0x02, 0x40, 0x00,
];
/// Fingerprints, face, printed information and iris: read after the PIN alone.
const PRIVATE: [u32; 4] = [0x005f_c103, 0x005f_c108, 0x005f_c109, 0x005f_c121];

/// The most bytes of all objects together: far above what a card's memory holds in practice.
const MAX_OBJECT_BYTES: usize = 100_000;

impl Applet {
    pub(super) fn get_data(&self, command: &Command<'_>) -> Answer {
        right_parameters(command)?;
        let (tag, rest) = tag(command.data)?;
        if !rest.is_empty() {
            return Err(Status::WRONG_DATA);
        }
        match tag {
            [0x7e] => Ok(DISCOVERY.to_vec()),
            [a @ 0x5f, b, c] => {
                let number = u32::from_be_bytes([0, *a, *b, *c]);
                if PRIVATE.contains(&number) && !self.session.pin {
                    return Err(Status::SECURITY_STATUS);
                }
                let object = self.store.state.objects.get(&number).ok_or(Status::NOT_FOUND)?;
                Ok(tlv::field(0x53, object))
            }
            _ => Err(Status::NOT_FOUND),
        }
    }

    pub(super) fn put_data(&mut self, command: &Command<'_>) -> Answer {
        right_parameters(command)?;
        self.require_management()?;
        let ([a @ 0x5f, b, c], rest) = tag(command.data)? else { return Err(Status::WRONG_DATA) };
        let Some((0x53, object, [])) = tlv::first(rest) else { return Err(Status::WRONG_DATA) };
        let number = u32::from_be_bytes([0, *a, *b, *c]);
        let objects = &mut self.store.state.objects;
        objects.remove(&number);
        if !object.is_empty() {
            let stored: usize = objects.values().map(Vec::len).sum();
            if stored + object.len() > MAX_OBJECT_BYTES {
                return Err(Status::NO_SPACE);
            }
            objects.insert(number, object.to_vec());
        }
        self.store.save()?;
        Ok(Vec::new())
    }
}

fn right_parameters(command: &Command<'_>) -> Result<(), Status> {
    if (command.p1, command.p2) == (0x3f, 0xff) { Ok(()) } else { Err(Status::WRONG_P1_P2) }
}

fn tag(data: &[u8]) -> Result<(&[u8], &[u8]), Status> {
    match tlv::first(data) {
        Some((0x5c, tag, rest)) => Ok((tag, rest)),
        _ => Err(Status::WRONG_DATA),
    }
}
