//! GENERAL AUTHENTICATE with a key: signatures, under the PIN and touch policies of the key.
//!
//! Not here: key agreement and decryption.

use super::{Applet, NextSignature, Touch, is_key_slot};
use crate::apdu::{Command, Status};
use crate::key::{Algorithm, PinPolicy, TouchPolicy};
use crate::tlv;

impl Applet {
    /// Signs; nothing comes back when the card is to be pulled after it signed.
    pub(super) fn sign(
        &mut self,
        command: &Command<'_>,
        pin_just_now: bool,
    ) -> Result<Option<Vec<u8>>, Status> {
        // The attestation key signs statements of its own alone.
        if !is_key_slot(command.p2) {
            return Err(Status::WRONG_SLOT);
        }
        let Some((0x7c, body, [])) = tlv::first(command.data) else { return Err(Status::WRONG_DATA) };
        let fields = tlv::fields(body).ok_or(Status::WRONG_DATA)?;
        let (Some([]), Some(input)) = (tlv::value(&fields, 0x82), tlv::value(&fields, 0x81)) else {
            return Err(Status::WRONG_DATA);
        };
        let key = self.store.state.keys.get(&command.p2).ok_or(Status::WRONG_DATA)?;
        if key.algorithm.number() != command.p1 {
            return Err(Status::WRONG_DATA);
        }
        let is_pin_enough = match key.pin {
            PinPolicy::Never => true,
            PinPolicy::Once => self.session.pin,
            PinPolicy::Always => pin_just_now,
        };
        if !is_pin_enough {
            return Err(Status::SECURITY_STATUS);
        }
        if let (TouchPolicy::Always | TouchPolicy::Cached, Touch::Missing(wait)) = (key.touch, self.touch) {
            std::thread::sleep(wait);
            return Err(Status::SECURITY_STATUS);
        }
        let (algorithm, signature) = (key.algorithm, key.sign(input)?);
        self.store.state.operations += 1;
        self.store.save()?;
        let signature = match std::mem::take(&mut self.next_signature) {
            NextSignature::Right => signature,
            NextSignature::Wrong => spoil(algorithm, signature),
            NextSignature::Lost => return Ok(None),
        };
        Ok(Some(tlv::field(0x7c, &tlv::field(0x82, &signature))))
    }
}

/// Changes one bit of s, and nothing of the form.
fn spoil(algorithm: Algorithm, mut signature: Vec<u8>) -> Vec<u8> {
    let position = match algorithm {
        Algorithm::P256 => signature.len().saturating_sub(1),
        Algorithm::Ed25519 => 32,
    };
    if let Some(byte) = signature.get_mut(position) {
        *byte ^= 1;
    }
    signature
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::SlotKey;

    #[test]
    fn a_spoiled_signature_still_parses() {
        let key = SlotKey::generate(Algorithm::P256, PinPolicy::Never, TouchPolicy::Never).unwrap();
        let right = key.sign(&[1; 32]).unwrap();
        let wrong = spoil(Algorithm::P256, right.clone());
        assert_ne!(right, wrong);
        assert!(p256::ecdsa::Signature::from_der(&wrong).is_ok());
    }
}
