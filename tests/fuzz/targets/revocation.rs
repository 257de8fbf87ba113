//! The payload of a revocation list, and the lists in it.
#![no_main]

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::trust::RevocationList;
use chancery_formats::trust::revocation::{Ids, RevokedKeys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(ids) = Ids::<16>::decode(data) {
        let owned: Vec<_> = ids.iter().copied().collect();
        assert_eq!(Ids::encode(&owned), data);
    }
    if let Ok(keys) = RevokedKeys::decode(data) {
        let owned: Vec<_> = keys.iter().collect();
        assert_eq!(RevokedKeys::encode(&owned), data);
    }
    let Ok(list) = RevocationList::decode(data) else { return };
    assert_eq!(list.encode(), data);
    assert!(list.licenses.iter().all(|id| list.has_license(LicenseId(*id))));
    assert!(list.devices.iter().all(|id| list.has_device(Thumbprint(*id))));
    assert!(list.entitlements.iter().all(|id| list.has_entitlement(EntitlementId(*id))));
    assert!(list.customers.iter().flat_map(|names| names.iter()).all(|name| list.has_customer(name)));
});
