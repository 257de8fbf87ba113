//! What reports count: over all entitlements, without holding them.
//!
//! Not here: what the numbers mean and how they are shown (`workflow::report`).

use rusqlite::Row;

use super::{Repository, RepositoryError};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Only what this customer has.
    pub customer: Option<&'a str>,
    /// Only what is of this product.
    pub product: Option<&'a str>,
    /// Only what was first granted at this second or later, in Unix seconds.
    pub since: Option<u64>,
}

/// How orders become licenses, and trials become sales.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// For each order line that granted an entitlement with a license: seconds from its import to the first license.
    pub provisioned: Vec<u64>,
    /// Order lines that granted an entitlement which has no license yet.
    pub waiting: u64,
    /// Entitlements that are not revoked.
    pub entitlements: u64,
    /// Of these, how many have an activation in use.
    pub activated: u64,
    /// Activations that these grant, each counted once: those of islands with the island.
    pub quantity: u64,
    /// Of these, how many are in use.
    pub used: u64,
    /// Entitlements that began as trials.
    pub trials: u64,
    /// Of these, how many were converted.
    pub converted: u64,
    /// Of those that were not converted, how many have ended or were revoked.
    pub lost: u64,
}

impl Repository {
    /// Counts what [`Metrics`] tell, at one moment; `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn metrics(&self, scope: &Scope<'_>, now: u64) -> Result<Metrics, RepositoryError> {
        // Reads of one transaction see one state.
        let reading = self.connection.unchecked_transaction()?;
        let mut metrics = self.counts(scope, now)?;
        let sql = "SELECT (SELECT recorded_at FROM log_leaf WHERE log_index =
                              (SELECT min(log_index) FROM license
                               WHERE license.entitlement_id = order_line.entitlement_id)) - order_line.imported_at
                   FROM order_line
                   JOIN entitlement_grant AS outcome ON outcome.entitlement_id = order_line.entitlement_id
                                                    AND outcome.revision = 1 AND outcome.hash = order_line.grant_hash
                   JOIN entitlement ON entitlement.entitlement_id = order_line.entitlement_id
                   WHERE (?1 IS NULL OR entitlement.customer_id = ?1)
                     AND (?2 IS NULL OR entitlement.product_id = ?2) AND (?3 IS NULL OR entitlement.granted_at >= ?3)";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query((scope.customer, scope.product, scope.since))?;
        while let Some(row) = rows.next()? {
            match row.get::<_, Option<i64>>(0)? {
                // A clock that was set back between the two makes no time of it.
                Some(seconds) => metrics.provisioned.push(u64::try_from(seconds).unwrap_or(0)),
                None => metrics.waiting += 1,
            }
        }
        drop(rows);
        drop(statement);
        reading.finish()?;
        Ok(metrics)
    }

    fn counts(&self, scope: &Scope<'_>, now: u64) -> Result<Metrics, RepositoryError> {
        let sql = "WITH counted AS (
                       SELECT state, model, began_as_trial, quantity - in_islands AS own, not_after,
                              max(0, coalesce((SELECT max(activation) FROM license
                                               WHERE license.entitlement_id = entitlement.entitlement_id), 0)
                                     - returned) AS used
                       FROM entitlement
                       WHERE (?1 IS NULL OR customer_id = ?1) AND (?2 IS NULL OR product_id = ?2)
                         AND (?3 IS NULL OR granted_at >= ?3)
                   )
                   SELECT coalesce(sum(state <> 'revoked'), 0),
                          coalesce(sum(state <> 'revoked' AND used > 0), 0),
                          coalesce(sum(iif(state <> 'revoked', own, 0)), 0),
                          coalesce(sum(iif(state <> 'revoked', used, 0)), 0),
                          coalesce(sum(began_as_trial), 0),
                          coalesce(sum(began_as_trial AND model <> 'trial'), 0),
                          coalesce(sum(began_as_trial AND model = 'trial' AND (state = 'revoked' OR not_after < ?4)), 0)
                   FROM counted";
        let parameters = (scope.customer, scope.product, scope.since, now);
        Ok(self.connection.query_row(sql, parameters, counted)?)
    }
}

fn counted(row: &Row<'_>) -> rusqlite::Result<Metrics> {
    Ok(Metrics {
        provisioned: Vec::new(),
        waiting: 0,
        entitlements: row.get(0)?,
        activated: row.get(1)?,
        quantity: row.get(2)?,
        used: row.get(3)?,
        trials: row.get(4)?,
        converted: row.get(5)?,
        lost: row.get(6)?,
    })
}
