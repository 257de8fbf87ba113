//! The trust bundle.
#![no_main]

use chancery_formats::trust::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::decode(data) {
        let members: Vec<_> = bundle.members().map(<[u8]>::to_vec).collect();
        assert_eq!(Bundle::encode_with(&members, bundle.manifest(), bundle.trail()), data);
        assert!(Bundle::looks_like(data));
    }
});
