//! The payload of a key record.
#![no_main]

use chancery_formats::trust::KeyRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(key_record) = KeyRecord::decode(data) {
        assert_eq!(key_record.encode(), data);
    }
});
