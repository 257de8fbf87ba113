//! `chancery log export`: the whole log in one file, for the auditor.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_carriers::output::Progress;
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::log::export;

/// Write the whole log into one file, for auditors
///
/// The file holds every document, every use of a key and every checkpoint. Whoever knows the authority id can
/// check all of it with public keys alone: docs/spec/log.md says how.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery log export -o vendor.clog")]
pub struct ExportArgs {
    /// File to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Exports the log.
///
/// # Errors
///
/// An integrity alarm for a log that cannot be written down; what the file and the printer refuse.
pub fn run(args: &ExportArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let repository = context.repository()?;
    let output = files::create_new(&args.output)?;
    let mut counts = export::Counts::default();
    let mut progress = Progress::new("exporting documents");
    output.commit_in_parts(|file| {
        counts = export::export(
            &repository,
            now,
            |bytes| Ok(file.append(bytes)?),
            |done, total| progress.update(done, total),
        )?;
        Ok::<(), CommandError>(())
    })?;
    drop(progress);
    let mut printer = context.printer();
    printer.line(format_args!("Exported the log to {}", args.output.display()))?;
    printer.fields(&[
        ("documents", counts.leaves.to_string()),
        ("operations", counts.operations.to_string()),
        ("checkpoints", counts.checkpoints.to_string()),
    ])?;
    Ok(printer.json(&json!({
        "file": args.output,
        "documents": counts.leaves,
        "operations": counts.operations,
        "checkpoints": counts.checkpoints,
    }))?)
}
