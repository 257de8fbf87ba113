//! Catalog, customers and entitlements: what was sold stays as it was sold.

use super::*;

#[test]
fn a_catalog_that_changes_nothing_is_not_recorded() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    assert_eq!(repository.apply_catalog(&catalog_of(16), "text", NOW).unwrap(), None);
    assert_eq!(repository.apply_catalog(&catalog_of(16), "other text", NOW).unwrap(), None);
    assert_eq!(repository.apply_catalog(&catalog_of(32), "text", NOW).unwrap(), Some(2));
    assert_eq!(repository.apply_catalog(&catalog_of(16), "text", NOW).unwrap(), Some(3));
    assert_eq!(repository.product("pump").unwrap(), catalog_of(16).products["pump"]);
    assert_eq!(count(&repository, "SELECT count(*) FROM catalog_change"), 3);
}

#[test]
fn a_later_catalog_alters_nothing_that_was_sold() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 5);
    let sold = repository.entitlement(entitlement).unwrap();
    assert_eq!(sold.features, catalog_of(16).products["pump"].editions["standard"]);

    let mut without_edition = catalog_of(64);
    without_edition.products.get_mut("pump").unwrap().editions.remove("standard");
    repository.apply_catalog(&without_edition, "text", NOW).unwrap();
    assert_eq!(repository.entitlement(entitlement).unwrap(), sold);
}

#[test]
fn what_is_granted_must_exist() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let sell = |repository: &Repository, product, edition| {
        sold(repository, product, edition, Model::Subscription, Binding::Device)
    };
    assert_eq!(sell(&repository, "valve", "standard").unwrap_err().code(), "product-unknown");
    assert_eq!(sell(&repository, "pump", "gold").unwrap_err().code(), "edition-unknown");
    let order =
        Order { customer: "acme", quantity: 1, site: None, not_before: Some(NOW), not_after: Some(NOW) };
    let standard = sell(&repository, "pump", "standard").unwrap();
    let nobody = Order { customer: "nobody", ..order };
    let error = grant_as(&mut repository, EntitlementId([1; 8]), &nobody, &standard, &NOTE).unwrap_err();
    assert_eq!(error.code(), "customer-unknown");
    assert_eq!(repository.entitlements().unwrap(), []);
    grant_as(&mut repository, EntitlementId([1; 8]), &order, &standard, &NOTE).unwrap();
    let empty = sell(&repository, "pump", "empty").unwrap();
    let later = Note { at: NOW + 1, ..NOTE };
    grant_as(&mut repository, EntitlementId([2; 8]), &order, &empty, &later).unwrap();
    let granted = repository.entitlements().unwrap();
    assert_eq!((granted.len(), granted[0].not_after, granted[0].revision), (2, Some(NOW), 1));
    assert_eq!(granted[1].features, Features::new());
    let unknown = repository.entitlement(EntitlementId([9; 8])).unwrap_err();
    assert_eq!(unknown.code(), "entitlement-unknown");
}

#[test]
fn an_id_names_one_customer_and_a_reference_one_key() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let customer = Customer { id: "acme".to_owned(), name: "Other".to_owned(), added_at: NOW };
    assert_eq!(repository.add_customer(&customer).unwrap_err().code(), "customer-exists");
    assert_eq!(repository.customers().unwrap()[0].name, "Acme");

    let key = NewKey {
        public_key: PublicKey::Ed25519([8; 32]),
        role: Role::Custodian,
        reference: Some("file:issuer.pem"),
        protection: Protection::Hardware,
    };
    assert_eq!(repository.add_key(&key, NOW).unwrap_err().code(), "key-exists");
    repository.add_key(&NewKey { reference: Some("pkcs11:token=a;object=b"), ..key }, NOW).unwrap();
    assert_eq!(repository.keys().unwrap().len(), 2);
}
