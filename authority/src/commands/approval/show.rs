//! `chancery approval show`: what a request asks for, on any machine.

use std::path::PathBuf;

use chancery_carriers::files::read_document;
use chancery_carriers::output::Printer;
use chancery_formats::document::MAX_APPROVAL_REQUEST;
use chancery_formats::id::AuthorityId;

use crate::commands::Context;
use crate::error::CommandError;
use crate::output::approval::{COLUMNS, fields, request_json, row};
use crate::workflow::approval::review::{Review, review};

/// Grants that are shown where nobody asks for all.
const SHOWN: usize = 40;

/// Show what approvers are asked for
///
/// Needs no home. Everything is computed from the grants in the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery approval show import-2027-06.capq\n  \
    chancery approval show import-2027-06.capq --all --json")]
pub struct ShowArgs {
    /// Request file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show every grant, however many
    #[arg(long)]
    all: bool,
    /// The authority that is served, as `root show` prints it
    #[arg(long, value_name = "ID")]
    authority_id: Option<AuthorityId>,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let bytes = read_document(&args.file, MAX_APPROVAL_REQUEST as u64)?;
    let review = review(&bytes, args.authority_id)?;
    let mut printer = context.printer();
    print(&mut printer, &review, args.all)?;
    Ok(printer.json(&request_json(&review))?)
}

/// Shows a request: what it says, and its grants, the first of them where there are many.
pub(super) fn print(printer: &mut Printer, review: &Review<'_>, all: bool) -> Result<(), CommandError> {
    printer.fields(&fields(review))?;
    printer.line("")?;
    let most = if all { usize::MAX } else { SHOWN };
    let rows: Vec<_> = review.request.items().take(most).map(|item| row(&item)).collect();
    printer.table(&COLUMNS, &rows)?;
    let rest = review.request.count().saturating_sub(rows.len() as u64);
    if rest > 0 {
        printer.line(format_args!("and {rest} more: `chancery approval show FILE --all` shows each"))?;
    }
    Ok(())
}
