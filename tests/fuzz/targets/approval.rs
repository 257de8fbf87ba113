//! The payload of an approval.
#![no_main]

use chancery_formats::approval::Approval;
use chancery_formats::cose::MAX_DIRECT;
use chancery_formats::key::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(approval) = Approval::decode(data) {
        assert_eq!(approval.encode(), data);
        for key in [PublicKey::Ed25519([2; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }] {
            assert!(approval.to_sign(&key).sig_structure().len() <= MAX_DIRECT);
        }
    }
});
