//! Customers: a name for command lines and documents, and a name for people.
//!
//! Not here: whether a name may be shown (`workflow::customer`).

use super::{Repository, RepositoryError};

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Stands in licenses and on command lines.
    pub id: String,
    /// For people.
    pub name: String,
    /// Unix seconds.
    pub added_at: u64,
}

impl Repository {
    /// Adds a customer.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::CustomerExists`] when the id is taken.
    pub fn add_customer(&mut self, customer: &Customer) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let added = transaction.execute(
                "INSERT INTO customer (customer_id, name, added_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                (&customer.id, &customer.name, customer.added_at),
            )?;
            if added == 1 {
                Ok(())
            } else {
                Err(RepositoryError::CustomerExists { customer: customer.id.clone() })
            }
        })
    }

    /// Returns every customer, ordered by id.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn customers(&self) -> Result<Vec<Customer>, RepositoryError> {
        let sql = "SELECT customer_id, name, added_at FROM customer ORDER BY customer_id";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Customer { id: row.get(0)?, name: row.get(1)?, added_at: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
