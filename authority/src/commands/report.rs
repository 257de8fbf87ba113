//! `chancery report`: what was sold, what ends soon, what was approved, and how the desk does.

use std::path::PathBuf;

use chancery_carriers::files::{Output, create_new};

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::workflow::report::Filter;

mod approvals;
mod entitlements;
mod expiring;
mod metrics;

/// Report what was sold, what ends soon, and how the desk does
#[derive(Debug, clap::Subcommand)]
pub enum ReportCommand {
    Entitlements(entitlements::EntitlementsArgs),
    Approvals(approvals::ApprovalsArgs),
    Expiring(expiring::ExpiringArgs),
    Metrics(metrics::MetricsArgs),
}

/// What every report understands.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Only what this customer has
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
    /// Only what is of this product
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: Option<String>,
    /// Write the rows as CSV to this new file as well
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl ReportArgs {
    fn filter(&self) -> Filter<'_> {
        Filter { customer: self.customer.as_deref(), product: self.product.as_deref() }
    }

    /// Prepares the file, where there is to be one.
    fn output(&self) -> Result<Option<Output>, CommandError> {
        Ok(self.csv.as_deref().map(create_new).transpose()?)
    }
}

/// Runs a command of `chancery report`.
///
/// # Errors
///
/// Those of the workflow, files and the printer.
pub fn run(command: &ReportCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ReportCommand::Entitlements(args) => entitlements::run(args, context),
        ReportCommand::Approvals(args) => approvals::run(args, context),
        ReportCommand::Expiring(args) => expiring::run(args, context),
        ReportCommand::Metrics(args) => metrics::run(args, context),
    }
}

/// Reads a number of days, such as `90d`, as seconds.
fn days_argument(text: &str) -> Result<u64, &'static str> {
    let wrong = "a number of days from 1 to 36500, such as 90d";
    let digits = text.strip_suffix('d').ok_or(wrong)?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let days = digits.parse::<u64>().ok().filter(|days| is_plain && (1..=36_500).contains(days));
    days.map(|days| days * 86_400).ok_or(wrong)
}

/// Returns a name of a column as the head of a table for people.
fn heads(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| name.replace('_', " ").to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_bounded() {
        assert_eq!(days_argument("90d"), Ok(7_776_000));
        for wrong in ["90", "d", "0d", "-1d", "+1d", "1.5d", "36501d", "1 d", "99999999999999999999d"] {
            assert!(days_argument(wrong).is_err(), "{wrong}");
        }
    }
}
