//! What the catalog sells is what is granted, and what is sold later leaves alone what it does not name.

use chancery_formats::license::EnforcementMode;

use super::super::resale::{Resale, resold};
use super::*;
use crate::workflow::sale::{Item, Sales, Wanted};

const PACKAGES: &str = r#"[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.feature]]
id = "prints"
kind = "metered"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }

[[product.edition]]
id = "professional"
features = { logging = true, channels = 64 }

[[product.add-on]]
id = "more-channels"
adds = { channels = 16 }

[[product.add-on]]
id = "printing"
adds = { prints = { quota = 500, overdraft = 50 } }

[[product.package]]
id = "waterworks"
name = "Waterworks"
edition = "standard"
add-ons = ["more-channels"]
policy = "yearly"

[[policy]]
id = "yearly"
model = "subscription"
term-days = 365
grace-days = 14
enforcement = "warn"
seats = 5

[[policy]]
id = "for-ever"
model = "perpetual"
"#;

/// A shop that sells packages, and one of them to acme.
fn sold_a_package() -> (Shop, EntitlementId) {
    let mut shop = Shop::new();
    let catalog = catalog::read(PACKAGES).unwrap();
    shop.repository.apply_catalog(&catalog, PACKAGES, NOW).unwrap();
    let wanted = Wanted {
        product: "pump",
        item: Item::Package("waterworks"),
        add_ons: &[],
        policy: None,
        territory: None,
        support: None,
    };
    let sold = Sales::open(&shop.repository).unwrap().sold("acme", &wanted).unwrap();
    let order = Order { customer: "acme", quantity: 3, site: None, not_before: Some(NOW), not_after: None };
    let id = shop.grant_of(&sold, &order).unwrap().id;
    (shop, id)
}

fn resell(shop: &mut Shop, id: EntitlementId, resale: &Resale<'_>) -> Result<Entitlement, CommandError> {
    let sold = resold(&shop.repository, id, resale)?;
    Ok(shop.amend(id, &Amendment { sold, ..Amendment::default() })?.after)
}

#[test]
fn a_package_brings_edition_add_ons_and_rules() {
    let (shop, id) = sold_a_package();
    let granted = shop.get(id);
    assert_eq!((granted.package.as_deref(), granted.edition.as_str()), (Some("waterworks"), "standard"));
    assert_eq!(granted.add_ons, ["more-channels".to_owned()].into());
    assert_eq!(granted.features["channels"], FeatureValue::Limit(32));
    assert_eq!((granted.model, granted.not_after), (Model::Subscription, Some(NOW + 365 * DAY - 1)));
    assert_eq!((granted.seats, granted.enforcement.grace_secs), (Some(5), 14 * DAY));
    assert_eq!(granted.enforcement.mode, EnforcementMode::Warn);
}

#[test]
fn an_add_on_that_is_sold_later_leaves_package_and_rules_alone() {
    let (mut shop, id) = sold_a_package();
    let seats = Amendment { seats: Some(9), ..Amendment::default() };
    shop.amend(id, &seats).unwrap();
    let printing = ["printing".to_owned()];
    let resale = Resale { add_ons: &printing, ..Resale::default() };
    let after = resell(&mut shop, id, &resale).unwrap();
    assert_eq!(after.features["prints"], FeatureValue::Quota { quota: 500, overdraft: 50 });
    assert_eq!(after.features["channels"], FeatureValue::Limit(32));
    assert_eq!(after.add_ons, ["more-channels".to_owned(), "printing".to_owned()].into());
    assert_eq!((after.package.as_deref(), after.seats), (Some("waterworks"), Some(9)));
    assert_eq!(after.enforcement.grace_secs, 14 * DAY);
    // What is held is not sold a second time.
    assert_eq!(resell(&mut shop, id, &resale).unwrap_err().code(), "add-on-twice");
}

#[test]
fn another_edition_keeps_the_rules_unless_a_policy_is_named() {
    let (mut shop, id) = sold_a_package();
    let professional = Resale { item: Some(Item::Edition("professional")), ..Resale::default() };
    let after = resell(&mut shop, id, &professional).unwrap();
    assert_eq!((after.package, after.edition.as_str()), (None, "professional"));
    assert!(after.add_ons.is_empty());
    assert_eq!((after.seats, after.enforcement.grace_secs), (Some(5), 14 * DAY));
    let for_ever = Resale { policy: Some("for-ever"), ..Resale::default() };
    assert_eq!(resell(&mut shop, id, &for_ever).unwrap_err().code(), "model-other");
    let unknown = Resale { item: Some(Item::Package("waterwork")), ..Resale::default() };
    assert_eq!(resell(&mut shop, id, &unknown).unwrap_err().code(), "package-unknown");
}
