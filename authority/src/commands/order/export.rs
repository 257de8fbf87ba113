//! `chancery order export`: what became of orders, as a file for the system that takes them.

use std::path::PathBuf;

use chancery_carriers::files::create_new;
use chancery_carriers::text::shown_path;
use clap::ValueEnum;
use serde_json::json;

use super::Context;
use crate::commands::name_argument;
use crate::error::CommandError;
use crate::repository::{OrderFilter, Repository};
use crate::workflow::order::export::{Form, batch_rows, export};

/// Write what became of orders, for the system that takes them
///
/// One row a line of an order: the entitlement, how it stands, how much of it is used, and when its first license was
/// made. No cell of the CSV is one that a spreadsheet takes for a formula. With --format rows, the input of `chancery
/// batch issue`: one row a license that needs no request of a device.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery order export --out outcomes.csv\n  \
    chancery order export --out outcomes.jsonl --format jsonl --customer acme\n  \
    chancery order export --out rows.jsonl --format rows")]
pub struct ExportArgs {
    /// File to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = FormatArg::Csv)]
    format: FormatArg,
    /// Those of this customer
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// A table with a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Rows for `chancery batch issue`
    Rows,
}

pub(super) fn run(args: &ExportArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let filter = OrderFilter { number: None, customer: args.customer.as_deref() };
    let output = create_new(&args.out)?;
    // Read once, since what is written cannot be written again; reading does no harm, whoever holds the lease.
    let repository = Repository::open_unleased(&context.home()?)?;
    let count = match args.format {
        FormatArg::Csv => export(&repository, &filter, Form::Csv, output, now),
        FormatArg::Jsonl => export(&repository, &filter, Form::JsonLines, output, now),
        FormatArg::Rows => batch_rows(&repository, &filter, output, now),
    }?;
    let what = if args.format == FormatArg::Rows { "licenses to be issued" } else { "lines of orders" };
    let mut printer = context.printer();
    printer.line(format_args!("Wrote {count} {what} to {}", shown_path(&args.out)))?;
    Ok(printer.json(&json!({"out": shown_path(&args.out), "rows": count}))?)
}
