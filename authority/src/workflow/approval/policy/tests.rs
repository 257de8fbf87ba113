//! Rules against grants, and what a policy file may say.

use chancery_formats::grant::{Binding, Model, State};
use chancery_formats::id::EntitlementId;
use chancery_formats::license::{Enforcement, Features, Terms};

use super::*;

/// Gives a grant of `change` to `customer` to `work`.
fn with_grant<T>(change: Change, customer: &str, work: impl FnOnce(&Grant<'_>) -> T) -> T {
    let features = Features::encode(&[]);
    let grant = Grant {
        change,
        at: 1_800_000_000,
        by: "Dana Keller",
        reason: "order 4711",
        previous: None,
        state: State::Active,
        customer,
        site: None,
        product: "pump",
        package: None,
        add_ons: None,
        catalog: 1,
        model: Model::Perpetual,
        quantity: 5,
        in_islands: 0,
        returned: 0,
        binding: Binding::Device,
        not_before: 1_700_000_000,
        not_after: None,
        parent: None,
        transferable: true,
        named_users: None,
        terms: Terms {
            entitlement: EntitlementId([1; 8]),
            edition: "standard",
            revision: 1,
            features: Features::decode(&features).unwrap(),
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
        },
    };
    work(&grant)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn eur(minor_units: u64) -> Option<OwnedPrice> {
    Some(OwnedPrice { currency: "EUR".to_owned(), minor_units })
}

/// Returns the rule that decides, and how many it asks for.
fn need(text: &str, change: Change, destinations: &[&str], price: Option<&OwnedPrice>) -> (String, u32) {
    let policy = read::read(text).unwrap();
    let (destinations, is_anywhere) = (set(destinations), destinations.is_empty());
    let prohibited = destinations.intersection(&policy.prohibited).cloned().collect();
    with_grant(change, "acme", |grant| {
        let case = Case { grant, destinations: &destinations, is_anywhere, prohibited: &prohibited, price };
        let need = policy.need(&case);
        assert!(need.approvers == 0 || !need.roles.is_empty());
        (need.rule, need.approvers)
    })
}

#[test]
fn without_a_rule_one_approver_has_to_agree() {
    assert_eq!(need("", Change::Grant, &[], None), ("default".to_owned(), 1));
}

#[test]
fn the_first_rule_that_fits_decides() {
    let text = "[[rule]]\nid = \"a\"\nkinds = [\"suspend\", \"revoke\"]\napprovers = 0\n\
                [[rule]]\nid = \"b\"\ncustomers = [\"globex\"]\napprovers = 3\n\
                [[rule]]\nid = \"c\"\nproducts = [\"pump\"]\napprovers = 2\n\
                [[rule]]\nid = \"d\"\napprovers = 4\n";
    assert_eq!(need(text, Change::Suspend, &[], None), ("a".to_owned(), 0));
    assert_eq!(need(text, Change::Grant, &[], None), ("c".to_owned(), 2));
}

#[test]
fn what_nobody_can_price_is_dearer_than_every_bound() {
    let text = "[[rule]]\nid = \"small\"\nvalue-up-to = { currency = \"EUR\", minor-units = 100 }\napprovers = 0\n\
                [[rule]]\nid = \"large\"\nvalue-above = { currency = \"EUR\", minor-units = 1000 }\napprovers = 2\n";
    let decided = |price: Option<OwnedPrice>| need(text, Change::Grant, &[], price.as_ref());
    assert_eq!(decided(eur(100)), ("small".to_owned(), 0));
    assert_eq!(decided(eur(101)), ("default".to_owned(), 1));
    assert_eq!(decided(eur(1_000)), ("default".to_owned(), 1));
    assert_eq!(decided(eur(1_001)), ("large".to_owned(), 2));
    assert_eq!(decided(None), ("large".to_owned(), 2));
    let dollars = OwnedPrice { currency: "USD".to_owned(), minor_units: 1 };
    assert_eq!(decided(Some(dollars)), ("large".to_owned(), 2));
}

#[test]
fn a_place_fits_what_asks_for_somebody_and_only_as_a_whole_what_asks_for_nobody() {
    let strict = "[[rule]]\nid = \"far\"\nterritories = [\"JP\", \"KR\"]\napprovers = 2\n";
    assert_eq!(need(strict, Change::Grant, &["DE", "JP"], None).1, 2);
    assert_eq!(need(strict, Change::Grant, &["DE"], None).1, 1);
    assert_eq!(need(strict, Change::Grant, &[], None).1, 2, "anywhere is there as well");
    let free = "[[rule]]\nid = \"home\"\nterritories = [\"DE\", \"FR\"]\napprovers = 0\n";
    assert_eq!(need(free, Change::Grant, &["DE"], None).1, 0);
    assert_eq!(need(free, Change::Grant, &["DE", "JP"], None).1, 1);
    assert_eq!(need(free, Change::Grant, &[], None).1, 1, "anywhere is elsewhere as well");
}

#[test]
fn a_prohibited_destination_needs_two_whatever_the_rules_say() {
    let text = "prohibited = [\"KP\"]\n[[rule]]\nid = \"all\"\napprovers = 0\n";
    assert_eq!(need(text, Change::Grant, &["KP"], None), ("all".to_owned(), 2));
    assert_eq!(need(text, Change::Grant, &["DE"], None), ("all".to_owned(), 0));
    let more = "prohibited = [\"KP\"]\n[[rule]]\nid = \"far\"\nprohibited = true\napprovers = 3\n";
    assert_eq!(need(more, Change::Grant, &["KP"], None), ("far".to_owned(), 3));
    assert_eq!(need(more, Change::Grant, &["DE"], None), ("default".to_owned(), 1));
}

#[test]
fn every_fault_names_its_line() {
    for (text, line, message) in [
        ("prohibitd = []", 1, "unknown field `prohibitd`"),
        ("prohibited = [\"UK\"]", 1, "`UK` is no country of ISO 3166-1; `GB` is meant?"),
        ("prohibited = [\"DE\", \"DE\"]", 1, "country `DE` occurs twice"),
        ("[[rule]]\nid = \"A\"\napprovers = 1", 2, "`A` cannot be the id of a rule"),
        (
            "[[rule]]\nid = \"default\"\napprovers = 1",
            2,
            "rule `default` occurs twice, or is no name for one",
        ),
        (
            "[[rule]]\nid = \"a\"\napprovers = 1\n[[rule]]\nid = \"a\"\napprovers = 1",
            5,
            "rule `a` occurs twice",
        ),
        ("[[rule]]\nid = \"a\"\napprovers = 17", 3, "a rule asks for at most 16 approvers"),
        ("[[rule]]\nid = \"a\"\napprovers = -1", 3, ""),
        ("[[rule]]\nid = \"a\"\napprovers = 1\nkinds = [\"sell\"]", 4, "`sell` is no kind of change"),
        ("[[rule]]\nid = \"a\"\napprovers = 1\nroles = [\"x\", \"x\"]", 4, "role `x` occurs twice"),
        (
            "[[rule]]\nid = \"a\"\napprovers = 0\nprohibited = true",
            3,
            "what goes to a prohibited destination",
        ),
        (
            "[[rule]]\nid = \"a\"\napprovers = 0\nvalue-above = { currency = \"EUR\", minor-units = 1 }",
            4,
            "a rule that asks for nobody",
        ),
        (
            "[[rule]]\nid = \"a\"\napprovers = 1\nvalue-above = { currency = \"eur\", minor-units = 1 }",
            4,
            "a value is a currency",
        ),
        ("[[rule]]\nid = \"a\"", 1, "missing field `approvers`"),
    ] {
        let error = read::read(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.starts_with(message), "{text}: {error}");
    }
}
