//! What changes do: each a revision with who, when and why, and nothing but what was asked for.

use super::*;
use crate::workflow::entitlement::history::{replay, steps};

#[test]
fn every_change_is_a_revision_with_who_when_and_why() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    shop.now += DAY;
    let note = Note { by: "Robin Vogt", reason: "two more lines", at: shop.now };
    let more = Amendment { quantity: Some(7), ..Amendment::default() };
    let changed = amend(&mut shop.repository, id, &more, &note).unwrap();
    assert_eq!((changed.before.quantity, changed.after.quantity, changed.after.revision), (5, 7, 2));
    shop.now += DAY;
    shop.suspend(id).unwrap();
    let steps = steps(&shop.repository, id).unwrap();
    let told: Vec<_> = steps.iter().map(|step| (step.grant.change.name(), step.grant.at)).collect();
    assert_eq!(told, [("grant", NOW), ("amend", NOW + DAY), ("suspend", NOW + 2 * DAY)]);
    assert_eq!(
        (steps[1].grant.by.as_str(), steps[1].grant.reason.as_str()),
        ("Robin Vogt", "two more lines")
    );
    assert_eq!(steps[0].before, None);
    assert_eq!(steps[2].before.as_ref().unwrap(), &steps[1].grant);
    assert_eq!(shop.get(id).granted_at, NOW);
}

#[test]
fn the_state_at_any_instant_is_there() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    shop.now += DAY;
    shop.draw(id, 1).unwrap();
    shop.now += DAY;
    shop.quantity(id, 7).unwrap();
    let at = |instant| replay(&shop.repository, id, instant);
    assert_eq!(at(NOW - 1).unwrap_err().code(), "grant-unknown");
    let state =
        |instant| at(instant).map(|grant| (grant.entitlement.quantity, grant.entitlement.used)).unwrap();
    assert_eq!(state(NOW), (5, 0));
    assert_eq!(state(NOW + DAY - 1), (5, 0));
    assert_eq!(state(NOW + DAY), (5, 1));
    assert_eq!(state(NOW + 2 * DAY), (7, 1));
    assert_eq!(state(u64::from(u32::MAX)), (7, 1));
    assert_eq!(at(NOW + 2 * DAY).unwrap().entitlement, shop.get(id));
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    shop.now = NOW + 900 * DAY;
    shop.quantity(id, 6).unwrap();
    shop.now = NOW + DAY;
    shop.quantity(id, 7).unwrap();
    let quantity = |at| replay(&shop.repository, id, at).unwrap().entitlement.quantity;
    assert_eq!(quantity(NOW), 5);
    assert_eq!(quantity(NOW + DAY), 7);
    assert_eq!(quantity(NOW + 1_000 * DAY), 7);
}

#[test]
fn an_upgrade_keeps_what_is_not_part_of_it() {
    let mut shop = Shop::new();
    let order = Order {
        customer: "acme",
        quantity: 3,
        site: Some("north"),
        not_before: Some(NOW),
        not_after: Some(NOW + DAY),
    };
    let id = shop.grant_of(&shop.sold("standard", Model::Subscription), &order).unwrap().id;
    shop.draw(id, 1).unwrap();
    let other = CATALOG.replace("channels = 64", "channels = 128");
    shop.repository.apply_catalog(&catalog::read(&other).unwrap(), &other, NOW).unwrap();
    assert_eq!(shop.get(id).catalog, 1);
    let sold = Some(shop.sold("professional", Model::Subscription));
    let after = shop.amend(id, &Amendment { sold, ..Amendment::default() }).unwrap().after;
    assert_eq!((after.edition.as_str(), after.catalog), ("professional", 2));
    assert_eq!(after.features["channels"], FeatureValue::Limit(128));
    assert_eq!(after.features["export"], FeatureValue::On);
    assert_eq!((after.site.as_deref(), after.quantity, after.used), (Some("north"), 3, 1));
    assert_eq!((after.not_before, after.not_after), (NOW, Some(NOW + DAY)));
    // And down again.
    let sold = Some(shop.sold("standard", Model::Subscription));
    let after = shop.amend(id, &Amendment { sold, ..Amendment::default() }).unwrap().after;
    assert!(!after.features.contains_key("export"));
}

#[test]
fn single_features_and_seats_change_without_the_rest() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Perpetual, 3);
    let amendment = Amendment {
        features: [
            ("export".to_owned(), Some(FeatureValue::On)),
            ("channels".to_owned(), Some(FeatureValue::Limit(20))),
            ("logging".to_owned(), None),
        ]
        .into(),
        seats: Some(8),
        ..Amendment::default()
    };
    let after = shop.amend(id, &amendment).unwrap().after;
    let features: Vec<_> = after.features.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(features, [("channels", FeatureValue::Limit(20)), ("export", FeatureValue::On)]);
    assert_eq!((after.seats, after.edition.as_str(), after.catalog), (Some(8), "standard", 1));
    let after = shop.amend(id, &Amendment { seats: Some(0), ..Amendment::default() }).unwrap().after;
    assert_eq!(after.seats, None);
}

#[test]
fn renewing_before_the_end_follows_it_and_after_the_end_begins_today() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 3);
    let end = NOW + 100 * DAY;
    let early = shop.renew(id, Length::Days(30)).unwrap();
    assert_eq!((early.what, early.follows), (Renewal::Term, Follows::End));
    assert_eq!((early.from, early.until), (end + 1, end + 30 * DAY));
    assert_eq!((shop.get(id).not_before, shop.get(id).not_after), (NOW, Some(end + 30 * DAY)));

    // In the last second it still follows.
    shop.now = end + 30 * DAY;
    assert_eq!(shop.renew(id, Length::Days(1)).unwrap().follows, Follows::End);

    shop.now = end + 60 * DAY;
    let late = shop.renew(id, Length::Days(30)).unwrap();
    let today = term_start(shop.now);
    assert_eq!((late.follows, late.from), (Follows::Today, today));
    assert_eq!(late.until, today + 30 * DAY - 1);
    assert_eq!((shop.get(id).not_before, shop.get(id).not_after), (today, Some(late.until)));
}

fn term_start(now: u64) -> u64 {
    now - now % DAY
}

#[test]
fn of_what_never_ends_the_maintenance_is_renewed() {
    let mut shop = Shop::new();
    let rules = Rules { maintenance_days: Some(365), ..Rules::default() };
    let sold = Sold { rules, ..shop.sold("standard", Model::Perpetual) };
    let order = Order { customer: "acme", quantity: 1, site: None, not_before: Some(NOW), not_after: None };
    let id = shop.grant_of(&sold, &order).unwrap().id;
    let until = |shop: &Shop| shop.get(id).versions.unwrap().released_until.unwrap();
    assert_eq!(until(&shop), NOW + 365 * DAY - 1);
    let renewed = shop.renew(id, Length::Days(365)).unwrap();
    assert_eq!((renewed.what, renewed.follows), (Renewal::Maintenance, Follows::End));
    assert_eq!(until(&shop), NOW + 730 * DAY - 1);
    assert_eq!(shop.get(id).not_after, None);
}

#[test]
fn a_trial_that_is_paid_keeps_its_devices() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Trial, 2);
    shop.draw(id, 1).unwrap();
    let after = shop.convert(id, Model::Subscription, Some(NOW + 400 * DAY)).unwrap().after;
    assert_eq!((after.id, after.used, after.model), (id, 1, Model::Subscription));
    assert_eq!((after.not_before, after.not_after), (NOW, Some(NOW + 400 * DAY)));
    assert!(after.began_as_trial);
    assert!(shop.repository.is_activated(id, Thumbprint([1; 32])).unwrap());

    // One that was over begins anew.
    let id = shop.grant(Model::Trial, 2);
    shop.now += 150 * DAY;
    let after = shop.convert(id, Model::Perpetual, None).unwrap().after;
    assert_eq!((after.not_before, after.not_after), (term_start(shop.now), None));
}

#[test]
fn a_transfer_takes_back_what_was_issued() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Perpetual, 2);
    let licenses = [shop.draw(id, 1).unwrap(), shop.draw(id, 1).unwrap(), shop.draw(id, 2).unwrap()];
    assert_eq!(shop.get(id).left(), 0);
    let done = shop.transfer(id, Some("globex"), Some("main")).unwrap();
    assert_eq!(done.revoked, licenses);
    let after = done.changed.after;
    assert_eq!((after.customer.as_str(), after.site.as_deref()), ("globex", Some("main")));
    assert_eq!((after.used, after.left(), after.returned), (0, 2, 2));
    let targets: Vec<_> =
        shop.repository.revocations().unwrap().into_iter().map(|entry| entry.target).collect();
    assert_eq!(targets, licenses.map(RevocationTarget::License));
    // The same device draws anew, and no more than was sold.
    assert!(!shop.repository.is_activated(id, Thumbprint([1; 32])).unwrap());
    shop.draw(id, 1).unwrap();
    shop.draw(id, 1).unwrap();
    assert_eq!(shop.get(id).used, 1);
    shop.draw(id, 9).unwrap();
    assert_eq!(shop.draw(id, 8).unwrap_err().code(), "entitlement-exhausted");
    // Another customer without a site has none, and what is not issued is not taken back.
    let id = shop.grant(Model::Perpetual, 2);
    shop.transfer(id, None, Some("south")).unwrap();
    let done = shop.transfer(id, Some("globex"), None).unwrap();
    assert_eq!((done.changed.after.site, done.revoked), (None, Vec::new()));
}

#[test]
fn islands_share_what_was_sold() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 10);
    let Split { parent, island } = shop.split(id, 4).unwrap();
    assert_eq!((parent.quantity, parent.in_islands, parent.left()), (10, 4, 6));
    assert_eq!((island.quantity, island.left(), island.parent), (4, 4, Some(id)));
    assert_eq!((island.site.as_deref(), island.not_after), (Some("platform"), parent.not_after));
    assert_eq!(shop.repository.grants(island.id).unwrap()[0].change, Change::SubGrant);
    for device in 1..=4 {
        shop.draw(island.id, device).unwrap();
    }
    assert_eq!(shop.draw(island.id, 5).unwrap_err().code(), "entitlement-exhausted");
    for device in 1..=6 {
        shop.draw(id, device).unwrap();
    }
    assert_eq!(shop.draw(id, 7).unwrap_err().code(), "entitlement-exhausted");

    let other = shop.grant(Model::Subscription, 10);
    let Split { island, .. } = shop.split(other, 6).unwrap();
    shop.draw(island.id, 1).unwrap();
    shop.quantity(island.id, 3).unwrap();
    assert_eq!((shop.get(island.id).quantity, shop.get(other).in_islands), (3, 3));
    // What is revoked gives back what it did not use; what it used stays used.
    let ended = shop.revoke(island.id).unwrap();
    assert_eq!((ended.changed.after.quantity, shop.get(other).in_islands), (1, 1));
    assert_eq!(shop.get(other).left(), 9);
}

#[test]
fn a_revocation_ends_islands_and_stands_in_the_next_list() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 10);
    let Split { island, .. } = shop.split(id, 4).unwrap();
    let ended = shop.revoke(id).unwrap();
    assert_eq!(ended.islands, [island.id]);
    assert_eq!((shop.get(id).state, shop.get(island.id).state), (State::Revoked, State::Revoked));
    let targets: Vec<_> =
        shop.repository.revocations().unwrap().into_iter().map(|entry| entry.target).collect();
    assert_eq!(targets, [id, island.id].map(RevocationTarget::Entitlement));
    // What was in the list before is not named twice.
    let other = shop.grant(Model::Subscription, 1);
    let target = RevocationTarget::Entitlement(other);
    shop.repository.add_revocation(&target, "not paid", NOW).unwrap();
    shop.revoke(other).unwrap();
    assert_eq!(shop.repository.revocations().unwrap().len(), 3);
}

#[test]
fn look_ups_find_customers_and_ends() {
    use crate::repository::entitlement::Filter;
    let mut shop = Shop::new();
    let (perpetual, subscription) = (shop.grant(Model::Perpetual, 1), shop.grant(Model::Subscription, 1));
    shop.transfer(perpetual, Some("globex"), None).unwrap();
    let of = |customer, ends_by| {
        let found = shop.repository.entitlements_of(&Filter { customer, ends_by }).unwrap();
        found.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(of(Some("globex"), None), [perpetual]);
    assert_eq!(of(Some("acme"), None), [subscription]);
    assert_eq!(of(None, Some(NOW + 100 * DAY)), [subscription]);
    assert_eq!(of(None, Some(NOW + 100 * DAY - 1)), []);
    assert_eq!(of(Some("globex"), Some(u64::from(u32::MAX))), []);
}
