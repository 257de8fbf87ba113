//! What became of orders, for the system that takes them: one row a line, as it stands at one moment.
//!
//! Spec: `docs/spec/orders.md` §5.

use std::collections::HashSet;

use chancery_carriers::files::Output;
use chancery_formats::grant::State;
use chancery_formats::id::EntitlementId;
use serde_json::{Map, Value, json};

use super::table;
use crate::error::CommandError;
use crate::output::time_json;
use crate::repository::{Binding, OrderFilter, OrderOutcome, Outcome, Repository};

/// In what form outcomes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table with a header, safe to open in a spreadsheet.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// What is told of each line, in this order.
pub const COLUMNS: [&str; 18] = [
    "order",
    "line",
    "customer",
    "action",
    "product",
    "edition",
    "package",
    "state",
    "entitlement",
    "revision",
    "quantity",
    "used",
    "left",
    "until",
    "licenses",
    "imported_at",
    "settled_at",
    "first_license_at",
];

/// Writes what became of the lines that a filter lets through, and returns how many there are. `now` is Unix seconds.
///
/// # Errors
///
/// Those of the file and of the repository; the file is then not there.
pub fn export(
    repository: &Repository,
    filter: &OrderFilter<'_>,
    form: Form,
    output: Output,
    now: u64,
) -> Result<u64, CommandError> {
    let mut count = 0;
    output.commit_in_parts(|parts| {
        if form == Form::Csv {
            parts.append(table::row(COLUMNS).as_bytes())?;
        }
        repository.each_order(filter, |outcome| {
            count += 1;
            let told = describe(&outcome, now);
            let line = match form {
                Form::Csv => table::row(COLUMNS.iter().map(|column| cell(told.get(*column)))),
                Form::JsonLines => json_line(&told),
            };
            parts.append(line.as_bytes())?;
            Ok::<_, CommandError>(())
        })
    })?;
    Ok(count)
}

/// Returns what became of a line, as JSON: each of [`COLUMNS`]. `now` is Unix seconds.
#[must_use]
pub fn describe(outcome: &OrderOutcome, now: u64) -> Map<String, Value> {
    let OrderOutcome { line, granted, .. } = outcome;
    let asked: Map<String, Value> = serde_json::from_str(&line.content).unwrap_or_default();
    let granted = granted.as_ref();
    let told = json!({
        "order": line.number,
        "line": line.line,
        "customer": line.customer,
        "action": asked.get("action"),
        "product": asked.get("product"),
        "edition": asked.get("edition"),
        "package": asked.get("package"),
        "state": state(outcome, now),
        "entitlement": line.entitlement.to_string(),
        "revision": line.revision,
        "quantity": granted.map(|granted| granted.quantity),
        "used": granted.map(|granted| granted.used),
        "left": granted.map(|granted| granted.quantity.saturating_sub(granted.used)),
        "until": granted.and_then(|granted| granted.not_after).map(time_json),
        "licenses": granted.map(|granted| granted.licenses),
        "imported_at": time_json(line.imported_at),
        "settled_at": line.settled_at.map(time_json),
        "first_license_at": granted.and_then(|granted| granted.first_license_at).map(time_json),
    });
    match told {
        Value::Object(told) => told,
        _ => Map::new(),
    }
}

/// Returns how what a line came to stands, in a word. `now` is Unix seconds.
#[must_use]
pub fn state(outcome: &OrderOutcome, now: u64) -> &'static str {
    match (&outcome.granted, outcome.line.revision) {
        (Some(granted), Some(_)) => match granted.state {
            State::Active if granted.not_after.is_some_and(|last| last < now) => "expired",
            state => state.name(),
        },
        // Active alone comes to the grant; what is not there yet is about to be.
        _ => outcome.ended.filter(|ended| *ended != Outcome::Active).map_or("waiting", Outcome::name),
    }
}

/// Returns a row as JSON, its keys in the order of the columns.
fn json_line(told: &Map<String, Value>) -> String {
    let pairs = COLUMNS
        .iter()
        .map(|column| format!("{}:{}", json!(column), told.get(*column).unwrap_or(&Value::Null)));
    format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// Writes the rows of a batch, one a license that can be issued without a request, and returns how many there are: for
/// entitlements that orders granted or changed, in the order in which they came.
///
/// # Errors
///
/// Those of the file and of the repository; the file is then not there.
pub fn batch_rows(
    repository: &Repository,
    filter: &OrderFilter<'_>,
    output: Output,
    now: u64,
) -> Result<u64, CommandError> {
    let mut count = 0;
    let mut seen: HashSet<EntitlementId> = HashSet::new();
    output.commit_in_parts(|parts| {
        repository.each_order(filter, |outcome| {
            if state(&outcome, now) != "active" || !seen.insert(outcome.line.entitlement) {
                return Ok(());
            }
            let entitlement = repository.entitlement(outcome.line.entitlement)?;
            if entitlement.binding == Binding::Device {
                return Ok(());
            }
            let row = format!("{{\"entitlement\":\"{}\"}}\n", entitlement.id);
            for _ in 0..entitlement.left() {
                parts.append(row.as_bytes())?;
                count += 1;
            }
            Ok::<_, CommandError>(())
        })
    })?;
    Ok(count)
}
