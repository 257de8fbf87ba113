//! The secure channel: SCP03 with AES-128, as the device's side of it.
//!
//! Keys are derived by the counter-mode KDF over CMAC of GlobalPlatform's amendment D; messages are AES-CBC
//! with ISO 7816 padding under a counter-made IV, then MACed in a chain. Not here: who has sessions
//! (`session`), what travels inside (`device`).

use aes::Aes128;
use aes::cipher::block_padding::Iso7816;
use aes::cipher::{BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use cmac::{Cmac, Mac};
use sha2::Sha256;

use crate::frame::{self, Refusal};

/// Bytes of a challenge, of a cryptogram and of a MAC on the wire.
pub(crate) const TAG: usize = 8;

const CARD_CRYPTOGRAM: u8 = 0x00;
const HOST_CRYPTOGRAM: u8 = 0x01;
const S_ENC: u8 = 0x04;
const S_MAC: u8 = 0x06;
const S_RMAC: u8 = 0x07;

/// The two long-lived keys of an authentication key: encryption, then MAC.
pub(crate) type StaticKeys = [u8; 32];

/// Derives an authentication key from a password, as every tool for the device does.
pub(crate) fn keys_from_password(password: &[u8]) -> StaticKeys {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, b"Yubico", 10_000)
}

fn cmac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn derive(key: &[u8; 16], constant: u8, bits: u16, context: &[u8; 16]) -> [u8; 16] {
    let mut label = [0; 16];
    label[11] = constant;
    label[13..15].copy_from_slice(&bits.to_be_bytes());
    label[15] = 1;
    cmac(key, &[&label, context])
}

fn short(full: [u8; 16]) -> [u8; TAG] {
    let mut tag = [0; TAG];
    tag.copy_from_slice(&full[..TAG]);
    tag
}

fn halves(keys: &StaticKeys) -> ([u8; 16], [u8; 16]) {
    let (mut encryption, mut mac) = ([0; 16], [0; 16]);
    encryption.copy_from_slice(&keys[..16]);
    mac.copy_from_slice(&keys[16..]);
    (encryption, mac)
}

/// One session's keys and counters.
#[derive(Clone)]
pub(crate) struct Channel {
    encryption: [u8; 16],
    mac: [u8; 16],
    response_mac: [u8; 16],
    context: [u8; 16],
    chain: [u8; 16],
    counter: u128,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Channel {
    /// Derives a session's keys; it is open once [`Channel::authenticate`] has passed.
    pub(crate) fn new(keys: &StaticKeys, host: [u8; TAG], card: [u8; TAG]) -> Self {
        let (encryption, mac) = halves(keys);
        let mut context = [0; 16];
        context[..TAG].copy_from_slice(&host);
        context[TAG..].copy_from_slice(&card);
        Self {
            encryption: derive(&encryption, S_ENC, 128, &context),
            mac: derive(&mac, S_MAC, 128, &context),
            response_mac: derive(&mac, S_RMAC, 128, &context),
            context,
            chain: [0; 16],
            counter: 0,
        }
    }

    /// Returns what proves to the host that the device knows the key.
    pub(crate) fn card_cryptogram(&self) -> [u8; TAG] {
        short(derive(&self.mac, CARD_CRYPTOGRAM, 64, &self.context))
    }

    /// Checks the host's proof; `frame` is the whole command, its MAC last.
    ///
    /// # Errors
    ///
    /// [`Refusal::AuthenticationFailed`] on a wrong cryptogram or MAC; the channel is of no use then.
    pub(crate) fn authenticate(&mut self, frame: &[u8], cryptogram: &[u8]) -> Result<(), Refusal> {
        let expected = short(derive(&self.mac, HOST_CRYPTOGRAM, 64, &self.context));
        if cryptogram != expected || !self.check(frame) {
            return Err(Refusal::AuthenticationFailed);
        }
        self.counter = 1;
        Ok(())
    }

    /// Opens a session message; `frame` is the whole command, its MAC last.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionFailed`] on a wrong MAC, length or padding; the channel is of no use then.
    pub(crate) fn open(&mut self, frame: &[u8]) -> Result<Vec<u8>, Refusal> {
        let start = frame::HEADER + 1;
        let end = frame.len().checked_sub(TAG).filter(|end| *end > start).ok_or(Refusal::SessionFailed)?;
        if self.counter == 0 || !(end - start).is_multiple_of(16) || !self.check(frame) {
            return Err(Refusal::SessionFailed);
        }
        let iv = self.iv();
        cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &iv.into())
            .decrypt_padded_vec::<Iso7816>(&frame[start..end])
            .map_err(|_| Refusal::SessionFailed)
    }

    /// Seals the answer to the message just opened, in the session `id`.
    pub(crate) fn seal(&mut self, command: u8, id: u8, inner: &[u8]) -> Vec<u8> {
        let iv = self.iv();
        let sealed = cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &iv.into())
            .encrypt_padded_vec::<Iso7816>(inner);
        let mut payload = vec![id];
        payload.extend_from_slice(&sealed);
        payload.extend_from_slice(&[0; TAG]); // counted in the length that is MACed
        let mut frame = frame::encode(command | frame::RESPONSE, &payload);
        let end = frame.len() - TAG;
        let mac = short(cmac(&self.response_mac, &[&self.chain, &frame[..end]]));
        frame[end..].copy_from_slice(&mac);
        self.counter += 1;
        frame
    }

    /// Checks a command's MAC and, if it is right, moves the chain on.
    fn check(&mut self, frame: &[u8]) -> bool {
        let Some((body, mac)) = frame.split_last_chunk::<TAG>() else { return false };
        let full = cmac(&self.mac, &[&self.chain, body]);
        if short(full) != *mac {
            return false;
        }
        self.chain = full;
        true
    }

    fn iv(&self) -> [u8; 16] {
        let mut block = self.counter.to_be_bytes().into();
        Aes128::new(&self.encryption.into()).encrypt_block(&mut block);
        block.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_factory_password_gives_the_published_keys() {
        let hex = base16ct::lower::encode_string(&keys_from_password(b"password"));
        assert_eq!(hex, "090b47dbed595654901dee1cc655e420592fd483f759e29909a04c4505d2ce0a");
    }

    #[test]
    fn a_changed_byte_fails_the_mac() {
        let keys = keys_from_password(b"password");
        let mut device = Channel::new(&keys, [1; 8], [2; 8]);
        device.counter = 1;
        let mut frame = frame::encode(0x05, &[0; 25]);
        assert_eq!(device.open(&frame), Err(Refusal::SessionFailed));
        frame.truncate(5);
        assert_eq!(device.open(&frame), Err(Refusal::SessionFailed));
    }
}
