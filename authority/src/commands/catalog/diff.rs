//! `chancery catalog diff`: what a file would change, and nothing is changed.

use std::path::PathBuf;

use chancery_carriers::output::Printer;
use serde_json::{Value, json};

use super::{read_over, text_of};
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::catalog::diff::{Difference, differences};

/// Show what a file would change, in its own words
///
/// Reads the file as `catalog apply` does, over the catalog that stands for everybody, and changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog diff pump.toml\n  \
    chancery catalog diff pump.toml --json")]
pub struct DiffArgs {
    /// Catalog file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
}

pub(super) fn run(args: &DiffArgs, context: &Context) -> Result<(), CommandError> {
    let text = text_of(&args.file)?;
    let (number, found) = context.read(|repository| {
        let state = repository.catalog_state()?;
        let catalog = read_over(&state.catalog, &args.file, &text)?;
        Ok((state.number, differences(&state.catalog, &catalog)))
    })?;
    let mut printer = context.printer();
    if found.is_empty() {
        printer.line("The catalog is as the file says")?;
    }
    print(&mut printer, &found)?;
    let described: Vec<Value> = found.iter().map(describe).collect();
    Ok(printer.json(&json!({"against": number, "differences": described}))?)
}

/// Prints each table with the keys that differ in it.
fn print(printer: &mut Printer, found: &[Difference]) -> Result<(), CommandError> {
    for difference in found {
        printer.line(format_args!("{} {}", difference.kind.sign(), difference.path))?;
        for line in &difference.lines {
            if let Some(before) = &line.from {
                printer.line(format_args!("    - {} = {before}", line.key))?;
            }
            if let Some(after) = &line.to {
                printer.line(format_args!("    + {} = {after}", line.key))?;
            }
        }
    }
    Ok(())
}

fn describe(difference: &Difference) -> Value {
    let lines: Vec<Value> = difference
        .lines
        .iter()
        .map(|line| json!({"key": line.key, "from": line.from, "to": line.to}))
        .collect();
    json!({"entry": difference.path, "change": difference.kind.name(), "keys": lines})
}
