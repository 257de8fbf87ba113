//! The authority's memory: one SQLite file, and every SQL statement of the program.
//!
//! Types and names in, types and names out; nobody outside sees a row. Every change is one transaction
//! that takes the write lock first (`BEGIN IMMEDIATE`) and is durable when the function returns.
//! Not here: the clock, randomness, keys, documents' content.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::home::Home;

pub mod authority;
pub mod ballast;
pub mod catalog;
pub mod customer;
pub mod device_log;
pub mod entitlement;
pub mod error;
pub mod license;
pub mod log;
mod open;
mod schema;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use authority::{Authority, KeyRecord, KeyRole, NewKey};
pub use ballast::Ballast;
pub use catalog::{Catalog, FeatureKind, FeatureValue, Product};
pub use customer::Customer;
pub use device_log::OperationCount;
pub use entitlement::{Entitlement, NewEntitlement};
pub use error::RepositoryError;
pub use license::{LicenseRecord, NewLicense};
pub use log::{Intent, Leaf, NewLeaf, NewOperation, OpenOperation, Pending};

/// The opened database of one authority.
#[derive(Debug)]
pub struct Repository {
    connection: Connection,
    home: Home,
    ballast: Ballast,
    /// What the files looked like when they were opened.
    seen: open::Seen,
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
        let mut found = Vec::new();
        self.connection.pragma_query(None, "quick_check", |row| {
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
        // SQLite ignores an error of syncing the directory, where the name of a new write-ahead log stands.
        open::sync_directory(self.home.path())?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}
