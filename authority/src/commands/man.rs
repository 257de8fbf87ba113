//! `chancery man`: manual pages, one a command.

use std::path::PathBuf;

use chancery_carriers::files::create_new;
use chancery_carriers::text::shown_path;
use clap::CommandFactory;
use clap_mangen::Man;
use serde_json::json;

use super::{Cli, Context};
use crate::error::CommandError;

/// Write the manual pages into a directory
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  mkdir man1 && chancery man man1")]
pub struct ManArgs {
    /// Directory, which must exist; nothing in it is overwritten
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Runs `chancery man`.
///
/// # Errors
///
/// When a page exists or cannot be written.
pub fn run(args: &ManArgs, context: &Context) -> Result<(), CommandError> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(command, &mut pages);
    for (name, text) in &pages {
        create_new(&args.directory.join(name))?.commit(text)?;
    }
    let mut printer = context.printer();
    printer.line(format_args!("Wrote {} manual pages into {}", pages.len(), shown_path(&args.directory)))?;
    let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
    Ok(printer.json(&json!({"pages": names}))?)
}

fn collect(command: clap::Command, pages: &mut Vec<(String, Vec<u8>)>) {
    for subcommand in command.get_subcommands() {
        collect(subcommand.clone(), pages);
    }
    let man = Man::new(command);
    let mut text = Vec::new();
    let rendered = man.render(&mut text);
    debug_assert!(rendered.is_ok(), "a vector takes every byte");
    pages.push((man.get_filename(), text));
}
