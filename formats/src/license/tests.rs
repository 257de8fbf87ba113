use super::terms::Components;
use super::*;
use crate::id::EntitlementId;

struct Parts {
    features: Vec<u8>,
    components: Vec<u8>,
    countries: Vec<u8>,
    names: Vec<u8>,
}

fn parts() -> Parts {
    let features = [
        ("logging", Feature::On),
        ("channels", Feature::Limit(16)),
        ("reports", Feature::Quota { quota: 500, overdraft: 50 }),
    ];
    let components: Vec<_> = (1..=6).map(|kind| (kind, [kind as u8; 4])).collect();
    Parts {
        features: Features::encode(&features),
        components: Components::encode(&components),
        countries: Names::encode(&["DE", "CH"]),
        names: Names::encode(&["ann", "bob"]),
    }
}

fn full(parts: &Parts) -> License<'_> {
    let names = Some(Names::decode(&parts.names, false).unwrap());
    License {
        issuer: "Example Pumps",
        subject: "acme/north",
        product: "pump",
        not_after: Some(2_000_000_000),
        not_before: Some(1_700_000_000),
        issued_at: 1_700_000_000,
        id: LicenseId([9; 16]),
        device_key: Some(Thumbprint([8; 32])),
        terms: Terms {
            entitlement: EntitlementId([1; 8]),
            edition: "standard",
            revision: 1,
            features: Features::decode(&parts.features).unwrap(),
            versions: Some(Versions {
                lowest: Version::new(&[2]),
                highest: Version::new(&[3, 1]),
                released_until: Some(1_900_000_000),
            }),
            seats: Some(5),
            device: Some(Device {
                k: 4,
                salt: [3; 8],
                components: Components::decode(&parts.components).unwrap(),
            }),
            territory: Some(Names::decode(&parts.countries, true).unwrap()),
            support: Some("gold"),
            enforcement: Enforcement {
                mode: EnforcementMode::Degrade,
                grace_secs: 864_000,
                notice_secs: 2_592_000,
            },
            distribution: Some(Distribution { devices: Some(3), channels: names }),
            least_revocation_list: Some(12),
            bindings: Some(4),
            users: Some(Users { users: names, groups: names }),
        },
    }
}

#[test]
fn every_term_survives_encoding() {
    let parts = parts();
    let license = full(&parts);
    let bytes = license.encode();
    assert_eq!(License::decode(&bytes), Ok(license));
    assert_eq!(License::decode(&bytes).unwrap().encode(), bytes);
}

#[test]
fn a_device_is_an_array_of_k_salt_and_components() {
    let parts = parts();
    let license = full(&parts);
    let bytes = license.encode();
    let device = [&[8, 0x83, 4, 0x48][..], &[3; 8], &parts.components].concat();
    assert_eq!(bytes.windows(device.len()).filter(|window| *window == device).count(), 1);
}

#[test]
fn the_least_license_survives_encoding() {
    let parts = parts();
    let mut license = full(&parts);
    license.not_after = None;
    license.not_before = None;
    license.device_key = None;
    license.terms = Terms {
        versions: None,
        seats: None,
        device: None,
        territory: None,
        support: None,
        enforcement: Enforcement::default(),
        distribution: None,
        least_revocation_list: None,
        bindings: None,
        users: None,
        ..license.terms
    };
    let bytes = license.encode();
    assert_eq!(License::decode(&bytes), Ok(license));
}

#[test]
fn features_are_found_by_name() {
    let parts = parts();
    let features = full(&parts).terms.features;
    assert_eq!(features.get("channels"), Some(Feature::Limit(16)));
    assert_eq!(features.get("reports"), Some(Feature::Quota { quota: 500, overdraft: 50 }));
    assert_eq!(features.get("export"), None);
    assert_eq!(features.iter().count(), 3);
}

/// Encodes a license whose terms gain or lose one raw entry.
fn with_terms(change: impl Fn(&mut Vec<(i64, Vec<u8>)>)) -> Vec<u8> {
    let parts = parts();
    let license = full(&parts);
    let encoded = license.terms.encode();
    let mut reader = scan(&encoded, "terms").unwrap();
    let count = reader.map("terms").unwrap();
    let mut entries: Vec<(i64, Vec<u8>)> =
        (0..count).map(|_| (reader.int("key").unwrap(), reader.item().rest().to_vec())).collect();
    change(&mut entries);
    let mut map = MapWriter::new();
    entries.iter().for_each(|(key, value)| {
        map.entry(*key).raw(value);
    });
    let terms = map.finish();
    let whole = license.encode();
    [&whole[..whole.len() - encoded.len()], &terms].concat()
}

fn set(key: i64, value: &[u8]) -> Vec<u8> {
    with_terms(|entries| {
        entries.retain(|(known, _)| *known != key);
        entries.push((key, value.to_vec()));
        entries.sort_by_key(|(key, _)| (*key < 0, key.unsigned_abs()));
    })
}

#[test]
fn advisory_keys_are_ignored_and_unknown_keys_refused() {
    assert!(License::decode(&set(-1, &[0x61, b'x'])).is_ok());
    for key in [0, 16, 255] {
        assert_eq!(License::decode(&set(key, &[0])).unwrap_err().code(), "unknown-field");
    }
}

#[test]
fn another_schema_is_told_before_the_fields_that_it_adds() {
    let bytes = with_terms(|entries| {
        entries[0].1 = alloc::vec![2];
        entries.push((16, alloc::vec![0]));
    });
    assert_eq!(License::decode(&bytes).unwrap_err().code(), "schema-unknown");
}

#[test]
fn every_other_value_of_a_term_is_refused() {
    let cases: &[(i64, &[u8], &str)] = &[
        (1, &[2], "schema-unknown"),
        (2, &[0x41, 0], "wrong-length"),
        (3, &[0x62, b'A', b'b'], "text-forbidden"),
        (4, &[0], "out-of-range"),
        (5, &[0xa1, 0x61, b'x', 0xf4], "out-of-range"),
        (5, &[0xa1, 0x61, b'x', 0x83, 1, 2, 3], "wrong-length"),
        (5, &[0xa1, 0x61, b' ', 0xf5], "text-forbidden"),
        (5, &[0xa1, 0x01, 0xf5], "wrong-type"),
        (6, &[0xa0], "out-of-range"),
        (6, &[0xa1, 0x01, 0x80], "wrong-length"),
        (6, &[0xa1, 0x04, 0x81, 0x01], "unknown-field"),
        (7, &[0], "out-of-range"),
        (8, &[0x83, 2, 0x48, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1, 1, 0x44, 0, 0, 0, 0], "out-of-range"),
        (8, &[0x82, 1, 0x48, 0, 0, 0, 0, 0, 0, 0, 0], "wrong-length"),
        (8, &[0x84, 1, 0x48, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1, 1, 0x44, 0, 0, 0, 0, 0], "wrong-length"),
        (8, &[0xa3, 1, 1, 2, 0x48, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xa1, 1, 0x44, 0, 0, 0, 0], "wrong-type"),
        (8, &[0x83, 0x48, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xa1, 1, 0x44, 0, 0, 0, 0], "wrong-type"),
        (9, &[0x80], "out-of-range"),
        (9, &[0x82, 0x62, b'D', b'E', 0x62, b'C', b'H'], "unsorted-keys"),
        (9, &[0x81, 0x62, b'd', b'e'], "text-forbidden"),
        (11, &[0xa1, 1, 0], "out-of-range"),
        (11, &[0xa1, 1, 3], "out-of-range"),
        (11, &[0xa1, 2, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255], "out-of-range"),
        (12, &[0xa0], "out-of-range"),
        (13, &[0], "out-of-range"),
        (15, &[0xa1, 3, 0x81, 0x61, b'a'], "unknown-field"),
    ];
    for (key, value, code) in cases {
        assert_eq!(License::decode(&set(*key, value)).unwrap_err().code(), *code, "{key} {value:02x?}");
    }
}

#[test]
fn terms_without_a_required_entry_are_refused() {
    for key in 1..=5 {
        let bytes = with_terms(|entries| entries.retain(|(known, _)| *known != key));
        assert_eq!(License::decode(&bytes).unwrap_err().code(), "missing-field", "{key}");
    }
}
