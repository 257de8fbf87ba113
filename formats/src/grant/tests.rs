use super::*;
use crate::license::terms::Components;
use crate::license::{
    Device, Distribution, Enforcement, EnforcementMode, Feature, Features, Users, Version, Versions,
};

struct Parts {
    features: Vec<u8>,
    countries: Vec<u8>,
    names: Vec<u8>,
}

fn parts() -> Parts {
    let features = [("logging", Feature::On), ("prints", Feature::Quota { quota: 500, overdraft: 50 })];
    Parts {
        features: Features::encode(&features),
        countries: Names::encode(&["CH", "DE"]),
        names: Names::encode(&["ann", "bob"]),
    }
}

fn full(parts: &Parts) -> Grant<'_> {
    let names = Some(Names::decode(&parts.names, false).unwrap());
    Grant {
        change: Change::Amend,
        at: 1_800_000_000,
        by: "Dana Keller",
        reason: "order 4711",
        previous: Some([7; 32]),
        state: State::Active,
        customer: "acme",
        site: Some("north"),
        product: "pump",
        package: Some("plant"),
        add_ons: names,
        catalog: 3,
        model: Model::Subscription,
        quantity: 50,
        in_islands: 20,
        returned: 2,
        binding: Binding::Device,
        not_before: 1_700_000_000,
        not_after: Some(1_900_000_000),
        parent: None,
        transferable: true,
        named_users: Some(9),
        terms: Terms {
            entitlement: EntitlementId([1; 8]),
            edition: "standard",
            revision: 2,
            features: Features::decode(&parts.features).unwrap(),
            versions: Some(Versions {
                lowest: None,
                highest: Version::new(&[3]),
                released_until: Some(1_900_000_000),
            }),
            seats: Some(5),
            device: None,
            territory: Some(Names::decode(&parts.countries, true).unwrap()),
            support: Some("gold"),
            enforcement: Enforcement { mode: EnforcementMode::Warn, grace_secs: 60, notice_secs: 0 },
            distribution: Some(Distribution { devices: Some(3), channels: names }),
            least_revocation_list: None,
            bindings: Some(4),
            users: Some(Users { users: names, groups: None }),
        },
    }
}

fn least(parts: &Parts) -> Grant<'_> {
    let terms = Terms {
        revision: 1,
        versions: None,
        seats: None,
        territory: None,
        support: None,
        enforcement: Enforcement::default(),
        distribution: None,
        bindings: None,
        users: None,
        ..full(parts).terms
    };
    Grant {
        change: Change::Grant,
        previous: None,
        site: None,
        package: None,
        add_ons: None,
        model: Model::Perpetual,
        in_islands: 0,
        returned: 0,
        not_after: None,
        named_users: None,
        terms,
        ..full(parts)
    }
}

fn refused(grant: &Grant<'_>) -> (&'static str, &'static str) {
    Grant::decode(&grant.encode()).map_or_else(|error| (error.code(), error.field), |_| ("ok", ""))
}

#[test]
fn grants_survive_encoding() {
    let parts = parts();
    let island =
        Grant { change: Change::SubGrant, parent: Some(EntitlementId([2; 8])), quantity: 0, ..least(&parts) };
    let trial = Grant { model: Model::Trial, not_after: Some(1_700_000_000), ..least(&parts) };
    for grant in [full(&parts), least(&parts), island, trial] {
        let bytes = grant.encode();
        assert_eq!(Grant::decode(&bytes), Ok(grant));
        assert_eq!(Grant::decode(&bytes).unwrap().encode(), bytes);
    }
}

#[test]
fn every_word_survives_encoding_and_no_other_number_does() {
    let parts = parts();
    for state in State::ALL {
        assert_eq!(refused(&Grant { state: *state, ..full(&parts) }).0, "ok", "{}", state.name());
    }
    for binding in Binding::ALL {
        assert_eq!(refused(&Grant { binding: *binding, ..full(&parts) }).0, "ok", "{}", binding.name());
    }
    let later = Change::ALL.iter().filter(|change| !matches!(change, Change::Grant | Change::SubGrant));
    for change in later {
        assert_eq!(refused(&Grant { change: *change, ..full(&parts) }).0, "ok", "{}", change.name());
    }
    for (key, count) in [(2, Change::ALL.len()), (7, State::ALL.len()), (14, Model::ALL.len())] {
        for number in [0, count as u8 + 1, 23] {
            assert_eq!(code(&set(key, &[number])), "out-of-range", "{key} {number}");
        }
    }
}

/// Encodes the full grant with one raw entry changed, added, or taken out.
fn set(key: i64, value: &[u8]) -> Vec<u8> {
    let parts = parts();
    let encoded = full(&parts).encode();
    let mut reader = scan(&encoded, "grant").unwrap();
    let count = reader.map("grant").unwrap();
    let mut entries: Vec<(i64, Vec<u8>)> =
        (0..count).map(|_| (reader.int("key").unwrap(), reader.item().rest().to_vec())).collect();
    entries.retain(|(known, _)| *known != key);
    if !value.is_empty() {
        entries.push((key, value.to_vec()));
        entries.sort_by_key(|(key, _)| (*key < 0, key.unsigned_abs()));
    }
    let mut map = MapWriter::new();
    entries.iter().for_each(|(key, value)| {
        map.entry(*key).raw(value);
    });
    map.finish()
}

fn code(bytes: &[u8]) -> &'static str {
    Grant::decode(bytes).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn terms_of_one_license_and_advisory_terms_are_refused() {
    let parts = parts();
    let components = Components::encode(&[(1, [1; 4])]);
    let components = Components::decode(&components).unwrap();
    let grant = full(&parts);
    let with = |terms| refused(&Grant { terms, ..grant });
    let device = Device { k: 1, salt: [0; 8], components };
    assert_eq!(with(Terms { device: Some(device), ..grant.terms }), ("unknown-field", "grant.terms"));
    assert_eq!(
        with(Terms { least_revocation_list: Some(1), ..grant.terms }),
        ("unknown-field", "grant.terms")
    );
    // An advisory term at the end of the map: what a license may carry and decoding forgets.
    let mut terms = grant.terms.encode();
    terms[0] += 1;
    terms.extend([0x20, 0x61, b'x']);
    let error = Grant::decode(&set(24, &terms)).unwrap_err();
    assert_eq!((error.code(), error.field), ("unknown-field", "grant.terms"));
}

#[test]
fn unknown_fields_are_refused_the_advisory_ones_too() {
    for key in [0, 25, 255, -1, -65_537] {
        assert_eq!(code(&set(key, &[0])), "unknown-field", "{key}");
    }
}

#[test]
fn grants_without_a_required_entry_are_refused() {
    for key in (1..=24).filter(|key| ![9, 11, 12, 16, 17, 20, 21, 23].contains(key)) {
        assert_eq!(code(&set(key, &[])), "missing-field", "{key}");
    }
    for key in [9, 11, 12, 16, 17, 23] {
        assert_eq!(code(&set(key, &[])), "ok", "{key}");
    }
}

#[test]
fn every_other_value_is_refused() {
    let long = [&[0x78, 129][..], &[b'a'; 129]].concat();
    let huge = [&[0x1b][..], &[0xff; 8]].concat();
    let cases: &[(i64, &[u8], &str)] = &[
        (1, &[2], "schema-unknown"),
        (3, &huge, "out-of-range"),
        (4, &[0x60], "text-forbidden"),
        (4, &[0x63, b'a', 0x1b, b'b'], "text-forbidden"),
        (5, &[0x65, b'a', 0xe2, 0x80, 0xae, b'b'], "text-forbidden"),
        (5, &long, "text-forbidden"),
        (6, &[0x41, 0], "wrong-length"),
        (8, &[0x61, b'A'], "text-forbidden"),
        (9, &[0x61, b'/'], "text-forbidden"),
        (11, &[0x61, b' '], "text-forbidden"),
        (12, &[0x80], "out-of-range"),
        (12, &[0x82, 0x61, b'b', 0x61, b'a'], "unsorted-keys"),
        (13, &[0], "out-of-range"),
        (15, &huge, "out-of-range"),
        (15, &[0x20], "wrong-type"),
        (16, &[0], "out-of-range"),
        (16, &[0x18, 51], "out-of-range"),
        (17, &[0], "out-of-range"),
        (20, &[0], "out-of-range"),
        (21, &[0x41, 0], "wrong-length"),
        (22, &[1], "wrong-type"),
        (23, &[0], "out-of-range"),
        (24, &[0xa0], "missing-field"),
    ];
    for (key, value, expected) in cases {
        assert_eq!(code(&set(*key, value)), *expected, "{key} {value:02x?}");
    }
}

#[test]
fn contradictions_are_refused() {
    let parts = parts();
    let (full, least) = (full(&parts), least(&parts));
    let own = Some(full.terms.entitlement);
    let other = Some(EntitlementId([2; 8]));
    for (grant, expected) in [
        (Grant { previous: None, ..full }, ("missing-field", "grant.previous")),
        (Grant { previous: Some([7; 32]), ..least }, ("unknown-field", "grant.previous")),
        (Grant { change: Change::Grant, ..full }, ("out-of-range", "grant.change")),
        (Grant { change: Change::Amend, ..least }, ("out-of-range", "grant.change")),
        (Grant { change: Change::SubGrant, ..least }, ("out-of-range", "grant.parent")),
        (Grant { parent: other, ..least }, ("out-of-range", "grant.parent")),
        (Grant { parent: own, in_islands: 0, ..full }, ("out-of-range", "grant.parent")),
        (Grant { parent: other, ..full }, ("out-of-range", "grant.in-islands")),
        (Grant { in_islands: 51, ..full }, ("out-of-range", "grant.in-islands")),
        (Grant { quantity: 0, ..least }, ("out-of-range", "grant.quantity")),
        (Grant { not_after: None, ..full }, ("out-of-range", "grant.not-after")),
        (Grant { model: Model::Perpetual, ..full }, ("out-of-range", "grant.not-after")),
        (Grant { model: Model::Trial, ..least }, ("out-of-range", "grant.not-after")),
        (Grant { not_after: Some(full.not_before - 1), ..full }, ("out-of-range", "grant.not-after")),
        (Grant { binding: Binding::Site, ..least }, ("out-of-range", "grant.site")),
    ] {
        assert_eq!(refused(&grant), expected, "{grant:?}");
    }
}

#[test]
fn what_is_larger_than_a_document_is_refused_before_it_is_read() {
    let error = Grant::decode(&alloc::vec![0xff; MAX_DOCUMENT + 1]).unwrap_err();
    assert_eq!(error.code(), "too-large");
    assert_ne!(Grant::decode(&alloc::vec![0xff; MAX_DOCUMENT]).unwrap_err().code(), "too-large");
}

#[test]
fn the_hash_tells_any_change() {
    let parts = parts();
    let bytes = full(&parts).encode();
    let hash = Grant::hash(&bytes);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert_ne!(Grant::hash(&changed), hash, "{place}");
    }
}
