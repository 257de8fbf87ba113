//! What a card tells of the key in a slot.
//!
//! GET METADATA, which YubiKeys have from firmware 5.3 on. Not here: older ones. They tell neither the
//! policies of a key nor where it was made, and leak ECDSA keys (YSA-2024-03).

use chancery_formats::key::{Algorithm, PublicKey};

use super::card::{self, CardError, Exchange, Status, instruction};
use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::point;
use crate::reference::{KeyRef, PivSlot, PivToken};

/// The card's number for P-256.
pub(super) const P256: u8 = 0x11;
/// The card's number for Ed25519, from firmware 5.7 on.
pub(super) const ED25519: u8 = 0xe0;

/// Whether a key wants the PIN. Once in a session or each time is the same here: a session is one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinPolicy {
    Never,
    Wanted,
}

/// Whether a key wants to be touched, for each use or once in fifteen seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TouchPolicy {
    Never,
    Wanted,
}

/// The key in a slot.
#[derive(Clone, Debug)]
pub(super) struct SlotKey {
    pub(super) public_key: PublicKey,
    pub(super) pin: PinPolicy,
    pub(super) touch: TouchPolicy,
    pub(super) generated_inside: Option<bool>,
}

/// Reads what the card tells of a slot.
pub(super) fn read(
    exchange: &Exchange<'_>,
    slot: PivSlot,
    key: &KeyRef,
    faults: Faults<'_, PivToken>,
) -> Result<SlotKey, HsmError> {
    let answer = match exchange.send(instruction::METADATA, 0, slot.number(), &[]) {
        Ok(answer) => answer,
        Err(CardError::Status(Status::REFERENCE_NOT_FOUND)) => {
            return Err(HsmError::KeyMissing { key: key.clone().into() });
        }
        Err(CardError::Status(Status::INSTRUCTION)) => {
            return Err(faults.device("its firmware is older than 5.3".into()));
        }
        Err(error) => return Err(faults.from(error)),
    };
    parse(&answer).map_err(|reason| HsmError::PublicKeyUnusable { key: key.clone().into(), reason })
}

fn parse(metadata: &[u8]) -> Result<SlotKey, &'static str> {
    let field = |tag| card::value(metadata, tag).ok_or("the card tells no algorithm, policy or public key");
    let algorithm = match field(1)? {
        [P256] => Algorithm::Esp256,
        [ED25519] => Algorithm::Ed25519,
        _ => return Err("its algorithm is another"),
    };
    // A policy that is not known is taken for the stricter one.
    let (pin, touch) = match field(2)? {
        [pin, touch] => (
            if *pin == 1 { PinPolicy::Never } else { PinPolicy::Wanted },
            if *touch == 1 { TouchPolicy::Never } else { TouchPolicy::Wanted },
        ),
        _ => return Err("its policies have another length"),
    };
    let generated_inside = match card::value(metadata, 3) {
        Some([1]) => Some(true),
        Some([2]) => Some(false),
        _ => None,
    };
    let point = card::value(field(4)?, 0x86).ok_or("its public key lacks a tag")?;
    Ok(SlotKey { public_key: point::public_key(algorithm, point)?, pin, touch, generated_inside })
}

/// Reads the certificate in an object.
pub(super) fn certificate(exchange: &Exchange<'_>, object: u32) -> Result<Vec<u8>, CardError> {
    let answer = data(exchange, object)?;
    card::value(&answer, 0x53)
        .and_then(|object| card::value(object, 0x70))
        .map(<[u8]>::to_vec)
        .ok_or(CardError::Malformed("a certificate without its tags"))
}

/// Reads an object, with its tag.
pub(super) fn data(exchange: &Exchange<'_>, object: u32) -> Result<zeroize::Zeroizing<Vec<u8>>, CardError> {
    let [_, tag @ ..] = object.to_be_bytes();
    exchange.send(instruction::GET_DATA, 0x3f, 0xff, &card::field(0x5c, &tag))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 1.
    const POINT: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    fn metadata(algorithm: u8, policies: &[u8], origin: u8) -> Vec<u8> {
        let public = card::field(4, &card::field(0x86, &POINT));
        [card::field(1, &[algorithm]), card::field(2, policies), card::field(3, &[origin]), public].concat()
    }

    #[test]
    fn policies_and_origin_are_read() {
        let key = parse(&metadata(ED25519, &[1, 1], 1)).unwrap();
        assert_eq!(key.public_key, PublicKey::Ed25519(POINT));
        assert_eq!((key.pin, key.touch), (PinPolicy::Never, TouchPolicy::Never));
        assert_eq!(key.generated_inside, Some(true));
        for policies in [[2, 2], [3, 3], [0, 0], [9, 9]] {
            let key = parse(&metadata(ED25519, &policies, 2)).unwrap();
            assert_eq!((key.pin, key.touch), (PinPolicy::Wanted, TouchPolicy::Wanted));
            assert_eq!(key.generated_inside, Some(false));
        }
    }

    #[test]
    fn other_metadata_are_refused() {
        let whole = metadata(ED25519, &[1, 1], 1);
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "{cut} bytes");
        }
        for bytes in [metadata(0x07, &[1, 1], 1), metadata(P256, &[1, 1], 1), metadata(ED25519, &[1], 1)] {
            assert!(parse(&bytes).is_err(), "{bytes:02x?}");
        }
    }
}
