//! `chancery catalog show`: the catalog as a file.

use serde_json::json;

use crate::commands::{Context, name_argument};
use crate::error::CommandError;
use crate::workflow::catalog::{change, written};
use crate::workflow::sale::Sales;

/// Show the catalog as a file that can be applied
///
/// Shows what holds for everybody, or what a change made, or what holds for one customer while a pilot is open.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog show > catalog.toml\n  \
    chancery catalog show --at 3\n  \
    chancery catalog show --customer acme")]
pub struct ShowArgs {
    /// Number of the change that made it
    #[arg(long, value_name = "NUMBER", conflicts_with = "customer")]
    at: Option<u64>,
    /// Customer for whom it holds
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let (number, catalog) = context.read(|repository| match (args.at, &args.customer) {
        (Some(number), _) => Ok((number, change::at(repository, number)?)),
        (None, Some(customer)) => {
            let sales = Sales::open(repository)?;
            let (number, catalog) = sales.in_force(customer);
            Ok((number, catalog.clone()))
        }
        (None, None) => {
            let state = repository.catalog_state()?;
            Ok((state.number, state.catalog))
        }
    })?;
    let mut printer = context.printer();
    if number == 0 {
        printer.line("# There is no catalog yet: apply one with `chancery catalog apply FILE.toml`")?;
    } else {
        printer.line(format_args!("# Catalog of change {number}\n{}", written::text(&catalog).trim_end()))?;
    }
    let catalog = serde_json::to_value(&catalog).unwrap_or_default();
    Ok(printer.json(&json!({"change": number, "catalog": catalog}))?)
}
