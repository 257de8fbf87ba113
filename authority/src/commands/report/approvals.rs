//! `chancery report approvals`.

use serde_json::json;

use super::{ReportArgs, days_argument, heads};
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::report::approvals::report;

/// Report what had to be approved: who asked, how it was decided, and how long that took
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery report approvals\n  \
    chancery report approvals --within 90d --customer acme --csv approvals.csv")]
pub struct ApprovalsArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// Only what was proposed in so many days until now
    #[arg(long, value_name = "DAYS", value_parser = days_argument)]
    within: Option<u64>,
}

pub(super) fn run(args: &ApprovalsArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let output = args.report.output()?;
    let (table, totals) =
        context.read(|repository| report(repository, &args.report.filter(), args.within, now))?;
    if let Some(output) = output {
        table.write(output)?;
    }
    let mut printer = context.printer();
    let heads = heads(&table.columns);
    printer.table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &table.cells())?;
    printer.line(format_args!(
        "{} approved, {} rejected, {} dropped, {} waiting",
        totals.approved, totals.rejected, totals.dropped, totals.waiting
    ))?;
    Ok(printer.json(&json!({
        "approvals": table.to_json(),
        "totals": {
            "approved": totals.approved,
            "rejected": totals.rejected,
            "dropped": totals.dropped,
            "waiting": totals.waiting,
        },
    }))?)
}
