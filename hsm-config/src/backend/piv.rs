//! Keys in the PIV application of a YubiKey, without a PKCS#11 module between: Ed25519 and P-256.
//!
//! NIST SP 800-73-4 with Yubico's extensions, over PC/SC. Every use is one transaction of its own: it
//! selects the application, checks the serial number, gives the PIN where the key wants one, and leaves
//! the PIN unverified behind it, so that no other program signs with it. A client of our own: the public
//! one gives PIN and data in two transactions, keeps the PIN, logs it, and panics on some lengths. Not
//! here: PUK, setting the management key, and importing keys, which `ykman` does.

mod card;
mod fault;
mod management;
mod probe;
mod slot;

use chancery_formats::key::{Algorithm, Protection};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::card::{Card, CardError, Exchange, Status, instruction};
pub(crate) use self::probe::look;
use self::slot::{PinPolicy, SlotKey, TouchPolicy};
use super::fault::Faults;
use super::{Connected, Device, Health, KeyBackend, KeyInfo};
use crate::error::HsmError;
use crate::key::MAX_MESSAGE_BYTES;
use crate::reference::{KeyRef, Location, PivSlot, PivToken, TokenRef};
use crate::secret::{Pin, PinSource};

/// The number under which commands name the PIN.
const PIN_REFERENCE: u8 = 0x80;
/// How long a PIN is; shorter ones are padded with FF.
const PIN_BYTES: usize = 8;
/// The object with the certificate of the card's attestation key.
const ATTESTATION_CERTIFICATE: u32 = 0x005f_ff01;

/// A YubiKey in a reader, and the PIN that it took.
struct PivBackend {
    token: PivToken,
    card: Card,
    pin: Pin,
}

/// Finds the card with this serial number and tries the PIN.
pub(super) fn connect(token: &PivToken, pins: &mut PinSource) -> Result<Connected, HsmError> {
    let faults = Faults(token);
    let mut card = Card::open(token.serial).map_err(|error| faults.opening(error))?;
    let pin = pins.pin(&TokenRef::Piv(token.clone()))?;
    if !(6..=PIN_BYTES).contains(&pin.expose().len()) {
        let reason = "a PIN that is not 6 to 8 bytes long";
        return Err(HsmError::PinInvalid { token: faults.token(), reason });
    }
    let exchange = card.exchange().map_err(|error| faults.from(error))?;
    with_pin(&exchange, &pin, faults, || Ok(()))?;
    drop(exchange);
    let backend = PivBackend { token: token.clone(), card, pin: pin.clone() };
    Ok(Connected { backend: Box::new(backend), pin: Some(pin) })
}

impl PivBackend {
    /// Begins a transaction with the card, selected and known to be the right one.
    fn exchange(&mut self) -> Result<(Exchange<'_>, &Pin, Faults<'_, PivToken>), HsmError> {
        let faults = Faults(&self.token);
        let exchange = self.card.exchange().map_err(|error| faults.from(error))?;
        Ok((exchange, &self.pin, faults))
    }

    fn slot(&self, key: &KeyRef) -> Result<PivSlot, HsmError> {
        match key.location() {
            Location::Piv(token, slot) if *token == self.token => Ok(*slot),
            _ => Err(HsmError::KeyMissing { key: key.clone().into() }),
        }
    }
}

impl KeyBackend for PivBackend {
    fn protection(&self) -> Protection {
        Protection::Hardware
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        let (exchange, _, faults) = self.exchange()?;
        let left = tries_left(&exchange, faults)?;
        drop(exchange);
        Ok(Health { device: device(&self.card), pin_tries_left: Some(left), ..Health::default() })
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        list(&self.token, &mut self.card)
    }

    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError> {
        let slot = self.slot(key)?;
        let (exchange, _, faults) = self.exchange()?;
        let found = slot::read(&exchange, slot, key, faults)?;
        drop(exchange);
        Ok(info(&self.token, device(&self.card), slot, &found))
    }

    fn attest(&mut self, key: &KeyRef) -> Result<Vec<Vec<u8>>, HsmError> {
        let slot = self.slot(key)?;
        let (exchange, _, faults) = self.exchange()?;
        slot::read(&exchange, slot, key, faults)?;
        let statement = match exchange.send(instruction::ATTEST, slot.number(), 0, &[]) {
            // A key that was imported.
            Err(CardError::Status(Status::WRONG_DATA)) => {
                return Err(HsmError::NoAttestation { key: key.clone().into() });
            }
            other => other.map_err(|error| faults.from(error))?,
        };
        let device = slot::certificate(&exchange, ATTESTATION_CERTIFICATE);
        Ok(vec![statement.to_vec(), device.map_err(|error| faults.from(error))?])
    }

    /// Makes keys where the management key is kept on the card behind the PIN (`ykman piv access
    /// change-management-key --generate --protect`); elsewhere, `ykman piv keys generate` does.
    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        let slot = self.slot(key)?;
        let number = match algorithm {
            Algorithm::Ed25519 => slot::ED25519,
            Algorithm::Esp256 => slot::P256,
            other => return Err(Faults(&self.token).unsupported(other)),
        };
        let (exchange, pin, faults) = self.exchange()?;
        match slot::read(&exchange, slot, key, faults) {
            Err(HsmError::KeyMissing { .. }) => {}
            Ok(_) | Err(HsmError::PublicKeyUnusable { .. }) => {
                return Err(HsmError::KeyExists { key: key.clone().into() });
            }
            Err(error) => return Err(error),
        }
        with_pin(&exchange, pin, faults, || {
            management::authenticate(&exchange, faults)?;
            // Policies are left out: those of the slot hold, 9c asking for the PIN each time.
            match exchange.send(instruction::GENERATE, 0, slot.number(), &[0xac, 3, 0x80, 1, number]) {
                Ok(_) => Ok(()),
                Err(CardError::Status(Status::WRONG_DATA)) => Err(faults.unsupported(algorithm)),
                Err(error) => Err(faults.from(error)),
            }
        })
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HsmError::MessageTooLong { length: message.len(), limit: MAX_MESSAGE_BYTES });
        }
        let slot = self.slot(key)?;
        let (exchange, pin, faults) = self.exchange()?;
        let found = slot::read(&exchange, slot, key, faults)?;
        let thumbprint = found.public_key.thumbprint();
        // Another card is told by its serial number, another key here, before it signs.
        if key.public_key().is_some_and(|pinned| pinned != thumbprint) {
            return Err(HsmError::PublicKeyMismatch { key: key.clone().into(), found: thumbprint });
        }
        let sign = || {
            sign_once(&exchange, slot, &found, message).map_err(|error| match error {
                // The PIN was right a moment ago.
                CardError::Status(Status::SECURITY) if found.touch == TouchPolicy::Wanted => {
                    HsmError::TouchMissing { token: faults.token() }
                }
                error => faults.signing(error, key),
            })
        };
        let signature = match found.pin {
            PinPolicy::Never => sign(),
            PinPolicy::Wanted => with_pin(&exchange, pin, faults, sign),
        }?;
        let algorithm = found.public_key.algorithm();
        let raw = match algorithm {
            Algorithm::Ed25519 => Some(signature),
            _ => p256::ecdsa::Signature::from_der(&signature).ok().map(|parsed| parsed.to_bytes().to_vec()),
        };
        raw.filter(|raw| raw.len() == algorithm.signature_len())
            .ok_or(HsmError::BadSignature { key: key.clone().into() })
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.card = Card::open(self.token.serial).map_err(|error| Faults(&self.token).opening(error))?;
        Ok(())
    }
}

fn device(card: &Card) -> Device {
    Device {
        model: "Yubico YubiKey".into(),
        serial: Some(card.serial().to_string()),
        firmware: Some(card.firmware()),
    }
}

fn info(token: &PivToken, device: Device, slot: PivSlot, found: &SlotKey) -> KeyInfo {
    let reference = KeyRef::new(Location::Piv(token.clone(), slot));
    KeyInfo {
        reference: reference.with_public_key(found.public_key.thumbprint()),
        label: String::new(),
        public_key: found.public_key.clone(),
        device,
        // No command hands a private key out.
        exportable: Some(false),
        generated_inside: found.generated_inside,
    }
}

/// Reads every slot; the card tells public keys without the PIN.
fn list(token: &PivToken, card: &mut Card) -> Result<Vec<KeyInfo>, HsmError> {
    let (faults, device) = (Faults(token), device(card));
    let exchange = card.exchange().map_err(|error| faults.from(error))?;
    let mut keys = Vec::new();
    for slot in (0..=u8::MAX).filter_map(PivSlot::new) {
        let key = KeyRef::new(Location::Piv(token.clone(), slot));
        match slot::read(&exchange, slot, &key, faults) {
            Ok(found) => keys.push(info(token, device.clone(), slot, &found)),
            Err(HsmError::KeyMissing { .. } | HsmError::PublicKeyUnusable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(keys)
}

/// Lets the card sign: P-256 the digest, Ed25519 the message.
fn sign_once(
    exchange: &Exchange<'_>,
    slot: PivSlot,
    found: &SlotKey,
    message: &[u8],
) -> Result<Vec<u8>, CardError> {
    let digest = Sha256::digest(message);
    let (number, input) = match found.public_key.algorithm() {
        Algorithm::Ed25519 => (slot::ED25519, message),
        _ => (slot::P256, digest.as_slice()),
    };
    let template = [card::field(0x82, &[]), card::field(0x81, input)].concat();
    let request = card::field(0x7c, &template);
    let answer = exchange.send(instruction::AUTHENTICATE, number, slot.number(), &request)?;
    card::value(&answer, 0x7c)
        .and_then(|template| card::value(template, 0x82))
        .map(<[u8]>::to_vec)
        .ok_or(CardError::Malformed("a signature without its tags"))
}

/// Runs `work` with the PIN verified, and takes the verification back afterwards.
///
/// Nothing comes between the PIN and `work`: keys may want it immediately before each use.
fn with_pin<T>(
    exchange: &Exchange<'_>,
    pin: &Pin,
    faults: Faults<'_, PivToken>,
    work: impl FnOnce() -> Result<T, HsmError>,
) -> Result<T, HsmError> {
    verify(exchange, pin, faults)?;
    let result = work();
    // Where it does not work, the card is gone and with it the verification.
    let _ = exchange.select();
    result
}

/// Gives the PIN, unless the card would lock if it were wrong.
fn verify(exchange: &Exchange<'_>, pin: &Pin, faults: Faults<'_, PivToken>) -> Result<(), HsmError> {
    match tries_left(exchange, faults)? {
        0 => return Err(faults.pin_locked()),
        1 => return Err(faults.pin_last_try()),
        _ => {}
    }
    let mut padded = Zeroizing::new([0xff; PIN_BYTES]);
    for (place, byte) in padded.iter_mut().zip(pin.expose().bytes()) {
        *place = byte;
    }
    match exchange.send(instruction::VERIFY, 0, PIN_REFERENCE, padded.as_slice()) {
        Ok(_) => Ok(()),
        Err(CardError::Status(Status::BLOCKED)) => Err(faults.pin_locked()),
        Err(CardError::Status(status)) => match status.tries_left() {
            Some(0) => Err(faults.pin_locked()),
            left @ Some(_) => Err(faults.wrong_pin(left)),
            None => Err(faults.from(CardError::Status(status))),
        },
        Err(error) => Err(faults.from(error)),
    }
}

/// Asks how many wrong PINs the card takes before it locks; asking costs no try.
fn tries_left(exchange: &Exchange<'_>, faults: Faults<'_, PivToken>) -> Result<u8, HsmError> {
    match exchange.send(instruction::VERIFY, 0, PIN_REFERENCE, &[]) {
        Ok(_) => Err(faults.device("the card takes the PIN for verified".into())),
        Err(CardError::Status(Status::BLOCKED)) => Ok(0),
        Err(CardError::Status(status)) => {
            status.tries_left().ok_or_else(|| faults.from(CardError::Status(status)))
        }
        Err(error) => Err(faults.from(error)),
    }
}
