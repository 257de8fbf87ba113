//! The encrypted channel between a program and a YubiHSM 2.
//!
//! GlobalPlatform Secure Channel Protocol 03 (GPC_SPE_014) with AES-128, in the frames of the device: keys
//! are derived from a password (PBKDF2-HMAC-SHA256), session keys from both sides' challenges, every command
//! is encrypted and carries a MAC that chains to the one before. Not here: what is said over it.

use aes::Aes128;
use aes::cipher::block_padding::Iso7816;
use aes::cipher::{
    BlockCipherEncrypt as _, BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyInit as _,
};
use cmac::{Cmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::wire::{Fields, WireError, answer, command, frame};
use crate::secret::Pin;

/// The salt and the rounds with which every client of the device derives keys from a password.
const PASSWORD_SALT: &[u8] = b"Yubico";
const PASSWORD_ROUNDS: u32 = 10_000;

const MAC_BYTES: usize = 8;
const CHALLENGE_BYTES: usize = 8;

/// Messages after which a session is opened anew: the MACs are short.
const MAX_MESSAGES: u32 = 1 << 20;

type AesKey = Zeroizing<[u8; 16]>;

/// What derived bytes are for (GPC_SPE_014 §4.1.5).
#[derive(Clone, Copy)]
#[repr(u8)]
enum Purpose {
    CardCryptogram = 0,
    HostCryptogram = 1,
    Encryption = 4,
    Mac = 6,
    AnswerMac = 7,
}

/// The two long-term keys behind a password.
pub(super) struct LoginKeys {
    encryption: AesKey,
    mac: AesKey,
}

impl LoginKeys {
    /// Derives the keys: tens of milliseconds, as the protocol wants it.
    pub(super) fn derive(password: &Pin) -> Self {
        let mut both = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(
            password.expose().as_bytes(),
            PASSWORD_SALT,
            PASSWORD_ROUNDS,
            both.as_mut_slice(),
        );
        let half =
            |start: usize| Zeroizing::new(std::array::from_fn(|i| both.get(start + i).copied().unwrap_or(0)));
        Self { encryption: half(0), mac: half(16) }
    }

    /// Returns both keys, encryption first, as PUT AUTHENTICATION KEY takes them.
    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        let both = self.encryption.iter().chain(self.mac.iter());
        bytes.iter_mut().zip(both).for_each(|(to, from)| *to = *from);
        bytes
    }
}

/// One side's half of the challenge, drawn anew for each session.
pub(super) type Challenge = [u8; CHALLENGE_BYTES];

/// An open session's keys and counters. A channel whose answer failed to verify must not be used again.
pub(super) struct Channel {
    id: u8,
    encryption: AesKey,
    mac: AesKey,
    answer_mac: AesKey,
    chain: [u8; 16],
    counter: u32,
}

impl Channel {
    /// Checks the device's answer to CREATE SESSION, and returns the channel with the frame that proves the
    /// password to the device.
    ///
    /// The device proves first that it knows the password: a program never proves it to anything else.
    pub(super) fn begin(
        keys: &LoginKeys,
        host: Challenge,
        created: &[u8],
    ) -> Result<(Self, Vec<u8>), WireError> {
        let mut fields = Fields(created);
        let id = fields.u8()?;
        let card: Challenge = fields.take()?;
        let cryptogram: [u8; MAC_BYTES] = fields.take()?;
        fields.end()?;
        let context = [host, card].concat();
        let mac = derive(&keys.mac, Purpose::Mac, &context);
        let expected = derive_short(&mac, Purpose::CardCryptogram, &context);
        if !is_same(&expected, &cryptogram) {
            return Err(WireError::WrongPassword);
        }
        let mut channel = Self {
            id,
            encryption: derive(&keys.encryption, Purpose::Encryption, &context),
            answer_mac: derive(&keys.mac, Purpose::AnswerMac, &context),
            mac,
            chain: [0; 16],
            counter: 1,
        };
        let proof = derive_short(&channel.mac, Purpose::HostCryptogram, &context);
        let authenticate = channel.authenticated(command::AUTHENTICATE_SESSION, &proof)?;
        Ok((channel, authenticate))
    }

    /// Whether the session has carried as many messages as its MACs bear.
    pub(super) fn is_used_up(&self) -> bool {
        self.counter >= MAX_MESSAGES
    }

    /// Encrypts a command.
    pub(super) fn seal(&mut self, command: u8, data: &[u8]) -> Result<Vec<u8>, WireError> {
        let plain = Zeroizing::new(frame(command, data)?);
        let cipher = cbc::Encryptor::inner_iv_init(self.cipher(), &self.counter_block().into());
        self.authenticated(command::SESSION_MESSAGE, &cipher.encrypt_padded_vec::<Iso7816>(&plain))
    }

    /// Verifies and decrypts the answer to `command`.
    pub(super) fn open(&mut self, command: u8, frame: &[u8]) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let broken = WireError::Malformed("an answer that does not belong to this session");
        // An error outside the encryption is not the command's own.
        let body = answer(command::SESSION_MESSAGE, frame).map_err(|error| match error {
            WireError::Device(error) => WireError::SessionEnded(error),
            other => other,
        })?;
        let (Some((inner, tag)), Some((signed, _))) =
            (body.split_last_chunk::<MAC_BYTES>(), frame.split_last_chunk::<MAC_BYTES>())
        else {
            return Err(broken);
        };
        let expected = cmac(&self.answer_mac, &[&self.chain, signed]);
        let [id, encrypted @ ..] = inner else { return Err(broken) };
        if *id != self.id || !is_same(expected.first_chunk::<MAC_BYTES>().unwrap_or(&[0; MAC_BYTES]), tag) {
            return Err(broken);
        }
        let cipher = cbc::Decryptor::inner_iv_init(self.cipher(), &self.counter_block().into());
        let plain = cipher.decrypt_padded_vec::<Iso7816>(encrypted).map_err(|_| broken)?;
        self.counter += 1;
        let plain = Zeroizing::new(plain);
        answer(command, &plain).map(|data| Zeroizing::new(data.to_vec()))
    }

    /// Puts session and MAC around a command's data, and the MAC into the chain.
    fn authenticated(&mut self, command: u8, data: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut framed = frame(command, &[&[self.id][..], data, &[0; MAC_BYTES]].concat())?;
        let without_mac = framed.len() - MAC_BYTES;
        framed.truncate(without_mac);
        self.chain = cmac(&self.mac, &[&self.chain, &framed]);
        framed.extend_from_slice(self.chain.first_chunk::<MAC_BYTES>().unwrap_or(&[0; MAC_BYTES]));
        Ok(framed)
    }

    fn cipher(&self) -> Aes128 {
        Aes128::new(&(*self.encryption).into())
    }

    /// The counter, encrypted: the initialization vector of a command and of its answer.
    fn counter_block(&self) -> [u8; 16] {
        let mut block = u128::from(self.counter).to_be_bytes().into();
        self.cipher().encrypt_block(&mut block);
        block.into()
    }
}

fn derive(key: &AesKey, purpose: Purpose, context: &[u8]) -> AesKey {
    Zeroizing::new(derived(key, purpose, 128, context))
}

fn derive_short(key: &AesKey, purpose: Purpose, context: &[u8]) -> [u8; MAC_BYTES] {
    let block = derived(key, purpose, 64, context);
    *block.first_chunk().unwrap_or(&[0; MAC_BYTES])
}

/// The key derivation function of NIST SP 800-108 in counter mode with CMAC, as GPC_SPE_014 §4.1.5 fills it in.
fn derived(key: &AesKey, purpose: Purpose, bits: u16, context: &[u8]) -> [u8; 16] {
    let mut head = [0; 16];
    let fields = [purpose as u8, 0].into_iter().chain(bits.to_be_bytes()).chain([1]);
    head.iter_mut().skip(11).zip(fields).for_each(|(to, from)| *to = from);
    cmac(key, &[&head, context])
}

fn cmac(key: &AesKey, parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Cmac<Aes128> as cmac::KeyInit>::new(&(**key).into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Compares without telling by its time where the difference is.
fn is_same(a: &[u8; MAC_BYTES], b: &[u8; MAC_BYTES]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
