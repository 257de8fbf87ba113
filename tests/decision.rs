//! The decision, row by row of `docs/spec/decision.md`, and what must hold for all numbers.
//!
//! Every decision here is made on a license that was signed and verified, as products make theirs.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

use chancery_formats::license::{
    Distribution, Enforcement, EnforcementMode, Feature, License, MAX_TIME, Terms, Users, Versions,
};
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord};
use chancery_tests::authority::{Authority, Quorum, issue_direct, sign_unsigned};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{
    END, PRODUCT, START, bare, countries, device, device_salted, features, machine, names, with_terms,
};
use chancery_verifier::decision::decide_for_request;
use chancery_verifier::device::Component;
use chancery_verifier::{Context, Decision, Draft, Trust, Verdict, decide, verify_license, verify_request};
use proptest::prelude::*;

const PAGE: &str = include_str!("../docs/spec/decision.md");

/// Rows of the table in section 3: another number is a row lost or a table not found.
const ROWS: usize = 53;

/// The codes that a decision can give, those of section 4 aside.
const CODES: [&str; 10] = [
    "device-components",
    "device-key-missing",
    "device-other",
    "ends-soon",
    "expired",
    "feature-not-granted",
    "granted",
    "in-grace",
    "not-yet-valid",
    "product-other",
];

struct Vendor {
    key: SecretKey,
    trust: Trust,
}

impl Vendor {
    fn new() -> Self {
        let key = SecretKey::ed25519(10);
        let authority = Authority::found(Quorum::of(1, &[1]));
        // Valid since 1970, so that licenses here may be issued at any time.
        let record = KeyRecord { not_before: 0, ..authority.record(&key, Role::Issuer, KeyMode::Direct) };
        Self { trust: authority.certify(&record).trust(), key }
    }

    /// Issues, verifies and decides.
    fn decide(&self, license: &License<'_>, context: &Context<'_>, feature: Option<&str>) -> Decision {
        let document = issue_direct(&self.key, license);
        decide(&verify_license(&document, &self.trust).expect("a good license"), context, feature)
    }
}

fn license() -> License<'static> {
    let granted = [
        ("logging", Feature::On),
        ("channels", Feature::Limit(16)),
        ("prints", Feature::Quota { quota: 500, overdraft: 0 }),
    ];
    with_terms(bare(), |terms| terms.features = features(&granted))
}

/// Returns the rows of the first table under a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE.split_once(heading).unwrap_or_else(|| panic!("no section {heading}")).1;
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn some(cell: &'static str) -> Option<&'static str> {
    (cell != "-").then_some(cell)
}

/// Reads `start`, `end+1` and the like.
fn time(cell: &str) -> u64 {
    let (base, rest) = match cell.strip_prefix("start") {
        Some(rest) => (START, rest),
        None => (END, cell.strip_prefix("end").unwrap_or_else(|| panic!("no time: {cell}"))),
    };
    let offset: i64 = if rest.is_empty() { 0 } else { rest.parse().expect("seconds") };
    base.checked_add_signed(offset).expect("a time")
}

fn device_key(cell: &'static str) -> Option<chancery_formats::id::Thumbprint> {
    let number = |name| match name {
        "A" => 50,
        "B" => 52,
        other => panic!("no key {other}"),
    };
    some(cell).map(|name| SecretKey::ed25519(number(name)).thumbprint())
}

/// A machine of which `matching` components are as licensed and the rest were replaced.
fn repaired_machine(matching: usize) -> Vec<Component> {
    let mut machine = machine();
    machine.iter_mut().skip(matching).for_each(|component| component.value.push(b'!'));
    machine
}

fn mode(cell: &str) -> EnforcementMode {
    [EnforcementMode::Deny, EnforcementMode::Warn, EnforcementMode::Degrade]
        .into_iter()
        .find(|mode| mode.name() == cell)
        .unwrap_or_else(|| panic!("no mode {cell}"))
}

#[test]
fn every_row_of_the_table_is_decided_as_it_says() {
    let vendor = Vendor::new();
    let rows = rows("## 3. The table");
    assert_eq!(rows.len(), ROWS);
    let mut codes = BTreeSet::new();
    for row in rows {
        let [
            product,
            feature,
            bound,
            has,
            components,
            now,
            mode_cell,
            grace,
            notice,
            verdict,
            reason,
            changes,
        ] = row[..]
        else {
            panic!("another number of columns: {row:?}")
        };
        let (matching, k) = match some(components) {
            Some(cell) => {
                let (matching, k) = cell.split_once(" of ").expect("M of K");
                (matching.parse().expect("a number"), Some(k.parse().expect("a number")))
            }
            None => (0, None),
        };
        let license = License { device_key: device_key(bound), ..license() };
        let license = with_terms(license, |terms| {
            terms.device = k.map(|k| device(k, &machine()));
            terms.enforcement = Enforcement {
                mode: mode(mode_cell),
                grace_secs: grace.parse().expect("seconds"),
                notice_secs: notice.parse().expect("seconds"),
            };
        });
        let machine = repaired_machine(matching);
        let device_key = device_key(has);
        let context = Context { now: time(now), product, device_key, components: &machine };
        let decision = vendor.decide(&license, &context, some(feature));
        let found = (decision.verdict.name(), decision.reason.code(), decision.changes_at);
        assert_eq!(found, (verdict, reason, some(changes).map(time)), "{row:?}");
        assert_eq!(decision.ends_at, Some(END), "{row:?}");
        assert_eq!(
            decision.grant,
            some(feature).and_then(|name| license.terms.features.get(name)),
            "{row:?}"
        );
        codes.insert(reason);
    }
    let missing: Vec<_> = CODES.iter().filter(|code| !codes.contains(**code)).collect();
    assert!(missing.is_empty(), "no row gives {missing:?}");
}

/// Adds the term that a row of section 4 names.
fn add_term(terms: &mut Terms<'static>, term: &str) {
    match term {
        "versions" => {
            terms.versions = Some(Versions { lowest: None, highest: None, released_until: Some(END) });
        }
        "seats" => terms.seats = Some(1),
        "territory" => terms.territory = Some(countries(&["CH"])),
        "distribution" => terms.distribution = Some(Distribution { devices: Some(1), channels: None }),
        "bindings" => terms.bindings = Some(1),
        "users" => terms.users = Some(Users { users: Some(names(&["ann"])), groups: None }),
        "quota of the feature" => {}
        other => panic!("no term {other}"),
    }
}

#[test]
fn every_term_that_is_not_enforced_denies_with_its_own_code() {
    let vendor = Vendor::new();
    let context = Context { now: START, product: PRODUCT, device_key: None, components: &[] };
    let rows = rows("## 4. Terms");
    assert_eq!(rows.iter().map(|row| row[1]).collect::<BTreeSet<_>>().len(), 7);
    for row in &rows {
        let license = with_terms(license(), |terms| add_term(terms, row[0]));
        let quota = row[0] == "quota of the feature";
        for feature in if quota {
            vec![Some("prints")]
        } else {
            vec![Some("logging"), Some("prints"), Some("export"), None]
        } {
            let decision = vendor.decide(&license, &context, feature);
            assert_eq!((decision.verdict, decision.reason.code()), (Verdict::Deny, row[1]), "{feature:?}");
            assert_eq!(decision.changes_at, None);
        }
    }
    // With every term from one row on, the code is that row's: the order of the page.
    for (first, row) in rows.iter().enumerate() {
        let license =
            with_terms(license(), |terms| rows[first..].iter().for_each(|row| add_term(terms, row[0])));
        assert_eq!(vendor.decide(&license, &context, Some("prints")).reason.code(), row[1]);
    }
}

#[test]
fn support_and_advice_never_decide() {
    let vendor = Vendor::new();
    let context = Context { now: START, product: PRODUCT, device_key: None, components: &[] };
    let plain = vendor.decide(&license(), &context, Some("logging"));
    let supported = with_terms(license(), |terms| terms.support = Some("gold"));
    assert_eq!(vendor.decide(&supported, &context, Some("logging")), plain);
}

#[test]
fn components_are_matched_by_kind_and_value() {
    let vendor = Vendor::new();
    let license = with_terms(license(), |terms| terms.device = Some(device(4, &machine())));
    let verdict = |components: &[Component]| {
        let context = Context { now: START, product: PRODUCT, device_key: None, components };
        vendor.decide(&license, &context, Some("logging")).verdict
    };
    let good = machine();
    assert_eq!(verdict(&good), Verdict::Allow);
    let reversed: Vec<_> = good.iter().rev().cloned().collect();
    assert_eq!(verdict(&reversed), Verdict::Allow, "order does not matter");
    let values = || good.iter().map(|component| component.value.clone()).cycle().skip(1);
    let shifted: Vec<_> = good
        .iter()
        .zip(values())
        .map(|(component, value)| Component { value, ..component.clone() })
        .collect();
    assert_eq!(verdict(&shifted), Verdict::Deny, "the same values under other kinds");
    let one_often = vec![good[0].clone(); 6];
    assert_eq!(verdict(&one_often), Verdict::Deny, "one component is one match");
}

/// The authority knows digests where the site knows components; both must hear the same answer.
#[test]
fn the_authority_decides_as_the_site_will() {
    let (vendor, device_key) = (Vendor::new(), SecretKey::ed25519(50));
    let mut verdicts = BTreeSet::new();
    for matching in 0..=6 {
        let machine = repaired_machine(matching);
        let draft = Draft {
            product: PRODUCT,
            entitlement: license().terms.entitlement,
            device_key: device_key.public(),
            nonce: [0x21; 16],
            site_clock: START,
            components: &machine,
            root_version: 1,
            revocation_list: 0,
        };
        let request = sign_unsigned(&device_key, &draft.prepare().expect("a draft"));
        let request = verify_request(&request).expect("a good request");
        for (bound, product, now) in [
            (None, PRODUCT, START),
            (Some(request.device()), PRODUCT, END + 1),
            (SecretKey::ed25519(52).thumbprint().into(), PRODUCT, START),
            (None, "valve-control", START),
        ] {
            let license = License { device_key: bound, product, ..license() };
            let binding = device_salted(4, request.request().salt(), &self::machine());
            let license = with_terms(license, |terms| terms.device = Some(binding));
            let document = issue_direct(&vendor.key, &license);
            let verified = verify_license(&document, &vendor.trust).expect("a good license");
            let device_key = Some(request.device());
            let context = Context { now, product: PRODUCT, device_key, components: &machine };
            let (site, authority) =
                (decide(&verified, &context, None), decide_for_request(&verified, &request, now));
            let answer =
                |decision: &Decision| (decision.verdict, decision.reason.code(), decision.changes_at);
            assert_eq!(answer(&site), answer(&authority), "{matching} match");
            verdicts.insert(authority.reason.code());
        }
    }
    assert_eq!(
        Vec::from_iter(verdicts),
        ["device-components", "device-other", "expired", "granted", "product-other"]
    );
}

fn any_instant() -> impl Strategy<Value = u64> {
    // Instants of documents end with the year 9999; a caller's clock may show anything.
    prop_oneof![0..=MAX_TIME, START - 10..END + 10, Just(0), Just(MAX_TIME)]
}

fn any_span() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1_000_u64, 1..=MAX_TIME, Just(MAX_TIME)]
}

fn any_mode() -> impl Strategy<Value = EnforcementMode> {
    prop_oneof![Just(EnforcementMode::Deny), Just(EnforcementMode::Warn), Just(EnforcementMode::Degrade)]
}

prop_compose! {
    fn any_license()(
        first in proptest::option::of(any_instant()),
        last in proptest::option::of(any_instant()),
        issued_at in any_instant(),
        mode in any_mode(),
        grace_secs in any_span(),
        notice_secs in any_span(),
    ) -> License<'static> {
        let (not_before, not_after) = match (first, last) {
            (Some(first), Some(last)) => (Some(first.min(last)), Some(first.max(last))),
            other => other,
        };
        let license = License { not_before, not_after, issued_at, ..license() };
        with_terms(license, |terms| terms.enforcement = Enforcement { mode, grace_secs, notice_secs })
    }
}

/// Instants at which something could happen under this license, and their neighbours.
fn instants(license: &License<'_>, other: u64) -> Vec<u64> {
    let Enforcement { grace_secs, notice_secs, .. } = license.terms.enforcement;
    let end = license.not_after.unwrap_or(MAX_TIME);
    let notable =
        [license.not_before.unwrap_or(0), end.saturating_sub(notice_secs), end, end + grace_secs, other];
    let near = |at: u64| [at.saturating_sub(1), at, at.saturating_add(1)];
    let mut instants: Vec<_> = notable.into_iter().flat_map(near).chain([0, u64::MAX]).collect();
    instants.sort_unstable();
    instants
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_follow_time_as_the_page_says(license in any_license(), other in any::<u64>()) {
        let vendor = Vendor::new();
        let document = issue_direct(&vendor.key, &license);
        let verified = verify_license(&document, &vendor.trust).expect("a good license");
        let at = |now| {
            let context = Context { now, product: PRODUCT, device_key: None, components: &[] };
            decide(&verified, &context, Some("logging"))
        };
        let instants = instants(&license, other);
        let start = license.not_before.unwrap_or(0);
        for pair in instants.windows(2) {
            let (before, after) = (at(pair[0]), at(pair[1]));
            prop_assert_eq!(before.grant, Some(Feature::On));
            prop_assert_eq!(before.ends_at, license.not_after);
            if pair[0] >= start {
                prop_assert!(before.verdict <= after.verdict, "{:?} then {:?}", before, after);
            } else {
                prop_assert_eq!(before.reason.code(), "not-yet-valid");
                prop_assert_eq!(before.verdict, Verdict::Deny);
            }
            match before.changes_at {
                Some(change) => {
                    prop_assert!(change > pair[0]);
                    prop_assert_eq!(at(change - 1), before, "one second before it changes");
                    prop_assert_ne!(at(change).reason, before.reason, "when it changes");
                }
                None => prop_assert_eq!(at(u64::MAX), before, "never changes"),
            }
        }
    }

    #[test]
    fn what_denies_at_all_times_denies_at_each(license in any_license(), now in any::<u64>()) {
        let vendor = Vendor::new();
        let bound = License { device_key: device_key("A"), ..license };
        let components = with_terms(license, |terms| terms.device = Some(device(1, &machine())));
        let seats = with_terms(license, |terms| terms.seats = Some(1));
        let context = Context { now, product: PRODUCT, device_key: None, components: &[] };
        let cases = [
            (bound, PRODUCT, "logging", "device-key-missing"),
            (components, PRODUCT, "logging", "device-components"),
            (seats, PRODUCT, "logging", "seats-not-enforced"),
            (license, PRODUCT, "export", "feature-not-granted"),
            (license, "valve-control", "logging", "product-other"),
        ];
        for (license, product, feature, code) in cases {
            let decision = vendor.decide(&license, &Context { product, ..context }, Some(feature));
            prop_assert_eq!((decision.verdict, decision.reason.code()), (Verdict::Deny, code));
            prop_assert_eq!(decision.changes_at, None);
        }
    }
}
