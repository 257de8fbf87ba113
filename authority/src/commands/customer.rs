//! `chancery customer`: who buys.

use serde_json::{Value, json};

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::Customer;
use crate::workflow::label;

/// Keep the customers
#[derive(Debug, clap::Subcommand)]
pub enum CustomerCommand {
    Add(AddArgs),
    List(ListArgs),
}

/// Add a customer
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery customer add acme --name 'Acme Waterworks'")]
pub struct AddArgs {
    /// Id, as licenses hold it: a-z, 0-9, dot, dash and underscore
    #[arg(value_name = "ID", value_parser = name_argument)]
    id: String,
    /// Name for people
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// List customers
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery customer list\n  chancery customer list --json")]
pub struct ListArgs {}

/// Runs a command of `chancery customer`.
///
/// # Errors
///
/// A refused name; those of the repository and the printer.
pub fn run(command: &CustomerCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        CustomerCommand::Add(args) => add(args, context),
        CustomerCommand::List(_) => list(context),
    }
}

fn add(args: &AddArgs, context: &Context) -> Result<(), CommandError> {
    label::check(&args.name).map_err(|error| {
        CommandError::refused("name-refused", format!("the name of customer {} cannot be used", args.id))
            .cause(error.to_string())
            .hint(error.hint())
    })?;
    let customer = Customer { id: args.id.clone(), name: args.name.clone(), added_at: context.now()? };
    context.repository()?.add_customer(&customer)?;
    let mut printer = context.printer();
    printer.line(format_args!("Added customer {}: {}", customer.id, customer.name))?;
    Ok(printer.json(&describe(&customer))?)
}

fn list(context: &Context) -> Result<(), CommandError> {
    let customers = context.read(|repository| Ok(repository.customers()?))?;
    let rows: Vec<_> = customers
        .iter()
        .map(|customer| vec![customer.id.clone(), customer.name.clone(), output::time(customer.added_at)])
        .collect();
    let mut printer = context.printer();
    printer.table(&["ID", "NAME", "ADDED"], &rows)?;
    Ok(printer.json(&customers.iter().map(describe).collect())?)
}

fn describe(customer: &Customer) -> Value {
    json!({"id": customer.id, "name": customer.name, "added_at": output::time_json(customer.added_at)})
}
