//! Catalog files: what is read, what is refused and where, and what hostile ones are answered.

use super::*;
use crate::repository::{Binding, FeatureKind, FeatureValue, Model};

mod faults;
mod hostile;
mod words;

/// The files of the page that specifies them.
pub(super) fn of_the_page() -> Vec<String> {
    let page = include_str!("../../../../docs/spec/catalog.md");
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let blocks: Vec<String> = blocks.collect();
    assert_eq!(blocks.len(), 2);
    blocks
}

/// The catalog with which the page begins.
pub(super) fn pump() -> String {
    of_the_page().remove(0)
}

#[test]
fn the_catalog_of_the_page_says_what_the_page_says() {
    let catalog = read(&pump()).unwrap();
    let product = &catalog.products["pump"];
    assert_eq!(product.name, "Pump Control");
    assert_eq!(product.features["logging"], FeatureKind::Switch);
    assert_eq!(product.features["channels"], FeatureKind::Limit);
    assert_eq!(product.features["prints"], FeatureKind::Metered);
    let standard = &product.editions["standard"];
    assert_eq!(standard["logging"], FeatureValue::On);
    assert_eq!(standard["channels"], FeatureValue::Limit(16));
    assert_eq!(standard["prints"], FeatureValue::Quota { quota: 500, overdraft: 50 });
    let policy = &catalog.policies["yearly"];
    assert_eq!((policy.model, policy.term_days), (Model::Subscription, Some(365)));
    assert_eq!((policy.binding, policy.transferable, policy.grace_days), (Binding::Device, true, 14));
    assert!(catalog.territories["dach"].countries.contains("CH"));
    assert_eq!(catalog.price_books["eur"].prices["pump"].packages["waterworks"], 120_000);
}

#[test]
fn what_a_file_does_not_name_stays_and_what_it_removes_goes() {
    let standing = read(&pump()).unwrap();
    let valve = "[[product]]\nid = \"valve\"\nname = \"Valve\"\n";
    let both = read_over(&standing, valve).unwrap();
    assert_eq!(both.products.keys().collect::<Vec<_>>(), ["pump", "valve"]);
    assert_eq!(both.products["pump"], standing.products["pump"]);

    // The removal of the page wants the package without its policy.
    let removal = &of_the_page()[1];
    let error = read_over(&standing, removal).unwrap_err();
    assert_eq!((error.line, error.column), (2, 11));
    assert!(
        error.message.starts_with("package `waterworks` of product `pump` needs policy `yearly`"),
        "{error}"
    );
    let without = pump().replace("policy = \"yearly\"\n", "");
    let without = without.split("[[policy]]").next().unwrap();
    let smaller = read_over(&standing, &format!("{removal}\n{without}")).unwrap();
    assert!(smaller.policies.is_empty() && smaller.price_books.is_empty());
    assert_eq!(smaller.territories, standing.territories);
    assert_eq!(smaller.products["pump"].packages["waterworks"].policy, None);
}

#[test]
fn a_product_that_drops_what_has_a_price_is_refused() {
    let standing = read(&pump()).unwrap();
    let dropped = "[[product]]\nid = \"pump\"\nname = \"Pump Control\"\n";
    let error = read_over(&standing, dropped).unwrap_err();
    assert_eq!((error.line, error.column), (2, 6));
    assert!(
        error.message.starts_with("price book `eur` needs package `waterworks` of product `pump`"),
        "{error}"
    );
    let removed = read_over(&standing, "[remove]\nproduct = [\"pump\"]\n").unwrap_err();
    assert_eq!((removed.line, removed.column), (2, 12));
    let all = read_over(&standing, "[remove]\nproduct = [\"pump\"]\nprice-book = [\"eur\"]\n").unwrap();
    assert!(all.products.is_empty());
}

#[test]
fn a_switch_that_is_false_is_not_part_of_the_edition() {
    let catalog = read(&pump().replace("logging = true", "logging = false")).unwrap();
    let standard: Vec<_> = catalog.products["pump"].editions["standard"].keys().collect();
    assert_eq!(standard, ["channels", "prints"]);
}

#[test]
fn a_policy_that_says_little_binds_to_the_device_and_denies() {
    let policy = "[[policy]]\nid = \"plain\"\nmodel = \"perpetual\"\n";
    let plain = &read(policy).unwrap().policies["plain"];
    assert_eq!(
        (plain.name.as_str(), plain.model, plain.binding),
        ("plain", Model::Perpetual, Binding::Device)
    );
    assert_eq!((plain.grace_days, plain.notice_days, plain.transferable), (0, 0, true));
    let wide = format!(
        "{policy}maintenance-days = 730\nhighest-version = \"3.10\"\nseats = 5\nnamed-users = 7\ndevices = 2\n\
         channels = [\"stick\"]\ntyped-bindings = 3\nbinding = \"none\"\ntransferable = false\n"
    );
    let wide = &read(&wide).unwrap().policies["plain"];
    assert_eq!(wide.highest_version.unwrap().numbers(), [3, 10]);
    assert_eq!((wide.seats, wide.named_users, wide.devices), (Some(5), Some(7), Some(2)));
    assert_eq!((wide.typed_bindings, wide.binding, wide.transferable), (Some(3), Binding::None, false));
}

#[test]
fn a_file_of_an_earlier_release_is_read_as_it_was() {
    let old = "[[product]]\nid = \"pump\"\nname = \"Pump\" # \u{200b}\n";
    assert!(read(old).unwrap_err().message.contains("U+200B"));
    assert_eq!(read_kept(&Catalog::default(), old).unwrap().products["pump"].name, "Pump");
}
