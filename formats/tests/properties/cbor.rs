//! The scan against cbor4ii: bytes are accepted exactly when re-encoding their value, with sorted
//! distinct keys and shortest heads, gives the same bytes.

use cbor4ii::core::utils::{BufWriter, SliceReader};
use cbor4ii::core::{Value, dec::Decode, enc::Encode};
use chancery_formats::cbor::{MAX_DEPTH, scan};
use proptest::prelude::*;

/// Encodes a value deterministically; `None` for what no document holds.
fn encode(value: &Value) -> Option<Vec<u8>> {
    let head = |value: &Value| {
        let mut writer = BufWriter::new(Vec::new());
        value.encode(&mut writer).ok()?;
        Some(writer.into_inner())
    };
    match value {
        Value::Array(items) => {
            let mut bytes = container_head(0x80, items.len());
            for item in items {
                bytes.extend(encode(item)?);
            }
            Some(bytes)
        }
        Value::Map(entries) => {
            let mut encoded = Vec::new();
            for (key, value) in entries {
                encoded.push((encode(key)?, encode(value)?));
            }
            encoded.sort();
            if encoded.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return None;
            }
            let mut bytes = container_head(0xa0, entries.len());
            bytes.extend(encoded.into_iter().flat_map(|(key, value)| [key, value].concat()));
            Some(bytes)
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Bytes(_) | Value::Text(_) => head(value),
        _ => None,
    }
}

fn container_head(major: u8, length: usize) -> Vec<u8> {
    match u8::try_from(length).unwrap() {
        length @ 0..24 => vec![major | length],
        length => vec![major | 24, length],
    }
}

fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
        Value::Map(entries) => {
            1 + entries.iter().flat_map(|(key, value)| [nesting(key), nesting(value)]).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// What the scan must decide, by other means.
fn is_deterministic(bytes: &[u8]) -> bool {
    let Ok(value) = Value::decode(&mut SliceReader::new(bytes)) else { return false };
    nesting(&value) <= MAX_DEPTH && encode(&value).as_deref() == Some(bytes)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-(1i128 << 64)..1i128 << 64).prop_map(Value::Integer),
        (-300i128..300).prop_map(Value::Integer),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        "\\PC{0,30}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(9, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::Map),
        ]
    })
}

/// Bytes that are mostly short heads, so that many of them are nearly or wholly well-formed.
fn head_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(&[0x00, 0x01, 0x02, 0x17, 0x20, 0x21, 0x40, 0x41, 0x60, 0x61, 0x80, 0x81][..]),
        4 => prop::sample::select(&[0x82, 0xa0, 0xa1, 0xa2, 0xf4, 0xf5, 0xf6, 0xf7, 0x18, 0x19, 0x9f, 0xff][..]),
        1 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_deterministically_is_accepted(value in values()) {
        if let Some(bytes) = encode(&value) {
            prop_assert_eq!(scan(&bytes, "test").is_ok(), nesting(&value) <= MAX_DEPTH);
        }
    }

    #[test]
    fn changed_encodings_are_judged_as_the_oracle_does(
        value in values(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        change in 0..4u8,
    ) {
        let Some(mut bytes) = encode(&value) else { return Ok(()) };
        let at = at.index(bytes.len());
        match change {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
        prop_assert_eq!(scan(&bytes, "test").is_ok(), is_deterministic(&bytes), "{:02x?}", bytes);
    }

    #[test]
    fn arbitrary_heads_are_judged_as_the_oracle_does(bytes in head_bytes()) {
        prop_assert_eq!(scan(&bytes, "test").is_ok(), is_deterministic(&bytes), "{:02x?}", bytes);
    }

    #[test]
    fn the_reader_passes_over_exactly_one_item(value in values(), tail in values()) {
        let (Some(first), Some(second)) = (encode(&value), encode(&tail)) else { return Ok(()) };
        let pair = [&[0x82], &first[..], &second].concat();
        let Ok(mut reader) = scan(&pair, "test") else { return Ok(()) };
        prop_assert_eq!(reader.array("pair"), Ok(2));
        prop_assert_eq!(reader.item().rest(), &first);
        prop_assert_eq!(reader.rest(), &second);
    }
}

#[test]
fn the_oracle_refuses_what_it_must() {
    let heads: [&[u8]; 9] = [
        &[0x18, 0x01],
        &[0x00, 0x00],
        &[0xf7],
        &[0xc1, 0x00],
        &[0xf9, 0x00, 0x00],
        &[0xa2, 0x01, 0x00, 0x01, 0x00],
        &[0xa2, 0x02, 0x00, 0x01, 0x00],
        &[0x9f, 0xff],
        &[0x61, 0xff],
    ];
    for bytes in heads {
        assert!(!is_deterministic(bytes), "{bytes:02x?}");
    }
    assert!(is_deterministic(&[0xa2, 0x01, 0x00, 0x20, 0xf6]));
}
