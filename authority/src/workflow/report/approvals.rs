//! What had to be decided: every proposal, who asked for it, how it ended and how long that took.

use chancery_formats::grant::Grant;
use serde_json::json;

use super::{Filter, Table};
use crate::error::CommandError;
use crate::output::time_json;
use crate::repository::{Outcome, Proposal, Repository};

/// Cells of each row.
const COLUMNS: [&str; 12] = [
    "proposal",
    "requester",
    "reason",
    "change",
    "customer",
    "product",
    "grants",
    "proposed_at",
    "outcome",
    "ended_by",
    "ended_at",
    "waited_secs",
];

/// What the rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Proposals that were approved and stand.
    pub approved: u64,
    /// Proposals that were rejected.
    pub rejected: u64,
    /// Proposals that were withdrawn, or overtaken by another change.
    pub dropped: u64,
    /// Proposals that wait.
    pub waiting: u64,
}

/// Reports proposals, oldest first: those that were made in the last so many seconds, or all. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository; `grant` faults for a proposal that is not what was written.
pub fn report(
    repository: &Repository,
    filter: &Filter<'_>,
    within: Option<u64>,
    now: u64,
) -> Result<(Table, Totals), CommandError> {
    let (mut table, mut totals) = (Table::new(&COLUMNS), Totals::default());
    let since = within.map_or(0, |within| now.saturating_sub(within));
    for proposal in repository.proposals(true)?.into_iter().filter(|one| one.proposed_at >= since) {
        let grants = repository.proposed_grants(proposal.id)?;
        let Some(first) = grants.first() else { continue };
        let grant = Grant::decode(&first.bytes)?;
        if !filter.lets_through(grant.customer, grant.product) {
            continue;
        }
        *match proposal.end.as_ref().map(|end| end.outcome) {
            Some(Outcome::Active) => &mut totals.approved,
            Some(Outcome::Rejected) => &mut totals.rejected,
            Some(Outcome::Stale | Outcome::Withdrawn) => &mut totals.dropped,
            None => &mut totals.waiting,
        } += 1;
        table.rows.push(row(&proposal, &grant, grants.len(), now));
    }
    Ok((table, totals))
}

fn row(proposal: &Proposal, grant: &Grant<'_>, grants: usize, now: u64) -> Vec<serde_json::Value> {
    let end = proposal.end.as_ref();
    vec![
        json!(proposal.id),
        json!(proposal.requester),
        json!(proposal.reason),
        json!(grant.change.name()),
        json!(grant.customer),
        json!(grant.product),
        json!(grants),
        time_json(proposal.proposed_at),
        json!(end.map_or("waiting", |end| end.outcome.name())),
        json!(end.map(|end| end.by.as_str())),
        json!(end.map(|end| time_json(end.at))),
        json!(end.map_or(now, |end| end.at).saturating_sub(proposal.proposed_at)),
    ]
}
