//! What came before comes again: the same changes nothing, and something else is refused with what differs.

use super::*;
use crate::workflow::order::import::CHUNK;

const HEADER: &str = "order,line,customer,product,edition,quantity,until,reason\n";

fn line(order: &str, quantity: u32, until: &str) -> String {
    format!("{HEADER}{order},1,acme,pump,standard,{quantity},{until},\n")
}

#[test]
fn the_same_lines_again_change_nothing_on_any_day() {
    let mut desk = Desk::new();
    let text = line("SO-1", 5, "2027-12-31");
    assert_eq!(desk.take(&text).granted, 1);
    let before = desk.state();
    let imported = desk.import_with(text.as_bytes(), &Mapping::default(), false, NOW + 3 * DAY).unwrap();
    assert_eq!(imported.counts, Counts { lines: 1, unchanged: 1, ..Counts::default() });
    assert_eq!(desk.state(), before);
    // In another form and order, and twice in one file.
    let json = r#"{"quantity":5,"until":"2027-12-31","order":"SO-1","edition":"standard","product":"pump","customer":"acme"}"#;
    assert_eq!(desk.take(&format!("{json}\n{json}\n")).unchanged, 2);
    assert_eq!(desk.state(), before);
}

#[test]
fn a_line_that_says_something_else_is_refused_with_what_differs() {
    let mut desk = Desk::new();
    desk.take(&line("SO-1", 5, "2027-12-31"));
    let before = desk.state();
    let imported = desk.import(&line("SO-1", 6, "2027-12-30")).unwrap();
    assert_eq!(
        imported.faults[0].to_string(),
        "line 2, column quantity: order-differs: order SO-1 line 1 came before: quantity was 5 and is 6, until was \
         2027-12-31T23:59:59Z and is 2027-12-30T23:59:59Z"
    );
    let without_end = desk.import(&line("SO-1", 5, "")).unwrap();
    assert!(without_end.faults[0].message.ends_with(" and is nothing"), "{}", without_end.faults[0].message);
    assert_eq!(desk.state(), before);
}

#[test]
fn lines_of_an_order_are_told_apart_and_have_one_customer() {
    let mut desk = Desk::new();
    let text = format!("{HEADER}SO-1,1,acme,pump,standard,5,,\nSO-1,2,acme,pump,standard,5,,\n");
    assert_eq!(desk.take(&text).granted, 2);
    let other = format!("{HEADER}SO-1,3,globex,pump,standard,5,,\n");
    assert_eq!(desk.fault(&other), (2, Some("customer".to_owned()), "order-customer-other"));
    assert_ne!(desk.outcomes()[0].line.entitlement, desk.outcomes()[1].line.entitlement);
}

#[test]
fn a_run_that_was_broken_off_ends_as_one_that_was_not() {
    let count = CHUNK as usize * 2 + 7;
    let rows: Vec<String> =
        (1..=count).map(|number| format!("SO-{number},1,acme,pump,standard,1,,\n")).collect();
    let whole = format!("{HEADER}{}", rows.concat());
    let mut unbroken = Desk::new();
    assert_eq!(unbroken.take(&whole).granted, count as u64);
    for kept in [1, CHUNK as usize, CHUNK as usize + 5] {
        let mut broken = Desk::new();
        broken.take(&format!("{HEADER}{}", rows[..kept].concat()));
        let counts = broken.take(&whole);
        assert_eq!((counts.unchanged, counts.granted), (kept as u64, (count - kept) as u64));
        assert_eq!(broken.state(), unbroken.state());
    }
}
