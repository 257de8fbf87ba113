//! `chancery report metrics`.

use super::{ReportArgs, days_argument};
use crate::commands::Context;
use crate::error::CommandError;
use crate::repository::Scope;
use crate::workflow::report::metrics::{Figures, percent, report};

/// Report how long orders take to become licenses, how much is in use, and how many trials are sold
///
/// The time of an order runs from its import to the first license of what it granted; half of the orders take no longer
/// than the median.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery report metrics\n  \
    chancery report metrics --within 90d --product pump --json")]
pub struct MetricsArgs {
    #[command(flatten)]
    report: ReportArgs,
    /// Only what was granted in so many days until now
    #[arg(long, value_name = "DAYS", value_parser = days_argument)]
    within: Option<u64>,
}

pub(super) fn run(args: &MetricsArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let output = args.report.output()?;
    let filter = args.report.filter();
    let scope = Scope {
        customer: filter.customer,
        product: filter.product,
        since: args.within.map(|within| now.saturating_sub(within)),
    };
    let figures = context.read(|repository| report(repository, &scope, now))?;
    if let Some(output) = output {
        figures.to_table().write(output)?;
    }
    let mut printer = context.printer();
    printer.fields(&fields(&figures))?;
    Ok(printer.json(&figures.to_json())?)
}

fn fields(figures: &Figures) -> Vec<(&'static str, String)> {
    let counted = &figures.counted;
    let share = |part, whole| match percent(part, whole) {
        Some(percent) => format!("{part} of {whole}, {percent} %"),
        None => "none".to_owned(),
    };
    let duration = |seconds: Option<u64>| seconds.map_or_else(|| "none".to_owned(), duration);
    vec![
        ("orders with a license", counted.provisioned.len().to_string()),
        ("orders without one", counted.waiting.to_string()),
        ("half of them within", duration(figures.median_secs)),
        ("nine of ten within", duration(figures.ninth_tenth_secs)),
        ("entitlements in use", share(counted.activated, counted.entitlements)),
        ("activations in use", share(counted.used, counted.quantity)),
        ("trials that were sold", share(counted.converted, counted.trials)),
        ("trials that ended", counted.lost.to_string()),
    ]
}

/// Shows seconds as people say them: the two largest units.
fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut shown = Vec::new();
    for (length, name) in units.iter().skip(first).take(2) {
        shown.push(format!("{} {name}", rest / length));
        rest %= length;
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }
}
