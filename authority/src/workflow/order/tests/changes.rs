//! Lines that change what an earlier line granted.

use super::*;
use crate::repository::{FeatureValue, Model};

const HEADER: &str = "order,customer,action,of,product,edition,policy,quantity,until,years\n";

fn sold() -> Desk {
    let mut desk = Desk::new();
    desk.take(&format!(
        "{HEADER}SO-1,acme,new,,pump,standard,,5,2027-12-31,\n\
         SO-2,acme,new,,pump,standard,try,1,,\n"
    ));
    desk
}

#[test]
fn orders_amend_renew_and_convert_by_number_and_by_entitlement() {
    let mut desk = sold();
    let (first, trial) = (desk.entitlement("SO-1").id, desk.entitlement("SO-2").id);
    let text = format!(
        "{HEADER}SO-3,acme,amend,SO-1,,,,9,,\n\
         SO-4,acme,renew,{first},,,,,,1\n\
         SO-5,acme,amend,SO-4,pump,professional,yearly,,,\n\
         SO-6,acme,convert,SO-2,pump,standard,yearly,,,\n"
    );
    let counts = desk.take(&text);
    assert_eq!((counts.amended, counts.renewed, counts.converted), (2, 1, 1));
    let entitlement = desk.entitlement("SO-1");
    assert_eq!((entitlement.quantity, entitlement.revision), (9, 4));
    assert_eq!(entitlement.not_after, Some(1_861_919_999), "a year more, which is a leap year");
    assert_eq!(entitlement.features["channels"], FeatureValue::Limit(64));
    assert_eq!(desk.entitlement("SO-5").id, first);
    let converted = desk.repository.entitlement(trial).unwrap();
    assert_eq!((converted.model, converted.began_as_trial), (Model::Subscription, true));
    let revisions: Vec<_> = desk.outcomes().iter().map(|outcome| outcome.line.revision.unwrap()).collect();
    assert_eq!(revisions, [1, 1, 2, 3, 4, 2]);
    // Once more: nothing is renewed twice.
    let before = desk.state();
    assert_eq!(desk.take(&text).unchanged, 4);
    assert_eq!(desk.state(), before);
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
}

#[test]
fn what_does_not_go_with_an_action_is_refused_by_name() {
    let mut desk = sold();
    let before = desk.state();
    for (row, column, code) in [
        ("SO-9,acme,amend,,,,,9,,", "of", "field-missing"),
        ("SO-9,acme,amend,SO-1,,,,,,", "action", "field-missing"),
        ("SO-9,acme,amend,SO-1,,,,5,,", "", "nothing-changed"),
        ("SO-9,acme,amend,SO-1,,professional,,,,", "edition", "field-missing"),
        ("SO-9,acme,amend,SO-1,valve,,,9,,", "product", "sale-other"),
        ("SO-9,acme,amend,SO-1,pump,,,,,", "action", "field-missing"),
        ("SO-9,acme,amend,SO-1,,,,9,,1", "years", "field-unfit"),
        ("SO-9,acme,amend,SO-7,,,,9,,", "of", "order-unknown"),
        ("SO-9,acme,amend,ent_0000000000000,,,,9,,", "of", "entitlement-unknown"),
        ("SO-9,globex,amend,SO-1,,,,9,,", "customer", "entitlement-customer-other"),
        ("SO-9,acme,new,SO-1,pump,standard,,9,,", "of", "field-unfit"),
        ("SO-9,acme,new,,pump,standard,,,,", "quantity", "field-missing"),
        ("SO-9,acme,new,,pump,,,1,,", "edition", "field-missing"),
        ("SO-9,acme,renew,SO-1,,,,,,", "until", "field-missing"),
        ("SO-9,acme,renew,SO-1,,,,,2029-01-01,1", "until", "field-missing"),
        ("SO-9,acme,renew,SO-1,,,,3,,1", "quantity", "field-unfit"),
        ("SO-9,acme,renew,SO-2,,,,,,1", "", "trial-renewed"),
        ("SO-9,acme,renew,SO-1,,,,,2026-12-31,", "", "renew-earlier"),
        ("SO-9,acme,convert,SO-1,pump,standard,yearly,,,", "", "convert-same"),
        ("SO-9,acme,cancel,SO-1,,,,,,", "action", "value-malformed"),
    ] {
        let (line, found, refused) = desk.fault(&format!("{HEADER}{row}\n"));
        assert_eq!((line, found.unwrap_or_default().as_str(), refused), (2, column, code), "{row}");
        assert_eq!(desk.state(), before, "{row}");
    }
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
}

#[test]
fn a_refused_change_in_the_middle_leaves_no_trace_between_its_neighbours() {
    let mut desk = sold();
    let imported = desk
        .import(&format!(
            "{HEADER}SO-3,acme,amend,SO-1,,,,9,,\n\
             SO-4,acme,amend,SO-1,pump,professional,anywhere,10,,\n\
             SO-5,acme,amend,SO-1,,,,11,,\n"
        ))
        .unwrap();
    assert_eq!((imported.counts.amended, imported.counts.rejected), (2, 1));
    assert_eq!(imported.faults[0].code, "sale-other");
    let history = desk.repository.grants(desk.entitlement("SO-1").id).unwrap();
    let quantities: Vec<_> = history.iter().map(|grant| grant.entitlement.quantity).collect();
    assert_eq!(quantities, [5, 9, 11]);
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
    assert_eq!(desk.repository.entitlements_off_their_grant().unwrap(), Vec::<EntitlementId>::new());
}

#[test]
fn what_is_the_same_for_every_line_is_said_only_where_it_goes_with_it() {
    let mut desk = sold();
    let mapping = Mapping::read("[constants]\nproduct = \"pump\"\nedition = \"standard\"\n").unwrap();
    let text = "order,customer,action,of,quantity,years\n\
                SO-3,acme,,,2,\n\
                SO-4,acme,renew,SO-1,,1\n\
                SO-5,acme,amend,SO-1,7,\n";
    let imported = desk.import_with(text.as_bytes(), &mapping, false, NOW).unwrap();
    assert_eq!(imported.faults, []);
    assert_eq!((imported.counts.granted, imported.counts.renewed, imported.counts.amended), (1, 1, 1));
    assert_eq!(desk.entitlement("SO-1").quantity, 7);
}
