//! `chancery order list`.

use serde_json::Value;

use super::Context;
use crate::commands::name_argument;
use crate::error::CommandError;
use crate::output;
use crate::repository::OrderFilter;
use crate::workflow::order::export::{describe, state};

/// List the lines of orders, and what became of them
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery order list\n  \
    chancery order list --customer acme --json")]
pub struct ListArgs {
    /// Those of this customer
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
}

pub(super) fn run(args: &ListArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let filter = OrderFilter { number: None, customer: args.customer.as_deref() };
    let (rows, values) = context.read(|repository| {
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        repository.each_order(&filter, |outcome| {
            if context.is_json() {
                values.push(Value::Object(describe(&outcome, now)));
            } else {
                let line = &outcome.line;
                rows.push(vec![
                    line.number.clone(),
                    line.line.to_string(),
                    line.customer.clone(),
                    line.entitlement.to_string(),
                    state(&outcome, now).to_owned(),
                    output::time(line.imported_at),
                ]);
            }
            Ok::<_, CommandError>(())
        })?;
        Ok((rows, values))
    })?;
    let mut printer = context.printer();
    printer.table(&["ORDER", "LINE", "CUSTOMER", "ENTITLEMENT", "STATE", "IMPORTED"], &rows)?;
    Ok(printer.json(&Value::Array(values))?)
}
