//! What a site remembers of the newest trust: a file that anybody at the site can change.
#![no_main]

use chancery_verifier::Minima;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(minima) = Minima::decode(data) {
        assert_eq!(minima.encode(), data);
    }
});
