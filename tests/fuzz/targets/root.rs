//! The payload of a root.
#![no_main]

use chancery_formats::trust::Root;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(root) = Root::decode(data) {
        assert_eq!(root.encode(), data);
        assert!(root.threshold <= root.custodians.iter().count());
    }
});
