//! Commands that sign, and HMAC.

use super::Device;
use crate::capability;
use crate::command::Firmware;
use crate::frame::{Fields, Refusal};
use crate::key;
use crate::object::{EC_P256, ED25519, HMAC_SHA1, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Kind};
use crate::session::Rights;

/// Lengths of digests that SIGN ECDSA takes, of SHA-1 to SHA-512; older firmware takes none over 32 bytes.
const DIGESTS: [usize; 4] = [20, 32, 48, 64];

impl Device {
    pub(super) fn sign_eddsa(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        let message = fields.rest();
        let object = self.usable(rights, Kind::AsymmetricKey, id, capability::SIGN_EDDSA)?;
        if object.algorithm != ED25519 {
            return Err(Refusal::InvalidData);
        }
        let signature = key::sign_ed25519(&object.data, message)?;
        self.operations.sign_eddsa += 1;
        Ok(self.hand_out(signature))
    }

    pub(super) fn sign_ecdsa(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        let digest = fields.rest();
        let longest = if self.firmware < Firmware(2, 1, 0) { 32 } else { 64 };
        let object = self.usable(rights, Kind::AsymmetricKey, id, capability::SIGN_ECDSA)?;
        if object.algorithm != EC_P256 {
            return Err(Refusal::InvalidData);
        }
        if !DIGESTS.contains(&digest.len()) || digest.len() > longest {
            return Err(Refusal::WrongLength);
        }
        let signature = key::sign_p256(&object.data, digest)?;
        self.operations.sign_ecdsa += 1;
        Ok(self.hand_out(signature))
    }

    /// Returns a signature, or a wrong one of the right form where that fault is pending.
    pub(super) fn hand_out(&mut self, mut signature: Vec<u8>) -> Vec<u8> {
        self.signed = true;
        // The last bytes but the very last belong to the second half of either kind of signature.
        if let Some(byte) = signature.iter_mut().rev().nth(7)
            && std::mem::take(&mut self.pending.corrupt_signature)
        {
            *byte ^= 1;
        }
        signature
    }

    pub(super) fn sign_hmac(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        let message = fields.rest();
        let object = self.usable(rights, Kind::HmacKey, id, capability::SIGN_HMAC)?;
        key::hmac(object.algorithm, &object.data, message)
    }

    pub(super) fn verify_hmac(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        let object = self.usable(rights, Kind::HmacKey, id, capability::VERIFY_HMAC)?;
        let length = match object.algorithm {
            HMAC_SHA1 => 20,
            HMAC_SHA256 => 32,
            HMAC_SHA384 => 48,
            HMAC_SHA512 => 64,
            _ => return Err(Refusal::InvalidData),
        };
        let tag = fields.bytes(length)?;
        let expected = key::hmac(object.algorithm, &object.data, fields.rest())?;
        Ok(vec![u8::from(expected == tag)])
    }
}
