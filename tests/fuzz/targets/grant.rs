//! A grant: the state of an entitlement after one change.
#![no_main]

use chancery_formats::grant::Grant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(grant) = Grant::decode(data) {
        assert_eq!(grant.encode(), data);
        assert!(grant.terms.device.is_none() && grant.terms.least_revocation_list.is_none());
        assert_ne!(Grant::hash(data), [0; 32]);
    }
});
