//! Tests of orders: what they share, and one file a promise.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_formats::id::EntitlementId;

use super::*;
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Customer, Entitlement, OrderFilter, OrderOutcome, Repository};
use crate::workflow::catalog;

mod changes;
mod corpus;
mod hostile;
mod repeating;
mod taking;
mod telling;
mod waiting;

/// 2027-01-15 08:00:00 UTC.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

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

[[product.edition]]
id = "professional"
features = { logging = true, channels = 64 }

[[product.add-on]]
id = "sixteen"
adds = { channels = 16 }

[[product.package]]
id = "works"
name = "Waterworks"
edition = "standard"
policy = "yearly"

[[policy]]
id = "yearly"
model = "subscription"
term-days = 365

[[policy]]
id = "anywhere"
model = "perpetual"
binding = "none"

[[policy]]
id = "try"
model = "trial"
term-days = 30
"#;

/// An authority with a catalog and two customers, and a folder for its files.
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
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chancery-orders-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut repository = Repository::create(&Home::new(folder.join("home"))).unwrap();
        repository.apply_catalog(&catalog::read(CATALOG).unwrap(), CATALOG, NOW).unwrap();
        for (id, name) in [("acme", "Acme Water"), ("globex", "Globex Energy")] {
            let customer = Customer { id: id.to_owned(), name: name.to_owned(), added_at: NOW };
            repository.add_customer(&customer).unwrap();
        }
        Self { folder, repository }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn import_with(
        &mut self,
        bytes: &[u8],
        mapping: &Mapping,
        is_atomic: bool,
        now: u64,
    ) -> Result<Imported, CommandError> {
        let path = self.path("orders");
        std::fs::write(&path, bytes).unwrap();
        self.import_file(&path, mapping, is_atomic, now)
    }

    fn import_file(
        &mut self,
        path: &Path,
        mapping: &Mapping,
        is_atomic: bool,
        now: u64,
    ) -> Result<Imported, CommandError> {
        let source = Source::open(path, &mut |_, _| {})?;
        let options = Options { mapping, is_atomic, by: "Dana Keller", now };
        import(&mut self.repository, &source, &options, &mut |_, done, total| assert!(done <= total))
    }

    /// Imports a text whose columns have their own names.
    fn import(&mut self, text: &str) -> Result<Imported, CommandError> {
        self.import_with(text.as_bytes(), &Mapping::default(), false, NOW)
    }

    /// Imports lines that are all good.
    fn take(&mut self, text: &str) -> Counts {
        let imported = self.import(text).unwrap();
        assert_eq!(imported.faults, [], "{text}");
        assert!(imported.stands);
        imported.counts
    }

    /// Returns the first fault of a text that is no wrong file.
    fn fault(&mut self, text: &str) -> (u64, Option<String>, &'static str) {
        let imported = self.import(text).unwrap();
        let fault = imported.faults.into_iter().next().unwrap_or_else(|| panic!("no fault in {text:?}"));
        (fault.line, fault.column.map(|column| column.to_string()), fault.code)
    }

    fn outcomes(&self) -> Vec<OrderOutcome> {
        let mut found = Vec::new();
        self.repository
            .each_order(&OrderFilter::default(), |outcome| {
                found.push(outcome);
                Ok::<_, CommandError>(())
            })
            .unwrap();
        found
    }

    /// Returns the entitlement that the first line of an order is about.
    fn entitlement(&self, number: &str) -> Entitlement {
        let outcomes = self.outcomes();
        let found = outcomes.iter().find(|outcome| outcome.line.number == number).unwrap();
        self.repository.entitlement(found.line.entitlement).unwrap()
    }

    /// What is there after all, but for ids that are drawn.
    fn state(&self) -> Vec<String> {
        let line = |outcome: &OrderOutcome| {
            let Entitlement { quantity, not_after, revision, catalog, .. } =
                self.repository.entitlement(outcome.line.entitlement).unwrap();
            let line = &outcome.line;
            format!(
                "{} {} {} {} {} {:?}: {quantity} {not_after:?} {revision} {catalog}",
                line.position, line.number, line.line, line.customer, line.content, line.revision
            )
        };
        let mut state: Vec<_> = self.outcomes().iter().map(line).collect();
        state.extend(self.repository.customers().unwrap().into_iter().map(|one| format!("{one:?}")));
        state.push(format!("{} entitlements", self.repository.entitlements().unwrap().len()));
        state
    }
}
