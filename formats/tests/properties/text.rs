//! Text carriers: whatever bytes go in come out, and what is read is written the same.

use chancery_formats::document::Kind;
use chancery_formats::id::{DeviceId, EntitlementId, KeyId, LicenseId, Thumbprint};
use chancery_formats::text::{armor, base45, crockford, decode_qr, encode_qr, frames, rows};
use proptest::prelude::*;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&Kind::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn qr_texts_survive(kind in kind(), bytes in bytes(600)) {
        prop_assert_eq!(decode_qr(&encode_qr(kind, &bytes)), Ok((kind, bytes)));
    }

    #[test]
    fn base45_has_one_text_for_each_byte_string(text in "[0-9A-Z $%*+./:-]{0,40}") {
        if let Ok(bytes) = base45::decode(&text) {
            prop_assert_eq!(base45::encode(&bytes), text);
        }
    }

    #[test]
    fn armor_survives(kind in kind(), bytes in proptest::collection::vec(any::<u8>(), 1..600)) {
        let text = armor::encode(kind, &bytes).unwrap();
        prop_assert_eq!(armor::decode(&text), Ok((kind, bytes)));
    }

    #[test]
    fn crockford_survives(bytes in bytes(80)) {
        prop_assert_eq!(crockford::decode(&crockford::encode(&bytes)), Some(bytes));
    }

    #[test]
    fn rows_survive_and_refuse_every_single_error(
        bytes in proptest::collection::vec(any::<u8>(), 1..=232),
        row in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        shift in 1..32usize,
    ) {
        let mut texts = rows::encode(&bytes).unwrap();
        prop_assert_eq!(rows::decode(&texts, bytes.len()), Ok(bytes.clone()));
        let row = row.index(texts.len());
        let typed: Vec<char> = texts[row].chars().filter(|c| *c != ' ').collect();
        let at = place.index(typed.len());
        let symbol = usize::from(crockford::symbol(typed[at]).unwrap());
        let wrong = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().nth((symbol + shift) % 32).unwrap();
        texts[row] = typed.iter().enumerate().map(|(i, c)| if i == at { wrong } else { *c }).collect();
        prop_assert_eq!(
            rows::decode(&texts, bytes.len()),
            Err(chancery_formats::text::TextError::Row { row: row + 1 })
        );
    }

    #[test]
    fn frames_survive_any_order(
        (message, order) in bytes(4_000).prop_filter("messages are not empty", |message| !message.is_empty())
            .prop_flat_map(|message| {
                let count = message.len().div_ceil(frames::CHUNK);
                (Just(message), Just((0..count).collect::<Vec<_>>()).prop_shuffle())
            }),
    ) {
        let texts = frames::split(&message).unwrap();
        prop_assert_eq!(texts.len(), order.len());
        let mut assembly = frames::Assembly::new();
        let (last, before) = order.split_last().unwrap();
        for index in before {
            prop_assert_eq!(assembly.push(&texts[*index]), Ok(None));
        }
        prop_assert_eq!(assembly.push(&texts[*last]), Ok(Some(message)));
    }

    #[test]
    fn identifiers_survive(license: [u8; 16], entitlement: [u8; 8], device: [u8; 10], print: [u8; 32]) {
        prop_assert_eq!(LicenseId(license).to_string().parse(), Ok(LicenseId(license)));
        prop_assert_eq!(EntitlementId(entitlement).to_string().parse(), Ok(EntitlementId(entitlement)));
        prop_assert_eq!(DeviceId(device).to_string().parse(), Ok(DeviceId(device)));
        prop_assert_eq!(KeyId(entitlement).to_string().parse(), Ok(KeyId(entitlement)));
        prop_assert_eq!(Thumbprint(print).to_string().parse(), Ok(Thumbprint(print)));
    }
}
