//! Armor for mail: what is read is written as the same lines, whatever their ends.
#![no_main]

use chancery_formats::text::armor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok((kind, bytes)) = armor::decode(text) {
        let again = armor::encode(kind, &bytes);
        assert_eq!(again.as_deref().map(armor::decode), Ok(Ok((kind, bytes))));
        let lines = text.replace("\r\n", "\n");
        assert!(lines.trim_end().ends_with(again.as_deref().map_or("?", str::trim_end)));
    }
});
