//! `chancery batch list`: batches, and what they wait for.

use serde_json::Value;

use super::{describe, state};
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::repository::{BatchRecord, Repository};

/// List batches
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery batch list\n  chancery batch list --json")]
pub struct ListArgs {}

/// Runs the command.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(context: &Context) -> Result<(), CommandError> {
    let (rows, values) = context.read(|repository| {
        let batches = repository.batches()?;
        let rows = batches.iter().map(|record| row(repository, record)).collect::<Result<Vec<_>, _>>()?;
        let values =
            batches.iter().map(|record| describe(repository, record)).collect::<Result<Vec<_>, _>>()?;
        Ok((rows, values))
    })?;
    let mut printer = context.printer();
    printer.table(&["BATCH", "LICENSES", "MADE", "STATE"], &rows)?;
    Ok(printer.json(&Value::Array(values))?)
}

fn row(repository: &Repository, record: &BatchRecord) -> Result<Vec<String>, CommandError> {
    Ok(vec![
        record.first_index.to_string(),
        record.leaf_count.to_string(),
        output::time(record.made_at),
        state(repository, record)?,
    ])
}
