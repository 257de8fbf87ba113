//! The site's path, the authority's path and the second implementation never disagree, on licenses and situations of
//! all kinds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use chancery_formats::id::Thumbprint;
use chancery_formats::license::{
    Distribution, Enforcement, Feature, License, Terms, Users, Version, Versions,
};
use chancery_tests::authority::{issue_direct, sign_unsigned};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{
    END, PRODUCT, START, bare, countries, device_salted, features, machine, names,
};
use chancery_verifier::{
    Context, Decision, Draft, Seat, VerifiedLicense, decide, decide_for_request, decide_term, explain,
    verify_license, verify_request,
};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;

use super::naive::{self, Situation};
use super::support::Vendor;
use super::times::{any_instant, any_mode, any_span};
use super::{explain as explaining, repaired_machine};

const CASES: u32 = 10_000;
const SALT: [u8; 8] = [0x21; 8];
const KEYS: [u8; 2] = [50, 52];
const PRODUCTS: [&str; 2] = [PRODUCT, "valve-control"];

/// Mostly absent, so that rules far down the page are reached.
const TERM: f64 = 0.3;
/// Mostly told, for the same reason.
const FACT: f64 = 0.9;

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..6_u64, 1 => Just(u64::MAX), 1 => any::<u64>().prop_map(|number| number.max(1))]
}

fn any_amount() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..6_u64, 1 => u64::MAX - 3..=u64::MAX, 1 => any::<u64>()]
}

fn any_version() -> impl Strategy<Value = Version> {
    let number = prop_oneof![4 => 0..4_u32, 1 => Just(u32::MAX)];
    proptest::collection::vec(number, 1..=4).prop_map(|numbers| Version::new(&numbers).expect("a version"))
}

fn any_key() -> impl Strategy<Value = Thumbprint> {
    let [a, b] = KEYS.map(|number| SecretKey::ed25519(number).thumbprint());
    prop_oneof![4 => Just(a), 1 => Just(b)]
}

fn some_names(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(of, 1..=of.len())
}

prop_compose! {
    fn any_features()(
        quota in any_amount(),
        overdraft in any_amount(),
        limit in any::<u64>(),
    ) -> [(&'static str, Feature); 3] {
        [("logging", Feature::On), ("channels", Feature::Limit(limit)), ("prints", Feature::Quota { quota, overdraft })]
    }
}

prop_compose! {
    fn any_versions()(
        lowest in proptest::option::of(any_version()),
        highest in proptest::option::of(any_version()),
        released_until in proptest::option::of(any_instant()),
        fallback in any_version(),
    ) -> Versions {
        let empty = (lowest, highest, released_until) == (None, None, None);
        Versions { lowest, highest: if empty { Some(fallback) } else { highest }, released_until }
    }
}

prop_compose! {
    fn any_distribution()(
        devices in any_number(),
        channels in weighted(0.5, some_names(&["mail", "usb"])),
        limited in any::<bool>(),
    ) -> Distribution<'static> {
        let channels = channels.map(|channels| names(&channels));
        Distribution { devices: (limited || channels.is_none()).then_some(devices), channels }
    }
}

prop_compose! {
    fn any_users()(
        users in weighted(0.7, some_names(&["ann", "bob"])),
        groups in some_names(&["day", "shift"]),
        grouped in any::<bool>(),
    ) -> Users<'static> {
        let groups = (grouped || users.is_none()).then(|| names(&groups));
        Users { users: users.map(|users| names(&users)), groups }
    }
}

prop_compose! {
    fn any_terms()(
        granted in any_features(),
        versions in weighted(TERM, any_versions()),
        seats in weighted(TERM, any_number()),
        k in weighted(TERM, 1..=6_u64),
        territory in weighted(TERM, some_names(&["CH", "DE", "FR"])),
        (mode, grace_secs, notice_secs) in (any_mode(), any_span(), any_span()),
        distribution in weighted(TERM, any_distribution()),
        bindings in weighted(TERM, any_number()),
        users in weighted(TERM, any_users()),
    ) -> Terms<'static> {
        Terms {
            features: features(&granted),
            versions,
            seats,
            device: k.map(|k| device_salted(k, SALT, &machine())),
            territory: territory.map(|codes| countries(&codes)),
            enforcement: Enforcement { mode, grace_secs, notice_secs },
            distribution,
            bindings,
            users,
            ..bare().terms
        }
    }
}

prop_compose! {
    fn any_license()(
        terms in any_terms(),
        first in weighted(TERM, any_instant()),
        last in weighted(0.7, any_instant()),
        device_key in weighted(TERM, any_key()),
    ) -> License<'static> {
        let (not_before, not_after) = match (first, last) {
            (Some(first), Some(last)) => (Some(first.min(last)), Some(first.max(last))),
            other => other,
        };
        License { not_before, not_after, device_key, issued_at: START, terms, ..bare() }
    }
}

fn any_seat() -> impl Strategy<Value = Seat> {
    prop_oneof![1 => Just(Seat::Held), 4 => any_amount().prop_map(Seat::TakenByOthers)]
}

prop_compose! {
    fn any_situation()(
        asker in (
            prop_oneof![12 => Just(PRODUCTS[0]), 1 => Just(PRODUCTS[1])],
            weighted(0.8, prop_oneof![4 => select(&["logging", "channels", "prints"][..]), 4 => Just("prints"), 1 => Just("export")]),
            weighted(0.9, any_key()),
            prop_oneof![4 => Just(6_usize), 1 => 0..=6_usize],
        ),
        version in weighted(FACT, any_version()),
        released_at in weighted(FACT, prop_oneof![3 => Just(0), 1 => any_instant()]),
        territory in weighted(FACT, select(&["CH", "CH", "DE", "DE", "FR", "ch", ""][..])),
        channel in weighted(FACT, select(&["mail", "usb", "usb", "USB"][..])),
        installed_on in weighted(FACT, any_number()),
        binding in weighted(FACT, any_amount()),
        user in weighted(FACT, select(&["ann", "bob", "Ann", "eve", "shift"][..])),
        groups in weighted(0.7, subsequence(&["day", "night", "shift"][..], 0..=3)),
        seat in weighted(FACT, any_seat()),
        used in weighted(FACT, any_amount()),
        now in prop_oneof![4 => any_instant(), 4 => START..END, 1 => any::<u64>()],
    ) -> Situation {
        let (product, feature, device_key, matching) = asker;
        Situation {
            product, feature, device_key, matching, version, released_at, territory, channel, installed_on, binding,
            user, groups, seat, used, now,
        }
    }
}

/// The request that the device of a situation makes; made once for each product, key and state of repair.
struct Requests(Vec<Vec<u8>>);

impl Requests {
    fn new() -> Self {
        let all = PRODUCTS.iter().flat_map(|product| {
            KEYS.iter().flat_map(move |key| (0..=6).map(move |matching| request(product, *key, matching)))
        });
        Self(all.collect())
    }

    fn of(&self, situation: &Situation) -> Option<&[u8]> {
        let key = situation.device_key?;
        let product = PRODUCTS.iter().position(|product| *product == situation.product)?;
        let key = KEYS.iter().position(|number| SecretKey::ed25519(*number).thumbprint() == key)?;
        Some(&self.0[(product * KEYS.len() + key) * 7 + situation.matching])
    }
}

fn request(product: &'static str, key: u8, matching: usize) -> Vec<u8> {
    let (key, machine) = (SecretKey::ed25519(key), repaired_machine(matching));
    let draft = Draft {
        product,
        entitlement: bare().terms.entitlement,
        device_key: key.public(),
        nonce: [0x21; 16],
        site_clock: START,
        components: &machine,
        root_version: 1,
        revocation_list: 0,
    };
    sign_unsigned(&key, &draft.prepare().expect("a draft"))
}

#[test]
fn authority_site_and_second_implementation_never_disagree() {
    let (vendor, requests) = (Vendor::new(), Requests::new());
    let (codes, changes) = (RefCell::new(BTreeSet::new()), RefCell::new(BTreeSet::new()));
    let asked_both = Cell::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = (any_license(), any_situation());
    let result = TestRunner::new(config).run(&strategy, |(license, situation)| {
        let document = issue_direct(&vendor.key, &license);
        let verified = verify_license(&document, &vendor.trust).expect("a good license");
        let machine = repaired_machine(situation.matching);
        let facts = situation.facts();
        let context = Context {
            now: situation.now,
            product: situation.product,
            device_key: situation.device_key,
            components: &machine,
            facts,
        };
        let site = decide(&verified, &context, situation.feature);
        let (expected, changes_at) = naive::decide(&license, &situation);
        prop_assert_eq!((site.verdict, site.reason.code()), expected);
        prop_assert_eq!(site.changes_at, changes_at);
        if let Some(request) = requests.of(&situation) {
            let request = verify_request(request).expect("a good request");
            let authority = decide_for_request(&verified, &request, &facts, situation.now, situation.feature);
            prop_assert_eq!(authority, site);
            asked_both.set(asked_both.get() + 1);
        }
        term_alone_is_never_stricter(&verified, situation.now, &site)?;
        let explanation = explain(&verified, &context, situation.feature);
        prop_assert_eq!(*explanation.decision(), site);
        explaining::is_true(&explanation, &license, &situation)?;
        codes.borrow_mut().insert(site.reason.code());
        changes.borrow_mut().extend(explanation.changes().map(|change| change.code()));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // What was never reached was never compared.
    assert_eq!(codes.borrow().len(), 31, "{:?}", codes.borrow());
    assert_eq!(changes.borrow().len(), 28, "{:?}", changes.borrow());
    assert!(asked_both.get() > CASES / 2, "the authority was asked {} times", asked_both.get());
}

/// Whoever judges by the term alone hears what the site hears of it, and never a worse verdict.
fn term_alone_is_never_stricter(
    verified: &VerifiedLicense<'_>,
    now: u64,
    site: &Decision,
) -> Result<(), TestCaseError> {
    let term = decide_term(verified, now);
    prop_assert!(term.verdict <= site.verdict, "{:?} then {:?}", term, site);
    if ["ends-soon", "expired", "granted", "in-grace", "not-yet-valid"].contains(&site.reason.code()) {
        prop_assert_eq!(
            (term.verdict, term.reason, term.changes_at),
            (site.verdict, site.reason, site.changes_at)
        );
    }
    Ok(())
}
