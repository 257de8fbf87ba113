//! From a file of orders to durable licenses, beside the bare insertion of the same rows; and looking one up among many.
//!
//! `chancery order import`, `order export --format rows` and `batch issue` run as programs of their own, one after the
//! other, from the start of the first to the end of the last. The same rows are then inserted into an empty database of
//! the same tables and indices, with prepared statements in one transaction, by nobody who asks what they mean. Not
//! here: what is wrong with files (the tests of `workflow::order`).

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chancery_authority::home::Home;
use chancery_authority::repository::{OrderFilter, Repository, RepositoryError};
use chancery_authority::workflow::catalog;
use chancery_authority::workflow::order::{Mapping, Options, Source, import};
use chancery_formats::id::EntitlementId;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::Effort;
use crate::batch::{chancery, reference, sealing};
use crate::measure::Series;

/// 2026-11-23.
const NOW: u64 = 1_795_392_000;
/// Most memory of any of the programs, in KiB.
const MOST_KIB: u64 = 300 * 1000 * 1000 / 1024;
/// Most that orders may cost, as a multiple of the bare insertion.
const MOST_RATIO: f64 = 20.0;
/// Most that a look-up among a million may cost, as a multiple of one among a thousand.
const MOST_LOOK_UP_RATIO: f64 = 2.0;
/// Entitlements of the small home.
const FEW: u64 = 1_000;
/// What orders and licenses are written to.
const TABLES: [&str; 9] = [
    "customer",
    "sales_order",
    "order_line",
    "entitlement",
    "entitlement_grant",
    "log_leaf",
    "log_tile",
    "license",
    "batch",
];

const CATALOG: &str = r#"[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }

[[policy]]
id = "anywhere"
model = "subscription"
term-days = 3650
binding = "none"
"#;

/// Measures both, and prints the tables.
///
/// # Panics
///
/// Where a program fails, the disk has no room, or the orders cost more than they may.
pub fn run(programs: &Path, effort: Effort) {
    let module = std::env::var("CHANCERY_BENCH_MODULE").expect("tests/bench/run.sh makes the token");
    let desk = Desk::new(&module, effort.orders);
    let (times, peak) = desk.run(programs);
    let bare = desk.bare();
    let [import, rows, issue] = times.map(|time| time.as_secs_f64());
    let whole = import + rows + issue;
    let ratio = whole / bare.as_secs_f64();
    println!("\n## Orders\n");
    println!(
        "| orders | import, s | rows, s | batch issue, s | together, s | peak memory MiB | bare insertion, s | ratio |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    println!(
        "| {} | {import:.2} | {rows:.2} | {issue:.2} | {whole:.2} | {:.0} | {:.2} | {ratio:.1} |",
        effort.orders,
        peak as f64 / 1024.0,
        bare.as_secs_f64(),
    );
    assert!(peak <= MOST_KIB, "{peak} KiB are more than 300 MB");
    // Below that, starting the programs is what is measured.
    assert!(effort.orders < 50_000 || ratio <= MOST_RATIO, "{ratio} times the bare insertion");
    drop(desk);
    look_ups(effort);
}

/// An authority whose issuing key is on the token and seals, and a file of orders.
struct Desk {
    folder: PathBuf,
    orders: u64,
}

impl Desk {
    fn new(module: &str, orders: u64) -> Self {
        let folder = folder("orders");
        let home = Home::new(folder.join("home"));
        let mut repository = sealing(&home, &reference(module, 1_000));
        apply_catalog(&mut repository);
        std::fs::write(folder.join("orders.csv"), orders_text(orders)).expect("a file");
        Self { folder, orders }
    }

    /// Goes from the file to licenses; returns how long each step took, and the most memory of any, in KiB.
    fn run(&self, programs: &Path) -> ([Duration; 3], u64) {
        let steps: [&[&str]; 3] = [
            &["order", "import", "orders.csv"],
            &["order", "export", "--format", "rows", "--out", "rows.jsonl"],
            &["batch", "issue", "--input", "rows.jsonl"],
        ];
        let ended = steps.map(|arguments| chancery(programs, &self.folder, arguments));
        let connection = self.database();
        let sql = "SELECT count(*) FROM license JOIN batch WHERE sealed_at IS NOT NULL";
        let licenses: u64 =
            connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("licenses") as u64;
        assert_eq!(licenses, self.orders, "every order has a license that is sealed");
        (ended.map(|(time, _)| time), ended.iter().map(|(_, peak)| *peak).max().unwrap_or(0))
    }

    fn database(&self) -> Connection {
        let path = self.folder.join("home/authority.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database")
    }

    /// Inserts the rows that the programs wrote into an empty database, and returns how long that takes.
    fn bare(&self) -> Duration {
        let made = self.database();
        let mut bare = Connection::open(self.folder.join("bare.db")).expect("a new database");
        bare.pragma_update(None, "journal_mode", "WAL").expect("a write-ahead log");
        bare.pragma_update(None, "synchronous", "FULL").expect("what is committed is on the disk");
        bare.pragma_update(None, "foreign_keys", false).expect("rows alone");
        let mut loads = Vec::new();
        for table in TABLES {
            let sql = "SELECT sql FROM sqlite_schema
                       WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC";
            let mut statement = made.prepare(sql).expect("the schema");
            let schema = statement.query_map([table], |row| row.get::<_, String>(0)).expect("the schema");
            for sql in schema {
                bare.execute_batch(&sql.expect("its text")).expect("the same table");
            }
            loads.push(Load::read(&made, table));
        }
        let start = Instant::now();
        let transaction = bare.transaction().expect("a transaction");
        for load in &loads {
            let mut statement = transaction.prepare(&load.insert).expect("a statement");
            for row in &load.rows {
                statement.execute(params_from_iter(row)).expect("a row");
            }
        }
        transaction.commit().expect("room on the disk");
        start.elapsed()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The rows of a table, and how one is inserted.
struct Load {
    insert: String,
    rows: Vec<Vec<Value>>,
}

impl Load {
    fn read(made: &Connection, table: &str) -> Self {
        let mut statement = made.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = statement.column_count();
        let places: Vec<_> = (1..=columns).map(|place| format!("?{place}")).collect();
        let insert = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        let rows = statement.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("rows");
        Self { insert, rows }
    }
}

/// Looks entitlements and orders up in a home of a thousand and in a large one, in turns.
fn look_ups(effort: Effort) {
    let homes = [Filled::new("few", FEW), Filled::new("many", effort.entitlements)];
    println!("\n| look-up | {FEW} entitlements | {} entitlements | median ratio |", effort.entitlements);
    println!("| --- | ---: | ---: | ---: |");
    let rounds = effort.rounds.clamp(50, 2_000);
    let by_id = |home: &Filled, round| {
        let id = home.ids[spread(round, home.ids.len() as u64) as usize];
        black_box(home.repository.entitlement(id).expect("an entitlement"));
    };
    let by_number = |home: &Filled, round| {
        let number = format!("SO-{}", spread(round, home.ids.len() as u64));
        let filter = OrderFilter { number: Some(&number), customer: None };
        let mut found = 0;
        let each = |_| {
            found += 1;
            Ok::<_, RepositoryError>(())
        };
        home.repository.each_order(&filter, each).expect("an order");
        assert_eq!(found, 1, "{number}");
    };
    let kinds: [(&str, &dyn Fn(&Filled, u64)); 2] =
        [("entitlement by id, µs", &by_id), ("order by number, µs", &by_number)];
    for (name, look_up) in kinds {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds as u64 {
            for (home, times) in homes.iter().zip(&mut times) {
                // The first one brings into memory what nobody asked for in a long time.
                look_up(home, round);
                let start = Instant::now();
                look_up(home, round);
                times.push(start.elapsed().as_nanos() as f64);
            }
        }
        let [few, many] = times.map(Series::new);
        let ratio = many.median_ratio(&few);
        println!(
            "| {name} | {:.1} | {:.1} | {ratio:.2} |",
            few.quantile(0.5) / 1e3,
            many.quantile(0.5) / 1e3
        );
        assert!(
            effort.entitlements < 1_000_000 || ratio <= MOST_LOOK_UP_RATIO,
            "{name}: {ratio} times as dear among many"
        );
    }
}

/// A home with that many entitlements, each from an order.
struct Filled {
    folder: PathBuf,
    repository: Repository,
    ids: Vec<EntitlementId>,
}

impl Filled {
    fn new(name: &str, entitlements: u64) -> Self {
        let folder = folder(name);
        let mut repository = Repository::create(&Home::new(folder.join("home"))).expect("a new home");
        apply_catalog(&mut repository);
        let path = folder.join("orders.csv");
        std::fs::write(&path, orders_text(entitlements)).expect("a file");
        let source = Source::open(&path, &mut |_, _| {}).expect("the file");
        let mapping = Mapping::default();
        let options = Options { mapping: &mapping, is_atomic: false, by: "bench", now: NOW };
        let imported = import(&mut repository, &source, &options, &mut |_, _, _| {}).expect("orders");
        assert_eq!(imported.counts.granted, entitlements);
        let mut ids = Vec::new();
        let each = |outcome: chancery_authority::repository::OrderOutcome| {
            ids.push(outcome.line.entitlement);
            Ok::<_, RepositoryError>(())
        };
        repository.each_order(&OrderFilter::default(), each).expect("orders");
        Self { folder, repository, ids }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("chancery-bench-{name}-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a new folder");
    folder
}

fn apply_catalog(repository: &mut Repository) {
    let catalog = catalog::read(CATALOG).expect("a catalog");
    repository.apply_catalog(&catalog, CATALOG, NOW).expect("room on the disk");
}

/// Orders of one license each; a customer has twenty-five.
fn orders_text(orders: u64) -> String {
    let mut text = "order,customer,customer_name,product,edition,policy,quantity,site\n".to_owned();
    for number in 0..orders {
        let customer = number / 25;
        let _ = writeln!(
            text,
            "SO-{number},customer-{customer},Customer of the benches {customer},pump,standard,anywhere,1,north"
        );
    }
    text
}

/// Spreads rounds over all places, the same ones in every run.
fn spread(round: u64, places: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % places
}
