//! A proof of possession.
#![no_main]

use chancery_formats::trust::Possession;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(proof) = Possession::decode(data) {
        assert_eq!(proof.encode(), data);
        assert!(proof.claim().to_sign(&proof.key).sig_structure().len() <= 1_024);
    }
});
