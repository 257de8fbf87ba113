//! Base45, and QR text with its prefix.
#![no_main]

use chancery_formats::text::{base45, decode_qr, encode_qr};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(bytes) = base45::decode(text) {
        assert_eq!(base45::encode(&bytes), text);
    }
    if let Ok((kind, bytes)) = decode_qr(text) {
        assert_eq!(encode_qr(kind, &bytes), text);
    }
});
