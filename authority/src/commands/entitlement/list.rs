//! `chancery entitlement list`.

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::output::entitlement::{describe, standing};
use crate::repository::entitlement::Filter;
use crate::workflow::term;

/// List entitlements
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement list\n  \
    chancery entitlement list --customer acme\n  \
    chancery entitlement list --ends-by 2027-06-30 --json")]
pub struct ListArgs {
    /// Those of this customer
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
    /// Those whose term ends by this day or instant
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    ends_by: Option<u64>,
}

pub(super) fn run(args: &ListArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let filter = Filter { customer: args.customer.as_deref(), ends_by: args.ends_by };
    let found = context.read(|repository| Ok(repository.entitlements_of(&filter)?))?;
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.customer.clone(),
                one.product.clone(),
                one.edition.clone(),
                format!("{} of {}", one.used, one.own_quantity()),
                standing(one, now).to_owned(),
                output::end(one.not_after),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["ID", "CUSTOMER", "PRODUCT", "EDITION", "USED", "STATE", "UNTIL"], &rows)?;
    Ok(printer.json(&found.iter().map(describe).collect())?)
}
