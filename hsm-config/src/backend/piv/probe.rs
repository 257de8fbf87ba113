//! Finding YubiKeys and what their PIV applications show without a PIN, which is all public keys.

use chancery_formats::key::Algorithm;

use super::card::{Card, CardError};
use crate::advisory::{self, Model};
use crate::backend::fault::Faults;
use crate::probe::{FoundKey, FoundToken, Probed, Unreachable};
use crate::reference::{Partial, PivToken, Scheme, TokenRef};

/// What a card signs with; Ed25519 where its firmware has it.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::Esp256];

/// The first firmware with Ed25519.
const WITH_ED25519: [u8; 3] = [5, 7, 0];

/// Adds the YubiKeys in all readers. Without pcscd there are none.
pub(crate) fn look(wanted: &Partial, probed: &mut Probed) {
    if !wanted.wants(Scheme::Piv) {
        return;
    }
    let Ok(cards) = Card::all() else { return };
    for card in cards {
        match card {
            Ok(card) if wanted.serial.as_ref().is_none_or(|serial| *serial == card.serial().to_string()) => {
                describe(card, probed);
            }
            Err(error @ CardError::Pcsc(pcsc::Error::SharingViolation)) => {
                let token = PivToken { serial: 0, pin_source: None };
                probed.unreachable.push(Unreachable {
                    what: "a card that another program keeps to itself".into(),
                    error: Faults(&token).opening(error),
                });
            }
            // Other cards, empty readers, other serial numbers.
            _ => {}
        }
    }
}

fn describe(mut card: Card, probed: &mut Probed) {
    let token = PivToken { serial: card.serial(), pin_source: None };
    let name = TokenRef::Piv(token.clone()).to_string();
    let weaknesses = advisory::published(Model::YubiKey5, card.version()).into_iter();
    let notes = weaknesses.map(|text| format!("firmware {}: {text}", card.firmware())).collect();
    let has_ed25519 = card.version() >= WITH_ED25519;
    let keys = match super::list(&token, &mut card) {
        Ok(keys) => keys.into_iter().map(FoundKey::from).collect(),
        Err(error) => {
            probed.unreachable.push(Unreachable { what: name.clone(), error });
            Vec::new()
        }
    };
    probed.tokens.push(FoundToken {
        reference: TokenRef::Piv(token).reference(),
        name,
        device: super::device(&card),
        algorithms: if has_ed25519 { ALGORITHMS.to_vec() } else { vec![Algorithm::Esp256] },
        notes,
        keys,
    });
}
