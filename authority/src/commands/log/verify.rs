//! `chancery log verify`: does all that is kept of the log agree?

use std::path::PathBuf;

use chancery_carriers::output::Progress;
use serde_json::json;

use super::{read_note, root};
use crate::commands::Context;
use crate::error::CommandError;
use crate::log::verify::{self, Finding};

/// Check the whole log: every row, node, operation and signature
///
/// A log agrees with itself also where its end is missing. Only a checkpoint that was kept elsewhere shows that:
/// name the newest one with --checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery log verify\n  \
    chancery log verify --checkpoint newest.checkpoint")]
pub struct VerifyArgs {
    /// Newest checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
}

/// Checks the log.
///
/// # Errors
///
/// An integrity alarm where anything is found; a refusal of a file that is no checkpoint of this log.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<(), CommandError> {
    let shown = args.checkpoint.as_deref().map(read_note).transpose()?;
    let report = context.read(|repository| {
        let mut progress = Progress::new("checking documents");
        verify::verify(repository, shown.as_deref(), |done, total| progress.update(done, total))
    })?;
    let mut printer = context.printer();
    for Finding { code, message } in &report.findings {
        printer.line(format_args!("alarm    {code}: {}", message.replace('\n', " ")))?;
    }
    let found = report.findings.len() as u64 + report.more;
    if found == 0 {
        printer.line("The log agrees with itself and with everything that was signed")?;
    }
    printer.fields(&[
        ("documents", report.head.size.to_string()),
        ("root", root(&report.head)),
        ("operations", report.operations.to_string()),
        ("checkpoints", report.checkpoints.to_string()),
    ])?;
    let describe = |finding: &Finding| json!({"code": finding.code, "message": finding.message});
    printer.json(&json!({
        "size": report.head.size,
        "root": root(&report.head),
        "operations": report.operations,
        "checkpoints": report.checkpoints,
        "checkpoint_shown": shown.is_some(),
        "findings": report.findings.iter().map(describe).collect::<Vec<_>>(),
        "more_findings": report.more,
    }))?;
    if found == 0 {
        return Ok(());
    }
    let plural = if found == 1 { "contradiction" } else { "contradictions" };
    Err(CommandError::alarm("log-damaged", format!("the log has {found} {plural}"))
        .hint("stop issuing, keep the home as it is, and call the auditor"))
}
