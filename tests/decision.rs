//! The decision, row by row of `docs/spec/decision.md`, and what must hold for all numbers.
//!
//! Every decision here is made on a license that was signed and verified, as products make theirs.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

use chancery_formats::license::{Enforcement, License};
use chancery_tests::authority::{issue_direct, sign_unsigned};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{END, PRODUCT, START, device, device_salted, machine, with_terms};
use chancery_verifier::device::Component;
use chancery_verifier::{
    Context, Decision, Draft, Facts, Verdict, decide, decide_for_request, verify_license, verify_request,
};
use support::{Vendor, key, license, mode, rows, some, time};

#[path = "decision/dates.rs"]
mod dates;
#[path = "decision/differential.rs"]
mod differential;
#[path = "decision/explain.rs"]
mod explain;
#[path = "decision/naive.rs"]
mod naive;
#[path = "decision/support.rs"]
mod support;
#[path = "decision/terms.rs"]
mod terms;
#[path = "decision/times.rs"]
mod times;

/// Rows of the table in section 3: another number is a row lost or a table not found.
const ROWS: usize = 55;

/// The codes that section 3 has to show.
const CODES: [&str; 11] = [
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
    "used-unknown",
];

/// A machine of which `matching` components are as licensed and the rest were replaced.
fn repaired_machine(matching: usize) -> Vec<Component> {
    let mut machine = machine();
    machine.iter_mut().skip(matching).for_each(|component| component.value.push(b'!'));
    machine
}

/// A device without a key, whose product tells no facts.
fn context(now: u64, components: &[Component]) -> Context<'_> {
    Context { now, product: PRODUCT, device_key: None, components, facts: Facts::default() }
}

#[test]
fn every_row_of_the_table_is_decided_as_it_says() {
    let vendor = Vendor::new();
    let rows = rows("## 3. The table of devices");
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
        let license = License { device_key: some(bound).map(key), ..license() };
        let license = with_terms(license, |terms| {
            terms.device = k.map(|k| device(k, &machine()));
            terms.enforcement = Enforcement {
                mode: mode(mode_cell),
                grace_secs: grace.parse().expect("seconds"),
                notice_secs: notice.parse().expect("seconds"),
            };
        });
        let machine = repaired_machine(matching);
        let device_key = some(has).map(key);
        let facts = Facts::default();
        let context = Context { now: time(now), product, device_key, components: &machine, facts };
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

#[test]
fn support_and_advice_never_decide() {
    let vendor = Vendor::new();
    let context = context(START, &[]);
    let plain = vendor.decide(&license(), &context, Some("logging"));
    let supported = with_terms(license(), |terms| terms.support = Some("gold"));
    assert_eq!(vendor.decide(&supported, &context, Some("logging")), plain);
}

#[test]
fn components_are_matched_by_kind_and_value() {
    let vendor = Vendor::new();
    let license = with_terms(license(), |terms| terms.device = Some(device(4, &machine())));
    let verdict = |components: &[Component]| {
        let context = context(START, components);
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
            let context = Context { device_key, ..context(now, &machine) };
            let site = decide(&verified, &context, None);
            let authority = decide_for_request(&verified, &request, &Facts::default(), now, None);
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
