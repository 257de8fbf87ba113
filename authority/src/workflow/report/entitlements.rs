//! What was sold: every entitlement as it stands, or as it stood at an instant.

use serde_json::json;

use super::{Filter, Table};
use crate::error::CommandError;
use crate::output::entitlement::standing;
use crate::output::time_json;
use crate::repository::{Entitlement, Repository, RepositoryError};

/// Cells of each row.
const COLUMNS: [&str; 14] = [
    "entitlement",
    "customer",
    "site",
    "product",
    "edition",
    "package",
    "model",
    "state",
    "quantity",
    "used",
    "in_islands",
    "from",
    "until",
    "revision",
];

/// What the rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entitlements.
    pub entitlements: u64,
    /// Activations, those of islands counted with the island alone.
    pub quantity: u64,
    /// Of these, how many hold a license.
    pub used: u64,
}

/// Reports entitlements, oldest first: as they are, or as they were at the end of the second `at`. `now` and `at` are
/// Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn report(
    repository: &Repository,
    filter: &Filter<'_>,
    at: Option<u64>,
    now: u64,
) -> Result<(Table, Totals), CommandError> {
    let (mut table, mut totals) = (Table::new(&COLUMNS), Totals::default());
    let moment = at.unwrap_or(now);
    repository.each_entitlement(|current| {
        let then = match at {
            None => current,
            // Which customer had it then is told by the replay alone.
            Some(at) => match repository.grant_at(current.id, at) {
                Ok(grant) => grant.entitlement,
                Err(RepositoryError::UnknownGrant { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            },
        };
        if filter.lets_through(&then.customer, &then.product) {
            totals.entitlements += 1;
            totals.quantity += then.own_quantity();
            totals.used += then.used;
            table.rows.push(row(&then, moment));
        }
        Ok::<_, CommandError>(())
    })?;
    Ok((table, totals))
}

fn row(one: &Entitlement, moment: u64) -> Vec<serde_json::Value> {
    vec![
        json!(one.id.to_string()),
        json!(one.customer),
        json!(one.site),
        json!(one.product),
        json!(one.edition),
        json!(one.package),
        json!(one.model.name()),
        json!(standing(one, moment)),
        json!(one.quantity),
        json!(one.used),
        json!(one.in_islands),
        time_json(one.not_before),
        json!(one.not_after.map(time_json)),
        json!(one.revision),
    ]
}
