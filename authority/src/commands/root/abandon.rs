//! `chancery root abandon`: a change that custodians were to sign is given up.

use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::change::Change;

/// Give up what waits for the signatures of custodians
///
/// Its documents stay in the log, and never stand here. Signatures that custodians gave are not undone: whoever has
/// enough of them has a root that sites refuse as a second one of its number, or a key record that sites accept. So
/// ask custodians to destroy their answers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery root abandon")]
pub struct AbandonArgs {}

pub(super) fn run(_: &AbandonArgs, context: &Context) -> Result<(), CommandError> {
    let mut repository = context.repository()?;
    let change = Change::require_pending(&repository)?;
    change.abandon(&mut repository, context.now()?)?;
    let kinds: Vec<_> = change.batches().iter().map(|batch| batch.kind().name()).collect();
    let mut printer = context.printer();
    printer.line(format_args!("Gave up: {}. What is in the log stays there.", kinds.join(", ")))?;
    Ok(printer.json(&json!({"abandoned": kinds}))?)
}
