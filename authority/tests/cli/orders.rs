//! Orders and reports, over a home that took a file of orders.

use chancery_authority::home::Home;
use chancery_authority::workflow::order::{Mapping, Options, Source, import};

use super::homes::{self, Folder, NOW};

const ORDERS: &str = "order,line,customer,customer_name,product,edition,quantity,until\n\
                      SO-1,1,acme,,pump,standard,5,2099-06-30\n\
                      SO-1,2,acme,,pump,standard,1,\n\
                      SO-2,1,globex,Globex Energy,pump,standard,2,2026-11-05\n";

/// Makes an authority that took three lines of orders.
fn authority(folder: &Folder, home: &Home) {
    let mut repository = homes::open_authority(home);
    let path = folder.path().join("orders.csv");
    std::fs::write(&path, ORDERS).unwrap();
    let source = Source::open(&path, &mut |_, _| {}).unwrap();
    let mapping = Mapping::default();
    let options = Options { mapping: &mapping, is_atomic: true, by: "Dana Keller", now: NOW };
    let imported = import(&mut repository, &source, &options, &mut |_, _, _| {}).unwrap();
    assert!(imported.stands, "{:?}", imported.faults);
}

#[test]
fn orders_and_reports() {
    let folder = Folder::new();
    authority(&folder, &folder.home());
    let before = homes::content(folder.home().path());
    super::run("cmd/order", &folder.home());
    // Rejected, refused, shown: none of these cases changes what is there.
    assert_eq!(homes::content(folder.home().path()), before);
}
