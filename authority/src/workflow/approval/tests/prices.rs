//! Rules about value: by the price book that the policy names, and closed where it has no price.

use super::*;

const PRICED: &str = "[[product]]\nid = \"pump\"\nname = \"Pump\"\n\n\
    [[product.feature]]\nid = \"logging\"\n\n\
    [[product.edition]]\nid = \"standard\"\nfeatures = {}\n\n\
    [[product.edition]]\nid = \"special\"\nfeatures = {}\n\n\
    [[price-book]]\nid = \"list\"\nname = \"List\"\ncurrency = \"EUR\"\n\n\
    [[price-book.price]]\nproduct = \"pump\"\nedition = \"standard\"\nminor-units = 100\n";

/// Up to 5 euros nobody has to agree.
const SMALL: &str = "price-book = \"list\"\n\n\
    [[rule]]\nid = \"small\"\nvalue-up-to = { currency = \"EUR\", minor-units = 500 }\napprovers = 0\n";

fn priced(policy: &str) -> Desk {
    let mut desk = Desk::bare(1);
    let state = desk.repository.catalog_state().unwrap();
    let catalog = catalog::read_over(&state.catalog, PRICED).unwrap();
    desk.repository.apply_catalog(&catalog, PRICED, NOW).unwrap();
    desk.policy(policy);
    desk
}

fn grant_of(desk: &mut Desk, edition: &str, quantity: u64) -> EntitlementId {
    let sold = sold(&desk.repository, "pump", edition, Model::Perpetual, Binding::Device).unwrap();
    let order = Order { customer: "acme", quantity, site: None, not_before: Some(NOW), not_after: None };
    let note = desk.note();
    grant(&mut desk.repository, &order, &sold, &note).unwrap().id
}

#[test]
fn what_costs_little_stands_at_once_and_what_costs_more_waits() {
    let mut desk = priced(SMALL);
    desk.now += 1;
    let id = grant_of(&mut desk, "standard", 5);
    assert_eq!(desk.repository.proposed(), [0; 0]);
    desk.vouched(id).unwrap();
    grant_of(&mut desk, "standard", 6);
    assert_eq!(desk.repository.proposed(), [1]);
    let price = desk.repository.proposed_grants(1).unwrap()[0].price.clone().unwrap();
    assert_eq!((price.currency.as_str(), price.minor_units), ("EUR", 600));
    // An edition that the book does not have.
    grant_of(&mut desk, "special", 1);
    assert_eq!(desk.repository.proposed(), [2]);
    // More of what was small, so that it is small no more.
    desk.raise(id, 6);
    assert_eq!(desk.repository.proposed(), [3]);
    // More than any number holds.
    grant_of(&mut desk, "standard", u64::from(u32::MAX) + 1);
    assert_eq!(desk.repository.proposed(), [4]);
}

#[test]
fn a_feature_that_was_raised_by_hand_has_no_price() {
    let mut desk = priced(SMALL);
    let id = grant_of(&mut desk, "standard", 1);
    assert_eq!(desk.repository.proposed(), [0; 0]);
    let note = desk.note();
    let features = [("logging".to_owned(), Some(crate::repository::FeatureValue::On))].into();
    let amendment = Amendment { features, ..Amendment::default() };
    amend(&mut desk.repository, id, &amendment, &note).unwrap();
    assert_eq!(desk.repository.proposed(), [1]);
    assert_eq!(desk.repository.proposed_grants(1).unwrap()[0].price, None);
}

#[test]
fn a_book_that_is_not_there_knows_no_price() {
    for text in [SMALL.replace("list", "other"), SMALL.replace("price-book = \"list\"", "")] {
        let mut desk = priced(&text);
        grant_of(&mut desk, "standard", 1);
        assert_eq!(desk.repository.proposed(), [1], "{text}");
        assert_eq!(desk.repository.proposed_grants(1).unwrap()[0].price, None);
    }
}

#[test]
fn an_approver_decides_up_to_their_value() {
    let mut desk = priced("price-book = \"list\"\n");
    let up_to =
        |most: u64| ApproverBounds { dearest: [("EUR".to_owned(), most)].into(), ..Default::default() };
    let (robin, kim) = (
        desk.approver_with("Robin Vogt", "approver", &up_to(500)),
        desk.approver_with("Kim Sato", "approver", &up_to(600)),
    );
    grant_of(&mut desk, "standard", 6);
    let made = desk.ask();
    assert_eq!(code(desk.take(&approve(&made, &robin))), "approver-bounds");
    desk.take(&approve(&made, &kim)).unwrap();
}
