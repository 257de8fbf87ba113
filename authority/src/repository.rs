//! The authority's memory: one SQLite file, and every SQL statement of the program.
//!
//! Types and names in, types and names out; nobody outside sees a row. Every change is one transaction
//! that takes the write lock first (`BEGIN IMMEDIATE`) and is durable when the function returns.
//! Not here: the clock, randomness, keys, documents' content.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::home::Home;

pub mod approval;
pub mod approver;
pub mod authority;
pub mod ballast;
pub mod batch;
pub mod bundle;
pub mod catalog;
pub mod checkpoint;
pub mod copy;
pub mod custody;
pub mod customer;
pub mod device_log;
mod digest;
pub mod entitlement;
pub mod error;
pub mod grant;
pub mod history;
pub mod lease;
pub mod license;
pub mod lock;
pub mod log;
mod open;
pub mod order;
pub mod proposal;
pub mod report;
pub mod revocation;
mod schema;
pub mod site_record;
pub mod sold;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(crate) mod tests;
pub mod tree;
pub mod turn;
pub mod witnessed;

pub use approval::{
    ApprovalRecord, Decided, DecisionWriter, NewRequest, PolicyRecord, RequestRecord, StandingGrant,
};
pub use approver::{Approver, ApproverBounds, NewApprover, Revocation};
pub use authority::{Authority, KeyClosing, KeyRecord, NewKey};
pub use ballast::Ballast;
pub use batch::{BatchIntent, BatchRecord, BatchShape, LicenseWriter};
pub use bundle::BundleRecord;
pub use catalog::{
    AddOn, Catalog, CatalogState, Change, ChangeKind, FeatureKind, FeatureValue, NewChange, Package, Pilot,
    Policy, PriceBook, Prices, Product, SupportLevel, Territory,
};
pub use checkpoint::CheckpointRecord;
pub use custody::{NewBatch, Standing};
pub use customer::Customer;
pub use device_log::{Acceptance, DeviceLogChain, NewAcceptance, OperationCount};
pub use entitlement::{Binding, Entitlement};
pub use error::RepositoryError;
pub use grant::{GrantRecord, GrantWriter, Note};
pub use lease::Lease;
pub use license::{HeldLicense, LicenseRecord, NewLicense};
pub use lock::IssuingLock;
pub use log::{Intent, Leaf, NewLeaf, NewOperation, OpenOperation, Pending};
pub use order::{Granted, LineGrant, NewOrderLine, OrderFilter, OrderLine, OrderOutcome, OrderWriter};
pub use proposal::{Draft, Outcome, OwnedPrice, Proposal, Proposed, Waiting};
pub use report::{Metrics, Scope};
pub use revocation::{RevocationListRecord, RevocationRecord, RevocationTarget};
pub use site_record::SiteRecordRow;
pub use sold::{Model, Rules, Sold};

/// The opened database of one authority.
#[derive(Debug)]
pub struct Repository {
    connection: Connection,
    /// What the transaction at hand adds to the digests of tables.
    digests: digest::Digests,
    home: Home,
    ballast: Ballast,
    /// What the files looked like when they were opened.
    seen: open::Seen,
    /// Which proposals the last change of entitlements became.
    proposed: Vec<u64>,
}

impl Repository {
    /// Runs SQLite's check of the whole file and returns what it finds wrong, at most 100 lines.
    ///
    /// Reads every page: for `doctor`, not for each start.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] when damage keeps the check itself from running.
    pub fn damage(&self) -> Result<Vec<String>, RepositoryError> {
        self.damage_by("quick_check")
    }

    /// As [`Repository::damage`], and compares every index with its table: for `log verify`.
    ///
    /// # Errors
    ///
    /// As [`Repository::damage`].
    pub fn damage_in_depth(&self) -> Result<Vec<String>, RepositoryError> {
        self.damage_by("integrity_check")
    }

    fn damage_by(&self, check: &str) -> Result<Vec<String>, RepositoryError> {
        let mut found = Vec::new();
        self.connection.pragma_query(None, check, |row| {
            found.push(row.get::<_, String>(0)?);
            Ok(())
        })?;
        self.connection.pragma_query(None, "foreign_key_check", |row| {
            found.push(format!("a row of {} refers to nothing", row.get::<_, String>(0)?));
            Ok(())
        })?;
        found.retain(|line| line != "ok");
        found.truncate(100);
        Ok(found)
    }

    /// Returns the home this repository lies in.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Returns the space kept for the end of an operation.
    #[must_use]
    pub fn ballast(&self) -> &Ballast {
        &self.ballast
    }

    /// Runs `work` in one transaction that holds the write lock from its start; durable on return.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        self.write_or(work)
    }

    /// Does as [`Repository::write`], for work that may refuse for reasons of its own.
    fn write_or<T, E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // SQLite ignores an error of syncing the directory, where the name of a new write-ahead log stands.
        open::sync_directory(self.home.path())?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(RepositoryError::from)?;
        self.digests.clear();
        let result = work(&transaction)?;
        self.digests.flush(&transaction)?;
        transaction.commit().map_err(RepositoryError::from)?;
        Ok(result)
    }
}
