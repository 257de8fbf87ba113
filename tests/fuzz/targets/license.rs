//! The claims of a license. Encoding drops advisory claims and terms, so the input may be longer.
#![no_main]

use chancery_formats::license::License;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(license) = License::decode(data) {
        let again = license.encode();
        assert_eq!(License::decode(&again), Ok(license));
        assert!(again == data || again.len() < data.len());
        assert!(license.subject.starts_with(license.customer()));
        for (name, feature) in license.terms.features.iter() {
            assert_eq!(license.terms.features.get(name), Some(feature));
        }
    }
});
