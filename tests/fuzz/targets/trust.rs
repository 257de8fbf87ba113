//! Everything that strangers hand to a verifier: a bundle, then a license under the trust of the example's bundle.
//!
//! Nobody forges a signature by chance, so a bundle that loads is the example itself.
#![no_main]

use std::sync::LazyLock;

use chancery_verifier::{Pin, Trust, verify_license, verify_request};
use libfuzzer_sys::fuzz_target;

static EXAMPLE: &[u8] = include_bytes!("../seeds/trust/00");
static TRUST: LazyLock<Option<Trust>> = LazyLock::new(|| Trust::load(EXAMPLE, Pin::FirstUse).ok());

fuzz_target!(|data: &[u8]| {
    let Some(example) = TRUST.as_ref() else { panic!("the example's bundle loads") };
    if let Ok(trust) = Trust::load(data, Pin::Authority(example.authority())) {
        assert_eq!((trust.authority(), trust.root_version()), (example.authority(), example.root_version()));
    }
    if let Ok(license) = verify_license(data, example) {
        assert!(example.keys().any(|(thumbprint, ..)| thumbprint == license.issuer()));
    }
    let _ = verify_request(data);
});
