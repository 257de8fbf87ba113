//! What must hold for all times: verdicts follow the term, and what denies for another reason denies always.

use chancery_formats::license::{Enforcement, EnforcementMode, Feature, License, MAX_TIME};
use chancery_tests::authority::issue_direct;
use chancery_tests::license::{END, PRODUCT, START, countries, device, machine, with_terms};
use chancery_verifier::{Context, Verdict, decide, verify_license};
use proptest::prelude::*;

use super::context;
use super::support::{Vendor, key, license};

pub fn any_instant() -> impl Strategy<Value = u64> {
    // Instants of documents end with the year 9999; a caller's clock may show anything.
    prop_oneof![0..=MAX_TIME, START - 10..END + 10, Just(0), Just(MAX_TIME)]
}

pub fn any_span() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1_000_u64, 1..=MAX_TIME, Just(MAX_TIME)]
}

pub fn any_mode() -> impl Strategy<Value = EnforcementMode> {
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
pub fn instants(license: &License<'_>, other: u64) -> Vec<u64> {
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
            decide(&verified, &context(now, &[]), Some("logging"))
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
        let bound = License { device_key: Some(key("A")), ..license };
        let components = with_terms(license, |terms| terms.device = Some(device(1, &machine())));
        let territory = with_terms(license, |terms| terms.territory = Some(countries(&["CH"])));
        let context = context(now, &[]);
        let cases = [
            (bound, PRODUCT, "logging", "device-key-missing"),
            (components, PRODUCT, "logging", "device-components"),
            (territory, PRODUCT, "logging", "territory-unknown"),
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
