//! Proving the management key, where it is kept on the card behind the PIN.
//!
//! `ykman` keeps it so in the object for printed information, which is read after the PIN alone. Not
//! here: management keys that people hold, and triple DES.

use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use super::card::{self, CardError, Exchange, Status, instruction};
use super::slot;
use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::reference::PivToken;

/// The object for printed information.
const PROTECTED: u32 = 0x005f_c109;
/// The number under which commands name the management key.
const MANAGEMENT: u8 = 0x9b;

const NOT_KEPT: &str = "make keys, as its management key is not an AES key kept behind the PIN";

/// Proves the management key that the card keeps; the PIN is verified already.
pub(super) fn authenticate(exchange: &Exchange<'_>, faults: Faults<'_, PivToken>) -> Result<(), HsmError> {
    let from = |error| faults.from(error);
    let object = match slot::data(exchange, PROTECTED) {
        Err(CardError::Status(Status::NOT_FOUND)) => return Err(faults.not_permitted(NOT_KEPT)),
        other => other.map_err(from)?,
    };
    let secret = card::value(&object, 0x53)
        .and_then(|object| card::value(object, 0x88))
        .and_then(|protected| card::value(protected, 0x89))
        .ok_or_else(|| faults.not_permitted(NOT_KEPT))?;
    let metadata = exchange.send(instruction::METADATA, 0, MANAGEMENT, &[]).map_err(from)?;
    let Some([cipher]) = card::value(&metadata, 1) else {
        return Err(faults.device("it tells no cipher of its management key".into()));
    };
    // The card sends a block in clear; who has the key returns it encrypted.
    let question = card::field(0x7c, &card::field(0x81, &[]));
    let answer = exchange.send(instruction::AUTHENTICATE, *cipher, MANAGEMENT, &question).map_err(from)?;
    let challenge = card::value(&answer, 0x7c).and_then(|template| card::value(template, 0x81));
    let response = encrypt(*cipher, secret, challenge.unwrap_or_default())
        .ok_or_else(|| faults.not_permitted(NOT_KEPT))?;
    let response = card::field(0x7c, &card::field(0x82, &response));
    match exchange.send(instruction::AUTHENTICATE, *cipher, MANAGEMENT, &response) {
        Err(CardError::Status(Status::SECURITY)) => {
            Err(faults.not_permitted("make keys, as the management key kept behind the PIN is not its own"))
        }
        other => other.map(drop).map_err(from),
    }
}

/// Encrypts one block; nothing for another cipher, or lengths that are not the cipher's.
fn encrypt(cipher: u8, key: &[u8], block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match cipher {
        0x08 => encrypt_with::<aes::Aes128>(key, block),
        0x0a => encrypt_with::<aes::Aes192>(key, block),
        0x0c => encrypt_with::<aes::Aes256>(key, block),
        _ => None,
    }
}

fn encrypt_with<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut block = Block::<C>::try_from(block).ok()?;
    C::new_from_slice(key).ok()?.encrypt_block(&mut block);
    Some(Zeroizing::new(block.to_vec()))
}
