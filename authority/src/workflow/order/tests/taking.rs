//! Good lines become what they ask for, whatever the form of the file.

use super::*;
use crate::repository::{Binding, FeatureValue, Model};

const CSV: &str = "order,customer,product,edition,quantity,until\r\n\
                   SO-1,acme,pump,standard,5,\r\n\
                   SO-2,globex,pump,professional,1,2027-12-31\r\n";

#[test]
fn a_table_becomes_entitlements() {
    let mut desk = Desk::new();
    let counts = desk.take(CSV);
    assert_eq!(counts, Counts { lines: 2, granted: 2, ..Counts::default() });
    let (first, second) = (desk.entitlement("SO-1"), desk.entitlement("SO-2"));
    assert_eq!((first.customer.as_str(), first.quantity, first.model), ("acme", 5, Model::Perpetual));
    assert_eq!((first.catalog, first.features["channels"]), (1, FeatureValue::Limit(16)));
    assert_eq!((second.model, second.not_after), (Model::Subscription, Some(1_830_297_599)));
    let grants = desk.repository.grants(first.id).unwrap();
    assert_eq!((grants[0].by.as_str(), grants[0].reason.as_str()), ("Dana Keller", "order SO-1"));
    let lines: Vec<_> =
        desk.outcomes().iter().map(|outcome| (outcome.line.position, outcome.line.revision)).collect();
    assert_eq!(lines, [(1, Some(1)), (2, Some(1))]);
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
}

#[test]
fn json_lines_and_a_byte_order_mark_say_the_same() {
    let mut by_csv = Desk::new();
    by_csv.import_with(format!("\u{feff}{CSV}").as_bytes(), &Mapping::default(), false, NOW).unwrap();
    let mut by_json = Desk::new();
    by_json.take(concat!(
        "\u{feff}",
        r#"{"order":"SO-1","customer":"acme","product":"pump","edition":"standard","quantity":5,"until":null}"#,
        "\r\n\n",
        r#"{"until":"2027-12-31","order":"SO-2","customer":"globex","product":"pump","edition":"professional","quantity":"1"}"#,
    ));
    assert_eq!(by_csv.state(), by_json.state());
}

#[test]
fn packages_add_ons_policies_and_sites_come_from_the_line() {
    let mut desk = Desk::new();
    desk.take(
        "order,line,customer,product,edition,package,add_ons,policy,quantity,site,from\n\
         SO-1,1,acme,pump,,works,sixteen,,3,north,2027-02-01\n\
         SO-1,2,acme,pump,standard,,,anywhere,2,,\n",
    );
    let outcomes = desk.outcomes();
    let [first, second] = &outcomes[..] else { panic!("two lines") };
    let first = desk.repository.entitlement(first.line.entitlement).unwrap();
    assert_eq!((first.package.as_deref(), first.site.as_deref()), (Some("works"), Some("north")));
    assert_eq!((first.model, first.features["channels"]), (Model::Subscription, FeatureValue::Limit(32)));
    assert_eq!(first.not_after, Some(first.not_before + 365 * DAY - 1));
    let second = desk.repository.entitlement(second.line.entitlement).unwrap();
    assert_eq!((second.binding, second.model), (Binding::None, Model::Perpetual));
}

#[test]
fn a_customer_who_is_named_is_added_once_and_told_where_they_look_like_another() {
    let mut desk = Desk::new();
    let imported = desk
        .import(
            "order,customer,customer_name,product,edition,quantity\n\
             SO-1,initech,Initech,pump,standard,1\n\
             SO-2,initech,Initech GmbH,pump,standard,1\n\
             SO-3,acme-2,Acmе Water,pump,standard,1\n",
        )
        .unwrap();
    assert_eq!((imported.counts.granted, imported.counts.customers), (3, 2));
    let warned: Vec<_> = imported.warnings.iter().map(|warning| (warning.line, warning.code)).collect();
    assert_eq!(warned, [(4, "customer-mixed-scripts"), (4, "customer-lookalike")]);
    let names: Vec<_> = desk.repository.customers().unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["Acme Water", "Acmе Water", "Globex Energy", "Initech"]);
}

#[test]
fn a_mapping_reads_what_another_system_writes() {
    let mapping = Mapping::read(
        "separator = \";\"\nothers = \"ignore\"\ndates = \"DD.MM.YYYY\"\nzone = \"Europe/Berlin\"\nlower = [\"customer\"]\n\
         [columns]\norder = \"Beleg\"\ncustomer = \"Kunde\"\nquantity = \"Menge\"\npackage = \"Artikel\"\n\
         until = \"Gültig bis\"\naction = \"Art\"\n[constants]\nproduct = \"pump\"\n\
         [values.package]\n\"WW-100\" = \"works\"\n[values.action]\nN = \"new\"\n",
    )
    .unwrap();
    let mut desk = Desk::new();
    let text = "Beleg;Notiz;Kunde;Menge;Artikel;Gültig bis;Art\r\n\
                4711;\"eine\r\nZeile; mehr\";ACME;3;WW-100;30.06.2027;N\r\n\
                4712;;ACME;3;WW-101;30.06.2027;N\r\n";
    let imported = desk.import_with(text.as_bytes(), &mapping, false, NOW).unwrap();
    assert_eq!((imported.counts.granted, imported.counts.rejected), (1, 1));
    let told = imported.faults[0].to_string();
    assert_eq!(told, "line 4, column Artikel: value-unmapped: the mapping does not say what `WW-101` means");
    // The last second of that day in Berlin.
    assert_eq!(desk.entitlement("4711").not_after, Some(1_814_392_799));
}

#[test]
fn good_lines_are_taken_and_the_others_told_or_none_is() {
    let text = "order,customer,product,edition,quantity\n\
                SO-1,acme,pump,standard,5\n\
                SO-2,acme,pump,standard,0\n\
                SO-3,nobody,pump,standard,1\n\
                SO-4,acme,pump,deluxe,1\n\
                SO-5,globex,pump,standard,7\n";
    let mut desk = Desk::new();
    let before = desk.state();
    let imported = desk.import_with(text.as_bytes(), &Mapping::default(), true, NOW).unwrap();
    assert!(!imported.stands);
    assert_eq!((imported.counts.granted, imported.counts.rejected), (2, 3));
    assert_eq!(desk.state(), before, "something was taken");
    let imported = desk.import(text).unwrap();
    assert!(imported.stands);
    let told: Vec<_> = imported.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3, column quantity: value-malformed: `0` is not a whole number from 1 to 4294967295",
            "line 4, column customer: customer-unknown: customer nobody is unknown, and the line does not name them",
            "line 5, column edition: edition-unknown: the catalog has no edition deluxe",
        ]
    );
    let numbers: Vec<_> = desk.outcomes().into_iter().map(|outcome| outcome.line.number).collect();
    assert_eq!(numbers, ["SO-1", "SO-5"]);
    assert_eq!(desk.repository.changed_tables().unwrap(), Vec::<String>::new());
}

#[test]
fn rejected_lines_come_back_byte_for_byte_and_are_imported_once_mended() {
    let text = "\u{feff}order,customer,customer_name,product,edition,quantity\r\n\
                SO-1,acme,,pump,standard,5\r\n\
                SO-2,hooli,\"Hooli, \"\"Inc\"\"\",pump,standard,none\r\n\
                SO-3,acme,=1+1,pump,standard,x";
    let mut desk = Desk::new();
    let imported = desk.import(text).unwrap();
    let source = Source::open(&desk.path("orders"), &mut |_, _| {}).unwrap();
    let output = rejects::prepare(&desk.path("mend.csv")).unwrap();
    rejects::write(&source, imported.header_end, &imported.rejected, output).unwrap();
    let mend = std::fs::read_to_string(desk.path("mend.csv")).unwrap();
    assert_eq!(
        mend,
        "order,customer,customer_name,product,edition,quantity\r\n\
         SO-2,hooli,\"Hooli, \"\"Inc\"\"\",pump,standard,none\r\n\
         SO-3,acme,=1+1,pump,standard,x\n"
    );
    let counts = desk.take(&mend.replace(",none", ",3").replace(",x", ",4"));
    assert_eq!(counts, Counts { lines: 2, granted: 2, customers: 1, ..Counts::default() });
    assert_eq!(desk.entitlement("SO-2").quantity, 3);
}
