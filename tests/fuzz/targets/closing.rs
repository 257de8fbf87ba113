//! The payload of a closing.
#![no_main]

use chancery_formats::trust::Closing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(closing) = Closing::decode(data) {
        assert_eq!(closing.encode(), data);
    }
});
