//! What ends soon: terms, and the maintenance of what has no term.

use chancery_formats::grant::State;
use serde_json::json;

use super::{Filter, Table};
use crate::error::CommandError;
use crate::output::time_json;
use crate::repository::{Entitlement, Model, Repository};

/// Cells of each row.
const COLUMNS: [&str; 10] =
    ["entitlement", "customer", "site", "product", "model", "what", "ends", "days_left", "quantity", "used"];

const DAY_SECS: u64 = 86_400;

/// Reports what is in force and ends within so many seconds, soonest first. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn report(
    repository: &Repository,
    filter: &Filter<'_>,
    within: u64,
    now: u64,
) -> Result<Table, CommandError> {
    let last = now.saturating_add(within);
    let mut found = Vec::new();
    repository.each_entitlement(|one| {
        let is_meant = one.standing() == State::Active && filter.lets_through(&one.customer, &one.product);
        if let Some((what, end)) = end(&one).filter(|(_, end)| is_meant && (now..=last).contains(end)) {
            found.push((end, one.id, row(&one, what, end, now)));
        }
        Ok::<_, CommandError>(())
    })?;
    found.sort_by_key(|(end, id, _)| (*end, *id));
    let rows = found.into_iter().map(|(_, _, row)| row).collect();
    Ok(Table { rows, ..Table::new(&COLUMNS) })
}

/// Returns what of an entitlement ends, and with which second.
fn end(one: &Entitlement) -> Option<(&'static str, u64)> {
    match (one.model, one.not_after) {
        (Model::Perpetual, _) => {
            one.versions.and_then(|versions| versions.released_until).map(|end| ("maintenance", end))
        }
        (_, end) => end.map(|end| ("term", end)),
    }
}

fn row(one: &Entitlement, what: &str, end: u64, now: u64) -> Vec<serde_json::Value> {
    vec![
        json!(one.id.to_string()),
        json!(one.customer),
        json!(one.site),
        json!(one.product),
        json!(one.model.name()),
        json!(what),
        time_json(end),
        json!((end - now) / DAY_SECS),
        json!(one.own_quantity()),
        json!(one.used),
    ]
}
