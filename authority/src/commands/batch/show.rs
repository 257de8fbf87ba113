//! `chancery batch show`: the place of a batch in the log, and who has signed it.

use super::{describe, hex, name, state};
use crate::commands::Context;
use crate::error::CommandError;
use crate::log::sealed::statement_of;
use crate::output;
use crate::workflow::batch;

/// Show a batch: its licenses' place in the log, and who has signed
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery batch show 17")]
pub struct ShowArgs {
    /// Batch to show: the log index of its first license
    #[arg(value_name = "BATCH")]
    pub batch: u64,
}

/// Runs the command.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let (fields, value) = context.read(|repository| {
        let record = repository.batch(args.batch)?;
        let statement = statement_of(&record)?;
        let missing = batch::missing(repository, &record)?;
        let last = record.first_index + (record.leaf_count - 1);
        let mut fields = vec![
            ("batch", record.first_index.to_string()),
            ("licenses", record.leaf_count.to_string()),
            ("log indices", format!("{} to {last}", record.first_index)),
            ("made", output::time(record.made_at)),
            ("state", state(repository, &record)?),
            ("root version", statement.root_version.to_string()),
            ("batch root", hex(&statement.root)),
        ];
        for signer in &statement.signers {
            let has = if missing.contains(signer) { "has not signed" } else { "has signed" };
            fields.push(("signer", format!("{} {has}", name(signer))));
        }
        Ok((fields, describe(repository, &record)?))
    })?;
    let mut printer = context.printer();
    printer.fields(&fields)?;
    Ok(printer.json(&value)?)
}
