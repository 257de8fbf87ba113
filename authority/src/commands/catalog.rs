//! `chancery catalog`: what is sold.

use std::path::Path;

use chancery_carriers::files::read_document;
use chancery_carriers::text::shown_path;

use super::Context;
use crate::error::CommandError;
use crate::repository::Catalog;
use crate::workflow::catalog;
use crate::workflow::catalog::change::Stated;

mod apply;
mod diff;
mod history;
mod pilot;
mod quote;
mod show;

/// Keep the catalog of products, packages, policies and prices
#[derive(Debug, clap::Subcommand)]
pub enum CatalogCommand {
    Diff(diff::DiffArgs),
    Apply(apply::ApplyArgs),
    Promote(pilot::PromoteArgs),
    Withdraw(pilot::WithdrawArgs),
    History(history::HistoryArgs),
    Show(show::ShowArgs),
    Quote(quote::QuoteArgs),
}

/// Who changes the catalog, and why.
#[derive(Debug, clap::Args)]
struct StatedArgs {
    /// Who changes it, kept with the change
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, kept with the change
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl StatedArgs {
    fn get(&self) -> Stated<'_> {
        Stated { by: self.by.as_deref(), reason: self.reason.as_deref() }
    }
}

/// Runs a command of `chancery catalog`.
///
/// # Errors
///
/// A refusal that names the line of the file; those of the workflow, the repository and the printer.
pub fn run(command: &CatalogCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        CatalogCommand::Diff(args) => diff::run(args, context),
        CatalogCommand::Apply(args) => apply::run(args, context),
        CatalogCommand::Promote(args) => pilot::promote(args, context),
        CatalogCommand::Withdraw(args) => pilot::withdraw(args, context),
        CatalogCommand::History(args) => history::run(args, context),
        CatalogCommand::Show(args) => show::run(args, context),
        CatalogCommand::Quote(args) => quote::run(args, context),
    }
}

fn invalid(file: &Path, fault: &catalog::CatalogError) -> CommandError {
    CommandError::refused("catalog-invalid", format!("{} is not a catalog", shown_path(file)))
        .cause(fault.to_string())
        .hint("correct the file, then run the command again; nothing was changed")
}

/// Reads the text of a file, which has the shape of a catalog: that needs no authority.
fn text_of(file: &Path) -> Result<String, CommandError> {
    let bytes = read_document(file, catalog::MAX_BYTES)?;
    let text = catalog::decode(bytes).map_err(|error| invalid(file, &error))?;
    catalog::require_shape(&text).map_err(|error| invalid(file, &error))?;
    Ok(text)
}

/// Reads a file over the catalog that stands.
fn read_over(standing: &Catalog, file: &Path, text: &str) -> Result<Catalog, CommandError> {
    catalog::read_over(standing, text).map_err(|error| invalid(file, &error))
}

fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}
