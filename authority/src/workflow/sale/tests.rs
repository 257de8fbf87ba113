//! What sales come to, and what is not sold.

use super::*;
use crate::repository::catalog::Features;
use crate::repository::{Binding, FeatureValue, Pilot};
use crate::workflow::catalog::read;
use chancery_formats::license::EnforcementMode;

const CATALOG: &str = r#"
[[product]]
id = "pump"
name = "Pump Control"
[[product.feature]]
id = "logging"
[[product.feature]]
id = "history"
[[product.feature]]
id = "channels"
kind = "limit"
[[product.feature]]
id = "prints"
kind = "metered"

[[product.edition]]
id = "basic"
features = { channels = 4 }
[[product.edition]]
id = "standard"
features = { logging = true, channels = 16, prints = { quota = 500, overdraft = 50 } }

[[product.add-on]]
id = "sixteen"
adds = { channels = 16 }
[[product.add-on]]
id = "at-least-ten"
features = { channels = 10 }
[[product.add-on]]
id = "printing"
features = { prints = { quota = 100, overdraft = 80 } }
adds = { prints = { quota = 1000 } }
[[product.add-on]]
id = "historian"
features = { history = true }
editions = ["standard"]
requires = ["sixteen"]
[[product.add-on]]
id = "light"
conflicts = ["historian"]
[[product.add-on]]
id = "endless"
adds = { channels = 9223372036854775807 }

[[product.package]]
id = "works"
name = "Waterworks"
edition = "standard"
add-ons = ["sixteen"]
policy = "yearly"
territory = "dach"
support = "gold"

[[policy]]
id = "yearly"
model = "subscription"
term-days = 365
grace-days = 14
notice-days = 30
enforcement = "warn"
[[policy]]
id = "ever"
model = "perpetual"
maintenance-days = 730
highest-version = "3"
binding = "none"
seats = 5
named-users = 7
transferable = false
devices = 2
channels = ["stick"]
typed-bindings = 3

[[territory]]
id = "dach"
countries = ["DE", "AT", "CH"]
[[territory]]
id = "home"
countries = ["DE"]
[[support]]
id = "gold"
[[support]]
id = "silver"

[[price-book]]
id = "eur"
currency = "EUR"
[[price-book.price]]
product = "pump"
package = "works"
minor-units = 120000
[[price-book.price]]
product = "pump"
edition = "basic"
minor-units = 9223372036854775807
[[price-book.price]]
product = "pump"
add-on = "printing"
minor-units = 5
[[price-book.price]]
product = "pump"
add-on = "sixteen"
minor-units = 9223372036854775807
"#;

fn catalog() -> Catalog {
    read(CATALOG).unwrap()
}

fn wanted<'a>(item: Item<'a>, add_ons: &'a [String]) -> Wanted<'a> {
    Wanted { product: "pump", item, add_ons, policy: None, territory: None, support: None }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn features_of(item: Item<'_>, add_ons: &[&str]) -> Result<Features, SaleError> {
    sold(&catalog(), 3, &wanted(item, &ids(add_ons))).map(|sold| sold.features)
}

#[test]
fn a_package_brings_its_add_ons_and_its_rules() {
    let sold = sold(&catalog(), 3, &wanted(Item::Package("works"), &[])).unwrap();
    assert_eq!((sold.product.as_str(), sold.edition.as_str(), sold.catalog), ("pump", "standard", 3));
    assert_eq!((sold.package.as_deref(), sold.model), (Some("works"), Model::Subscription));
    assert_eq!(sold.add_ons, ["sixteen".to_owned()].into());
    assert_eq!(sold.features["channels"], FeatureValue::Limit(32));
    assert_eq!(sold.features["logging"], FeatureValue::On);
    assert_eq!(sold.rules.term_days, Some(365));
    let enforcement =
        Enforcement { mode: EnforcementMode::Warn, grace_secs: 14 * 86_400, notice_secs: 30 * 86_400 };
    assert_eq!(sold.rules.enforcement, enforcement);
    assert_eq!(sold.rules.territory, ["AT".to_owned(), "CH".to_owned(), "DE".to_owned()].into());
    assert_eq!(sold.rules.support.as_deref(), Some("gold"));
}

#[test]
fn what_a_sale_names_itself_comes_before_the_package() {
    let named = Wanted {
        policy: Some("ever"),
        territory: Some("home"),
        support: Some("silver"),
        ..wanted(Item::Package("works"), &[])
    };
    let sold = sold(&catalog(), 1, &named).unwrap();
    let expected = Rules {
        term_days: None,
        maintenance_days: Some(730),
        highest_version: chancery_formats::license::Version::new(&[3]),
        binding: Binding::None,
        seats: Some(5),
        named_users: Some(7),
        territory: ["DE".to_owned()].into(),
        support: Some("silver".to_owned()),
        enforcement: Enforcement::default(),
        devices: Some(2),
        channels: ["stick".to_owned()].into(),
        bindings: Some(3),
        transferable: false,
    };
    assert_eq!((sold.model, sold.rules), (Model::Perpetual, expected));
}

#[test]
fn an_edition_by_itself_is_perpetual_and_without_limits() {
    let sold = sold(&catalog(), 1, &wanted(Item::Edition("basic"), &[])).unwrap();
    assert_eq!((sold.model, sold.rules, sold.package), (Model::Perpetual, Rules::default(), None));
}

#[test]
fn add_ons_raise_first_and_add_then_in_any_order() {
    let limit = |features: Features| features["channels"];
    assert_eq!(
        limit(features_of(Item::Edition("basic"), &["at-least-ten"]).unwrap()),
        FeatureValue::Limit(10)
    );
    assert_eq!(
        limit(features_of(Item::Edition("standard"), &["at-least-ten"]).unwrap()),
        FeatureValue::Limit(16)
    );
    for order in [["at-least-ten", "sixteen"], ["sixteen", "at-least-ten"]] {
        assert_eq!(limit(features_of(Item::Edition("basic"), &order).unwrap()), FeatureValue::Limit(26));
    }
    let quota = |edition| features_of(Item::Edition(edition), &["printing"]).unwrap()["prints"];
    assert_eq!(quota("basic"), FeatureValue::Quota { quota: 1_100, overdraft: 80 });
    assert_eq!(quota("standard"), FeatureValue::Quota { quota: 1_500, overdraft: 80 });
}

#[test]
fn what_cannot_be_sold_is_refused_by_name() {
    let (standard, works) = (Item::Edition("standard"), Item::Package("works"));
    for (item, add_ons, code, message) in [
        (standard, &["sixteen", "sixteen"][..], "add-on-twice", "add-on sixteen is named twice"),
        (works, &["sixteen"], "add-on-included", "add-on sixteen is part of the package"),
        (works, &["historian", "light"], "add-on-conflict", "add-ons light and historian conflict"),
        (standard, &["historian"], "add-on-missing", "add-on historian requires add-on sixteen"),
        (
            Item::Edition("basic"),
            &["historian", "sixteen"],
            "add-on-other-edition",
            "add-on historian does not go with edition basic",
        ),
        (
            standard,
            &["endless"],
            "feature-overflow",
            "what add-ons add to feature channels is more than a license can hold",
        ),
        (standard, &["sixten"], "add-on-unknown", "the catalog has no add-on sixten"),
        (Item::Edition("standart"), &[], "edition-unknown", "the catalog has no edition standart"),
        (Item::Package("work"), &[], "package-unknown", "the catalog has no package work"),
    ] {
        let error = features_of(item, add_ons).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    }
    let near = |error: SaleError| error.hint();
    assert_eq!(near(features_of(Item::Package("work"), &[]).unwrap_err()), "is `works` meant?");
    assert_eq!(near(features_of(Item::Package("standrad"), &[]).unwrap_err()), "is `standard` meant?");
    let catalog = catalog();
    for (named, code) in [
        (Wanted { product: "pumps", ..wanted(standard, &[]) }, "product-unknown"),
        (Wanted { policy: Some("yearli"), ..wanted(standard, &[]) }, "policy-unknown"),
        (Wanted { territory: Some("x"), ..wanted(standard, &[]) }, "territory-unknown"),
        (Wanted { support: Some("x"), ..wanted(standard, &[]) }, "support-unknown"),
    ] {
        assert_eq!(sold(&catalog, 1, &named).unwrap_err().code(), code);
    }
    assert_eq!(sold(&Catalog::default(), 0, &wanted(standard, &[])).unwrap_err(), SaleError::NoCatalog);
}

#[test]
fn an_order_with_an_endless_name_is_answered_in_short() {
    let name = "x".repeat(1_000_000);
    let error = features_of(Item::Package(&name), &[]).unwrap_err();
    assert!(error.to_string().len() < 120, "{}", error.to_string().len());
}

#[test]
fn prices_are_added_in_minor_units_and_never_overflow() {
    let catalog = catalog();
    let of =
        |item, add_ons: &[&str], quantity| price(&catalog, "eur", &wanted(item, &ids(add_ons)), quantity);
    let shown = |item, add_ons: &[&str], quantity| of(item, add_ons, quantity).unwrap().unwrap().to_string();
    assert_eq!(shown(Item::Package("works"), &[], 1), "1200.00 EUR");
    assert_eq!(shown(Item::Package("works"), &["printing"], 3), "3600.15 EUR");
    assert_eq!(shown(Item::Edition("basic"), &["sixteen"], 1), "184467440737095516.14 EUR");
    assert_eq!(of(Item::Edition("basic"), &["sixteen", "printing"], 1), Err(SaleError::PriceOverflow));
    assert_eq!(of(Item::Edition("basic"), &[], u32::MAX), Err(SaleError::PriceOverflow));
    // One part without a price leaves the whole without one.
    assert_eq!(of(Item::Edition("standard"), &[], 1), Ok(None));
    assert_eq!(of(Item::Package("works"), &["at-least-ten"], 1), Ok(None));
    assert_eq!(
        price(&catalog, "usd", &wanted(Item::Edition("basic"), &[]), 1).unwrap_err().code(),
        "price-book-unknown"
    );
}

#[test]
fn a_pilot_sells_to_its_customers_alone() {
    let mut tried = catalog();
    tried
        .products
        .get_mut("pump")
        .unwrap()
        .editions
        .get_mut("basic")
        .unwrap()
        .insert("logging".to_owned(), FeatureValue::On);
    let pilot = Pilot { number: 5, share: 500, seed: 4, catalog: tried };
    let sales =
        Sales { state: CatalogState { newest: 5, number: 3, catalog: catalog(), pilot: Some(pilot) } };
    let names: Vec<String> = (0..10_000).map(|number| format!("customer-{number}")).collect();
    let chosen = |sales: &Sales| -> Vec<bool> {
        names
            .iter()
            .map(|customer| {
                let sold = sales.sold(customer, &wanted(Item::Edition("basic"), &[])).unwrap();
                assert_eq!(sold.catalog == 5, sold.features.contains_key("logging"), "{customer}");
                sold.catalog == 5
            })
            .collect()
    };
    let first = chosen(&sales);
    let count = first.iter().filter(|is_chosen| **is_chosen).count();
    // Five standard deviations of 21.8.
    assert!((391..=609).contains(&count), "{count}");
    assert_eq!(first, chosen(&sales), "other customers the second time");
    assert_eq!(sales.sold_to_anybody(&wanted(Item::Edition("basic"), &[])).unwrap().catalog, 3);
}

#[test]
fn the_page_tells_who_is_chosen_and_what_its_package_comes_to() {
    let page = include_str!("../../../../docs/spec/catalog.md");
    let table = page.split("| seed | customer |").nth(1).unwrap().lines().skip(2);
    let mut rows = 0;
    for row in table.take_while(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let seed: u64 = cells[1].parse().unwrap();
        let above: u16 = cells[3].trim_end_matches(" %").replace('.', "").parse().unwrap();
        let holds = |hundredths| Share::new(hundredths).unwrap().holds(seed, cells[2]);
        assert!(!holds(above) && holds(above + 1), "{row}");
        rows += 1;
    }
    assert_eq!(rows, 7);

    let catalog = read(page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()).unwrap();
    let wanted = wanted(Item::Package("waterworks"), &[]);
    let sold = sold(&catalog, 1, &wanted).unwrap();
    let price = price(&catalog, "eur", &wanted, 1).unwrap().unwrap();
    let told = format!(
        "`waterworks` comes to `{}`, a {} of\n{} days, in `AT`, `CH` and `DE`, for {price}",
        crate::output::features(&sold.features),
        sold.model.name(),
        sold.rules.term_days.unwrap()
    );
    assert!(page.contains(&told), "{told}");
}
