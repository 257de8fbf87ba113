//! What is refused, each with its code, and that a refusal leaves no trace.

use super::*;

/// Asserts that refused work changed no grant of any entitlement.
fn unchanged(shop: &mut Shop, work: impl FnOnce(&mut Shop)) {
    let all = |shop: &Shop| {
        let entitlements = shop.repository.entitlements().unwrap();
        let grants = entitlements.iter().map(|one| shop.repository.grants(one.id).unwrap().len());
        let revocations = shop.repository.revocations().unwrap().len();
        (entitlements.clone(), grants.collect::<Vec<_>>(), revocations)
    };
    let before = all(shop);
    work(shop);
    assert_eq!(all(shop), before);
}

#[test]
fn what_cannot_be_sold_is_not_granted() {
    let mut shop = Shop::new();
    unchanged(&mut shop, |shop| {
        let order = Order {
            customer: "acme",
            quantity: 1,
            site: None,
            not_before: Some(NOW),
            not_after: Some(NOW + DAY),
        };
        let standard = shop.sold("standard", Model::Subscription);
        let none = Order { quantity: 0, ..order };
        assert_eq!(code(shop.grant_of(&standard, &none)), "usage");
        let backwards = Order { not_after: Some(NOW - 1), ..order };
        assert_eq!(code(shop.grant_of(&standard, &backwards)), "usage");
        let nobody = Order { customer: "nobody", ..order };
        assert_eq!(code(shop.grant_of(&standard, &nobody)), "customer-unknown");
        let endless = Order { not_after: None, ..order };
        assert_eq!(code(shop.grant_of(&standard, &endless)), "term-missing");
        assert_eq!(code(shop.grant_of(&shop.sold("standard", Model::Trial), &endless)), "term-missing");
        assert_eq!(code(shop.grant_of(&shop.sold("standard", Model::Perpetual), &order)), "term-perpetual");
        let bound_to =
            |binding, model| Sold { model, rules: Rules { binding, ..Rules::default() }, ..standard.clone() };
        assert_eq!(code(shop.grant_of(&bound_to(Binding::Site, Model::Subscription), &order)), "usage");
        for binding in [Binding::Site, Binding::None] {
            let at = Order { site: Some("north"), ..order };
            assert_eq!(code(shop.grant_of(&bound_to(binding, Model::Trial), &at)), "trial-unbound");
        }
        let far = Sold { rules: Rules { term_days: Some(u32::MAX), ..Rules::default() }, ..standard.clone() };
        assert_eq!(code(shop.grant_of(&far, &endless)), "grant-refused");
    });
}

#[test]
fn names_and_reasons_that_hide_something_are_refused() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Perpetual, 5);
    unchanged(&mut shop, |shop| {
        for bad in ["", " ", "a\u{202e}b", "a\u{1b}[2J", "a\nb", &"x".repeat(129)] {
            let by = Note { by: bad, ..shop.note() };
            assert_eq!(code(suspend(&mut shop.repository, id, &by)), "name-refused", "{bad:?}");
            let why = Note { reason: bad, ..shop.note() };
            assert_eq!(code(suspend(&mut shop.repository, id, &why)), "reason-refused", "{bad:?}");
            assert_eq!(code(resume(&mut shop.repository, id, &why)), "reason-refused", "{bad:?}");
            assert_eq!(code(revoke(&mut shop.repository, id, &why)), "reason-refused", "{bad:?}");
            assert_eq!(code(split(&mut shop.repository, id, "a", 1, &why)), "reason-refused", "{bad:?}");
        }
    });
}

#[test]
fn what_is_unknown_is_told() {
    let mut shop = Shop::new();
    let id = EntitlementId([9; 8]);
    assert_eq!(code(shop.quantity(id, 5)), "entitlement-unknown");
    assert_eq!(code(shop.renew(id, Length::Days(1))), "entitlement-unknown");
    assert_eq!(code(shop.convert(id, Model::Perpetual, None)), "entitlement-unknown");
    assert_eq!(code(shop.split(id, 1)), "entitlement-unknown");
    assert_eq!(code(shop.transfer(id, None, Some("south"))), "entitlement-unknown");
    assert_eq!(code(shop.suspend(id)), "entitlement-unknown");
    assert_eq!(code(shop.resume(id)), "entitlement-unknown");
    assert_eq!(code(shop.revoke(id)), "entitlement-unknown");
    assert_eq!(shop.repository.grants(id).unwrap_err().code(), "entitlement-unknown");
    assert_eq!(shop.repository.grant_at(id, NOW).unwrap_err().code(), "entitlement-unknown");
}

/// Every change but resuming and revoking.
fn each_change(shop: &mut Shop, id: EntitlementId) -> [&'static str; 6] {
    [
        code(shop.quantity(id, 9)),
        code(shop.renew(id, Length::Days(1))),
        code(shop.convert(id, Model::Perpetual, None)),
        code(shop.split(id, 1)),
        code(shop.transfer(id, None, Some("south"))),
        code(shop.suspend(id)),
    ]
}

#[test]
fn what_is_suspended_is_resumed_before_anything_else() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    assert_eq!(code(shop.resume(id)), "entitlement-active");
    shop.draw(id, 1).unwrap();
    shop.suspend(id).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(each_change(shop, id), ["entitlement-suspended"; 6]);
        assert_eq!(shop.draw(id, 1).unwrap_err().code(), "entitlement-suspended");
        assert_eq!(shop.draw(id, 2).unwrap_err().code(), "entitlement-suspended");
    });
    shop.resume(id).unwrap();
    shop.draw(id, 2).unwrap();
    assert_eq!(shop.get(id).revision, 3);
}

#[test]
fn what_is_revoked_stays_so() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    shop.revoke(id).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(each_change(shop, id), ["entitlement-revoked"; 6]);
        assert_eq!(code(shop.resume(id)), "entitlement-revoked");
        assert_eq!(code(shop.revoke(id)), "entitlement-revoked");
        assert_eq!(shop.draw(id, 1).unwrap_err().code(), "entitlement-revoked");
    });
    // Also what was suspended before.
    let id = shop.grant(Model::Subscription, 5);
    shop.suspend(id).unwrap();
    shop.revoke(id).unwrap();
    assert_eq!(code(shop.resume(id)), "entitlement-revoked");
}

#[test]
fn what_is_used_is_not_taken_away() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    shop.draw(id, 1).unwrap();
    shop.draw(id, 2).unwrap();
    shop.split(id, 2).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.quantity(id, 3)), "quantity-used");
        assert_eq!(code(shop.quantity(id, 0)), "quantity-zero");
        assert_eq!(code(shop.split(id, 2)), "quantity-left");
        assert_eq!(code(shop.split(id, u64::MAX)), "quantity-left");
        assert_eq!(code(shop.split(id, 0)), "quantity-zero");
        assert_eq!(code(shop.quantity(id, u64::MAX)), "grant-refused");
    });
    shop.quantity(id, 4).unwrap();
    assert_eq!(shop.draw(id, 3).unwrap_err().code(), "entitlement-exhausted");
}

#[test]
fn a_change_that_changes_nothing_is_told() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.quantity(id, 5)), "nothing-changed");
        assert_eq!(code(shop.amend(id, &Amendment::default())), "nothing-changed");
        assert_eq!(code(shop.feature(id, "channels", Some(FeatureValue::Limit(16)))), "nothing-changed");
        assert_eq!(code(shop.transfer(id, Some("acme"), None)), "nothing-changed");
        assert_eq!(code(shop.convert(id, Model::Subscription, Some(NOW))), "convert-same");
    });
}

#[test]
fn amendments_that_the_catalog_does_not_know_are_refused() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 5);
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.feature(id, "zoom", Some(FeatureValue::On))), "feature-unknown");
        assert_eq!(code(shop.feature(id, "export", Some(FeatureValue::Limit(1)))), "feature-other");
        assert_eq!(code(shop.feature(id, "channels", Some(FeatureValue::On))), "feature-other");
        let quota = FeatureValue::Quota { quota: 1, overdraft: 1 };
        assert_eq!(code(shop.feature(id, "channels", Some(quota))), "feature-other");
        assert_eq!(code(shop.feature(id, "export", None)), "feature-not-granted");
        let valve =
            sold(&shop.repository, "valve", "standard", Model::Subscription, Binding::Device).unwrap();
        let amendment = Amendment { sold: Some(valve), ..Amendment::default() };
        assert_eq!(code(shop.amend(id, &amendment)), "sale-other");
        let under = |policy: &str, model, binding| Amendment {
            sold: Some(Sold {
                policy: Some(policy.to_owned()),
                ..sold(&shop.repository, "pump", "standard", model, binding).unwrap()
            }),
            ..Amendment::default()
        };
        let [site, for_ever] = [
            under("on-site", Model::Subscription, Binding::Site),
            under("for-ever", Model::Perpetual, Binding::Device),
        ];
        assert_eq!(code(shop.amend(id, &site)), "sale-other");
        assert_eq!(code(shop.amend(id, &for_ever)), "model-other");
    });
}

#[test]
fn ends_that_contradict_are_refused() {
    let mut shop = Shop::new();
    let until = |end| Amendment { not_after: Some(end), ..Amendment::default() };
    let perpetual = shop.grant(Model::Perpetual, 5);
    let subscription = shop.grant(Model::Subscription, 5);
    let trial = shop.grant(Model::Trial, 5);
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.amend(perpetual, &until(NOW + DAY))), "term-perpetual");
        assert_eq!(code(shop.amend(subscription, &until(NOW - 1))), "usage");
        assert_eq!(code(shop.amend(trial, &until(NOW + 101 * DAY))), "trial-extended");
        assert_eq!(code(shop.convert(perpetual, Model::Subscription, None)), "term-missing");
        assert_eq!(code(shop.convert(perpetual, Model::Subscription, Some(NOW - 1))), "usage");
        assert_eq!(code(shop.convert(subscription, Model::Perpetual, Some(NOW))), "term-perpetual");
    });
    // A trial may be shortened, and does not get the days back.
    shop.amend(trial, &until(NOW + 10 * DAY)).unwrap();
    assert_eq!(code(shop.amend(trial, &until(NOW + 100 * DAY))), "trial-extended");
}

#[test]
fn a_trial_stays_one_trial() {
    let mut shop = Shop::new();
    let (trial, other) = (shop.grant(Model::Trial, 5), shop.grant(Model::Trial, 5));
    let paid = shop.grant(Model::Subscription, 5);
    shop.draw(trial, 1).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.renew(trial, Length::Years(1))), "trial-renewed");
        assert_eq!(code(shop.split(trial, 1)), "trial-split");
        assert_eq!(code(shop.convert(paid, Model::Trial, Some(NOW + DAY))), "convert-to-trial");
        assert_eq!(shop.draw(other, 1).unwrap_err().code(), "trial-used");
    });
    // Not even when the first has become something else, or has ended.
    shop.convert(trial, Model::Perpetual, None).unwrap();
    shop.revoke(trial).unwrap();
    assert_eq!(shop.draw(other, 1).unwrap_err().code(), "trial-used");
    let error = shop.repository.require_first_trial(other, Thumbprint([1; 32])).unwrap_err();
    assert_eq!(error.code(), "trial-used");
    // The same device again, other devices, and what is paid.
    shop.draw(other, 2).unwrap();
    shop.draw(other, 2).unwrap();
    shop.draw(paid, 1).unwrap();
    shop.repository.require_first_trial(paid, Thumbprint([1; 32])).unwrap();
}

#[test]
fn transfers_that_must_not_be_are_refused() {
    let mut shop = Shop::new();
    let order =
        Order { customer: "acme", quantity: 5, site: Some("north"), not_before: None, not_after: None };
    let fixed = Sold {
        rules: Rules { transferable: false, ..Rules::default() },
        ..shop.sold("standard", Model::Perpetual)
    };
    let fixed = shop.grant_of(&fixed, &order).unwrap().id;
    let at_site = Sold {
        rules: Rules { binding: Binding::Site, ..Rules::default() },
        ..shop.sold("standard", Model::Perpetual)
    };
    let at_site = shop.grant_of(&at_site, &order).unwrap().id;
    let whole = shop.grant(Model::Perpetual, 5);
    let Split { island, .. } = shop.split(whole, 2).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.transfer(fixed, None, Some("south"))), "not-transferable");
        assert_eq!(code(shop.transfer(fixed, Some("globex"), None)), "not-transferable");
        assert_eq!(code(shop.transfer(at_site, Some("globex"), None)), "site-missing");
        assert_eq!(code(shop.transfer(at_site, Some("nobody"), Some("main"))), "customer-unknown");
        assert_eq!(code(shop.transfer(whole, None, Some("south"))), "islands-open");
        assert_eq!(code(shop.transfer(island.id, None, Some("south"))), "island-fixed");
    });
}

#[test]
fn islands_take_nothing_that_was_not_split_off() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 10);
    let Split { island, .. } = shop.split(id, 4).unwrap();
    shop.draw(island.id, 1).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.quantity(island.id, 5)), "island-raised");
        assert_eq!(code(shop.quantity(island.id, 0)), "quantity-used");
        assert_eq!(code(shop.split(island.id, 1)), "island-split");
        assert_eq!(code(shop.convert(island.id, Model::Perpetual, None)), "island-fixed");
        assert_eq!(code(shop.feature(island.id, "export", Some(FeatureValue::On))), "island-fixed");
        let both = Amendment { quantity: Some(2), not_after: Some(NOW + 900 * DAY), ..Amendment::default() };
        assert_eq!(code(shop.amend(island.id, &both)), "island-fixed");
        assert_eq!(code(shop.renew(island.id, Length::Days(1))), "island-outlives");
        let earlier = Amendment { not_after: Some(NOW + DAY), ..Amendment::default() };
        assert_eq!(code(shop.amend(id, &earlier)), "island-outlives");
    });
}

#[test]
fn an_island_is_no_more_in_force_than_its_parent() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Subscription, 10);
    let Split { island, .. } = shop.split(id, 4).unwrap();
    shop.suspend(id).unwrap();
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.quantity(island.id, 3)), "entitlement-suspended");
        assert_eq!(shop.draw(island.id, 1).unwrap_err().code(), "entitlement-suspended");
    });
    shop.resume(id).unwrap();
    shop.draw(island.id, 1).unwrap();
}

#[test]
fn users_are_named_only_as_far_as_they_were_sold() {
    let mut shop = Shop::new();
    let named = |names: &[&str]| Amendment {
        users: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Amendment::default()
    };
    let plain = shop.grant(Model::Perpetual, 5);
    let order = Order { customer: "acme", quantity: 5, site: None, not_before: None, not_after: None };
    let for_two = Sold {
        rules: Rules { named_users: Some(2), ..Rules::default() },
        ..shop.sold("standard", Model::Perpetual)
    };
    let for_two = shop.grant_of(&for_two, &order).unwrap().id;
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.amend(plain, &named(&["ann"]))), "users-not-named");
        assert_eq!(code(shop.amend(for_two, &named(&["ann", "bob", "cleo"]))), "users-too-many");
        assert_eq!(code(shop.amend(for_two, &named(&["Ann"]))), "grant-refused");
        assert_eq!(code(shop.split(for_two, 1)), "users-split");
    });
    shop.amend(for_two, &named(&["ann", "bob"])).unwrap();
    assert_eq!(shop.get(for_two).users.len(), 2);
}

#[test]
fn renewals_into_the_past_are_refused() {
    let mut shop = Shop::new();
    let (subscription, perpetual) = (shop.grant(Model::Subscription, 5), shop.grant(Model::Perpetual, 5));
    unchanged(&mut shop, |shop| {
        assert_eq!(code(shop.renew(subscription, Length::Until(NOW + 100 * DAY))), "renew-earlier");
        assert_eq!(code(shop.renew(perpetual, Length::Years(1))), "renew-perpetual");
        shop.now = NOW + 200 * DAY;
        assert_eq!(code(shop.renew(subscription, Length::Until(NOW + 150 * DAY))), "renew-earlier");
        shop.now = NOW;
    });
}

#[test]
fn a_license_of_another_grant_is_not_recorded() {
    let mut shop = Shop::new();
    let id = shop.grant(Model::Perpetual, 5);
    shop.quantity(id, 6).unwrap();
    assert_eq!(shop.draw_under(id, 1, 1).unwrap_err().code(), "entitlement-changed");
    assert_eq!(shop.draw_under(id, 1, 3).unwrap_err().code(), "entitlement-changed");
    shop.draw_under(id, 1, 2).unwrap();
}
