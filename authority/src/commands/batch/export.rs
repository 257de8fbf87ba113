//! `chancery batch export`: the licenses of a batch as files.

use std::path::PathBuf;

use chancery_carriers::output::Progress;
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::batch;

/// Write the licenses of a batch as files, by customer and site
///
/// Writes DIR/CUSTOMER/SITE/LICENSE-ID.clic, or without SITE where the license names none. Run again, it goes on:
/// files that are there are compared and passed over, and nothing is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery batch export 17 --out licenses")]
pub struct ExportArgs {
    /// Batch to export: the log index of its first license
    #[arg(value_name = "BATCH")]
    pub batch: u64,
    /// Folder to write to; made where it does not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &ExportArgs, context: &Context) -> Result<(), CommandError> {
    let exported = context.read(|repository| {
        let record = repository.batch(args.batch)?;
        let mut progress = Progress::new("writing files");
        batch::export::export(repository, &record, &args.out, |done, total| progress.update(done, total))
    })?;
    let mut printer = context.printer();
    printer.line(format_args!("Exported batch {} to {}", args.batch, args.out.display()))?;
    printer.fields(&[
        ("new files", exported.written.to_string()),
        ("there before", exported.passed_over.to_string()),
        ("revoked, not written", exported.revoked.to_string()),
        ("suspended, not written", exported.suspended.to_string()),
    ])?;
    Ok(printer.json(&json!({
        "batch": args.batch,
        "out": args.out,
        "written": exported.written,
        "there_before": exported.passed_over,
        "revoked": exported.revoked,
        "suspended": exported.suspended,
    }))?)
}
