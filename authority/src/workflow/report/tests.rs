//! Reports over a few entitlements of every kind.

use std::path::PathBuf;

use super::*;
use crate::home::Home;
use crate::repository::{Repository, Scope};
use crate::workflow::catalog;
use crate::workflow::order::{Mapping, Options, Source, import};

/// 2027-01-15 08:00:00 UTC.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

const CATALOG: &str = r#"[[product]]
id = "pump"
name = "Pump Control"
[[product.edition]]
id = "standard"
features = {}
[[product]]
id = "valve"
name = "Valve Control"
[[product.edition]]
id = "standard"
features = {}
[[policy]]
id = "kept"
model = "perpetual"
maintenance-days = 30
[[policy]]
id = "try"
model = "trial"
term-days = 20
"#;

struct Desk {
    folder: PathBuf,
    repository: Repository,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chancery-reports-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut repository = Repository::create(&Home::new(folder.join("home"))).unwrap();
        repository.apply_catalog(&catalog::read(CATALOG).unwrap(), CATALOG, NOW).unwrap();
        let mut desk = Self { folder, repository };
        desk.take(
            "order,customer,customer_name,product,edition,policy,quantity,until\n\
             SO-1,acme,Acme Water,pump,standard,,5,2027-02-14\n\
             SO-2,acme,,valve,standard,,2,2027-12-31\n\
             SO-3,globex,Globex Energy,pump,standard,kept,1,\n\
             SO-4,globex,,pump,standard,try,1,\n\
             SO-5,globex,,pump,standard,,7,\n",
            NOW,
        );
        desk
    }

    fn take(&mut self, text: &str, now: u64) {
        let path = self.folder.join("orders");
        std::fs::write(&path, text).unwrap();
        let source = Source::open(&path, &mut |_, _| {}).unwrap();
        let options = Options { mapping: &Mapping::default(), is_atomic: true, by: "Dana", now };
        let imported = import(&mut self.repository, &source, &options, &mut |_, _, _| {}).unwrap();
        assert!(imported.stands, "{:?}", imported.faults);
    }
}

fn column(table: &Table, name: &str) -> Vec<String> {
    let place = table.columns.iter().position(|column| *column == name).unwrap();
    table.cells().into_iter().map(|mut row| row.swap_remove(place)).collect()
}

#[test]
fn entitlements_are_reported_as_they_are_and_as_they_were() {
    let mut desk = Desk::new("entitlements");
    desk.take("order,customer,action,of,quantity\nSO-6,acme,amend,SO-1,9\n", NOW + DAY);
    let all = Filter::default();
    let (table, totals) = entitlements::report(&desk.repository, &all, None, NOW + DAY).unwrap();
    assert_eq!((totals.entitlements, totals.quantity, totals.used), (5, 20, 0));
    assert_eq!(table.rows.len(), 5);
    let acme = Filter { customer: Some("acme"), product: Some("pump") };
    let (table, _) = entitlements::report(&desk.repository, &acme, None, NOW + DAY).unwrap();
    assert_eq!(
        (column(&table, "quantity"), column(&table, "revision")),
        (vec!["9".to_owned()], vec!["2".to_owned()])
    );
    let (then, totals) = entitlements::report(&desk.repository, &acme, Some(NOW), NOW + DAY).unwrap();
    assert_eq!((column(&then, "quantity"), totals.quantity), (vec!["5".to_owned()], 5));
    let (before, _) = entitlements::report(&desk.repository, &all, Some(NOW - 1), NOW + DAY).unwrap();
    assert_eq!(before.rows, Vec::<Vec<Value>>::new());
    let (later, _) = entitlements::report(&desk.repository, &acme, None, NOW + 60 * DAY).unwrap();
    assert_eq!(column(&later, "state"), ["expired"]);
}

#[test]
fn what_ends_soon_is_reported_soonest_first() {
    let desk = Desk::new("expiring");
    let report =
        |filter: &Filter<'_>, days| expiring::report(&desk.repository, filter, days * DAY, NOW).unwrap();
    let table = report(&Filter::default(), 90);
    assert_eq!(column(&table, "what"), ["term", "maintenance", "term"]);
    assert_eq!(column(&table, "model"), ["trial", "perpetual", "subscription"]);
    assert_eq!(column(&table, "days_left"), ["19", "29", "30"]);
    assert_eq!(report(&Filter::default(), 365).rows.len(), 4);
    assert_eq!(report(&Filter::default(), 1).rows.len(), 0);
    let valve = Filter { product: Some("valve"), ..Filter::default() };
    assert_eq!(column(&report(&valve, 365), "customer"), ["acme"]);
}

#[test]
fn metrics_count_trials_that_are_sold_and_orders_that_wait() {
    let mut desk = Desk::new("metrics");
    let report = |desk: &Desk, scope: &Scope<'_>, now| metrics::report(&desk.repository, scope, now).unwrap();
    let figures = report(&desk, &Scope::default(), NOW);
    let counted = &figures.counted;
    assert_eq!((counted.waiting, counted.entitlements, counted.quantity), (5, 5, 16));
    assert_eq!((counted.trials, counted.converted, counted.lost), (1, 0, 0));
    assert_eq!(report(&desk, &Scope::default(), NOW + 40 * DAY).counted.lost, 1);
    desk.take(
        "order,customer,action,of,product,edition,until\nSO-7,globex,convert,SO-4,pump,standard,2027-12-31\n",
        NOW + DAY,
    );
    let figures = report(&desk, &Scope::default(), NOW + 40 * DAY);
    assert_eq!((figures.counted.converted, figures.counted.lost), (1, 0));
    assert_eq!(figures.to_json()["trials"]["percent_converted"], 100.0);
    let scope = Scope { customer: Some("acme"), ..Scope::default() };
    assert_eq!(report(&desk, &scope, NOW).counted.entitlements, 2);
    let scope = Scope { since: Some(NOW + 1), ..Scope::default() };
    assert_eq!(report(&desk, &scope, NOW).counted.entitlements, 0);
}

#[test]
fn tables_are_written_safe_for_spreadsheets() {
    let mut table = Table::new(&["name", "count"]);
    table.rows.push(vec!["=1+1".into(), 3.into()]);
    table.rows.push(vec![Value::Null, true.into()]);
    let folder = std::env::temp_dir().join(format!("chancery-table-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    table.write(chancery_carriers::files::create_new(&folder.join("t.csv")).unwrap()).unwrap();
    let text = std::fs::read_to_string(folder.join("t.csv")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(text, "name,count\r\n'=1+1,3\r\n,true\r\n");
}
