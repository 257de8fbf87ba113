//! Files too large to be kept as such: their size bounds neither memory nor time, and their good lines are taken.

use super::*;
use crate::workflow::order::source::{MAX_COLUMNS, MAX_ROW};

const HEADER: &str = "order,customer,product,edition,quantity\n";

#[test]
fn a_million_columns_are_a_wrong_file_in_the_header_and_one_wrong_line_below() {
    let mut desk = Desk::new();
    let header = (0..1_000_000).map(|number| format!("c{number}")).collect::<Vec<_>>().join(",");
    let error = desk.import(&format!("{header}\n1\n")).unwrap_err();
    assert_eq!(error.code(), "too-many-columns");
    let empty = ",".repeat(1_000_000);
    let text = format!("{HEADER}SO-1,acme,pump,standard,1\n{empty}\nSO-3,acme,pump,standard,3\n");
    assert_eq!(desk.fault(&text), (3, None, "line-too-long"));
    assert_eq!(desk.outcomes().len(), 2);
    let keys = (0..=MAX_COLUMNS).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");
    assert_eq!(desk.fault(&format!("{{{keys}}}\n")).2, "json-malformed");
}

#[test]
fn a_field_without_end_is_one_wrong_line() {
    let mut desk = Desk::new();
    let huge = "x".repeat(50 * MAX_ROW);
    let text = format!("{HEADER}SO-1,{huge},pump,standard,1\nSO-2,acme,pump,standard,2\n");
    assert_eq!(desk.fault(&text), (2, None, "line-too-long"));
    let text = format!("{HEADER}SO-3,\"{huge}\n{huge}\",pump,standard,1\nSO-4,acme,pump,standard,2\n");
    assert_eq!(desk.fault(&text), (2, None, "line-too-long"));
    let json = r#"{"order":"SO-6","customer":"acme","product":"pump","edition":"standard","quantity":1}"#;
    assert_eq!(desk.fault(&format!("{{\"order\":\"{huge}\"}}\n{json}\n")), (1, None, "line-too-long"));
    let numbers: Vec<_> = desk.outcomes().into_iter().map(|outcome| outcome.line.number).collect();
    assert_eq!(numbers, ["SO-2", "SO-4", "SO-6"]);
}

#[test]
fn a_hundred_thousand_wrong_lines_are_counted_and_the_first_ones_told() {
    let mut desk = Desk::new();
    let text = format!("{HEADER}{}", "SO-1,nobody at all,pump,standard,1\n".repeat(100_000));
    let imported = desk.import(&text).unwrap();
    assert_eq!((imported.counts.rejected, imported.faults.len()), (100_000, import::MOST_TOLD));
    assert_eq!(imported.rejected.len(), 100_000);
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let mut desk = Desk::new();
    let path = desk.path("folder");
    std::fs::create_dir(&path).unwrap();
    let error = desk.import_file(&path, &Mapping::default(), false, NOW).unwrap_err();
    assert_eq!(error.code(), "not-a-regular-file");
    let error = desk.import_file(&desk.path("gone"), &Mapping::default(), false, NOW).unwrap_err();
    assert_eq!(error.code(), "file-not-found");
}

#[test]
fn without_a_catalog_nothing_is_sold() {
    let mut desk = Desk::new();
    let mut bare = Repository::create(&Home::new(desk.path("bare"))).unwrap();
    std::mem::swap(&mut desk.repository, &mut bare);
    let error = desk.import(&format!("{HEADER}SO-1,acme,pump,standard,1\n")).unwrap_err();
    assert_eq!(error.code(), "catalog-empty");
}
