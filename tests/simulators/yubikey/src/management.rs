//! The management key: the secret that makes keys and writes objects, as triple DES or AES.
//!
//! Not here: the exchange that proves its possession (`applet/admin`).

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use serde::{Deserialize, Serialize};

/// The key that every new YubiKey has, for ciphers with keys of 24 bytes.
const DEFAULT: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// The cipher of a management key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagementAlgorithm {
    /// Triple DES, the default before firmware 5.7.
    TripleDes = 0x03,
    /// AES with 128 bits.
    Aes128 = 0x08,
    /// AES with 192 bits, the default since firmware 5.7.
    Aes192 = 0x0a,
    /// AES with 256 bits.
    Aes256 = 0x0c,
}

impl ManagementAlgorithm {
    /// Reads the number of a cipher.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::TripleDes, Self::Aes128, Self::Aes192, Self::Aes256]
            .into_iter()
            .find(|algorithm| *algorithm as u8 == number)
    }

    /// Returns the length of a block in bytes.
    #[must_use]
    pub fn block_length(self) -> usize {
        if self == Self::TripleDes { 8 } else { 16 }
    }

    fn key_length(self) -> usize {
        match self {
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// A management key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ManagementKey {
    /// Its cipher.
    pub algorithm: ManagementAlgorithm,
    #[serde(with = "crate::state::hex")]
    secret: Vec<u8>,
}

impl ManagementKey {
    /// Takes over a key; nothing when its length is not that of the cipher.
    #[must_use]
    pub fn new(algorithm: ManagementAlgorithm, secret: &[u8]) -> Option<Self> {
        (secret.len() == algorithm.key_length()).then(|| Self { algorithm, secret: secret.to_vec() })
    }

    /// Returns the factory's key.
    #[must_use]
    pub fn default_of(algorithm: ManagementAlgorithm) -> Self {
        let secret = DEFAULT.iter().copied().cycle().take(algorithm.key_length()).collect();
        Self { algorithm, secret }
    }

    /// Returns whether it is the factory's key still.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.secret == Self::default_of(self.algorithm).secret
    }

    /// Returns the key itself.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Encrypts one block; nothing when it is not one.
    #[must_use]
    pub fn encrypt(&self, block: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => encrypt::<des::TdesEde3>(&self.secret, block),
            ManagementAlgorithm::Aes128 => encrypt::<aes::Aes128>(&self.secret, block),
            ManagementAlgorithm::Aes192 => encrypt::<aes::Aes192>(&self.secret, block),
            ManagementAlgorithm::Aes256 => encrypt::<aes::Aes256>(&self.secret, block),
        }
    }

    /// Decrypts one block; nothing when it is not one.
    #[must_use]
    pub fn decrypt(&self, block: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            ManagementAlgorithm::TripleDes => decrypt::<des::TdesEde3>(&self.secret, block),
            ManagementAlgorithm::Aes128 => decrypt::<aes::Aes128>(&self.secret, block),
            ManagementAlgorithm::Aes192 => decrypt::<aes::Aes192>(&self.secret, block),
            ManagementAlgorithm::Aes256 => decrypt::<aes::Aes256>(&self.secret, block),
        }
    }
}

fn encrypt<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let mut block = Block::<C>::try_from(block).ok()?;
    C::new_from_slice(key).ok()?.encrypt_block(&mut block);
    Some(block.to_vec())
}

fn decrypt<C: KeyInit + BlockCipherDecrypt>(key: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let mut block = Block::<C>::try_from(block).ok()?;
    C::new_from_slice(key).ok()?.decrypt_block(&mut block);
    Some(block.to_vec())
}
