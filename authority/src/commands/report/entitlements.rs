//! `chancery report entitlements`.

use serde_json::json;

use super::{ReportArgs, heads};
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::workflow::report::entitlements::report;
use crate::workflow::term;

/// Report every entitlement: what it grants, how it stands, how much of it is used
///
/// With a date, as they were at the end of that day, or at that instant.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery report entitlements\n  \
    chancery report entitlements --customer acme --csv acme.csv\n  \
    chancery report entitlements --product pump --at 2026-12-31 --json")]
pub struct EntitlementsArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// Day or instant of which to report
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    at: Option<u64>,
}

pub(super) fn run(args: &EntitlementsArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let output = args.report.output()?;
    let (table, totals) =
        context.read(|repository| report(repository, &args.report.filter(), args.at, now))?;
    if let Some(output) = output {
        table.write(output)?;
    }
    let mut printer = context.printer();
    let heads = heads(&table.columns);
    printer.table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &table.cells())?;
    printer.line(format_args!(
        "{} entitlements; {} of {} activations used",
        totals.entitlements, totals.used, totals.quantity
    ))?;
    if let Some(at) = args.at {
        printer.line(format_args!("As of {}", output::time(at)))?;
    }
    Ok(printer.json(&json!({
        "as_of": output::time_json(args.at.unwrap_or(now)),
        "entitlements": table.to_json(),
        "totals": {"entitlements": totals.entitlements, "quantity": totals.quantity, "used": totals.used},
    }))?)
}
