//! Public keys: decoded, then loaded as whoever checks signatures does.
#![no_main]

use chancery_formats::key::PublicKey;
use chancery_verifier::signature::VerifyingKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(key) = PublicKey::decode(data) else { return };
    assert_eq!(key.encode(), data);
    if let Ok(loaded) = VerifyingKey::load(&key) {
        assert_eq!(*loaded.public(), key);
        assert!(loaded.verify(b"message", &vec![0; key.algorithm().signature_len()]).is_err());
    }
});
