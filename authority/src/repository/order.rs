//! Orders: each line as it came, the entitlement that is drawn for it, and the hash of the grant that it comes to.
//!
//! Lines are taken in transactions of many, so that a file of fifty thousand takes seconds. A line that is refused in
//! the middle of one leaves nothing behind, neither rows nor what they add to the digests. A line and its grant are
//! durable together: a kill loses whole chunks, which come again with the same file. What became of a line is not written
//! once more: it is there when the grant of its hash is. Not here: what a line means
//! (`workflow::order`).

use chancery_formats::grant::{Grant, State};
use chancery_formats::id::EntitlementId;
use chancery_formats::merkle::Hash;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::digest::Digests;
use super::entitlement::state_of;
use super::proposal::propose;
use super::{Customer, Draft, GrantWriter, Outcome, Repository, RepositoryError, Waiting};

/// A line of an order as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// From 1, in the order in which lines came.
    pub position: u64,
    /// Number of the order.
    pub number: String,
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Customer of the order.
    pub customer: String,
    /// What it grants or changes.
    pub entitlement: EntitlementId,
    /// What it asks for, as JSON.
    pub content: String,
    /// When it came, in Unix seconds.
    pub imported_at: u64,
    /// Number of the grant that it came to; none while it waits.
    pub revision: Option<u64>,
    /// When it came to that, in Unix seconds.
    pub settled_at: Option<u64>,
}

/// A line of an order that is new.
#[derive(Clone, Copy, Debug)]
pub struct NewOrderLine<'a> {
    /// Number of the order: 1 to 64 characters.
    pub number: &'a str,
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Customer of the order, who is known.
    pub customer: &'a str,
    /// What it grants or changes.
    pub entitlement: EntitlementId,
    /// SHA-256 of the grant that it comes to.
    pub grant: Hash,
    /// What it asks for, as JSON.
    pub content: &'a str,
}

/// What a line comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineGrant {
    /// What it grants or changes.
    pub entitlement: EntitlementId,
    /// SHA-256 of the grant that it comes to.
    pub grant: Hash,
    /// The proposal as which it waits; none where it stands.
    pub proposal: Option<u64>,
}

/// A line of an order, and how what it came to stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOutcome {
    /// The line.
    pub line: OrderLine,
    /// The entitlement; none while the line that grants it waits.
    pub granted: Option<Granted>,
    /// How the proposal ended as which it waited, where it did.
    pub ended: Option<Outcome>,
}

/// How an entitlement stands, for those who sold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Whether it is in force.
    pub state: State,
    /// Activations, without those of its islands.
    pub quantity: u64,
    /// How many of these hold a license.
    pub used: u64,
    /// Last second of the term, in Unix seconds; none is perpetual.
    pub not_after: Option<u64>,
    /// Licenses that were recorded, those of earlier revisions among them.
    pub licenses: u64,
    /// When its first license was recorded, in Unix seconds.
    pub first_license_at: Option<u64>,
}

/// Which lines are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter<'a> {
    /// Those of this order.
    pub number: Option<&'a str>,
    /// Those of this customer.
    pub customer: Option<&'a str>,
}

/// Lines while they are being taken, in one transaction.
#[derive(Debug)]
pub struct OrderWriter<'t> {
    transaction: &'t Transaction<'t>,
    digests: Digests,
    now: u64,
}

/// A statement over lines, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($columns:literal, $joins:literal, $tail:literal) => {
        concat!(
            "SELECT order_line.position, order_line.order_number, order_line.line, sales_order.customer_id,
                    order_line.entitlement_id, order_line.content, order_line.imported_at,
                    outcome.revision, outcome.changed_at",
            $columns,
            " FROM order_line
             JOIN sales_order ON sales_order.order_number = order_line.order_number
             LEFT JOIN entitlement_grant AS outcome ON outcome.entitlement_id = order_line.entitlement_id
                                                   AND outcome.hash = order_line.grant_hash ",
            $joins,
            $tail
        )
    };
}

/// The same, with how the entitlement stands.
macro_rules! select_outcome {
    ($tail:literal) => {
        select!(
            ", entitlement.state, parent.state, entitlement.quantity - entitlement.in_islands,
               max(0, coalesce((SELECT max(activation) FROM license
                                WHERE license.entitlement_id = entitlement.entitlement_id), 0)
                      - entitlement.returned),
               entitlement.not_after,
               (SELECT count(*) FROM license WHERE license.entitlement_id = entitlement.entitlement_id),
               (SELECT recorded_at FROM log_leaf WHERE log_index =
                   (SELECT min(log_index) FROM license
                    WHERE license.entitlement_id = entitlement.entitlement_id)),
               (SELECT outcome FROM proposal_grant JOIN proposal_end USING (proposal_id)
                WHERE proposal_grant.hash = order_line.grant_hash ORDER BY proposal_id DESC LIMIT 1)",
            "LEFT JOIN entitlement ON entitlement.entitlement_id = order_line.entitlement_id
             LEFT JOIN entitlement AS parent ON parent.entitlement_id = entitlement.parent_id ",
            $tail
        )
    };
}

impl OrderWriter<'_> {
    /// Returns a line that came before.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn line(&self, number: &str, line: u32) -> Result<Option<OrderLine>, RepositoryError> {
        let sql = select!("", "", "WHERE order_line.order_number = ?1 AND order_line.line = ?2");
        Ok(self.transaction.prepare_cached(sql)?.query_row((number, line), order_line).optional()?)
    }

    /// Returns the customer of an order of which a line came before.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn customer_of(&self, number: &str) -> Result<Option<String>, RepositoryError> {
        let sql = "SELECT customer_id FROM sales_order WHERE order_number = ?1";
        Ok(self.transaction.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?)
    }

    /// Returns the name for people of a customer.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn customer_name(&self, customer: &str) -> Result<Option<String>, RepositoryError> {
        let sql = "SELECT name FROM customer WHERE customer_id = ?1";
        Ok(self.transaction.prepare_cached(sql)?.query_row([customer], |row| row.get(0)).optional()?)
    }

    /// Adds a customer who is not known.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn add_customer(&mut self, id: &str, name: &str) -> Result<(), RepositoryError> {
        let sql = "INSERT INTO customer (customer_id, name, added_at) VALUES (?1, ?2, ?3)";
        self.transaction.prepare_cached(sql)?.execute((id, name, self.now))?;
        Ok(())
    }

    /// Changes one entitlement, and asks `judge` about it: where it gives nothing the change stands, and else all of it
    /// is taken back and becomes a proposal. `work` returns the entitlement that the line is about.
    ///
    /// # Errors
    ///
    /// Those of `work`, of `judge` and of the database; the caller takes back what was written then, with
    /// [`Self::attempt`]. [`RepositoryError::UnknownGrant`] for work that grants that entitlement nothing.
    pub fn change<E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&mut GrantWriter<'_>) -> Result<EntitlementId, E>,
        judge: impl FnOnce(&GrantWriter<'_>, &Draft) -> Result<Option<Waiting>, E>,
    ) -> Result<LineGrant, E> {
        let before = self.digests.so_far();
        self.run("SAVEPOINT change")?;
        let mut writer = GrantWriter::judged(self.transaction);
        let entitlement = work(&mut writer)?;
        // One line, one decision, however many grants it takes.
        let mut change = Draft::default();
        for part in writer.changes.take().unwrap_or_default() {
            change.grants.extend(part.grants);
            change.revoked.extend(part.revoked);
        }
        let newest = change.grants.iter().rev().find(|(id, _)| *id == entitlement);
        let (_, bytes) = newest.ok_or(RepositoryError::UnknownGrant { entitlement })?;
        let grant = Grant::hash(bytes);
        let proposal = match judge(&writer, &change)? {
            None => None,
            Some(waiting) => {
                self.run("ROLLBACK TO change")?;
                self.digests.go_back(before);
                Some(propose(self.transaction, &change, &waiting)?)
            }
        };
        self.run("RELEASE change")?;
        Ok(LineGrant { entitlement, grant, proposal })
    }

    /// Keeps a line.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn keep(&mut self, new: &NewOrderLine<'_>) -> Result<(), RepositoryError> {
        let sql = "INSERT INTO sales_order (order_number, customer_id, imported_at) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO NOTHING";
        self.transaction.prepare_cached(sql)?.execute((new.number, new.customer, self.now))?;
        let sql = "INSERT INTO order_line
                       (position, order_number, line, entitlement_id, grant_hash, content, imported_at)
                   SELECT coalesce(max(position), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM order_line";
        let parameters = (new.number, new.line, new.entitlement.0, new.grant, new.content, self.now);
        self.transaction.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    /// Does some work whole or not at all: what it wrote before it is refused is taken back, and the transaction
    /// goes on.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn attempt<T, E: From<RepositoryError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.digests.so_far();
        self.run("SAVEPOINT line")?;
        let done = work(self);
        if done.is_err() {
            self.run("ROLLBACK TO line")?;
            self.digests.go_back(before);
        }
        self.run("RELEASE line")?;
        done
    }

    fn run(&self, sql: &'static str) -> Result<(), RepositoryError> {
        self.transaction.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Repository {
    /// Takes lines in one transaction: all that `work` keeps is durable on return, or nothing is. `now` is Unix
    /// seconds.
    ///
    /// # Errors
    ///
    /// Those of `work` and of the database.
    pub fn take_orders<T, E: From<RepositoryError>>(
        &mut self,
        now: u64,
        work: impl FnOnce(&mut OrderWriter<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let digests = self.digests.clone();
        self.write_or(|transaction| work(&mut OrderWriter { transaction, digests, now }))
    }

    /// Returns whether an order with this number came.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn has_order(&self, number: &str) -> Result<bool, RepositoryError> {
        let sql = "SELECT 1 FROM sales_order WHERE order_number = ?1";
        Ok(self.connection.prepare_cached(sql)?.exists([number])?)
    }

    /// Gives every line that a filter lets through to `each`, as it stands at one moment, in the order in which they
    /// came.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_order<E: From<RepositoryError>>(
        &self,
        filter: &OrderFilter<'_>,
        mut each: impl FnMut(OrderOutcome) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let all = select_outcome!("ORDER BY order_line.position");
        let of_number = select_outcome!("WHERE order_line.order_number = ?1 ORDER BY order_line.line");
        let of_customer = select_outcome!("WHERE sales_order.customer_id = ?1 ORDER BY order_line.position");
        let (sql, parameter) = match (filter.number, filter.customer) {
            (Some(number), _) => (of_number, Some(number)),
            (None, Some(customer)) => (of_customer, Some(customer)),
            (None, None) => (all, None),
        };
        let mut statement = self.connection.prepare_cached(sql).map_err(database)?;
        let parameters = rusqlite::params_from_iter(parameter);
        let mut rows = statement.query(parameters).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            let found = outcome(row)?;
            if filter.customer.is_none_or(|customer| customer == found.line.customer) {
                each(found)?;
            }
        }
        Ok(())
    }

    /// Gives every customer to `each`, by id.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn each_customer(&self, mut each: impl FnMut(Customer)) -> Result<(), RepositoryError> {
        let sql = "SELECT customer_id, name, added_at FROM customer ORDER BY customer_id";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(Customer { id: row.get(0)?, name: row.get(1)?, added_at: row.get(2)? });
        }
        Ok(())
    }
}

fn order_line(row: &Row<'_>) -> rusqlite::Result<OrderLine> {
    Ok(OrderLine {
        position: row.get(0)?,
        number: row.get(1)?,
        line: row.get(2)?,
        customer: row.get(3)?,
        entitlement: EntitlementId(row.get(4)?),
        content: row.get(5)?,
        imported_at: row.get(6)?,
        revision: row.get(7)?,
        settled_at: row.get(8)?,
    })
}

fn outcome(row: &Row<'_>) -> Result<OrderOutcome, RepositoryError> {
    let state = |name: Option<String>| {
        let known = |name: String| state_of(&name).ok_or_else(|| RepositoryError::malformed("entitlement"));
        name.map(known).transpose()
    };
    let granted = match state(row.get(9)?)? {
        None => None,
        Some(own) => Some(Granted {
            state: state(row.get(10)?)?.map_or(own, |parent| own.max(parent)),
            quantity: row.get(11)?,
            used: row.get(12)?,
            not_after: row.get(13)?,
            licenses: row.get(14)?,
            first_license_at: row.get(15)?,
        }),
    };
    let ended = row.get::<_, Option<String>>(16)?.map(|name| Outcome::from_name(&name)).transpose()?;
    Ok(OrderOutcome { line: order_line(row)?, granted, ended })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::home::Home;

    /// However many there are, a look-up descends indices and walks over no table.
    #[test]
    fn look_ups_walk_over_no_table() {
        let folder = std::env::temp_dir().join(format!("chancery-order-look-ups-{}", std::process::id()));
        let repository = Repository::create(&Home::new(&folder)).unwrap();
        for sql in [
            select!("", "", "WHERE order_line.order_number = ?1 AND order_line.line = 1"),
            select_outcome!("WHERE order_line.order_number = ?1 ORDER BY order_line.line"),
            select_outcome!("WHERE sales_order.customer_id = ?1 ORDER BY order_line.position"),
        ] {
            let mut statement = repository.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(["SO-1"], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH order_line USING")), "{steps:?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{sql}: {steps:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
