//! `chancery report expiring`.

use serde_json::json;

use super::{ReportArgs, days_argument, heads};
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::workflow::report::expiring::report;

/// Report what ends soon: terms, and maintenance of what never ends
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery report expiring\n  \
    chancery report expiring --within 30d --customer acme\n  \
    chancery report expiring --within 365d --csv renewals.csv --json")]
pub struct ExpiringArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// How soon
    #[arg(long, value_name = "DAYS", value_parser = days_argument, default_value = "90d")]
    within: u64,
}

pub(super) fn run(args: &ExpiringArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let output = args.report.output()?;
    let table = context.read(|repository| report(repository, &args.report.filter(), args.within, now))?;
    if let Some(output) = output {
        table.write(output)?;
    }
    let mut printer = context.printer();
    let heads = heads(&table.columns);
    printer.table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &table.cells())?;
    let until = now.saturating_add(args.within);
    printer.line(format_args!("{} end until {}", table.rows.len(), output::time(until)))?;
    Ok(printer.json(&json!({"until": output::time_json(until), "expiring": table.to_json()}))?)
}
