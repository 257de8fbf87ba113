//! `chancery order`: orders in, from the system that takes them, and what became of them back to it.

use super::Context;
use crate::error::CommandError;

mod export;
mod import;
mod list;
mod show;

/// Import orders, and tell what became of them
#[derive(Debug, clap::Subcommand)]
pub enum OrderCommand {
    Import(import::ImportArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Export(export::ExportArgs),
}

/// Runs a command of `chancery order`.
///
/// # Errors
///
/// Those of the workflow, files and the printer.
pub fn run(command: &OrderCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        OrderCommand::Import(args) => import::run(args, context),
        OrderCommand::List(args) => list::run(args, context),
        OrderCommand::Show(args) => show::run(args, context),
        OrderCommand::Export(args) => export::run(args, context),
    }
}

/// Reads an argument that is the number of an order.
fn number_argument(text: &str) -> Result<String, &'static str> {
    let is_number = (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_number { Ok(text.to_owned()) } else { Err("1 to 64 printable ASCII characters") }
}
