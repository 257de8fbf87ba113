//! `chancery catalog`: what is sold.

use std::path::PathBuf;

use chancery_carriers::files::read_document;
use chancery_carriers::text::shown_path;
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::repository::Catalog;
use crate::workflow::catalog;

/// Keep the catalog of products, features and editions
#[derive(Debug, clap::Subcommand)]
pub enum CatalogCommand {
    Apply(ApplyArgs),
}

/// Make the catalog what a file says
///
/// The file states each product it names in full: features and editions that it leaves out are no longer
/// sold. Products it does not name stay, and so does everything that was granted before.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery catalog apply pump.toml")]
pub struct ApplyArgs {
    /// Catalog file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
}

/// Runs a command of `chancery catalog`.
///
/// # Errors
///
/// A refusal that names the line of the file; those of the repository and the printer.
pub fn run(command: &CatalogCommand, context: &Context) -> Result<(), CommandError> {
    let CatalogCommand::Apply(args) = command;
    let invalid = |fault: String| {
        CommandError::refused("catalog-invalid", format!("{} is not a catalog", shown_path(&args.file)))
            .cause(fault)
            .hint("correct the file, then apply it again; nothing was changed")
    };
    let bytes = read_document(&args.file, catalog::MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| invalid(error.utf8_error().to_string()))?;
    let catalog = catalog::read(&text).map_err(|error| invalid(error.to_string()))?;
    let change = context.repository()?.apply_catalog(&catalog, &text, context.now()?)?;
    let mut printer = context.printer();
    match change {
        Some(number) => {
            printer.line(format_args!("Applied catalog change {number}: {}", summary(&catalog)))?
        }
        None => printer.line("The catalog is as the file says; nothing was changed")?,
    }
    let products: Vec<_> = catalog.products.keys().collect();
    Ok(printer.json(&json!({"changed": change.is_some(), "change": change, "products": products}))?)
}

fn summary(catalog: &Catalog) -> String {
    let sizes = catalog.products.iter().map(|(id, product)| {
        let (features, editions) = (product.features.len(), product.editions.len());
        format!("{id} with {} and {}", counted(features, "feature"), counted(editions, "edition"))
    });
    sizes.collect::<Vec<_>>().join(", ")
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
