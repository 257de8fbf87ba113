//! The manifest of a site's state: a file that anybody at the site can change.
#![no_main]

#[path = "../../../verifier/site/src/store/manifest.rs"]
mod manifest;

use libfuzzer_sys::fuzz_target;
use manifest::{Fault, Manifest, VERSION};

fuzz_target!(|data: &[u8]| {
    match Manifest::decode(data) {
        Ok(manifest) => assert_eq!(manifest.encode(), data),
        Err(Fault::Version(version)) => assert_ne!(version, VERSION),
        Err(Fault::Damaged) => {}
    }
});
