//! The payload of a site record.
#![no_main]

use chancery_formats::cose::MAX_DIRECT;
use chancery_formats::key::PublicKey;
use chancery_formats::site_record::SiteRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = SiteRecord::decode(data) {
        assert_eq!(record.encode(), data);
        assert!(record.to_sign(&PublicKey::Ed25519([2; 32])).sig_structure().len() <= MAX_DIRECT);
    }
});
