//! Explanations: the rules in their order, and changes that do change the answer, by no more than they must.

use chancery_formats::id::is_name;
use chancery_formats::license::{Distribution, Feature, Features, License, Names, Users, Version, Versions};
use chancery_tests::authority::issue_direct;
use chancery_tests::license::{END, PRODUCT, START, countries, features, names, with_terms};
use chancery_verifier::decision::{Change, Finding, Rule};
use chancery_verifier::{Context, Explanation, Fact, Facts, Seat, Verdict, explain, verify_license};
use proptest::prelude::*;

use super::naive::{self, Situation};
use super::support::{Vendor, told, with_cell};

/// Holds an explanation against the second implementation: every change gives another answer, and a number that is one
/// less does not.
pub fn is_true(
    explanation: &Explanation<'_>,
    license: &License<'static>,
    situation: &Situation,
) -> Result<(), TestCaseError> {
    let decision = explanation.decision();
    let now = (decision.verdict, decision.reason.code());
    steps_are_in_order(explanation)?;
    for change in explanation.changes() {
        let (mut license, mut situation) = (*license, situation.clone());
        apply(&change, &mut license, &mut situation);
        let (after, _) = naive::decide(&license, &situation);
        prop_assert_ne!(after, now, "{:?}", change);
    }
    for change in explanation.changes().filter_map(|change| less(&change)) {
        let (mut license, mut situation) = (*license, situation.clone());
        apply(&change, &mut license, &mut situation);
        let (after, _) = naive::decide(&license, &situation);
        prop_assert_eq!(after, now, "{:?} is enough", change);
    }
    Ok(())
}

/// Rules before the one that decided hold, or object less; those behind one that denied were not asked.
fn steps_are_in_order(explanation: &Explanation<'_>) -> Result<(), TestCaseError> {
    let decision = explanation.decision();
    let steps: Vec<_> = explanation.steps().collect();
    prop_assert!(steps.iter().map(|(rule, _)| *rule).eq(Rule::ALL));
    let Some(decided) = explanation.decided_by() else {
        prop_assert_eq!(decision.reason.code(), "granted");
        let clean = |(_, finding): &(Rule, Finding)| matches!(finding, Finding::Absent | Finding::Passed);
        prop_assert!(steps.iter().all(clean));
        return Ok(());
    };
    for (rule, finding) in steps {
        match finding {
            Finding::Objects { verdict, reason } if rule == decided => {
                prop_assert_eq!((verdict, reason), (decision.verdict, decision.reason));
            }
            Finding::Objects { verdict, .. } if rule < decided => prop_assert!(verdict < decision.verdict),
            Finding::Objects { verdict, .. } => prop_assert!(verdict <= decision.verdict),
            Finding::NotAsked => prop_assert!(rule > decided && decision.verdict == Verdict::Deny),
            Finding::Absent | Finding::Passed => {
                prop_assert!(rule != decided && (rule < decided || decision.verdict != Verdict::Deny));
            }
        }
    }
    Ok(())
}

/// The same change with a number that is one less, where that is still a change.
fn less(change: &Change<'_>) -> Option<Change<'static>> {
    Some(match *change {
        Change::ComponentsMatching { more: more @ 2.. } => Change::ComponentsMatching { more: more - 1 },
        Change::InstallsRemoved { devices: devices @ 2.. } => {
            Change::InstallsRemoved { devices: devices - 1 }
        }
        Change::LicenseForBindings { bindings: bindings @ 2.. } => {
            Change::LicenseForBindings { bindings: bindings - 1 }
        }
        Change::LicenseForInstalls { devices: devices @ 2.. } => {
            Change::LicenseForInstalls { devices: devices - 1 }
        }
        Change::SeatsFreed { seats: seats @ 2.. } => Change::SeatsFreed { seats: seats - 1 },
        Change::SeatsSold { seats: seats @ 2.. } => Change::SeatsSold { seats: seats - 1 },
        Change::SeatsTaken { seats: seats @ 2.. } => Change::SeatsTaken { seats: seats - 1 },
        Change::UnitsSold { units: units @ 2.. } => Change::UnitsSold { units: units - 1 },
        Change::UnitsUsed { units: units @ 2.. } => Change::UnitsUsed { units: units - 1 },
        Change::Time { at } => Change::Time { at: at - 1 },
        _ => return None,
    })
}

fn first<'a>(names: &Names<'a>) -> Option<&'a str> {
    names.iter().next()
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// Makes a change: of who asks, or of the license.
fn apply(change: &Change<'_>, license: &mut License<'static>, it: &mut Situation) {
    let terms = &mut license.terms;
    let taken = |it: &Situation| match it.seat {
        Some(Seat::TakenByOthers(taken)) => taken,
        other => panic!("no seats are told: {other:?}"),
    };
    match *change {
        Change::AskingAs { product } => it.product = leaked(product),
        Change::AskingOn { device } => it.device_key = Some(device),
        Change::ComponentsMatching { more } => it.matching += more as usize,
        Change::FactTold { fact } => tell(fact, it),
        Change::InstallsRemoved { devices } => it.installed_on = it.installed_on.map(|on| on - devices),
        Change::LicenseForBindings { bindings } => terms.bindings = Some(bindings),
        Change::LicenseForChannel { channel } => {
            let limits = terms.distribution.expect("limits");
            terms.distribution = Some(Distribution { channels: Some(names(&[channel])), ..limits });
        }
        Change::LicenseForInstalls { devices } => {
            let limits = terms.distribution.expect("limits");
            terms.distribution = Some(Distribution { devices: Some(devices), ..limits });
        }
        Change::LicenseForDevice => {
            license.device_key = it.device_key;
            terms.device = None;
        }
        Change::LicenseForFeature { feature } => terms.features = features(&[(feature, Feature::On)]),
        Change::LicenseForProduct { product } => license.product = leaked(product),
        Change::LicenseForRelease { released_at } => {
            let window = terms.versions.expect("a window");
            terms.versions = Some(Versions { released_until: Some(released_at), ..window });
        }
        Change::LicenseForTerritory { territory } => terms.territory = Some(countries(&[territory])),
        Change::LicenseForUser => {
            let users = it.user.filter(|user| is_name(user)).map(|user| names(&[user]));
            let groups = it.groups.iter().flatten().next().map(|group| names(&[group]));
            terms.users = Some(Users { groups: groups.filter(|_| users.is_none()), users });
        }
        Change::LicenseForVersion { version } => {
            let window = terms.versions.expect("a window");
            terms.versions = Some(Versions { lowest: Some(version), highest: Some(version), ..window });
        }
        Change::LicenseUntil { after } => license.not_after = Some(after.saturating_add(1)),
        Change::PassingThrough { channels } => it.channel = first(&channels).map(leaked),
        Change::ReleasedBy { until } => it.released_at = Some(until),
        Change::SeatsFreed { seats } => it.seat = Some(Seat::TakenByOthers(taken(it) - seats)),
        Change::SeatsSold { seats } => terms.seats = terms.seats.map(|sold| sold + seats),
        Change::SeatsTaken { seats } => it.seat = Some(Seat::TakenByOthers(taken(it) + seats)),
        Change::Time { at } => it.now = at,
        Change::UnitsSold { units } => terms.features = with_more(terms.features, it.feature, units),
        Change::UnitsUsed { units } => it.used = it.used.map(|used| used + units),
        Change::Users { named } => {
            it.user = named.users.as_ref().and_then(first).map(leaked);
            it.groups = named.groups.as_ref().and_then(first).map(|group| vec![leaked(group)]);
        }
        Change::UsingIn { territory } => it.territory = first(&territory).map(leaked),
        Change::VersionFrom { lowest } => it.version = Some(lowest),
        Change::VersionUpTo { highest } => it.version = Some(highest),
        _ => panic!("a change that nothing tries: {change:?}"),
    }
}

fn tell(fact: Fact, it: &mut Situation) {
    match fact {
        Fact::Binding => it.binding = Some(1),
        Fact::Channel => it.channel = Some("usb"),
        Fact::Groups => it.groups = Some(vec!["shift"]),
        Fact::Installs => it.installed_on = Some(1),
        Fact::Release => it.released_at = Some(0),
        Fact::Seat => it.seat = Some(Seat::Held),
        Fact::Territory => it.territory = Some("CH"),
        Fact::Used => it.used = Some(0),
        Fact::User => it.user = Some("ann"),
        Fact::Version => it.version = Version::new(&[1]),
    }
}

fn with_more(granted: Features<'_>, of: Option<&str>, units: u64) -> Features<'static> {
    let granted: Vec<_> = granted
        .iter()
        .map(|(name, grant)| match grant {
            Feature::Quota { quota, overdraft } if Some(name) == of => {
                (name, Feature::Quota { quota: quota + units, overdraft })
            }
            other => (name, other),
        })
        .collect();
    features(&granted)
}

/// Returns the rule that decided and the changes, in words that a test can read.
fn explained(terms: &'static str, facts: &'static str, feature: &str) -> (Option<Rule>, Vec<String>) {
    let vendor = Vendor::new();
    let license = with_terms(with_cell(terms), |terms| terms.enforcement.notice_secs = 0);
    let document = issue_direct(&vendor.key, &license);
    let verified = verify_license(&document, &vendor.trust).expect("a good license");
    let (facts, device_key) = told(facts);
    let context = Context { now: START, product: PRODUCT, device_key, components: &[], facts };
    let explanation = explain(&verified, &context, Some(feature));
    (explanation.decided_by(), explanation.changes().map(|change| format!("{change:?}")).collect())
}

#[test]
fn explanations_name_the_rule_and_the_least_change() {
    let end = format!("Time {{ at: {} }}", END + 1);
    for (terms, facts, feature, rule, changes) in [
        ("-", "-", "logging", None, vec![end.clone()]),
        (
            "highest 3.1",
            "version 4",
            "logging",
            Some(Rule::Version),
            vec!["VersionUpTo { highest: ".into(), "LicenseForVersion { version: ".into()],
        ),
        ("quota 500+50", "used 498", "prints", None, vec!["UnitsUsed { units: 2 }".into(), end.clone()]),
        (
            "quota 500+50",
            "used 502",
            "prints",
            Some(Rule::Quota),
            vec!["UnitsUsed { units: 48 }".into(), "UnitsSold { units: 3 }".into(), end.clone()],
        ),
        (
            "quota 500+50",
            "used 552",
            "prints",
            Some(Rule::Quota),
            vec!["UnitsSold { units: 3 }".into(), end.clone()],
        ),
        (
            "seats 5",
            "taken 6",
            "logging",
            Some(Rule::Seats),
            vec!["SeatsFreed { seats: 2 }".into(), "SeatsSold { seats: 2 }".into(), end],
        ),
        ("users ann", "-", "logging", Some(Rule::User), vec!["FactTold { fact: User }".into()]),
    ] {
        let (decided_by, found) = explained(terms, facts, feature);
        assert_eq!((decided_by, found.len()), (rule, changes.len()), "{terms}: {found:?}");
        for (found, expected) in found.iter().zip(&changes) {
            assert!(found.starts_with(expected), "{terms}: {found} instead of {expected}");
        }
    }
}

/// Where no number of units or seats would do, none is promised.
#[test]
fn no_change_is_promised_that_no_number_can_keep() {
    let most = "used 18446744073709551615";
    let (rule, changes) = explained("quota 0+0", most, "prints");
    assert_eq!(rule, Some(Rule::Quota));
    assert!(!changes.iter().any(|change| change.starts_with("UnitsSold")), "{changes:?}");
    let (_, changes) = explained("quota 1+18446744073709551615", most, "prints");
    assert!(!changes.iter().any(|change| change.starts_with("UnitsSold")), "{changes:?}");
    let (rule, changes) = explained("seats 5", "taken 18446744073709551615", "logging");
    assert_eq!(rule, Some(Rule::Seats));
    assert!(!changes.iter().any(|change| change.starts_with("SeatsSold")), "{changes:?}");
}

/// What cannot stand in a license is not promised to.
#[test]
fn no_license_is_promised_for_a_name_that_none_can_hold() {
    for (terms, facts, other) in [
        ("in CH", "in ch", "UsingIn"),
        ("in CH", "in CHE", "UsingIn"),
        ("channels usb", "channel USB", "PassingThrough"),
        ("users ann", "user Ann", "Users"),
        ("users ann", "user аnn, groups none", "Users"),
        ("groups shift", "groups Shift", "Users"),
    ] {
        let (_, changes) = explained(terms, facts, "logging");
        assert!(changes[0].starts_with(other) && changes.len() == 1, "{facts}: {changes:?}");
    }
    let (_, changes) = explained("-", "-", "Export 2");
    assert_eq!(changes, Vec::<String>::new());
    let (_, changes) = explained("users ann", "user Ann, groups Shift+shift", "logging");
    assert_eq!(changes.last().map(String::as_str), Some("LicenseForUser"));
}

#[test]
fn rules_behind_a_denial_are_not_asked() {
    let vendor = Vendor::new();
    let document = issue_direct(&vendor.key, &with_cell("in CH, seats 5"));
    let verified = verify_license(&document, &vendor.trust).expect("a good license");
    let facts = Facts { territory: Some("FR"), ..Facts::default() };
    let context = Context { now: START, product: PRODUCT, device_key: None, components: &[], facts };
    let explanation = explain(&verified, &context, Some("logging"));
    let finding = |wanted| explanation.steps().find(|(rule, _)| *rule == wanted).expect("a rule").1;
    assert_eq!(finding(Rule::Product), Finding::Passed);
    assert_eq!(finding(Rule::DeviceKey), Finding::Absent);
    assert!(matches!(finding(Rule::Territory), Finding::Objects { verdict: Verdict::Deny, .. }));
    assert_eq!(finding(Rule::Seats), Finding::NotAsked);
    assert_eq!(finding(Rule::End), Finding::NotAsked);
}
