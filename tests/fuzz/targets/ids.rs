//! Identifiers, names and labels: what is read is shown so that it reads the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use chancery_formats::id::{AuthorityId, DeviceId, EntitlementId, KeyId, LicenseId, Thumbprint};
use chancery_formats::id::{is_hidden, is_label, is_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    shown_and_read::<AuthorityId>(text);
    shown_and_read::<DeviceId>(text);
    shown_and_read::<EntitlementId>(text);
    shown_and_read::<KeyId>(text);
    shown_and_read::<LicenseId>(text);
    shown_and_read::<Thumbprint>(text);
    assert!(!is_name(text) || is_label(text) && text.is_ascii());
    assert!(!is_label(text) || !text.chars().any(is_hidden));
});

fn shown_and_read<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        let shown = id.to_string();
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown.parse().ok(), Some(id));
    }
}
